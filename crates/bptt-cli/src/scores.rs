//! How good predictions are: one [`Scores`] per label column, as text and as JSON.

use bptt::metrics::{Binary, Regression};
use serde_json::{Value, json};

use crate::args::Task;
use crate::failure::Failure;

/// The metrics of one label column, on its original scale.
#[derive(Debug, Clone, PartialEq)]
pub enum Scores {
    Regression(Regression),
    Binary(Binary),
}

/// Measures each of the `labels.len() / rows` label columns of `(rows, labels)` tables.
pub fn measure(
    task: Task,
    threshold: f64,
    predictions: &[f64],
    labels: &[f64],
    columns: usize,
) -> Result<Vec<Scores>, Failure> {
    (0..columns)
        .map(|column| {
            let predictions = pick(predictions, column, columns);
            let labels = pick(labels, column, columns);
            let scores = match task {
                Task::Regression => Regression::new(&predictions, &labels).map(Scores::Regression),
                Task::Binary => Binary::new(&predictions, &labels, threshold).map(Scores::Binary),
            };
            scores.map_err(Failure::input)
        })
        .collect()
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
        }
    }

    /// All metrics; `null` where one is not defined.
    pub fn json(&self) -> Value {
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

fn optional(value: Option<f64>) -> String {
    value.map_or("– (one class)".into(), number)
}

fn percent(share: f64) -> String {
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

    #[test]
    fn each_label_column_is_measured_by_itself() {
        let scores =
            measure(Task::Regression, 0.5, &[1.0, 10.0, 2.0, 30.0], &[1.0, 20.0, 2.0, 20.0], 2).unwrap();
        let rmse: Vec<f64> = scores.iter().map(|scores| scores.json()["rmse"].as_f64().unwrap()).collect();
        assert_eq!(rmse, [0.0, 10.0]);
    }
}
