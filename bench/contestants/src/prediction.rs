//! bptt's predictions: of whole batches, and of one timestep at a time.

use std::time::{Duration, Instant};

use bptt::{Dyn, DynRnn, Float, Level, Predictor, Stepper, Workers};
use serde_json::json;

use crate::bptt_faces::level;
use crate::protocol::{Entry, Outcome, Run};
use crate::task::{Task, Work};

/// Sequences whose errors are compared with others'.
const COMPARED: usize = 256;

/// Enters the predictions of `model`.
pub fn enter<T: Float>(task: Task<T>, model: DynRnn<T>) -> Outcome<Entry> {
    let (offsets, level) = (task.offsets.clone(), level(&task.setup)?);
    let (batch, sequences) = (task.setup.batch_size, offsets.len() - 1);
    let batches = (0..sequences).step_by(batch).map(|first| {
        let bounds = &offsets[first..=(first + batch).min(sequences)];
        bounds.iter().map(|offset| offset - bounds[0]).collect()
    });
    let outputs = vec![T::ZERO; task.labels.len()];
    let about = json!({ "threads": task.setup.threads, "variant": level.name() });
    let run = Prediction { model, level, sheet: Sheet { batches: batches.collect(), outputs, task } };
    Ok(Entry { run: Box::new(run), offsets, about })
}

struct Prediction<T> {
    model: DynRnn<T>,
    level: Level,
    sheet: Sheet<T>,
}

/// What is predicted from, and where the outputs go.
struct Sheet<T> {
    task: Task<T>,
    /// Where the sequences of each batch begin, counted from its first row.
    batches: Vec<Vec<usize>>,
    outputs: Vec<T>,
}

impl<T: Float> Sheet<T> {
    /// Each batch in one call.
    fn whole(&mut self, predictor: &mut Predictor<'_, Dyn, Dyn, Dyn, T>, sequences: usize) -> Outcome<()> {
        let mut row = 0;
        for offsets in &self.batches[..sequences / self.task.setup.batch_size] {
            let rows = offsets[offsets.len() - 1];
            let (features, outputs) = rows_of(&self.task, &mut self.outputs, row, rows);
            predictor.predict_sequences_into(features, offsets, outputs)?;
            row += rows;
        }
        Ok(())
    }

    /// Each timestep of each sequence in one call.
    fn stepwise(&mut self, stepper: &Stepper<T>, workers: &mut Workers, sequences: usize) -> Outcome<()> {
        for bounds in self.task.offsets[..=sequences].windows(2) {
            let mut state = stepper.state()?;
            for row in bounds[0]..bounds[1] {
                let (features, output) = rows_of(&self.task, &mut self.outputs, row, 1);
                stepper.step_with(workers, &mut state, features, output)?;
            }
        }
        Ok(())
    }

    /// The mean squared error of a sequence.
    fn error(&self, sequence: usize) -> f64 {
        let o = self.task.setup.output;
        let range = self.task.offsets[sequence] * o..self.task.offsets[sequence + 1] * o;
        let pairs = self.outputs[range.clone()].iter().zip(&self.task.labels[range.clone()]);
        pairs.map(|(y, label)| (y.to_f64() - label.to_f64()).powi(2)).sum::<f64>() / range.len() as f64
    }
}

/// The features and the outputs of `rows` rows from `row` on.
fn rows_of<'a, T>(
    task: &'a Task<T>,
    outputs: &'a mut [T],
    row: usize,
    rows: usize,
) -> (&'a [T], &'a mut [T]) {
    let (i, o) = (task.setup.input, task.setup.output);
    (&task.features[row * i..(row + rows) * i], &mut outputs[row * o..(row + rows) * o])
}

/// How long `pass` takes so many times, after one that is not timed.
fn time(epochs: usize, mut pass: impl FnMut() -> Outcome<()>) -> Outcome<Duration> {
    pass()?;
    let start = Instant::now();
    (0..epochs).try_for_each(|_| pass())?;
    Ok(start.elapsed())
}

impl<T: Float> Run for Prediction<T> {
    fn reset(&mut self) -> Outcome<()> {
        Ok(())
    }

    fn pass(&mut self, sequences: usize, epochs: usize) -> Outcome<f64> {
        self.timed(sequences, epochs, true)?;
        Ok(self.sheet.error(0))
    }

    /// Whoever predicts keeps a predictor; what it prepares in its first call is not in the time.
    fn timed(&mut self, sequences: usize, epochs: usize, _warm: bool) -> Outcome<Duration> {
        let Self { model, level, sheet } = self;
        if sheet.task.setup.work == Work::Step {
            let stepper = Stepper::with_level(model, *level)?;
            let mut workers = Workers::new(sheet.task.setup.bptt_threads());
            return time(epochs, || sheet.stepwise(&stepper, &mut workers, sequences));
        }
        let predictor = Predictor::with_level(model, *level)?;
        let mut predictor = predictor.threads(sheet.task.setup.bptt_threads());
        time(epochs, || sheet.whole(&mut predictor, sequences))
    }

    /// The error of each sequence, up to [`COMPARED`] of them: there is nothing that epochs could change.
    fn losses(&mut self, sequences: usize, _epochs: usize) -> Outcome<Vec<f64>> {
        self.sheet.outputs.fill(T::ZERO);
        self.pass(sequences, 1)?;
        Ok((0..sequences.min(COMPARED)).map(|sequence| self.sheet.error(sequence)).collect())
    }
}
