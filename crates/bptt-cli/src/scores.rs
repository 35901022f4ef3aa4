//! How good predictions are: one [`Scores`] per label column, as text and as JSON.

use bptt::metrics::{Binary, Multiclass, Regression};
use serde_json::{Value, json};

use crate::args::Task;
use crate::failure::Failure;

/// The metrics of one label column, on its original scale.
#[derive(Debug, Clone, PartialEq)]
pub enum Scores {
    Regression(Regression),
    Binary(Binary),
    Classification(Multiclass),
}

/// Measures the labelled rows of one label column: `predictions` are `(rows)`, in a classification `(rows, classes)`.
pub fn measure(task: Task, threshold: f64, predictions: &[f64], labels: &[f64]) -> Result<Scores, Failure> {
    let scores = match task {
        Task::Regression => Regression::new(predictions, labels).map(Scores::Regression),
        Task::Binary => Binary::new(predictions, labels, threshold).map(Scores::Binary),
        Task::Classification => {
            let classes: Vec<usize> = labels.iter().map(|label| *label as usize).collect();
            let count = predictions.len() / labels.len().max(1);
            Multiclass::new(predictions, &classes, count).map(Scores::Classification)
        }
    };
    scores.map_err(Failure::input)
}

/// Column `column` of a row-major table of `columns` columns.
pub fn pick(values: &[f64], column: usize, columns: usize) -> Vec<f64> {
    values.iter().skip(column).step_by(columns).copied().collect()
}

impl Scores {
    /// The one number that a progress line shows.
    pub fn headline(&self) -> String {
        match self {
            Self::Regression(scores) => format!("RMSE {}", number(scores.rmse)),
            Self::Binary(scores) => format!("PR-AUC {}", optional(scores.pr_auc)),
            Self::Classification(scores) => format!("accuracy {}", percent(scores.accuracy)),
        }
    }

    /// Rows of a table: name and value.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Regression(scores) => vec![
                ("RMSE", number(scores.rmse)),
                ("MAE", number(scores.mae)),
                ("R²", number(scores.r2)),
                ("MAPE", scores.mape.map_or("–".into(), percent)),
                ("within ±5 %", percent(scores.within_5)),
                ("within ±10 %", percent(scores.within_10)),
            ],
            Self::Binary(scores) => {
                let counts = &scores.confusion;
                vec![
                    ("PR-AUC", optional(scores.pr_auc)),
                    ("ROC-AUC", optional(scores.roc_auc)),
                    ("precision", number(scores.precision)),
                    ("recall", number(scores.recall)),
                    ("F1", number(scores.f1)),
                    ("specificity", number(scores.specificity)),
                    ("accuracy", number(scores.accuracy)),
                    ("true 1, said 1", counts.true_positives.to_string()),
                    ("true 0, said 1", counts.false_positives.to_string()),
                    ("true 1, said 0", counts.false_negatives.to_string()),
                    ("true 0, said 0", counts.true_negatives.to_string()),
                ]
            }
            Self::Classification(scores) => vec![
                ("accuracy", percent(scores.accuracy)),
                ("macro F1", number(scores.macro_f1)),
                ("weighted F1", number(scores.weighted_f1)),
                ("log-loss", number(scores.log_loss)),
            ],
        }
    }

    /// All metrics; `null` where one is not defined. `classes` are the names of a classification's.
    pub fn json(&self, classes: &[String]) -> Value {
        match self {
            Self::Regression(scores) => json!({
                "count": scores.count,
                "rmse": scores.rmse,
                "mae": scores.mae,
                "mape": scores.mape,
                "r2": scores.r2,
                "within_5": scores.within_5,
                "within_10": scores.within_10,
            }),
            Self::Binary(scores) => json!({
                "count": scores.count,
                "threshold": scores.threshold,
                "accuracy": scores.accuracy,
                "precision": scores.precision,
                "recall": scores.recall,
                "specificity": scores.specificity,
                "f1": scores.f1,
                "roc_auc": scores.roc_auc,
                "pr_auc": scores.pr_auc,
                "true_positives": scores.confusion.true_positives,
                "false_positives": scores.confusion.false_positives,
                "true_negatives": scores.confusion.true_negatives,
                "false_negatives": scores.confusion.false_negatives,
            }),
            Self::Classification(scores) => json!({
                "count": scores.count,
                "accuracy": scores.accuracy,
                "macro_f1": scores.macro_f1,
                "weighted_f1": scores.weighted_f1,
                "log_loss": scores.log_loss,
                "confusion": scores.confusion.chunks(classes.len().max(1)).collect::<Vec<_>>(),
                "classes": classes.iter().zip(&scores.classes).map(|(name, class)| json!({
                    "name": name,
                    "precision": class.precision,
                    "recall": class.recall,
                    "f1": class.f1,
                    "support": class.support,
                })).collect::<Vec<_>>(),
            }),
        }
    }
}

/// Four significant digits.
pub fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let magnitude = value.abs().log10().floor() as i32;
    if (-4..15).contains(&magnitude) {
        format!("{value:.*}", (3 - magnitude).max(0) as usize)
    } else {
        format!("{value:.3e}")
    }
}

pub fn optional(value: Option<f64>) -> String {
    value.map_or("– (one class)".into(), number)
}

pub fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_four_digits() {
        let shown = [2.63456, 0.0, 0.00172, 12345.6, 1e-9, 99.996, -0.5].map(number);
        assert_eq!(shown, ["2.635", "0", "0.001720", "12346", "1.000e-9", "100.00", "-0.5000"]);
    }
}
