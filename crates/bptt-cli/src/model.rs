//! A saved model at work: reading its file, and predicting a table.

use std::path::Path;

use bptt::file::{AnyModel, Metadata, ModelFile};
use bptt::{DynRnn, Float};

use crate::args::Task;
use crate::baseline;
use crate::data::{Part, Scaling, Source};
use crate::failure::Failure;
use crate::report::Measured;
use crate::scores;
use crate::table::{ColumnRequest, Columns};

/// A model with everything that the tool needs to use it.
pub struct Saved {
    pub file: ModelFile,
    pub columns: Columns,
    pub scaling: Scaling,
    pub task: Task,
    pub threshold: f64,
}

impl Saved {
    /// Reads the model file at `path`.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let wrong = |found: String| Failure::input(format!("{shown}: {found}"));
        let bytes = std::fs::read(path)
            .map_err(|error| wrong(format!("expected a model file that can be read, found: {error}")))?;
        let file = ModelFile::from_bytes(&bytes).map_err(|error| wrong(error.to_string()))?;
        let Metadata { task, threshold, input_normalizer, label_normalizer, .. } = &file.metadata;
        let (Some(task), Some(inputs), Some(labels)) = (task, input_normalizer, label_normalizer) else {
            let found = "expected a model trained by this tool, found one without task and normalisation";
            return Err(wrong(found.into()));
        };
        Ok(Self {
            columns: columns(&file.metadata),
            scaling: Scaling { inputs: inputs.clone(), labels: labels.clone() },
            task: match task {
                bptt::file::Task::Regression => Task::Regression,
                bptt::file::Task::Binary => Task::Binary,
            },
            threshold: threshold.unwrap_or(0.5),
            file,
        })
    }

    /// The columns to ask of a file.
    pub fn request(&self) -> ColumnRequest {
        self.columns.clone().into()
    }

    /// The name of the input column that is the naive forecast, if the training had one.
    pub fn naive(&self) -> Option<usize> {
        let name = self.file.metadata.training.get("naive")?;
        self.columns.inputs.iter().position(|input| input == name)
    }

    /// Predictions (rows, labels) on the labels' original scale, all finite.
    pub fn predict(&self, source: &Source, part: &Part) -> Result<Vec<f64>, Failure> {
        let predictions = match &self.file.model {
            AnyModel::F32(model) => {
                predict(model, &self.scaling, &self.scaling.features(source, part)?, &part.offsets)
            }
            AnyModel::F64(model) => {
                predict(model, &self.scaling, &self.scaling.features(source, part)?, &part.offsets)
            }
        }?;
        // Inputs far beyond the training's can overflow; say where instead of going on with NaN.
        match predictions.iter().position(|value| !value.is_finite()) {
            Some(at) => {
                let line = part.line(&source.table, at / self.columns.labels.len());
                Err(Failure::input(format!(
                    "{}, line {line}: expected inputs in a range that the model can compute with, found ones whose \
                     prediction is not finite",
                    source.name
                )))
            }
            None => Ok(predictions),
        }
    }
}

/// The columns that a model was trained on.
fn columns(metadata: &Metadata) -> Columns {
    Columns {
        sequence: metadata.sequence_column.clone(),
        time: metadata.time_column.clone(),
        inputs: metadata.input_columns.clone(),
        labels: metadata.label_columns.clone(),
        window: metadata.window,
    }
}

/// Predictions (rows, labels) on the labels' original scale from scaled features; not finite where the network overflowed.
pub fn predict<T: Float>(
    model: &DynRnn<T>,
    scaling: &Scaling,
    features: &[T],
    offsets: &[usize],
) -> Result<Vec<f64>, Failure> {
    let outputs = model.predict_sequences(features, offsets).map_err(Failure::input)?;
    Ok(scaling.predictions(&outputs))
}

/// What to measure, and how.
#[derive(Clone, Copy)]
pub struct Measure<'a> {
    pub task: Task,
    pub threshold: f64,
    pub columns: &'a Columns,
    pub naive: Option<usize>,
}

impl Measure<'_> {
    /// Scores of `predictions` on `part`, with baselines.
    pub fn part(self, name: &'static str, part: &Part, predictions: &[f64]) -> Result<Measured, Failure> {
        let (inputs, labels) = (&self.columns.inputs, self.columns.labels.len());
        let scores = scores::measure(self.task, self.threshold, predictions, &part.labels, labels)?;
        let baselines = (0..labels)
            .map(|label| baseline::measure(self.task, part, inputs, self.naive, labels, label, predictions))
            .collect();
        Ok(Measured { name, sequences: part.sequences(), rows: part.rows(), scores, baselines })
    }
}
