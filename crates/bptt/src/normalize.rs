//! [`Normalizer`]: brings every column of the data to a similar range, and back.
//!
//! Fit it to the training part only, and apply it to every part: a normaliser that has seen the test data
//! leaks it into training. All arithmetic is in `f64`, whatever the element type.

use crate::{Error, Float, Result};

/// How the columns of the data are normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Normalization {
    /// Values stay what they are.
    #[default]
    None,
    /// `(x − min) / (max − min)`: the fitted values lie in 0 to 1. scikit-learn's `MinMaxScaler`.
    MinMax,
    /// `(x − mean) / s`, `s` being the population standard deviation. scikit-learn's `StandardScaler`.
    ZScore,
}

impl Normalization {
    /// All normalisations.
    pub const ALL: [Self; 3] = [Self::None, Self::MinMax, Self::ZScore];

    /// The name: `"none"`, `"minmax"` or `"zscore"`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::MinMax => "minmax",
            Self::ZScore => "zscore",
        }
    }

    /// The normalisation of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|normalization| normalization.name() == name)
    }
}

impl std::fmt::Display for Normalization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A fitted normalisation: `(x − offset) / scale`, with one offset and one scale per column.
///
/// ```
/// use bptt::{Normalization, Normalizer};
/// let train = [0.0, 10.0, 4.0, 30.0]; // two rows of two columns
/// let normalizer = Normalizer::fit(Normalization::MinMax, &train, 2)?;
/// let mut values = [1.0, 20.0];
/// normalizer.apply_in_place(&mut values)?;
/// assert_eq!(values, [0.25, 0.5]);
/// normalizer.undo_in_place(&mut values)?;
/// assert_eq!(values, [1.0, 20.0]);
/// # Ok::<(), bptt::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Normalizer {
    kind: Normalization,
    offset: Vec<f64>,
    scale: Vec<f64>,
}

impl Normalizer {
    /// Fits `kind` to `values (rows, columns)`.
    ///
    /// A constant column gets the scale 1, so that it becomes 0. Only columns of exactly equal values count
    /// as constant; `StandardScaler` also treats those as constant whose spread is near the rounding error.
    ///
    /// # Errors
    /// [`Error::ZeroSize`] for no columns, [`Error::Length`] where the values are not whole rows,
    /// [`Error::Empty`], [`Error::Unscalable`] where a value is not finite or a column's range overflows `f64`.
    pub fn fit<T: Float>(kind: Normalization, values: &[T], columns: usize) -> Result<Self> {
        check_rows(values.len(), columns)?;
        let identity = Self { kind, offset: vec![0.0; columns], scale: vec![1.0; columns] };
        if kind == Normalization::None {
            return Ok(identity);
        }
        if values.is_empty() {
            return Err(Error::Empty { what: "the data to fit the normalisation to" });
        }
        let (min, max) = ranges(values, columns)?;
        let Self { mut offset, mut scale, .. } = identity;
        if kind == Normalization::MinMax {
            scale = min.iter().zip(&max).map(|(min, max)| max - min).collect();
            offset = min.clone();
        } else {
            moments(values, &min, &max, &mut offset, &mut scale);
        }
        for column in 0..columns {
            // Half of the smallest number that there is rounds to 0.
            if min[column] == max[column] || scale[column] == 0.0 {
                (offset[column], scale[column]) = (min[column], 1.0);
            }
        }
        Self::from_parts(kind, offset, scale)
    }

