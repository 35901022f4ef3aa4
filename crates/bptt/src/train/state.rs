//! [`TrainerState`]: everything that decides how a training goes on.

use std::collections::BTreeMap;

use super::{EpochStats, Trainer};
use crate::config::TrainConfig;
use crate::dim::Dim;
use crate::optim::OptimizerState;
use crate::params::Params;
use crate::rng::Rng;
use crate::schedule::ScheduleState;
use crate::stack::learner::{Learner, Totals};
use crate::{DynRnn, Error, Float, Level, Result};

/// Everything that decides how a training goes on: parameters, what the optimizer remembers, the random generator and the
/// order of the sequences, epoch and batch, what the schedule and early stopping remember, the best weights.
///
/// [`Trainer::state`] takes it, [`Trainer::restore`] puts it into a trainer with the same settings, which then goes on with
/// the same bits. [`file::Checkpoint`](https://docs.rs/bptt/latest/bptt/file/struct.Checkpoint.html) keeps it in a file.
/// What it does not hold is the data.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainerState<T = f32> {
    pub(crate) model: DynRnn<T>,
    /// The settings by name: see [`described`].
    pub(crate) config: BTreeMap<String, String>,
    /// The level's name.
    pub(crate) level: String,
    pub(crate) epoch: usize,
    pub(crate) position: Option<Position>,
    pub(crate) order: Vec<usize>,
    pub(crate) rng: Rng,
    pub(crate) schedule: ScheduleState,
    pub(crate) learner: Option<LearnerState<T>>,
    pub(crate) memory: Option<Memory<T>>,
}

/// Where an epoch is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Position {
    /// Batches done.
    pub batches: usize,
    pub learning_rate: f64,
    pub totals: Totals,
}

/// What a [`Learner`] carries from batch to batch; the buffers as parameters, without padding.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LearnerState<T> {
    /// What the optimizer remembers, where it has use for it.
    pub buffers: [Option<Params<T>>; 3],
    pub steps: u64,
    pub passes: u64,
    pub pending: usize,
    /// Where passes are pending.
    pub gradient: Option<Params<T>>,
}

/// What early stopping remembers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Memory<T> {
    pub best: Option<EpochStats>,
    /// Of the best epoch.
    pub weights: Params<T>,
    /// Epochs since.
    pub waited: usize,
}

impl<T: Float> Memory<T> {
    pub fn new(params: &Params<T>) -> Result<Self> {
        Ok(Self { best: None, weights: params.zeros_like()?, waited: 0 })
    }

    /// An epoch has ended with these parameters; says whether it is the best.
    pub fn observe(&mut self, stats: &mut EpochStats, min_delta: f64, params: &Params<T>) {
        let loss = stats.validation_loss.unwrap_or(f64::NAN);
        let bound = self.best.and_then(|best| best.validation_loss).unwrap_or(f64::INFINITY);
        // NaN is never better.
        stats.best = loss < bound - min_delta || (self.best.is_none() && loss.is_finite());
        self.waited = if stats.best { 0 } else { self.waited.saturating_add(1) };
        if stats.best {
            self.best = Some(*stats);
            self.weights.flat_mut().copy_from_slice(params.flat());
        }
    }

    /// Starts over, in the same room.
    pub fn forget(&mut self) {
        (self.best, self.waited) = (None, 0);
    }
}

impl<T: Float> TrainerState<T> {
    /// The model as it was.
    pub fn model(&self) -> &DynRnn<T> {
        &self.model
    }

    /// Epochs that had ended.
    pub fn epochs(&self) -> usize {
        self.epoch - usize::from(self.position.is_some())
    }

    /// Batches that had been run of an epoch that had not ended.
    pub fn batches(&self) -> Option<usize> {
        self.position.map(|position| position.batches)
    }

    /// The name of the [`Level`]. On another one a training goes on as well, but rounds otherwise.
    pub fn level(&self) -> &str {
        &self.level
    }

    /// The statistics of the best epoch, where validation data decided it.
    pub fn best(&self) -> Option<EpochStats> {
        self.memory.as_ref().and_then(|memory| memory.best)
    }
}

