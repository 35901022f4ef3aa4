//! [`Binary`]: how well scores separate two classes.

use super::{Sum, check, ratio};
use crate::{Error, Float, Result};

/// How many rows of each class were put in each class; scikit-learn's `confusion_matrix`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Confusion {
    /// Rows of class 1 put in class 1.
    pub true_positives: usize,
    /// Rows of class 0 put in class 1.
    pub false_positives: usize,
    /// Rows of class 0 put in class 0.
    pub true_negatives: usize,
    /// Rows of class 1 put in class 0.
    pub false_negatives: usize,
}

/// Metrics of scores against labels of 0 or 1.
///
/// TP, FP, TN and FN are the counts of [`Confusion`]. Where a quotient's denominator is 0 the answer is 0,
/// as with scikit-learn's `zero_division=0`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Binary {
    /// The number of rows; at least 1.
    pub count: usize,
    /// A row whose score is at least this is put in class 1.
    pub threshold: f64,
    /// The counts at `threshold`.
    pub confusion: Confusion,
    /// `(TP + TN) / count`; scikit-learn's `accuracy_score`. The denominator is never 0.
    pub accuracy: f64,
    /// `TP / (TP + FP)`; scikit-learn's `precision_score`. 0 if no row was put in class 1.
    pub precision: f64,
    /// `TP / (TP + FN)`; scikit-learn's `recall_score`. 0 if no label is 1.
    pub recall: f64,
    /// `TN / (TN + FP)`; scikit-learn's `recall_score` with `pos_label=0`. 0 if no label is 0.
    pub specificity: f64,
    /// `2 TP / (2 TP + FP + FN)`; scikit-learn's `f1_score`. 0 if no label is 1 and no row was put in class 1.
    pub f1: f64,
    /// Area under the ROC curve: the probability that a row of class 1 has a higher score than a row of
    /// class 0, equal scores counting one half (Mann–Whitney); scikit-learn's `roc_auc_score`.
    ///
    /// `None` if only one class is present, where scikit-learn gives NaN.
    pub roc_auc: Option<f64>,
    /// Average precision, `Σ (Rᵢ − Rᵢ₋₁) Pᵢ` with recall `R` and precision `P` at each distinct score from
    /// the highest down; scikit-learn's `average_precision_score`.
    ///
    /// `None` if no label is 1, where scikit-learn gives 0.
    pub pr_auc: Option<f64>,
}

impl Binary {
    /// Compares `scores` with `labels`, row by row; a score of at least `threshold` is class 1.
    ///
    /// The threshold is first rounded to the element type, as NumPy and PyTorch do: a score of `0.7f32` is
    /// at least `0.7`, though its exact value is slightly less.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if the slices differ in length, [`Error::Empty`] if there is no row,
    /// [`Error::Setting`] if a score or the threshold is NaN or infinite or a label is neither 0 nor 1,
    /// [`Error::OutOfMemory`] if there is no room to sort the scores.
    pub fn new<T: Float>(scores: &[T], labels: &[T], threshold: f64) -> Result<Self> {
        check(scores, labels, "score")?;
        if !threshold.is_finite() {
            let found = threshold.to_string();
            return Err(Error::Setting { name: "threshold", expected: "a finite number", found });
        }
        if let Some(row) = labels.iter().position(|&label| label != T::ZERO && label != T::ONE) {
            let found = format!("{} in row {row} (counted from 0)", labels[row]);
            return Err(Error::Setting { name: "label", expected: "0 or 1", found });
        }
        let confusion = Confusion::new(scores, labels, T::from_f64(threshold));
        let Confusion { true_positives, false_positives, true_negatives, false_negatives } = confusion;
        let (roc_auc, pr_auc) = areas(scores, labels)?;
        Ok(Self {
            count: labels.len(),
            threshold,
            confusion,
            accuracy: ratio(true_positives + true_negatives, labels.len()),
            precision: ratio(true_positives, true_positives + false_positives),
            recall: ratio(true_positives, true_positives + false_negatives),
            specificity: ratio(true_negatives, true_negatives + false_positives),
            f1: ratio(2 * true_positives, 2 * true_positives + false_positives + false_negatives),
            roc_auc,
            pr_auc,
        })
    }
}