    /// A normaliser from its numbers, one pair per column; [`Normalization::None`] takes only offsets of 0
    /// and scales of 1.
    ///
    /// # Errors
    /// [`Error::ZeroSize`] for no columns, [`Error::Length`] where the two differ in length,
    /// [`Error::Setting`] where a number is not finite or a scale is not above 0.
    pub fn from_parts(kind: Normalization, offset: Vec<f64>, scale: Vec<f64>) -> Result<Self> {
        if offset.is_empty() {
            return Err(Error::ZeroSize { what: "the number of columns to normalise" });
        }
        if offset.len() != scale.len() {
            let what = "scales of the normalisation".into();
            return Err(Error::Length { what, expected: offset.len(), found: scale.len() });
        }
        let refuse = |name, expected, column, value: f64| {
            let found = format!("{value} for column {column} (counted from 0)");
            Err(Error::Setting { name, expected, found })
        };
        for (column, (&offset, &scale)) in offset.iter().zip(&scale).enumerate() {
            if !offset.is_finite() {
                return refuse("offset of the normalisation", "a finite number", column, offset);
            }
            if !(scale > 0.0 && scale.is_finite()) {
                return refuse("scale of the normalisation", "a finite number above 0", column, scale);
            }
            if kind == Normalization::None && (offset, scale) != (0.0, 1.0) {
                let value = if offset == 0.0 { scale } else { offset };
                return refuse("normalisation `none`", "offset 0 and scale 1", column, value);
            }
        }
        Ok(Self { kind, offset, scale })
    }

    /// Normalises `values (rows, columns)`.
    ///
    /// # Errors
    /// [`Error::Length`] where the values are not whole rows; [`Error::Unscalable`] where a value or its result
    /// is not finite in the element type (the values before it are then already normalised).
    pub fn apply_in_place<T: Float>(&self, values: &mut [T]) -> Result<()> {
        self.change(values, |x, offset, scale| (x - offset) / scale)
    }

    /// Takes `values (rows, columns)` back to the range they had before normalising.
    ///
    /// # Errors
    /// As for [`Normalizer::apply_in_place`].
    pub fn undo_in_place<T: Float>(&self, values: &mut [T]) -> Result<()> {
        self.change(values, |x, offset, scale| x * scale + offset)
    }

    fn change<T: Float>(&self, values: &mut [T], f: impl Fn(f64, f64, f64) -> f64) -> Result<()> {
        check_rows(values.len(), self.columns())?;
        for (row, values) in values.chunks_exact_mut(self.columns()).enumerate() {
            let pairs = self.offset.iter().zip(&self.scale);
            for (column, (value, (&offset, &scale))) in values.iter_mut().zip(pairs).enumerate() {
                let changed = T::from_f64(f(value.to_f64(), offset, scale));
                if !changed.is_finite() {
                    let expected = "a finite number before and after";
                    let found = value.to_f64().to_string();
                    return Err(Error::Unscalable { column, row: Some(row), expected, found });
                }
                *value = changed;
            }
        }
        Ok(())
    }

    /// The normalisation.
    pub fn kind(&self) -> Normalization {
        self.kind
    }

    /// What is subtracted from each column.
    pub fn offset(&self) -> &[f64] {
        &self.offset
    }

    /// What each column is divided by, after the subtraction; all above 0.
    pub fn scale(&self) -> &[f64] {
        &self.scale
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.offset.len()
    }
}

fn check_rows(len: usize, columns: usize) -> Result<()> {
    if columns == 0 {
        return Err(Error::ZeroSize { what: "the number of columns to normalise" });
    }
    if !len.is_multiple_of(columns) {
        let what = format!("values in rows of {columns}");
        return Err(Error::Length { what, expected: len - len % columns, found: len });
    }
    Ok(())
}

/// Minimum and maximum of every column; their difference is finite.
fn ranges<T: Float>(values: &[T], columns: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let (mut min, mut max) = (vec![f64::INFINITY; columns], vec![f64::NEG_INFINITY; columns]);
    for (row, values) in values.chunks_exact(columns).enumerate() {
        for (column, value) in values.iter().enumerate() {
            let x = value.to_f64();
            if !x.is_finite() {
                let (expected, found) = ("a finite number", x.to_string());
                return Err(Error::Unscalable { column, row: Some(row), expected, found });
            }
            min[column] = min[column].min(x);
            max[column] = max[column].max(x);
        }
    }
    for (column, (min, max)) in min.iter().zip(&max).enumerate() {
        if !(max - min).is_finite() {
            let (expected, found) = ("a range below 1.8e308", format!("{min:e} to {max:e}"));
            return Err(Error::Unscalable { column, row: None, expected, found });
        }
    }
    Ok((min, max))
}

