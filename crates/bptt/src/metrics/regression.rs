//! [`Regression`]: how far predicted numbers are from the labels.

use super::{Sum, check, ratio};
use crate::{Error, Float, Result};

/// Metrics of predicted numbers `p` against labels `y`, over `n` rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Regression {
    /// `n`, the number of rows; at least 1.
    pub count: usize,
    /// Mean absolute error, `Σ|p − y| / n`; scikit-learn's `mean_absolute_error`.
    pub mae: f64,
    /// Root of the mean squared error, `√(Σ(p − y)² / n)`; scikit-learn's `root_mean_squared_error`.
    pub rmse: f64,
    /// Mean absolute percentage error as a fraction (0.05 is 5 %): the mean of `|p − y| / |y|` over the rows
    /// whose label is not 0; `None` if every label is 0, or one so close to it that the mean overflows.
    ///
    /// On those rows it is scikit-learn's `mean_absolute_percentage_error`. For a label of 0 scikit-learn
    /// divides by 2.2e-16 instead, which makes the mean meaningless.
    pub mape: Option<f64>,
    /// Coefficient of determination, `1 − Σ(p − y)² / Σ(y − ȳ)²` with `ȳ` the labels' mean; scikit-learn's
    /// `r2_score`. Negative if the predictions are worse than `ȳ` for every row.
    ///
    /// If all labels are equal the denominator is 0; then it is 1 if every prediction is exact and 0 if
    /// not. That holds for one row too, where scikit-learn gives NaN.
    pub r2: f64,
    /// Share of rows with `|p − y| ≤ 0.05 |y|`. A label of 0 needs a prediction of exactly 0. No function of
    /// scikit-learn.
    pub within_5: f64,
    /// Share of rows with `|p − y| ≤ 0.1 |y|`. A label of 0 needs a prediction of exactly 0. No function of
    /// scikit-learn.
    pub within_10: f64,
}

/// Above this, values are scaled before they are squared.
const LARGE: f64 = 1e140;

impl Regression {
    /// Compares `predictions` with `labels`, row by row.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if the slices differ in length, [`Error::Empty`] if there is no row,
    /// [`Error::Setting`] if a value is NaN or infinite, or so large (or a label so close to 0) that a
    /// metric does not fit in an `f64`.
    pub fn new<T: Float>(predictions: &[T], labels: &[T]) -> Result<Self> {
        check(predictions, labels, "prediction")?;
        let largest =
            predictions.iter().chain(labels).fold(0.0, |most, value| value.to_f64().abs().max(most));
        if largest > LARGE {
            return Self::of_large(predictions, labels);
        }
        let count = labels.len();
        let (mut absolute, mut squared, mut relative) = (Sum::default(), Sum::default(), Sum::default());
        let (mut nonzero, mut within_5, mut within_10) = (0, 0, 0);
        for (prediction, label) in predictions.iter().zip(labels) {
            let label = label.to_f64();
            let error = (prediction.to_f64() - label).abs();
            absolute.add(error);
            squared.add(error * error);
            if label != 0.0 {
                relative.add(error / label.abs());
                nonzero += 1;
            }
            within_5 += usize::from(error <= 0.05 * label.abs());
            within_10 += usize::from(error <= 0.1 * label.abs());
        }
        let metrics = Self {
            count,
            mae: absolute.value() / count as f64,
            rmse: (squared.value() / count as f64).sqrt(),
            mape: (nonzero > 0).then(|| relative.value() / nonzero as f64).filter(|mape| mape.is_finite()),
            r2: r2(squared.value(), absolute.value() == 0.0, labels),
            within_5: ratio(within_5, count),
            within_10: ratio(within_10, count),
        };
        metrics.representable()
    }

    /// The metrics of values whose squares overflow: those of the values divided by 2⁶⁰⁰, which rounds nothing.
    fn of_large<T: Float>(predictions: &[T], labels: &[T]) -> Result<Self> {
        let unit = 2f64.powi(600);
        let small = |values: &[T]| values.iter().map(|value| value.to_f64() / unit).collect::<Vec<_>>();
        let metrics = Self::new(&small(predictions), &small(labels))?;
        Self { mae: metrics.mae * unit, rmse: metrics.rmse * unit, ..metrics }.representable()
    }

    /// `self`, if no intermediate value overflowed.
    fn representable(self) -> Result<Self> {
        let values =
            [("mae", self.mae), ("rmse", self.rmse), ("mape", self.mape.unwrap_or(0.0)), ("r2", self.r2)];
        match values.into_iter().find(|(_, value)| !value.is_finite()) {
            None => Ok(self),
            Some((name, _)) => Err(Error::Setting {
                name,
                expected: "predictions and labels for which it fits in a float64",
                found: "an overflow".into(),
            }),
        }
    }
}

