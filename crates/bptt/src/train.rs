//! [`Trainer`]: epochs of stochastic gradient descent with backpropagation through time.

mod plain;
mod run;
mod state;

use std::ops::ControlFlow;

pub use run::{Moment, Run};
#[cfg(feature = "safetensors")]
pub(crate) use state::LearnerState;
pub use state::TrainerState;
pub(crate) use state::{Memory, Position};

use plain::{Plain, STRETCH};

use crate::config::{EarlyStopping, TrainConfig};
use crate::dataset::DatasetView;
use crate::dim::Dim;
use crate::epoch::Diverged;
use crate::model::Model;
use crate::rng::Rng;
use crate::schedule::ScheduleState;
use crate::stack::learner::{Learner, Totals};
use crate::threads::Threads;
use crate::{Error, Float, Level, Result};

/// What an epoch did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochStats {
    /// Which epoch, from 1; counted over the trainer's whole life.
    pub epoch: usize,
    /// The loss over all labelled elements of the epoch, each taken before its batch's update.
    pub loss: f64,
    /// Updates made.
    pub batches: usize,
    /// Timesteps trained on.
    pub timesteps: usize,
    /// The learning rate.
    pub learning_rate: f64,
    /// The loss on the validation data after the epoch, where there are any.
    pub validation_loss: Option<f64>,
    /// Whether that is the best so far.
    pub best: bool,
}

/// Trains a [`Model`]. Same seed, same data, same [`Level`]: the same bits.
///
/// ```
/// use bptt::{Activation, Dataset, DynRnn, TrainConfig, Trainer};
/// use std::ops::ControlFlow;
///
/// let mut data = Dataset::<f32>::new(1, 1)?;
/// data.push(&[0.0, 1.0, 0.0, 1.0], &[0.0, 0.0, 1.0, 0.0])?; // yesterday's input
/// let model = DynRnn::new(1, 4, 1, Activation::Tanh, 1)?;
/// let mut trainer = Trainer::new(model, TrainConfig { learning_rate: 0.1, ..Default::default() })?;
/// let last = trainer.fit(&data, 200, |epoch, _model| {
///     if epoch.loss < 1e-3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
/// })?;
/// assert!(last.unwrap().loss < 0.1);
/// let model = trainer.into_model();
/// # Ok::<(), bptt::Error>(())
/// ```
#[derive(Debug)]
pub struct Trainer<I, H, O, T = f32> {
    model: Model<I, H, O, T>,
    config: TrainConfig,
    level: Level,
    plain: Option<Plain<T>>,
    /// For everything else, and for losses without learning; made when it is first needed.
    learner: Option<Box<Learner<T>>>,
    threads: Threads,
    schedule: ScheduleState,
    order: Vec<usize>,
    rng: Rng,
    /// Epochs begun.
    epoch: usize,
    /// Where the epoch is that has begun and not ended.
    position: Option<Position>,
    /// Of early stopping.
    memory: Option<Memory<T>>,
}

impl<I: Dim, H: Dim, O: Dim, T: Float> Trainer<I, H, O, T> {
    /// A trainer at the machine's best [`Level`].
    ///
    /// # Errors
    /// [`Error::Setting`], [`Error::Size`] or [`Error::ZeroSize`] for settings out of range or that do not fit the model,
    /// [`Error::OutOfMemory`].
    pub fn new(model: Model<I, H, O, T>, config: TrainConfig) -> Result<Self> {
        Self::with_level(model, config, Level::best())
    }

