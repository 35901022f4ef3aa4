//! What a model must beat: forecasts that need no training.

use bptt::metrics::Regression;
use serde_json::{Value, json};

use crate::args::Task;
use crate::data::Part;
use crate::scores::{number, pick};

/// A forecast without a model, measured on the rows where it has one, and the model measured on the same rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Baseline {
    /// Regression: the naive forecast, and what it is.
    Naive { from: String, rows: usize, rmse: f64, model_rmse: f64 },
    /// Binary: always the commoner class, and the share of class 1, which is the PR-AUC of a coin.
    Majority { class: u8, accuracy: f64, positives: f64 },
}

/// The baseline of label column `label` on `part`. `naive` is the index of the input column that is the naive
/// forecast; without one it is the label of the row before, which the first row of a sequence does not have.
///
/// `None` where there is no row to measure.
pub fn measure(
    task: Task,
    part: &Part,
    inputs: &[String],
    naive: Option<usize>,
    labels: usize,
    label: usize,
    predictions: &[f64],
) -> Option<Baseline> {
    let truth = pick(&part.labels, label, labels);
    let predictions = pick(predictions, label, labels);
    if task == Task::Binary {
        let positives =
            truth.iter().filter(|value| **value == 1.0).count() as f64 / truth.len().max(1) as f64;
        let (class, accuracy) = if positives > 0.5 { (1, positives) } else { (0, 1.0 - positives) };
        return Some(Baseline::Majority { class, accuracy, positives });
    }
    let (from, forecast, rows) = match naive {
        Some(column) => {
            let rows: Vec<usize> = (0..part.rows()).collect();
            (inputs[column].clone(), pick(&part.inputs, column, inputs.len()), rows)
        }
        None => {
            let later = |pair: &[usize]| (pair[0] + 1)..pair[1];
            let rows: Vec<usize> = part.offsets.windows(2).flat_map(later).collect();
            let forecast = std::iter::once(0.0).chain(truth.iter().copied()).collect();
            ("the label of the row before".to_owned(), forecast, rows)
        }
    };
    let at = |values: &[f64]| rows.iter().map(|&row| values[row]).collect::<Vec<_>>();
    let (truth, forecast, predictions) = (at(&truth), at(&forecast), at(&predictions));
    let rmse = Regression::new(&forecast, &truth).ok()?.rmse;
    let model_rmse = Regression::new(&predictions, &truth).ok()?.rmse;
    Some(Baseline::Naive { from, rows: rows.len(), rmse, model_rmse })
}

impl Baseline {
    /// One line for the report.
    pub fn line(&self) -> String {
        match self {
            Self::Naive { from, rmse, model_rmse, rows } => {
                let change = 100.0 * (model_rmse / rmse - 1.0);
                let verdict = match change {
                    change if !change.is_finite() => "no comparison".to_owned(),
                    change if change < 0.0 => format!("{:.1} % better", -change),
                    change => format!("{change:.1} % worse: this model is not worth using"),
                };
                format!(
                    "naive forecast ({from}): RMSE {} on {rows} rows, the model {}: {verdict}",
                    number(*rmse),
                    number(*model_rmse)
                )
            }
            Self::Majority { class, accuracy, positives } => format!(
                "always saying {class} has accuracy {}; guessing at random has PR-AUC {}",
                number(*accuracy),
                number(*positives)
            ),
        }
    }

    /// The same as JSON.
    pub fn json(&self) -> Value {
        match self {
            Self::Naive { from, rows, rmse, model_rmse } => {
                json!({ "kind": "naive", "from": from, "rows": rows, "rmse": rmse, "model_rmse": model_rmse })
            }
            Self::Majority { class, accuracy, positives } => {
                json!({ "kind": "majority", "class": class, "accuracy": accuracy, "positives": positives })
            }
        }
    }
}
