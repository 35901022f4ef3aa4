//! What a model must beat: forecasts that need no training.

use bptt::metrics::Regression;
use serde_json::{Value, json};

use crate::args::Task;
use crate::data::Part;
use crate::scores::{number, percent, pick};

/// A forecast without a model, measured on the rows where it has one, and the model measured on the same rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Baseline {
    /// Regression: the naive forecast, and what it is.
    Naive { from: String, rows: usize, rmse: f64, model_rmse: f64 },
    /// Binary: always the commoner class, and the share of class 1, which is the PR-AUC of a coin.
    Majority { class: u8, accuracy: f64, positives: f64 },
    /// Classification: always the commonest class.
    Commonest { class: String, accuracy: f64 },
}

/// What a baseline needs to know beside the data.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    pub task: Task,
    /// The names of the input columns.
    pub inputs: &'a [String],
    /// The input column that is the naive forecast; without one it is the label of the row before, which the first row
    /// of a sequence does not have.
    pub naive: Option<usize>,
    /// The names of the classes.
    pub classes: &'a [String],
    /// The labels' mean in the training part, the forecast where no row has one before it.
    pub mean: Option<f64>,
}

/// The baseline of a label column on `part`, whose labels in that column are `truth` (NaN where there is none) and the
/// model's forecasts `predictions`.
///
/// `None` where there is no row to measure.
pub fn measure(known: Known<'_>, part: &Part, truth: &[f64], predictions: &[f64]) -> Option<Baseline> {
    let labelled: Vec<f64> = truth.iter().copied().filter(|label| !label.is_nan()).collect();
    let share =
        |class: f64| labelled.iter().filter(|label| **label == class).count() as f64 / labelled.len() as f64;
    match known.task {
        _ if labelled.is_empty() => None,
        Task::Binary => {
            let positives = share(1.0);
            let (class, accuracy) = if positives > 0.5 { (1, positives) } else { (0, 1.0 - positives) };
            Some(Baseline::Majority { class, accuracy, positives })
        }
        Task::Classification => {
            let shares = (0..known.classes.len()).map(|class| share(class as f64));
            let (class, accuracy) = shares.enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
            Some(Baseline::Commonest { class: known.classes[class].clone(), accuracy })
        }
        Task::Regression => naive(known, part, truth, predictions),
    }
}

/// The naive forecast.
fn naive(known: Known<'_>, part: &Part, truth: &[f64], predictions: &[f64]) -> Option<Baseline> {
    let forecast: Vec<f64> = match known.naive {
        Some(column) => pick(&part.inputs, column, known.inputs.len()),
        None => {
            let mut before: Vec<f64> = std::iter::once(f64::NAN).chain(truth.iter().copied()).collect();
            part.offsets.iter().for_each(|&first| before[first] = f64::NAN);
            before
        }
    };
    let known_rows: Vec<usize> =
        (0..truth.len()).filter(|&row| !truth[row].is_nan() && !forecast[row].is_nan()).collect();
    let (from, rows, forecast) = match (known.naive, known.mean) {
        (Some(column), _) => (known.inputs[column].clone(), known_rows, forecast),
        (None, _) if !known_rows.is_empty() => {
            ("the label of the row before".to_owned(), known_rows, forecast)
        }
        (None, Some(mean)) => {
            let rows = (0..truth.len()).filter(|&row| !truth[row].is_nan()).collect();
            ("the training part's mean".to_owned(), rows, vec![mean; truth.len()])
        }
        (None, None) => return None,
    };
    let at = |values: &[f64]| rows.iter().map(|&row| values[row]).collect::<Vec<_>>();
    let (truth, forecast, predictions) = (at(truth), at(&forecast), at(predictions));
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
            Self::Commonest { class, accuracy } => {
                format!("always saying {class} has accuracy {}", percent(*accuracy))
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
            Self::Commonest { class, accuracy } => {
                json!({ "kind": "commonest", "class": class, "accuracy": accuracy })
            }
            Self::Majority { class, accuracy, positives } => {
                json!({ "kind": "majority", "class": class, "accuracy": accuracy, "positives": positives })
            }
        }
    }
}
