//! bptt itself, by its public interface: sizes in the type ([`typed`]) and at run time ([`dynamic`]).

use std::ops::ControlFlow;

use bptt::{Activation, Dataset, Dim, DynRnn, Float, Level, Model, Rnn, TrainConfig, Trainer, TypedDataset};
use serde_json::json;

use crate::protocol::{Entry, NotCompiled, Outcome, Run};
use crate::task::{NAMES, Setup, Task};

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
    let Setup { input, hidden, output, steps, .. } = task.setup;
    let model = DynRnn::new(input, hidden, output, activation(&task.setup)?, 0)?;
    let mut data = Dataset::new(input, output)?;
    for (features, labels) in task.features.chunks(steps * input).zip(task.labels.chunks(steps * output)) {
        data.push(features, labels)?;
    }
    entry(&task, model, data)
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
    for (name, values) in NAMES.into_iter().zip(&task.weights) {
        initial.params_mut().set(name, values)?;
    }
    let level = match &task.setup.level {
        None => Level::best(),
        Some(name) => {
            let found = Level::available().into_iter().find(|level| level.name() == name);
            found.ok_or_else(|| format!("this machine has no level `{name}`"))?
        }
    };
    let config = TrainConfig {
        learning_rate: task.setup.learning_rate,
        batch_size: task.setup.batch_size,
        ..Default::default()
    };
    let trainer = Trainer::with_level(initial.clone(), config.clone(), level)?;
    let about = json!({ "threads": 1, "variant": level.name() });
    let part = data.clone();
    Ok(Entry { run: Box::new(Face { initial, config, level, trainer, data, part }), about })
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

    fn train(&mut self, sequences: usize, epochs: usize) -> Outcome<f64> {
        if self.part.len() != sequences {
            self.part = self.data.subset(&(0..sequences).collect::<Vec<_>>())?;
        }
        let last = self.trainer.fit(&self.part, epochs, |_, _| ControlFlow::Continue(()))?;
        Ok(last.ok_or("no epoch was asked for")?.loss)
    }
}