impl Confusion {
    fn new<T: Float>(scores: &[T], labels: &[T], threshold: T) -> Self {
        let mut counts = Self::default();
        for (&score, &label) in scores.iter().zip(labels) {
            let count = match (score >= threshold, label == T::ONE) {
                (true, true) => &mut counts.true_positives,
                (true, false) => &mut counts.false_positives,
                (false, false) => &mut counts.true_negatives,
                (false, true) => &mut counts.false_negatives,
            };
            *count += 1;
        }
        counts
    }
}

/// The areas under the ROC curve and, as average precision, the precision–recall curve.
fn areas<T: Float>(scores: &[T], labels: &[T]) -> Result<(Option<f64>, Option<f64>)> {
    let mut rows = Vec::new();
    rows.try_reserve_exact(labels.len()).map_err(|_| Error::OutOfMemory { elements: labels.len() })?;
    rows.extend(scores.iter().zip(labels).map(|(score, &label)| (score.to_f64(), label == T::ONE)));
    rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));

    let (mut positives, mut negatives) = (0, 0);
    // Twice the number of pairs that are in order, so that ties stay whole; the square of the number of
    // rows may not fit in 64 bits.
    let mut ordered_twice = 0u128;
    let mut precision = Sum::default();
    // Rows of one score are one step of either curve. `==` takes −0.0 and 0.0 as one score: total_cmp
    // orders them, but next to each other.
    for step in rows.chunk_by(|a, b| a.0 == b.0) {
        let step_positives = step.iter().filter(|row| row.1).count();
        let step_negatives = step.len() - step_positives;
        ordered_twice += step_negatives as u128 * (2 * positives as u128 + step_positives as u128);
        positives += step_positives;
        negatives += step_negatives;
        precision.add(step_positives as f64 * ratio(positives, positives + negatives));
    }
    let pairs_twice = 2 * positives as u128 * negatives as u128;
    let roc_auc = (pairs_twice > 0).then(|| ordered_twice as f64 / pairs_twice as f64);
    let pr_auc = (positives > 0).then(|| precision.value() / positives as f64);
    Ok((roc_auc, pr_auc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(scores: &[f64], labels: &[f64]) -> Binary {
        Binary::new(scores, labels, 0.5).unwrap()
    }

    #[test]
    fn values_computed_by_hand() {
        // scikit-learn's documentation has these rows: 3 of 4 pairs in order; precision 1/1 and 2/3.
        let metrics = binary(&[0.1, 0.4, 0.35, 0.8], &[0.0, 0.0, 1.0, 1.0]);
        let confusion =
            Confusion { true_positives: 1, false_positives: 0, true_negatives: 2, false_negatives: 1 };
        assert_eq!((metrics.count, metrics.threshold, metrics.confusion), (4, 0.5, confusion));
        assert_eq!((metrics.accuracy, metrics.precision, metrics.recall), (0.75, 1.0, 0.5));
        assert_eq!((metrics.specificity, metrics.f1, metrics.roc_auc), (1.0, 2.0 / 3.0, Some(0.75)));
        assert_eq!(metrics.pr_auc, Some((1.0 + 2.0 / 3.0) / 2.0));
    }

    #[test]
    fn ties_count_one_half_and_are_one_step() {
        let metrics = binary(&[0.5; 4], &[1.0, 0.0, 0.0, 0.0]);
        assert_eq!((metrics.roc_auc, metrics.pr_auc), (Some(0.5), Some(0.25)));
        // Pairs: 0.9 over both, 0.5 over one and level with the other: 3.5 of 4.
        let metrics = binary(&[0.5, 0.9, 0.5, 0.1], &[1.0, 1.0, 0.0, 0.0]);
        assert_eq!((metrics.roc_auc, metrics.pr_auc), (Some(0.875), Some((1.0 + 2.0 / 3.0) / 2.0)));
    }

    #[test]
    fn negative_zero_is_zero() {
        // As a score, a label and a threshold.
        for scores in [[0.0, -0.0], [-0.0, 0.0]] {
            let metrics = Binary::new(&scores, &[1.0, -0.0], 0.0).unwrap();
            assert_eq!((metrics.roc_auc, metrics.pr_auc), (Some(0.5), Some(0.5)));
            assert_eq!((metrics.confusion.true_positives, metrics.confusion.false_positives), (1, 1));
            assert_eq!(Binary::new(&scores, &[1.0, 0.0], -0.0).unwrap().confusion, metrics.confusion);
        }
    }

    #[test]
    fn one_class_only() {
        let metrics = binary(&[0.2, 0.7], &[0.0, 0.0]);
        assert_eq!((metrics.roc_auc, metrics.pr_auc), (None, None));
        assert_eq!((metrics.recall, metrics.precision, metrics.f1), (0.0, 0.0, 0.0));
        assert_eq!((metrics.specificity, metrics.accuracy), (0.5, 0.5));
        let metrics = binary(&[0.2, 0.7], &[1.0, 1.0]);
        assert_eq!((metrics.roc_auc, metrics.pr_auc), (None, Some(1.0)));
        assert_eq!((metrics.recall, metrics.specificity), (0.5, 0.0));
    }

    #[test]
    fn zero_denominators() {
        // Nothing in class 1, by label or by score.
        let metrics = binary(&[0.1], &[0.0]);
        assert_eq!((metrics.precision, metrics.recall, metrics.f1), (0.0, 0.0, 0.0));
        assert_eq!((metrics.accuracy, metrics.specificity), (1.0, 1.0));
        // Nothing put in class 1.
        assert_eq!(binary(&[0.1, 0.2], &[0.0, 1.0]).precision, 0.0);
        // Nothing of class 0.
        assert_eq!(binary(&[0.9], &[1.0]).specificity, 0.0);
    }

    #[test]
    fn the_threshold_is_included_and_rounded_to_the_element_type() {
        assert_eq!(binary(&[0.5], &[1.0]).recall, 1.0);
        let metrics = Binary::new(&[0.7f32, 0.3], &[1.0, 0.0], 0.7).unwrap();
        assert_eq!((metrics.recall, metrics.specificity, metrics.threshold), (1.0, 1.0, 0.7));
    }

    #[test]
    fn many_rows() {
        // Every score occurs three times, once with class 1.
        let count = 300_000u32;
        let scores: Vec<f64> = (0..count).map(|row| f64::from(row.wrapping_mul(7919) % 100_000)).collect();
        let labels: Vec<f64> = (0..count).map(|row| f64::from(u8::from(row < 100_000))).collect();
        let metrics = binary(&scores, &labels);
        assert_eq!(metrics.roc_auc, Some(0.5));
        assert!((metrics.pr_auc.unwrap() - 1.0 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn bad_input_is_a_typed_error() {
        assert!(matches!(Binary::new(&[0.5], &[1.0, 0.0], 0.5), Err(Error::Length { .. })));
        assert!(matches!(Binary::new::<f64>(&[], &[], 0.5), Err(Error::Empty { .. })));
        assert!(matches!(Binary::new(&[f64::NAN], &[1.0], 0.5), Err(Error::Setting { name: "score", .. })));
        for threshold in [f64::NAN, f64::INFINITY] {
            let error = Binary::new(&[0.5], &[1.0], threshold).unwrap_err();
            assert!(matches!(error, Error::Setting { name: "threshold", .. }));
        }
        let error = Binary::new(&[0.5f32, 0.5], &[1.0, 0.25], 0.5).unwrap_err();
        assert_eq!(error.to_string(), "label: expected 0 or 1, found 0.25 in row 1 (counted from 0)");
    }
}