impl<I: Dim, H: Dim, O: Dim, T: Float> Trainer<I, H, O, T> {
    /// Everything that decides how this training goes on but for the data; see [`Trainer::run`] for an example.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn state(&self) -> Result<TrainerState<T>> {
        let copy = |params: &Params<T>| params.like(params.flat());
        let layout = self.model.layout.erased();
        let model =
            crate::Model { layout, architecture: self.model.architecture, params: copy(&self.model.params)? };
        let learner = match &self.learner {
            Some(learner) => Some(learner.state(&self.model.params)?),
            None => None,
        };
        let memory = match &self.memory {
            Some(Memory { best, weights, waited }) => {
                let weights = if best.is_some() { copy(weights)? } else { weights.zeros_like()? };
                Some(Memory { best: *best, weights, waited: *waited })
            }
            None => None,
        };
        Ok(TrainerState {
            model,
            config: described(&self.config),
            level: self.level.name().to_owned(),
            epoch: self.epoch,
            position: self.position,
            order: self.order.clone(),
            rng: self.rng.clone(),
            schedule: self.schedule.clone(),
            learner,
            memory,
        })
    }

    /// Goes on where the trainer was whose state this is. Its model may be any of the same architecture: it gets the state's
    /// parameters. With the same [`Level`] and the same data, what follows has the same bits.
    ///
    /// # Errors
    /// [`Error::Size`] or [`Error::Changed`] where the model's sizes or architecture or a setting is another than the
    /// state's; the trainer is then unchanged. [`Error::OutOfMemory`].
    pub fn restore(&mut self, state: TrainerState<T>) -> Result<()> {
        let (model, other) = (&self.model, &state.model);
        for (what, expected, found) in [
            ("input_size", other.input_size(), model.input_size()),
            ("hidden_size", other.hidden_size(), model.hidden_size()),
            ("output_size", other.output_size(), model.output_size()),
        ] {
            if expected != found {
                return Err(Error::Size { what, expected, found });
            }
        }
        changed("architecture", &format!("{:?}", other.architecture), &format!("{:?}", model.architecture))?;
        for (name, found) in described(&self.config) {
            changed(&name, state.config.get(&name).map_or("none", String::as_str), &found)?;
        }
        if let Some(position) = state.position {
            let (what, expected) =
                ("batches of an epoch", state.order.len().div_ceil(self.config.batch_size));
            if position.batches >= expected {
                return Err(Error::Size { what, expected, found: position.batches });
            }
        }
        let stack = self.model.stack();
        let len = self.model.params.flat().len();
        let learner = match &state.learner {
            Some(parts) => {
                let mut learner = Learner::new(&stack, &self.config, len)?;
                learner.restore(parts);
                Some(Box::new(learner))
            }
            None => None,
        };
        self.model.params.flat_mut().copy_from_slice(state.model.params.flat());
        self.learner = learner;
        let TrainerState { epoch, position, order, rng, schedule, memory, .. } = state;
        (self.epoch, self.position, self.order) = (epoch, position, order);
        (self.rng, self.schedule, self.memory) = (rng, schedule, memory);
        Ok(())
    }

    /// The level that this trainer runs at.
    pub fn level(&self) -> Level {
        self.level
    }
}

fn changed(name: &str, expected: &str, found: &str) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Changed { name: name.to_owned(), expected: expected.to_owned(), found: found.to_owned() })
}

/// Every setting as text, by name. Numbers are written so that different ones differ.
pub(crate) fn described(config: &TrainConfig) -> BTreeMap<String, String> {
    let TrainConfig {
        learning_rate,
        batch_size,
        reduction,
        shuffle,
        loss,
        class_weights,
        optimizer,
        clip_norm,
        clip_value,
        schedule,
        warmup_epochs,
        truncate,
        accumulate,
        dropout_seed,
        // Changes no bit: a training may go on with another number.
        threads: _,
    } = config;
    let optional = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
    let number = |value: &Option<f64>| optional(value.map(|value| value.to_string()));
    let pairs = [
        ("learning_rate", learning_rate.to_string()),
        ("batch_size", batch_size.to_string()),
        ("reduction", format!("{reduction:?}")),
        ("shuffle", optional(shuffle.map(|seed| seed.to_string()))),
        ("loss", format!("{loss:?}")),
        ("class_weights", optional(class_weights.as_ref().map(|weights| format!("{weights:?}")))),
        ("optimizer", format!("{optimizer:?}")),
        ("clip_norm", number(clip_norm)),
        ("clip_value", number(clip_value)),
        ("schedule", format!("{schedule:?}")),
        ("warmup_epochs", warmup_epochs.to_string()),
        ("truncate", optional(truncate.map(|steps| steps.to_string()))),
        ("accumulate", accumulate.to_string()),
        ("dropout_seed", dropout_seed.to_string()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

impl<T: Float> Learner<T> {
    /// What is carried from batch to batch; `params` gives the names and shapes.
    fn state(&self, params: &Params<T>) -> Result<LearnerState<T>> {
        let OptimizerState { first, second, third, steps } = &self.optimizer;
        let copy = |buffer: &[T]| if buffer.is_empty() { Ok(None) } else { params.like(buffer).map(Some) };
        Ok(LearnerState {
            buffers: [copy(first)?, copy(second)?, copy(third)?],
            steps: *steps,
            passes: self.passes,
            pending: self.pending,
            gradient: if self.pending > 0 { copy(&self.gradient)? } else { None },
        })
    }

    /// Takes over what a learner of the same settings carried.
    fn restore(&mut self, state: &LearnerState<T>) {
        let LearnerState { buffers, steps, passes, pending, gradient } = state;
        let optimizer = &mut self.optimizer;
        let targets = [&mut optimizer.first, &mut optimizer.second, &mut optimizer.third, &mut self.gradient];
        for (target, source) in targets.into_iter().zip(buffers.iter().chain([gradient])) {
            if let Some(source) = source.as_ref().filter(|source| source.flat().len() == target.len()) {
                target.copy_from_slice(source.flat());
            }
        }
        optimizer.steps = *steps;
        (self.passes, self.pending) = (*passes, *pending);
    }
}
