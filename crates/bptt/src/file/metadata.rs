//! [`Metadata`]: what a model's inputs and outputs mean, and how it was trained.

use std::collections::BTreeMap;
use std::fmt;

use super::{AnyModel, FileError};
use crate::{Loss, Normalizer};

/// What the outputs of a model are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Numbers.
    Regression,
    /// Scores of a yes-or-no question; see [`Metadata::threshold`].
    Binary,
    /// Logits of classes; see [`Metadata::classes`].
    Classification,
}

impl Task {
    /// All tasks.
    pub const ALL: [Self; 3] = [Self::Regression, Self::Binary, Self::Classification];

    /// The name: `"regression"`, `"binary"` or `"classification"`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Regression => "regression",
            Self::Binary => "binary",
            Self::Classification => "classification",
        }
    }

    /// The task of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.name() == name)
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is needed to use a model on other data, and what should be known about it later.
///
/// All of it may be left out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metadata {
    /// The names of the features, in the model's order: none, or `input_size` of them.
    pub input_columns: Vec<String>,
    /// The names of the labels: none, one for each of the `output_size` outputs in the model's order, or one where there
    /// are [`Metadata::classes`].
    pub label_columns: Vec<String>,
    /// The column that says which sequence a row belongs to.
    pub sequence_column: Option<String>,
    /// The column that orders the rows of a sequence.
    pub time_column: Option<String>,
    /// Timesteps per training sequence, where a long series was cut into windows; at least 1.
    pub window: Option<usize>,
    /// What the outputs are.
    pub task: Option<Task>,
    /// What the network was trained with: [`Loss::probabilities`] says what its outputs mean. (Of Huber's loss only the
    /// name is kept.)
    pub loss: Option<Loss>,
    /// The names of the classes, in the order of the outputs: none, or `output_size` of them.
    pub classes: Vec<String>,
    /// The score from which on a binary model says yes.
    pub threshold: Option<f64>,
    /// How the features were normalised: one pair for each of the `input_size` columns.
    pub input_normalizer: Option<Normalizer>,
    /// How the labels were normalised: one pair for each of the `output_size` columns.
    pub label_normalizer: Option<Normalizer>,
    /// Settings and results of the training, as text: epochs, learning rate, seed, losses.
    pub training: BTreeMap<String, String>,
}

impl Metadata {
    /// Refuses what does not fit `model`, the same when reading and when writing.
    pub(crate) fn check(&self, model: &AnyModel) -> Result<(), FileError> {
        let (inputs, outputs) = (model.input_size(), model.output_size());
        let columns = |normalizer: &Option<Normalizer>| normalizer.as_ref().map_or(0, Normalizer::columns);
        let labels = if self.classes.is_empty() { outputs } else { 1 };
        let counts = [
            ("input columns", inputs, self.input_columns.len()),
            ("classes", outputs, self.classes.len()),
            ("label columns", labels, self.label_columns.len()),
            ("columns of the input normalisation", inputs, columns(&self.input_normalizer)),
            ("columns of the label normalisation", labels, columns(&self.label_normalizer)),
        ];
        for (what, expected, found) in counts {
            // 0: not given.
            if found != 0 && found != expected {
                return Err(FileError::Columns { what, expected, found });
            }
        }
        let refuse = |key, expected: &str, found: String| {
            Err(FileError::Entry { key, expected: expected.to_owned(), found })
        };
        match (self.window, self.threshold) {
            (Some(0), _) => refuse("window", "a whole number from 1 on", "0".into()),
            (_, Some(threshold)) if !threshold.is_finite() => {
                refuse("threshold", "a finite number", threshold.to_string())
            }
            _ => Ok(()),
        }
    }
}
