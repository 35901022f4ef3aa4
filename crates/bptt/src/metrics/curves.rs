//! The points of the ROC and precision–recall curves, for drawing them.

use super::{check, ratio};
use crate::{Error, Float, Result};

/// The ROC curve: (false positive rate, true positive rate) at each distinct score, from the highest down, beginning at
/// (0, 0); scikit-learn's `roc_curve` with `drop_intermediate=False`.
///
/// # Errors
/// [`Error::Length`], [`Error::Empty`], [`Error::Setting`] for a score that is not finite or where only one class is there.
pub fn roc_curve<T: Float>(scores: &[T], labels: &[T]) -> Result<Vec<(f64, f64)>> {
    let steps = steps(scores, labels)?;
    let (positives, negatives) = steps[steps.len() - 1];
    if positives == 0 || negatives == 0 {
        let found = "one class only".to_owned();
        return Err(Error::Setting { name: "labels", expected: "both classes", found });
    }
    let point = |&(hits, alarms): &(usize, usize)| (ratio(alarms, negatives), ratio(hits, positives));
    Ok(std::iter::once((0.0, 0.0)).chain(steps.iter().map(point)).collect())
}

/// The precision–recall curve: (recall, precision) at each distinct score, from the highest down;
/// scikit-learn's `precision_recall_curve` in the opposite order, without its last point (0, 1).
///
/// # Errors
/// As [`roc_curve`], but one class is enough where it is class 1.
pub fn precision_recall_curve<T: Float>(scores: &[T], labels: &[T]) -> Result<Vec<(f64, f64)>> {
    let steps = steps(scores, labels)?;
    let positives = steps[steps.len() - 1].0;
    if positives == 0 {
        let found = "none".to_owned();
        return Err(Error::Setting { name: "labels", expected: "a row of class 1", found });
    }
    let point = |&(hits, alarms): &(usize, usize)| (ratio(hits, positives), ratio(hits, hits + alarms));
    Ok(steps.iter().map(point).collect())
}

/// (true positives, false positives) where the threshold is each distinct score, from the highest down; at least one.
fn steps<T: Float>(scores: &[T], labels: &[T]) -> Result<Vec<(usize, usize)>> {
    check(scores, labels, "score")?;
    let mut rows: Vec<(f64, bool)> =
        scores.iter().zip(labels).map(|(score, label)| (score.to_f64(), *label == T::ONE)).collect();
    rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let (mut hits, mut alarms) = (0, 0);
    let mut steps = Vec::new();
    for step in rows.chunk_by(|a, b| a.0 == b.0) {
        let positives = step.iter().filter(|row| row.1).count();
        (hits, alarms) = (hits + positives, alarms + step.len() - positives);
        steps.push((hits, alarms));
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::super::Binary;
    use super::*;

    #[test]
    fn the_curves_have_the_areas_that_binary_reports() {
        let scores = [0.1, 0.4, 0.35, 0.8, 0.4, 0.7];
        let labels = [0.0, 0.0, 1.0, 1.0, 1.0, 0.0];
        let binary = Binary::new(&scores, &labels, 0.5).unwrap();
        let roc = roc_curve(&scores, &labels).unwrap();
        let area: f64 = roc.windows(2).map(|p| (p[1].0 - p[0].0) * (p[1].1 + p[0].1) / 2.0).sum();
        assert!((area - binary.roc_auc.unwrap()).abs() < 1e-12);
        let mut last = 0.0;
        let mut average = 0.0;
        for (recall, precision) in precision_recall_curve(&scores, &labels).unwrap() {
            average += (recall - last) * precision;
            last = recall;
        }
        assert!((average - binary.pr_auc.unwrap()).abs() < 1e-12);
        assert_eq!((roc[0], roc[roc.len() - 1]), ((0.0, 0.0), (1.0, 1.0)));
        assert!(roc_curve(&[0.5], &[1.0]).is_err() && precision_recall_curve(&[0.5], &[0.0]).is_err());
    }
}