    /// A trainer at a chosen level.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn with_level(model: Model<I, H, O, T>, config: TrainConfig, level: Level) -> Result<Self> {
        config.check::<T>(model.output_size(), model.architecture.bidirectional)?;
        let plain = match model.plain().filter(|_| config.is_plain()) {
            Some(activation) => Some(Plain::new(&model, activation, config.batch_size)?),
            None => None,
        };
        let rng = Rng::new(config.shuffle.unwrap_or(0));
        let schedule = ScheduleState::default();
        let (learner, order, epoch) = (None, Vec::new(), 0);
        let threads = Threads::new(config.threads);
        Ok(Self {
            model,
            config,
            level,
            plain,
            learner,
            threads,
            schedule,
            order,
            rng,
            epoch,
            position: None,
            memory: None,
        })
    }

    /// Runs one epoch. Allocates only where `data` takes more room than any before.
    ///
    /// # Errors
    /// [`Error::Size`] where the data's sizes are not the model's, [`Error::Empty`], [`Error::Unlabelled`],
    /// [`Error::OutOfMemory`];
    /// [`Error::NonFiniteLoss`] when the network diverges, before the failing batch's update.
    pub fn epoch<'a>(&mut self, data: impl Into<DatasetView<'a, T, I, O>>) -> Result<EpochStats> {
        let data = data.into();
        self.prepare(&data)?;
        self.begin_epoch(&data)?;
        self.advance(&data, usize::MAX)?;
        let stats = self.end_epoch(&data);
        self.schedule.observe(self.config.learning_rate, self.config.schedule, stats.loss);
        Ok(stats)
    }

    /// Runs up to `epochs` epochs and returns the last one's statistics; `None` for no epoch.
    ///
    /// After each, `callback` sees its statistics and the model, and may stop the training.
    ///
    /// # Errors
    /// As [`Trainer::epoch`].
    pub fn fit<'a>(
        &mut self,
        data: impl Into<DatasetView<'a, T, I, O>>,
        epochs: usize,
        mut callback: impl FnMut(&EpochStats, &Model<I, H, O, T>) -> ControlFlow<()>,
    ) -> Result<Option<EpochStats>> {
        let run = Run { epochs: self.epochs().saturating_add(epochs), ..Run::default() };
        self.run(data, None, run, |moment, trainer| match moment {
            Moment::Epoch(stats) => callback(&stats, &trainer.model),
            Moment::Batches(_) => ControlFlow::Continue(()),
        })
    }

    /// Like [`Trainer::fit`], but measures the loss on `validation` after each epoch, stops when it no longer gets better,
    /// and leaves the model with the weights of the best epoch. Returns that epoch's statistics.
    ///
    /// ```
    /// use bptt::{Architecture, Dataset, DynRnn, EarlyStopping, Optimizer, TrainConfig, Trainer};
    /// use std::ops::ControlFlow;
    ///
    /// let mut data = Dataset::<f32>::new(1, 1)?;
    /// data.push(&[0.0, 1.0, 0.0, 1.0], &[0.0, 0.0, 1.0, 0.0])?;
    /// let model = DynRnn::with_architecture(1, 4, 1, Architecture::gru(), 1)?;
    /// let config = TrainConfig { optimizer: Optimizer::adam(), ..Default::default() };
    /// let mut trainer = Trainer::new(model, config)?;
    /// let stopping = EarlyStopping { patience: 5, min_delta: 0.0 };
    /// let best = trainer.fit_validated(&data, &data, 100, stopping, |_, _| ControlFlow::Continue(()))?;
    /// assert_eq!(trainer.evaluate(&data)?, best.unwrap().validation_loss.unwrap());
    /// # Ok::<(), bptt::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Trainer::epoch`], for both data sets, and [`Error::Setting`] or [`Error::ZeroSize`] for `stopping`.
    pub fn fit_validated<'a>(
        &mut self,
        data: impl Into<DatasetView<'a, T, I, O>>,
        validation: impl Into<DatasetView<'a, T, I, O>>,
        epochs: usize,
        stopping: EarlyStopping,
        mut callback: impl FnMut(&EpochStats, &Model<I, H, O, T>) -> ControlFlow<()>,
    ) -> Result<Option<EpochStats>> {
        let run = Run { epochs: self.epochs().saturating_add(epochs), stopping, ..Run::default() };
        if let Some(memory) = &mut self.memory {
            memory.forget();
        }
        self.run(data, Some(validation.into()), run, |moment, trainer| match moment {
            Moment::Epoch(stats) => callback(&stats, &trainer.model),
            Moment::Batches(_) => ControlFlow::Continue(()),
        })
    }

    /// The loss on `data` without learning from them: no dropout, no update.
    ///
    /// # Errors
    /// [`Error::Size`] where the data's sizes are not the model's, [`Error::Empty`], [`Error::Unlabelled`],
    /// [`Error::OutOfMemory`].
    pub fn evaluate<'a>(&mut self, data: impl Into<DatasetView<'a, T, I, O>>) -> Result<f64> {
        let data = data.into();
        self.check_data(&data)?;
        let mut members: Vec<usize> = (0..data.len()).collect();
        self.evaluate_members(&data, &mut members)
    }

    /// The model as trained so far.
    pub fn model(&self) -> &Model<I, H, O, T> {
        &self.model
    }

    /// Threads that there have been so far, the caller's among them; see [`TrainConfig::threads`].
    pub fn threads(&self) -> usize {
        self.threads.used()
    }

    /// The trained model.
    pub fn into_model(self) -> Model<I, H, O, T> {
        self.model
    }

    /// Epochs run so far, from beginning to end.
    pub fn epochs(&self) -> usize {
        self.epoch - usize::from(self.position.is_some())
    }

    fn evaluate_members(&mut self, data: &DatasetView<'_, T, I, O>, members: &mut [usize]) -> Result<f64> {
        let stack = self.model.stack();
        self.make_learner()?;
        let Some(learner) = &mut self.learner else { return Ok(f64::NAN) };
        learner.fit_evaluation(&stack, &self.config, data.offsets, &self.threads)?;
        let place = (&stack, self.model.params.flat(), self.level);
        let totals = learner.evaluate(&mut self.threads, place, data.sequences(), members, &self.config);
        Ok(totals.loss * self.config.reduction.factor(totals.weight))
    }

    /// Makes the learner.
    fn make_learner(&mut self) -> Result<()> {
        if self.learner.is_none() {
            let stack = self.model.stack();
            let learner = Learner::new(&stack, &self.config, self.model.params.flat().len())?;
            self.learner = Some(Box::new(learner));
        }
        Ok(())
    }

    /// Refuses data of other sizes, and such as there is nothing to learn from.
    fn check_data(&self, data: &DatasetView<'_, T, I, O>) -> Result<()> {
        self.model.check_data(data)?;
        data.check_labels(self.config.objective())
    }

    /// Checks the data and puts their sequences in order.
    fn prepare(&mut self, data: &DatasetView<'_, T, I, O>) -> Result<()> {
        self.check_data(data)?;
        if self.order.len() != data.len() {
            if self.position.is_some() {
                let what = "the number of sequences, of which an epoch has begun,";
                return Err(Error::Size { what, expected: self.order.len(), found: data.len() });
            }
            self.order.clear();
            self.order.extend(0..data.len());
        }
        Ok(())
    }

    /// Makes room for an epoch. Before each, because an evaluation may have come between.
    fn make_room(&mut self, data: &DatasetView<'_, T, I, O>) -> Result<()> {
        let batch_size = self.config.batch_size.min(data.len());
        match &mut self.plain {
            Some(plain) if data.is_plain() => plain.fit(&self.model, data, batch_size, &self.threads),
            _ => {
                self.make_learner()?;
                let stack = self.model.stack();
                match &mut self.learner {
                    Some(learner) => {
                        learner.fit(&stack, &self.config, data.offsets, batch_size, &self.threads)
                    }
                    None => Ok(()),
                }
            }
        }
    }

    /// Begins an epoch, or goes on with one that has begun.
    fn begin_epoch(&mut self, data: &DatasetView<'_, T, I, O>) -> Result<()> {
        self.make_room(data)?;
        if self.position.is_none() {
            let base = self.config.learning_rate;
            let (schedule, warmup) = (self.config.schedule, self.config.warmup_epochs);
            let learning_rate = self.schedule.learning_rate(base, schedule, warmup, self.epoch);
            self.epoch += 1;
            if self.config.shuffle.is_some() {
                self.rng.shuffle(&mut self.order);
            }
            self.position = Some(Position { batches: 0, learning_rate, totals: Totals::default() });
        }
        Ok(())
    }

    /// Runs at least `most` batches, or what is left of the epoch; whether there are more. An error ends the epoch.
    fn advance(&mut self, data: &DatasetView<'_, T, I, O>, most: usize) -> Result<bool> {
        let Some(mut at) = self.position.take() else { return Ok(false) };
        let (size, epoch) = (self.config.batch_size, self.epoch);
        let batches = self.order.len().div_ceil(size);
        let mut end = at.batches.saturating_add(most.max(1)).min(batches);
        let failed = |batch| Error::NonFiniteLoss { epoch, batch };
        match (&mut self.plain, &mut self.learner) {
            (Some(plain), _) if data.is_plain() => {
                end = end.next_multiple_of(STRETCH).min(batches);
                for order in self.order[at.batches * size..].chunks_mut(STRETCH.saturating_mul(size)) {
                    if at.batches >= end {
                        break;
                    }
                    let count = order.len().div_ceil(size);
                    let settings = (&self.config, at.learning_rate, self.level);
                    let once = (order, (1, None));
                    let error = plain.run(&mut self.model, &mut self.threads, data, once, settings);
                    at.totals.loss += error.map_err(|Diverged { batch, .. }| failed(at.batches + batch))?;
                    (at.batches, at.totals.updates) = (at.batches + count, at.totals.updates + count);
                }
            }
            (_, Some(learner)) => {
                let stack = self.model.stack();
                let place = (&stack, self.model.params.flat_mut(), self.level);
                let order = &mut self.order[at.batches * size..];
                let len = order.len().min((end - at.batches).saturating_mul(size));
                let rate = at.learning_rate;
                let (threads, config) = (&mut self.threads, (&self.config, rate));
                learner
                    .batches(threads, place, data.sequences(), &mut order[..len], config, &mut at.totals)
                    .map_err(failed)?;
                at.batches = end;
            }
            // `make_room` has made one.
            (_, None) => at.totals.loss = f64::NAN,
        }
        self.position = Some(at);
        Ok(end < batches)
    }

    /// Ends the epoch, whose batches have all been run.
    fn end_epoch(&mut self, data: &DatasetView<'_, T, I, O>) -> EpochStats {
        let timesteps = data.offsets[data.len()];
        let position = self.position.take();
        let (learning_rate, mut totals) =
            position.map_or((f64::NAN, Totals::default()), |at| (at.learning_rate, at.totals));
        let loss = match (&self.plain, &mut self.learner) {
            (Some(_), _) if data.is_plain() => {
                self.config.reduction.loss(totals.loss, timesteps * self.model.output_size())
            }
            (_, Some(learner)) => {
                let place = (self.model.params.flat_mut(), self.level);
                learner.rest(&mut self.threads, place, (&self.config, learning_rate), &mut totals);
                totals.loss * self.config.reduction.factor(totals.weight)
            }
            (_, None) => f64::NAN,
        };
        let (epoch, batches) = (self.epoch, totals.updates);
        EpochStats { epoch, loss, batches, timesteps, learning_rate, validation_loss: None, best: false }
    }
}
