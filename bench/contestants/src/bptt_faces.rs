//! bptt itself, by its public interface: sizes in the type ([`typed`]) and at run time ([`dynamic`]).

use std::ops::ControlFlow;

use bptt::{
    Activation, Architecture, Cell, Dataset, Dim, DynRnn, Float, Level, Model, Rnn, TrainConfig, Trainer,
    TypedDataset,
};
use serde_json::json;

use crate::prediction;
use crate::protocol::{Entry, NotCompiled, Outcome, Run};
use crate::task::{NAMES, Setup, Task, Work};

/// Enters `Rnn<I, H, O, T>`, for the shapes that are compiled in.
pub fn typed<T: Float>(task: Task<T>) -> Outcome<Entry> {
    match (task.setup.input, task.setup.hidden, task.setup.output) {
        (3, 5, 1) => typed_shape::<T, 3, 5, 1>(task),
        (29, 10, 1) => typed_shape::<T, 29, 10, 1>(task),
        (i, h, o) => Err(NotCompiled(format!("{i} → {h} → {o}")).into()),
    }
}

fn typed_shape<T: Float, const I: usize, const H: usize, const O: usize>(task: Task<T>) -> Outcome<Entry> {
    let model = Rnn::<I, H, O, T>::new(activation(&task.setup)?, 0)?;
    let mut data = TypedDataset::<I, O, T>::typed();
    let (features, _) = task.features.as_chunks();
    let (labels, _) = task.labels.as_chunks();
    let steps = task.setup.steps;
    for (features, labels) in features.chunks(steps).zip(labels.chunks(steps)) {
        data.push(features, labels)?;
    }
    entry(&task, model, data)
}

/// Enters `DynRnn<T>`.
pub fn dynamic<T: Float>(task: Task<T>) -> Outcome<Entry> {
    let Setup { input, hidden, output, ref cell, work, .. } = task.setup;
    let cell = Cell::from_name(cell, activation(&task.setup)?).ok_or("no such cell")?;
    let mut model = DynRnn::with_architecture(input, hidden, output, Architecture::new(cell), 0)?;
    if work != Work::Train {
        set(&mut model, &task)?;
        return prediction::enter(task, model);
    }
    let mut data = Dataset::new(input, output)?;
    for rows in task.offsets.windows(2) {
        let (from, to) = (rows[0], rows[1]);
        data.push(&task.features[from * input..to * input], &task.labels[from * output..to * output])?;
    }
    entry(&task, model, data)
}

/// Sets the initial weights.
fn set<T: Float, I: Dim, H: Dim, O: Dim>(model: &mut Model<I, H, O, T>, task: &Task<T>) -> Outcome<()> {
    for (name, values) in NAMES.into_iter().zip(&task.weights) {
        model.params_mut().set(name, values)?;
    }
    Ok(())
}

/// The level that was asked for.
pub fn level(setup: &Setup) -> Outcome<Level> {
    let Some(name) = &setup.level else { return Ok(Level::best()) };
    let found = Level::available().into_iter().find(|level| level.name() == name);
    Ok(found.ok_or_else(|| format!("this machine has no level `{name}`"))?)
}

fn activation(setup: &Setup) -> Outcome<Activation> {
    let found = Activation::ALL.into_iter().find(|activation| activation.name() == setup.activation);
    found.ok_or_else(|| format!("no activation `{}`", setup.activation).into())
}

fn entry<T: Float, I: Dim, H: Dim, O: Dim>(
    task: &Task<T>,
    mut initial: Model<I, H, O, T>,
    data: Dataset<T, I, O>,
) -> Outcome<Entry> {
    set(&mut initial, task)?;
    let level = level(&task.setup)?;
    let config = TrainConfig {
        learning_rate: task.setup.learning_rate,
        batch_size: task.setup.batch_size,
        threads: task.setup.bptt_threads(),
        ..Default::default()
    };
    let trainer = Trainer::with_level(initial.clone(), config.clone(), level)?;
    let about = json!({ "threads": task.setup.threads, "variant": level.name() });
    let part = data.clone();
    let offsets = task.offsets.clone();
    Ok(Entry { run: Box::new(Face { initial, config, level, trainer, data, part }), offsets, about })
}

struct Face<I, H, O, T> {
    initial: Model<I, H, O, T>,
    config: TrainConfig,
    level: Level,
    trainer: Trainer<I, H, O, T>,
    data: Dataset<T, I, O>,
    /// The first sequences of `data`, as many as were last trained on.
    part: Dataset<T, I, O>,
}

impl<T: Float, I: Dim, H: Dim, O: Dim> Run for Face<I, H, O, T> {
    fn reset(&mut self) -> Outcome<()> {
        self.trainer = Trainer::with_level(self.initial.clone(), self.config.clone(), self.level)?;
        Ok(())
    }

    fn pass(&mut self, sequences: usize, epochs: usize) -> Outcome<f64> {
        if self.part.len() != sequences {
            self.part = self.data.subset(&(0..sequences).collect::<Vec<_>>())?;
        }
        // As the others: nobody looks up between these epochs.
        let run = bptt::Run { epochs: self.trainer.epochs() + epochs, every: epochs, ..Default::default() };
        let last = self.trainer.run(&self.part, None, run, |_, _| ControlFlow::Continue(()))?;
        Ok(last.ok_or("no epoch was asked for")?.loss)
    }
}
