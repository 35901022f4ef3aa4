//! How well predictions match labels: [`Regression`], [`Binary`] and [`Multiclass`].
//!
//! Every value equals scikit-learn's function of the same meaning, except where a doc comment says otherwise.
//! All arithmetic is in `f64`, whatever the element type, and its sums are compensated, so that the
//! rounding error does not grow with the number of rows.

mod binary;
mod curves;
mod multiclass;
mod regression;

pub use binary::{Binary, Confusion};
pub use curves::{precision_recall_curve, roc_curve};
pub use multiclass::{ClassScores, Multiclass, largest};
pub use regression::Regression;

use crate::{Error, Float, Result};

/// Both slices must have the same number of elements, at least one, and all of them must be finite.
fn check<T: Float>(predictions: &[T], labels: &[T], prediction: &'static str) -> Result<()> {
    if predictions.len() != labels.len() {
        let what = format!("{prediction}s");
        return Err(Error::Length { what, expected: labels.len(), found: predictions.len() });
    }
    if labels.is_empty() {
        return Err(Error::Empty { what: "the data to evaluate" });
    }
    for (name, values) in [(prediction, predictions), ("label", labels)] {
        if let Some(row) = values.iter().position(|value| !value.is_finite()) {
            let found = format!("{} in row {row} (counted from 0)", values[row]);
            return Err(Error::Setting { name, expected: "a finite number", found });
        }
    }
    Ok(())
}

/// `numerator / denominator`, 0 where the denominator is 0.
fn ratio(numerator: usize, denominator: usize) -> f64 {
    if denominator == 0 { 0.0 } else { numerator as f64 / denominator as f64 }
}

/// A sum with Neumaier's compensation: its error stays near one rounding for any number of terms.
#[derive(Default)]
struct Sum {
    total: f64,
    /// What the additions to `total` rounded away.
    lost: f64,
}

impl Sum {
    fn add(&mut self, term: f64) {
        let next = self.total + term;
        // The smaller operand is the one that lost digits.
        self.lost += if self.total.abs() >= term.abs() {
            (self.total - next) + term
        } else {
            (term - next) + self.total
        };
        self.total = next;
    }

    /// The sum; not finite if an addition overflowed.
    fn value(&self) -> f64 {
        self.total + self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_keeps_what_plain_addition_loses() {
        let mut sum = Sum::default();
        for term in [1.0, 1e100, 1.0, -1e100] {
            sum.add(term);
        }
        assert_eq!(sum.value(), 2.0);
    }

    #[test]
    fn the_sum_shows_overflow() {
        let mut sum = Sum::default();
        sum.add(f64::MAX);
        sum.add(f64::MAX);
        assert!(!sum.value().is_finite());
    }

    #[test]
    fn bad_input_is_a_typed_error() {
        let length = check(&[1.0, 2.0], &[1.0], "score").unwrap_err();
        assert_eq!(length, Error::Length { what: "scores".into(), expected: 1, found: 2 });
        assert!(matches!(check::<f32>(&[], &[], "score"), Err(Error::Empty { .. })));
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let error = check(&[0.0, bad], &[0.0, 0.0], "score").unwrap_err();
            assert!(matches!(&error, Error::Setting { name: "score", found, .. }
                if *found == format!("{bad} in row 1 (counted from 0)")));
            let error = check(&[0.0, 0.0], &[bad, 0.0], "score").unwrap_err();
            assert!(matches!(error, Error::Setting { name: "label", .. }));
        }
    }
}
