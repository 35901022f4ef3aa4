//! [`Multiclass`]: how well probabilities of several classes match the true ones.

use super::{Sum, ratio};
use crate::{Error, Float, Result};

/// How well one class is recognised; scikit-learn's `precision_recall_fscore_support`, 0 where a denominator is 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassScores {
    /// Of the rows put in the class, the share that belongs there.
    pub precision: f64,
    /// Of the rows of the class, the share that was put there.
    pub recall: f64,
    /// The harmonic mean of the two.
    pub f1: f64,
    /// Rows of the class.
    pub support: usize,
}

/// Metrics of class probabilities against true classes. A row is put in the class of its largest probability, the first
/// of equal ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Multiclass {
    /// The number of rows; at least 1.
    pub count: usize,
    /// The share of rows put in their class; scikit-learn's `accuracy_score`.
    pub accuracy: f64,
    /// The mean F1 of all classes, each counting the same; `f1_score(average="macro", labels=range(C))`.
    pub macro_f1: f64,
    /// The mean F1, each class counting with its rows; `f1_score(average="weighted")`.
    pub weighted_f1: f64,
    /// The mean of `−ln p` of the true class; `log_loss`. Probabilities are taken to be at least 2⁻⁵² and at most
    /// 1 − 2⁻⁵², so that one row that was surely wrong does not make it infinite.
    pub log_loss: f64,
    /// Rows of class `row` put in class `column`, (C, C) row-major; `confusion_matrix`.
    pub confusion: Vec<usize>,
    /// Each class by itself.
    pub classes: Vec<ClassScores>,
}

impl Multiclass {
    /// Compares `probabilities (rows, classes)`, row-major, with the true classes `labels (rows)`.
    ///
    /// ```
    /// use bptt::metrics::Multiclass;
    /// let scores = Multiclass::new(&[0.7, 0.2, 0.1, 0.3, 0.3, 0.4], &[0, 1], 3)?;
    /// assert_eq!((scores.accuracy, &scores.confusion[3..6]), (0.5, &[0, 0, 1][..]));
    /// # Ok::<(), bptt::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ZeroSize`] for no classes, [`Error::Length`] where the probabilities are not one row per label,
    /// [`Error::Empty`] for no rows, [`Error::Setting`] for a probability that is not finite or a class beyond the last.
    pub fn new<T: Float>(probabilities: &[T], labels: &[usize], classes: usize) -> Result<Self> {
        check(probabilities, labels, classes)?;
        let mut confusion = vec![0; classes * classes];
        let mut loss = Sum::default();
        for (row, &label) in probabilities.chunks_exact(classes).zip(labels) {
            confusion[label * classes + largest(row)] += 1;
            let probability = row[label].to_f64().clamp(f64::EPSILON, 1.0 - f64::EPSILON);
            loss.add(-probability.ln());
        }
        let class_scores: Vec<ClassScores> =
            (0..classes).map(|class| score(&confusion, class, classes)).collect();
        let correct: usize = (0..classes).map(|class| confusion[class * classes + class]).sum();
        let weighted: f64 = class_scores.iter().map(|class| class.f1 * class.support as f64).sum();
        Ok(Self {
            count: labels.len(),
            accuracy: ratio(correct, labels.len()),
            macro_f1: class_scores.iter().map(|class| class.f1).sum::<f64>() / classes as f64,
            weighted_f1: weighted / labels.len() as f64,
            log_loss: loss.value() / labels.len() as f64,
            confusion,
            classes: class_scores,
        })
    }
}

/// The place of the largest element of `row`, the first of equal ones; 0 for none.
pub fn largest<T: Float>(row: &[T]) -> usize {
    let mut best = 0;
    for (place, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = place;
        }
    }
    best
}

fn check<T: Float>(probabilities: &[T], labels: &[usize], classes: usize) -> Result<()> {
    if classes == 0 {
        return Err(Error::ZeroSize { what: "the number of classes" });
    }
    let (expected, found) = (labels.len().saturating_mul(classes), probabilities.len());
    if expected != found {
        return Err(Error::Length { what: "probabilities".into(), expected, found });
    }
    if labels.is_empty() {
        return Err(Error::Empty { what: "the data to evaluate" });
    }
    if let Some(at) = probabilities.iter().position(|value| !value.is_finite()) {
        let found = format!("{} in row {} (counted from 0)", probabilities[at], at / classes);
        return Err(Error::Setting { name: "probability", expected: "a finite number", found });
    }
    match labels.iter().position(|label| *label >= classes) {
        Some(row) => {
            let found = format!("{} in row {row} (counted from 0)", labels[row]);
            Err(Error::Setting { name: "label", expected: "a class below the number of classes", found })
        }
        None => Ok(()),
    }
}

fn score(confusion: &[usize], class: usize, classes: usize) -> ClassScores {
    let hits = confusion[class * classes + class];
    let support: usize = confusion[class * classes..(class + 1) * classes].iter().sum();
    let chosen: usize = (0..classes).map(|truth| confusion[truth * classes + class]).sum();
    ClassScores {
        precision: ratio(hits, chosen),
        recall: ratio(hits, support),
        f1: ratio(2 * hits, support + chosen),
        support,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_input_is_a_typed_error() {
        let new = |p: &[f64], labels: &[usize], classes| Multiclass::new(p, labels, classes).unwrap_err();
        assert_eq!(new(&[], &[0], 0), Error::ZeroSize { what: "the number of classes" });
        let length = Error::Length { what: "probabilities".into(), expected: 4, found: 3 };
        assert_eq!(new(&[0.1, 0.2, 0.3], &[0, 1], 2), length);
        assert_eq!(new(&[], &[], 2), Error::Empty { what: "the data to evaluate" });
        assert!(matches!(new(&[0.5, f64::NAN], &[0], 2), Error::Setting { name: "probability", .. }));
        assert!(matches!(new(&[0.5, 0.5], &[2], 2), Error::Setting { name: "label", .. }));
    }

    #[test]
    fn the_first_of_equal_ones_is_the_largest() {
        assert_eq!([largest(&[0.5, 0.5]), largest(&[0.1, 0.7, 0.7]), largest::<f32>(&[])], [0, 1, 0]);
    }
}