/// Mean and population standard deviation of every column.
///
/// Each column is divided by a power of two first, which rounds nothing and keeps squares and sums from
/// overflowing or vanishing. The mean of the differences from a first mean corrects that mean's rounding.
fn moments<T: Float>(values: &[T], min: &[f64], max: &[f64], mean: &mut [f64], deviation: &mut [f64]) {
    let columns = mean.len();
    let rows = (values.len() / columns) as f64;
    let unit: Vec<f64> =
        min.iter().zip(max).map(|(min, max)| power_of_two(min.abs().max(max.abs()))).collect();
    let averages = |f: &dyn Fn(usize, f64) -> f64| {
        let mut sums = vec![0.0; columns];
        for values in values.chunks_exact(columns) {
            for (column, (sum, value)) in sums.iter_mut().zip(values).enumerate() {
                *sum += f(column, value.to_f64() / unit[column]);
            }
        }
        sums.into_iter().map(|sum| sum / rows).collect::<Vec<f64>>()
    };
    let first = averages(&|_, x| x);
    let correction = averages(&|column, x| x - first[column]);
    for column in 0..columns {
        mean[column] = first[column] + correction[column];
    }
    // Differences get a unit of their own: they may be far smaller than the values.
    let spread: Vec<f64> = (0..columns).map(|c| power_of_two((max[c] - min[c]) / unit[c])).collect();
    let squares = averages(&|column, x| ((x - mean[column]) / spread[column]).powi(2));
    for column in 0..columns {
        mean[column] *= unit[column];
        deviation[column] = squares[column].sqrt() * spread[column] * unit[column];
    }
}

