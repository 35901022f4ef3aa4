//! A saved model at work: reading its file, and predicting a table.

use std::path::Path;

use bptt::file::{AnyModel, Metadata, ModelFile};
use bptt::{DynRnn, Float, Loss, Normalization, Predictor};

use crate::args::Task;
use crate::baseline;
use crate::data::{Part, Scaling, Source, scale_into};
use crate::failure::Failure;
use crate::live::Refusal;
use crate::report::Measured;
use crate::scores::{self, pick};
use crate::table::{ColumnRequest, Columns, LabelKind};

/// A model with everything that the tool needs to use it.
pub struct Saved {
    pub file: ModelFile,
    pub columns: Columns,
    pub scaling: Scaling,
    pub task: Task,
    pub threshold: f64,
    pub loss: Loss,
}

impl Saved {
    /// Reads the model file at `path`.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let file = read_file(path)?;
        let wrong = |found: String| Failure::input(format!("{}: {found}", path.display()));
        let Metadata { task, threshold, input_normalizer, label_normalizer, .. } = &file.metadata;
        let (Some(task), Some(inputs), Some(labels)) = (task, input_normalizer, label_normalizer) else {
            let found = "expected a model trained by this tool, found one without task and normalisation";
            return Err(wrong(found.into()));
        };
        Ok(Self {
            columns: columns(&file.metadata),
            scaling: Scaling { inputs: inputs.clone(), labels: labels.clone() },
            task: (*task).into(),
            threshold: threshold.unwrap_or(0.5),
            // The first version of the format knew no other.
            loss: file.metadata.loss.unwrap_or(Loss::Mse),
            file,
        })
    }

    /// The columns to ask of a file.
    pub fn request(&self) -> ColumnRequest {
        let labels_as = match self.task {
            Task::Classification => LabelKind::Names,
            Task::Regression | Task::Binary => LabelKind::Numbers,
        };
        ColumnRequest { labels_as, ..self.columns.clone().into() }
    }

    /// The names of a classification's classes.
    pub fn classes(&self) -> &[String] {
        &self.file.metadata.classes
    }

    /// The name of the input column that is the naive forecast, if the training had one.
    pub fn naive(&self) -> Option<usize> {
        let name = self.file.metadata.training.get("naive")?;
        self.columns.inputs.iter().position(|input| input == name)
    }

    /// Predictions (rows, labels) on the labels' original scale, or probabilities (rows, classes), all finite, and on how
    /// many threads they were made.
    pub fn predict(
        &self,
        source: &Source,
        part: &Part,
        threads: usize,
    ) -> Result<(Vec<f64>, usize), Failure> {
        let (predictions, threads) = match &self.file.model {
            AnyModel::F32(model) => predict(
                (model, self.loss),
                &self.scaling,
                (&self.scaling.features(source, part)?, &part.offsets),
                threads,
            ),
            AnyModel::F64(model) => predict(
                (model, self.loss),
                &self.scaling,
                (&self.scaling.features(source, part)?, &part.offsets),
                threads,
            ),
        }?;
        // Inputs far beyond the training's can overflow; say where instead of going on with NaN.
        match predictions.iter().position(|value| !value.is_finite()) {
            Some(at) => {
                let line = part.line(&source.table, at / self.file.model.output_size());
                Err(Failure::input(format!(
                    "{}, line {line}: expected inputs in a range that the model can compute with, found ones whose \
                     prediction is not finite",
                    source.name
                )))
            }
            None => Ok((predictions, threads)),
        }
    }
}

/// Why rows have no predictions.
pub enum RowRefused {
    /// This row, counted from 0.
    Row(usize, Refusal),
    Other(Failure),
}

impl Saved {
    /// Predictions as [`Saved::predict`]'s, for rows (rows, inputs) that no file has.
    pub fn predict_rows(&self, inputs: &[f64], offsets: &[usize]) -> Result<Vec<f64>, RowRefused> {
        match &self.file.model {
            AnyModel::F32(model) => self.typed_rows(model, inputs, offsets),
            AnyModel::F64(model) => self.typed_rows(model, inputs, offsets),
        }
    }