/// `1 − residual / Σ(y − ȳ)²`, in two passes: first the mean, then the squares of the distances to it.
fn r2<T: Float>(residual: f64, exact: bool, labels: &[T]) -> f64 {
    // Measured from the first label, the mean of equal labels is exactly that label. A plain mean may be
    // off by one rounding, and then the denominator is a tiny number instead of 0.
    let origin = labels[0].to_f64();
    let mut offset = Sum::default();
    labels.iter().for_each(|label| offset.add(label.to_f64() - origin));
    let mean_offset = offset.value() / labels.len() as f64;
    let mut total = Sum::default();
    for label in labels {
        let distance = (label.to_f64() - origin) - mean_offset;
        total.add(distance * distance);
    }
    match (total.value() == 0.0, exact) {
        (false, _) => 1.0 - residual / total.value(),
        (true, true) => 1.0,
        (true, false) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regression(predictions: &[f64], labels: &[f64]) -> Regression {
        Regression::new(predictions, labels).unwrap()
    }

    #[test]
    fn values_computed_by_hand() {
        // Errors 1, 0, 2, 0; squares 1 + 4; relative 1/1, 2/4; labels' mean 2.5, squared distances 5.
        let metrics = regression(&[2.0, 2.0, 2.0, 3.0], &[1.0, 2.0, 4.0, 3.0]);
        assert_eq!(
            metrics,
            Regression {
                count: 4,
                mae: 0.75,
                rmse: 1.25f64.sqrt(),
                mape: Some(0.375),
                r2: 0.0,
                within_5: 0.5,
                within_10: 0.5,
            }
        );
    }

    #[test]
    fn both_element_types_agree() {
        let (predictions, labels) = ([2.0f32, 2.25, -1.0], [1.0f32, 2.0, -1.5]);
        let narrow = Regression::new(&predictions, &labels).unwrap();
        let wide = Regression::new(&predictions.map(f64::from), &labels.map(f64::from)).unwrap();
        assert_eq!(narrow, wide);
    }

    #[test]
    fn the_bounds_of_within_are_included() {
        let metrics =
            regression(&[105.0, -95.0, 110.0, -90.0, 111.0], &[100.0, -100.0, 100.0, -100.0, 100.0]);
        assert_eq!((metrics.within_5, metrics.within_10), (0.4, 0.8));
    }

    #[test]
    fn labels_of_zero() {
        let metrics = regression(&[0.0, -0.0, 1e-9, 3.0], &[0.0, 0.0, -0.0, 2.0]);
        assert_eq!(metrics.mape, Some(0.5));
        assert_eq!((metrics.within_5, metrics.within_10), (0.5, 0.5));
        let metrics = regression(&[1.0, 0.0], &[-0.0, 0.0]);
        assert_eq!((metrics.mape, metrics.r2), (None, 0.0));
        assert_eq!((metrics.within_5, metrics.within_10), (0.5, 0.5));
    }

    #[test]
    fn constant_labels() {
        // The plain mean of these is not 0.1.
        let labels = [0.1; 10];
        assert_eq!(regression(&labels, &labels).r2, 1.0);
        let mut predictions = labels;
        predictions[3] = 0.2;
        assert_eq!(regression(&predictions, &labels).r2, 0.0);
        // The squared error of this row rounds to 0, yet the prediction is not exact.
        assert_eq!(regression(&[1e-200], &[0.0]).r2, 0.0);
        assert_eq!(regression(&[7.0], &[7.0]).r2, 1.0);
        assert_eq!(regression(&[6.0], &[7.0]).r2, 0.0);
    }

    #[test]
    fn a_large_offset_does_not_hurt_r2() {
        let predictions = [1e9 + 1.0, 1e9 + 2.0, 1e9 + 2.0];
        let labels = [1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0];
        assert_eq!(regression(&predictions, &labels).r2, 0.5);
    }

    #[test]
    fn overflow_is_a_typed_error() {
        let overflow =
            |predictions: &[f64], labels: &[f64]| Regression::new(predictions, labels).unwrap_err();
        assert!(matches!(overflow(&[f64::MAX], &[-f64::MAX]), Error::Setting { name: "mae", .. }));
        assert_eq!(Regression::new(&[1.0], &[5e-324]).unwrap().mape, None);
        let large = Regression::new(&[1e200, 3e200], &[2e200, 2e200]).unwrap();
        assert!((large.rmse / 1e200 - 1.0).abs() < 1e-15 && (large.mae / 1e200 - 1.0).abs() < 1e-15);
        assert_eq!((large.mape, large.within_5), (Some(0.5), 0.0));
        // No pair of f32 is too large.
        assert!(Regression::new(&[f32::MAX, 1.0], &[f32::MIN, 1e-45]).is_ok());
    }

    #[test]
    fn bad_input_is_a_typed_error() {
        assert!(matches!(Regression::new(&[1.0], &[1.0, 2.0]), Err(Error::Length { .. })));
        assert!(matches!(Regression::new::<f32>(&[], &[]), Err(Error::Empty { .. })));
        let error = Regression::new(&[f32::NAN], &[1.0]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "prediction: expected a finite number, found NaN in row 0 (counted from 0)"
        );
    }
}