/// The largest power of two that is not above `x` and is a normal number; `x` is finite and not negative.
fn power_of_two(x: f64) -> f64 {
    const EXPONENT: u64 = 0x7ff << 52;
    f64::from_bits(x.to_bits() & EXPONENT).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-15 * b.abs().max(1.0)
    }

    fn fit(kind: Normalization, values: &[f64]) -> Normalizer {
        Normalizer::fit(kind, values, 1).unwrap()
    }

    fn round_trip_error<T: Float>(kind: Normalization, train: &[T]) -> f64 {
        let normalizer = Normalizer::fit(kind, train, 3).unwrap();
        let mut values = train.to_vec();
        normalizer.apply_in_place(&mut values).unwrap();
        normalizer.undo_in_place(&mut values).unwrap();
        values.iter().zip(train).map(|(a, b)| (a.to_f64() - b.to_f64()).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn names_round_trip() {
        let back = Normalization::ALL.map(|kind| Normalization::from_name(kind.name()));
        assert_eq!(back, Normalization::ALL.map(Some));
        assert_eq!(Normalization::from_name("MinMax"), None);
    }

    #[test]
    fn min_max_reaches_exactly_0_and_1() {
        let train = [-3.0, 0.1, 7.0, 0.2, 2.0, 0.4];
        let normalizer = Normalizer::fit(Normalization::MinMax, &train, 2).unwrap();
        assert_eq!((normalizer.offset(), normalizer.scale()), (&[-3.0, 0.1][..], &[10.0, 0.4 - 0.1][..]));
        let mut values = train;
        normalizer.apply_in_place(&mut values).unwrap();
        assert_eq!((values[0], values[1], values[2], values[4], values[5]), (0.0, 0.0, 1.0, 0.5, 1.0));
        assert_eq!(normalizer.columns(), 2);
    }

    #[test]
    fn z_scores_use_the_population_deviation() {
        // numpy: mean 5, std 2.
        let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        let normalizer = fit(Normalization::ZScore, &values);
        assert_eq!((normalizer.offset(), normalizer.scale()), (&[5.0][..], &[2.0][..]));
        // A large mean does not swallow a small spread.
        let shifted = values.map(|x| x - 1e9);
        assert_eq!(fit(Normalization::ZScore, &shifted).scale(), [2.0]);
    }

    #[test]
    fn constant_columns_and_single_rows_become_zero() {
        for kind in [Normalization::MinMax, Normalization::ZScore] {
            for train in [&[0.1; 7][..], &[-1e308; 5], &[0.0], &[1e-310]] {
                let normalizer = fit(kind, train);
                assert_eq!((normalizer.offset()[0], normalizer.scale()[0]), (train[0], 1.0));
                let mut values = train.to_vec();
                normalizer.apply_in_place(&mut values).unwrap();
                assert!(values.iter().all(|&x| x == 0.0));
            }
        }
    }

    #[test]
    fn none_changes_nothing() {
        let mut values = [-1.5f32, 1e30, f32::MIN_POSITIVE];
        Normalizer::fit(Normalization::None, &values, 3).unwrap().apply_in_place(&mut values).unwrap();
        assert_eq!(values, [-1.5, 1e30, f32::MIN_POSITIVE]);
    }

    #[test]
    fn both_directions_agree_in_both_element_types() {
        let train: Vec<f64> = (0..60).map(|n| (n as f64 * 0.7).sin() * 10f64.powi(n % 3)).collect();
        let single: Vec<f32> = train.iter().map(|&x| x as f32).collect();
        for kind in Normalization::ALL {
            assert!(round_trip_error(kind, &train) < 1e-12, "{kind}");
            assert!(round_trip_error(kind, &single) < 1e-4, "{kind}");
        }
    }

    #[test]
    fn z_scores_survive_extreme_magnitudes() {
        let base = [1.0, 2.0, 4.0, 5.0];
        let reference = fit(Normalization::ZScore, &base);
        for factor in [1e-300, 1e-160, 1e160, 1.7e307] {
            let normalizer = fit(Normalization::ZScore, &base.map(|x| x * factor));
            assert!(close(normalizer.offset()[0] / factor, reference.offset()[0]), "{factor:e}");
            assert!(close(normalizer.scale()[0] / factor, reference.scale()[0]), "{factor:e}");
        }
        assert_eq!(fit(Normalization::ZScore, &[5e-324, 0.0]).scale(), [1.0]);
    }

    #[test]
    fn ranges_and_results_beyond_the_type_are_errors() {
        for kind in [Normalization::MinMax, Normalization::ZScore] {
            let error = Normalizer::fit(kind, &[-1e308, 1e308], 1).unwrap_err();
            assert!(matches!(error, Error::Unscalable { column: 0, row: None, .. }), "{error}");
        }
        let tiny = Normalizer::from_parts(Normalization::ZScore, vec![0.0], vec![1e-300]).unwrap();
        let error = tiny.apply_in_place(&mut [0.0f32, 1.0]).unwrap_err();
        assert!(matches!(error, Error::Unscalable { column: 0, row: Some(1), .. }), "{error}");
        assert!(tiny.apply_in_place(&mut [1.0f64]).is_ok());
        assert!(tiny.apply_in_place(&mut [f64::NAN]).is_err());
    }

    #[test]
    fn wrong_sizes_and_values_are_errors() {
        let fit =
            |values: &[f64], columns| Normalizer::fit(Normalization::ZScore, values, columns).unwrap_err();
        assert!(matches!(fit(&[1.0], 0), Error::ZeroSize { .. }));
        assert!(matches!(fit(&[], 2), Error::Empty { .. }));
        assert!(matches!(fit(&[1.0; 3], 2), Error::Length { expected: 2, found: 3, .. }));
        for bad in [f64::NAN, f64::INFINITY] {
            assert!(matches!(fit(&[1.0, bad], 1), Error::Unscalable { row: Some(1), .. }));
        }
        let parts = |kind, offset: &[f64], scale: &[f64]| {
            Normalizer::from_parts(kind, offset.to_vec(), scale.to_vec()).unwrap_err()
        };
        let z = Normalization::ZScore;
        assert!(matches!(parts(z, &[], &[]), Error::ZeroSize { .. }));
        assert!(matches!(parts(z, &[0.0, 0.0], &[1.0]), Error::Length { expected: 2, found: 1, .. }));
        assert!(matches!(parts(z, &[f64::NAN], &[1.0]), Error::Setting { .. }));
        for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(parts(z, &[0.0], &[scale]), Error::Setting { .. }));
        }
        assert!(matches!(parts(Normalization::None, &[0.0], &[2.0]), Error::Setting { .. }));
    }
}