    fn typed_rows<T: Float>(
        &self,
        model: &DynRnn<T>,
        inputs: &[f64],
        offsets: &[usize],
    ) -> Result<Vec<f64>, RowRefused> {
        if inputs.is_empty() {
            return Ok(Vec::new());
        }
        let mut features = Vec::new();
        scale_into::<T>(&self.scaling.inputs, inputs, &mut features).map_err(|at| {
            let (row, column) = (at / model.input_size(), at % model.input_size());
            RowRefused::Row(row, Refusal::Beyond { column, dtype: T::DTYPE })
        })?;
        // On the caller's thread alone.
        let predictions = predict((model, self.loss), &self.scaling, (&features, offsets), 1);
        let (predictions, _) = predictions.map_err(RowRefused::Other)?;
        match predictions.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(RowRefused::Row(at / model.output_size(), Refusal::NotFinite)),
            None => Ok(predictions),
        }
    }
}

/// Reads the model file at `path`, whatever it says about its data.
pub fn read_file(path: &Path) -> Result<ModelFile, Failure> {
    let wrong = |found: String| Failure::input(format!("{}: {found}", path.display()));
    let bytes = std::fs::read(path)
        .map_err(|error| wrong(format!("expected a model file that can be read, found: {error}")))?;
    ModelFile::from_bytes(&bytes).map_err(|error| wrong(error.to_string()))
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

/// Predictions (rows, labels) on the labels' original scale from scaled features, or probabilities (rows, classes); not
/// finite where the network overflowed. And on how many of up to `threads` threads they were made.
pub fn predict<T: Float>(
    (model, loss): (&DynRnn<T>, Loss),
    scaling: &Scaling,
    (features, offsets): (&[T], &[usize]),
    threads: usize,
) -> Result<(Vec<f64>, usize), Failure> {
    let rows = features.len() / model.input_size();
    let mut outputs = vec![T::ZERO; rows * model.output_size()];
    let mut predictor = Predictor::new(model).map_err(Failure::input)?.threads(threads);
    predictor.predict_sequences_into(features, offsets, &mut outputs).map_err(Failure::input)?;
    loss.probabilities(&mut outputs, model.output_size());
    Ok((scaling.predictions(&outputs), predictor.threads_used()))
}

/// What to measure, and how.
#[derive(Clone, Copy)]
pub struct Measure<'a> {
    pub task: Task,
    pub threshold: f64,
    pub columns: &'a Columns,
    pub naive: Option<usize>,
    /// The names of a classification's classes.
    pub classes: &'a [String],
    pub scaling: &'a Scaling,
}

impl Measure<'_> {
    /// Scores of `predictions` on the labelled rows of `part`, with baselines; `None` where a label column has no label.
    pub fn part(
        self,
        name: &'static str,
        part: &Part,
        predictions: &[f64],
    ) -> Result<Option<Measured>, Failure> {
        let columns = self.columns.labels.len();
        let (mut scores, mut baselines) = (Vec::new(), Vec::new());
        for column in 0..columns {
            let truth = pick(&part.labels, column, columns);
            let labelled: Vec<usize> = (0..truth.len()).filter(|&row| !truth[row].is_nan()).collect();
            if labelled.is_empty() {
                return Ok(None);
            }
            let known: Vec<f64> = labelled.iter().map(|&row| truth[row]).collect();
            let mean = (self.scaling.labels.kind() == Normalization::ZScore)
                .then(|| self.scaling.labels.offset()[column]);
            let (task, inputs, naive, classes) =
                (self.task, &self.columns.inputs[..], self.naive, self.classes);
            let about = baseline::Known { task, inputs, naive, classes, mean };
            if task == Task::Classification {
                let rows = labelled
                    .iter()
                    .flat_map(|row| &predictions[row * classes.len()..(row + 1) * classes.len()]);
                let rows: Vec<f64> = rows.copied().collect();
                scores.push(scores::measure(task, self.threshold, &rows, &known)?);
                baselines.push(baseline::measure(about, part, &truth, &truth));
            } else {
                let all = pick(predictions, column, columns);
                let rows: Vec<f64> = labelled.iter().map(|&row| all[row]).collect();
                scores.push(scores::measure(task, self.threshold, &rows, &known)?);
                baselines.push(baseline::measure(about, part, &truth, &all));
            }
        }
        let (sequences, rows) = (part.sequences(), part.rows());
        Ok(Some(Measured { name, sequences, rows, classes: self.classes.to_vec(), scores, baselines }))
    }
}
