//! [`Trainer`]: epochs of stochastic gradient descent with backpropagation through time.

use std::ops::ControlFlow;

use crate::config::{EarlyStopping, TrainConfig};
use crate::dataset::DatasetView;
use crate::dim::Dim;
use crate::epoch::{Sgd, SgdMany, SgdOne};
use crate::kernel::dispatch::launch;
use crate::model::Model;
use crate::params::Params;
use crate::rng::Rng;
use crate::schedule::ScheduleState;
use crate::stack::learner::Learner;
use crate::workspace::Workspace;
use crate::{Activation, Error, Float, Level, Result};

/// Sequences that are worked on together where nothing is learned from them.
const CHUNK: usize = 256;

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
    schedule: ScheduleState,
    order: Vec<usize>,
    rng: Rng,
    epoch: usize,
}

/// One Elman layer, plain SGD and squared errors, for which there are ways of its own.
#[derive(Debug)]
struct Plain<T> {
    activation: Activation,
    workspace: Workspace<T>,
    /// Empty when each sequence is a batch of its own: its gradient then goes straight into the weights.
    gradient: Option<Params<T>>,
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
        let plain = match model.architecture.plain().filter(|_| config.is_plain()) {
            Some(activation) => Some(Plain {
                activation,
                workspace: Workspace::new(model.layout, 0, 1)?,
                gradient: if config.batch_size > 1 { Some(model.params.zeros_like()?) } else { None },
            }),
            None => None,
        };
        let rng = Rng::new(config.shuffle.unwrap_or(0));
        let schedule = ScheduleState::default();
        Ok(Self { model, config, level, plain, learner: None, schedule, order: Vec::new(), rng, epoch: 0 })
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
        let stats = self.run_epoch(&data)?;
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
        let data = data.into();
        self.prepare(&data)?;
        let mut last = None;
        for _ in 0..epochs {
            let stats = self.run_epoch(&data)?;
            self.schedule.observe(self.config.learning_rate, self.config.schedule, stats.loss);
            last = Some(stats);
            if callback(&stats, &self.model).is_break() {
                break;
            }
        }
        Ok(last)
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
        let (data, validation) = (data.into(), validation.into());
        stopping.check()?;
        self.prepare(&data)?;
        self.check_data(&validation)?;
        let mut members: Vec<usize> = (0..validation.len()).collect();
        let mut weights = self.model.params.zeros_like()?;
        let (mut best, mut waited): (Option<EpochStats>, usize) = (None, 0);
        for _ in 0..epochs {
            let mut stats = match self.run_epoch(&data) {
                Ok(stats) => stats,
                Err(error) => {
                    if best.is_some() {
                        self.model.params.flat_mut().copy_from_slice(weights.flat());
                    }
                    return Err(error);
                }
            };
            let loss = self.evaluate_members(&validation, &mut members)?;
            self.schedule.observe(self.config.learning_rate, self.config.schedule, loss);
            stats.validation_loss = Some(loss);
            let bound = best.and_then(|best| best.validation_loss).unwrap_or(f64::INFINITY);
            // NaN is never better.
            stats.best = loss < bound - stopping.min_delta || (best.is_none() && loss.is_finite());
            waited = if stats.best { 0 } else { waited.saturating_add(1) };
            if stats.best {
                best = Some(stats);
                weights.flat_mut().copy_from_slice(self.model.params.flat());
            }
            if callback(&stats, &self.model).is_break() || waited >= stopping.patience {
                break;
            }
        }
        if best.is_some() {
            self.model.params.flat_mut().copy_from_slice(weights.flat());
        }
        Ok(best)
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

    /// The trained model.
    pub fn into_model(self) -> Model<I, H, O, T> {
        self.model
    }

    /// Epochs run so far.
    pub fn epochs(&self) -> usize {
        self.epoch
    }

    fn evaluate_members(&mut self, data: &DatasetView<'_, T, I, O>, members: &mut [usize]) -> Result<f64> {
        let stack = self.model.stack();
        self.make_learner(data.longest(), members.len().min(CHUNK))?;
        let Some(learner) = &mut self.learner else { return Ok(f64::NAN) };
        let place = (&stack, self.model.params.flat(), self.level);
        let totals = learner.evaluate(place, data.sequences(), members, &self.config);
        Ok(totals.loss * self.config.reduction.factor(totals.weight))
    }

    /// Makes the learner, and room in it.
    fn make_learner(&mut self, longest: usize, batch: usize) -> Result<()> {
        let stack = self.model.stack();
        if self.learner.is_none() {
            let learner = Learner::new(&stack, &self.config, self.model.params.flat().len())?;
            self.learner = Some(Box::new(learner));
        }
        match &mut self.learner {
            Some(learner) => learner.fit(&stack, &self.config, longest, batch),
            None => Ok(()),
        }
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
            self.order.clear();
            self.order.extend(0..data.len());
        }
        Ok(())
    }

    /// Makes room for an epoch. Before each, because an evaluation may have come between.
    fn make_room(&mut self, data: &DatasetView<'_, T, I, O>) -> Result<()> {
        let batch_size = self.config.batch_size.min(data.len());
        match &mut self.plain {
            Some(plain) if data.is_plain() => {
                plain.workspace.fit(self.model.layout, data.longest(), batch_size)
            }
            _ => self.make_learner(data.longest(), batch_size),
        }
    }

    fn run_epoch(&mut self, data: &DatasetView<'_, T, I, O>) -> Result<EpochStats> {
        self.make_room(data)?;
        let base = self.config.learning_rate;
        let (schedule, warmup) = (self.config.schedule, self.config.warmup_epochs);
        let learning_rate = self.schedule.learning_rate(base, schedule, warmup, self.epoch);
        self.epoch += 1;
        if self.config.shuffle.is_some() {
            self.rng.shuffle(&mut self.order);
        }
        let failed = |batch| Error::NonFiniteLoss { epoch: self.epoch, batch };
        let epoch = self.epoch;
        let timesteps = data.offsets[data.len()];
        let (loss, batches) = match (&mut self.plain, &mut self.learner) {
            (Some(plain), _) if data.is_plain() => {
                let elements = timesteps * self.model.output_size();
                let error = plain_epoch(
                    &mut self.model,
                    plain,
                    &self.config,
                    (data, &mut self.order),
                    learning_rate,
                    self.level,
                );
                let error = error.map_err(|batch| Error::NonFiniteLoss { epoch, batch })?;
                let batches = self.order.len().div_ceil(self.config.batch_size);
                (self.config.reduction.loss(error, elements), batches)
            }
            (_, Some(learner)) => {
                let stack = self.model.stack();
                let place = (&stack, self.model.params.flat_mut(), self.level);
                let totals =
                    learner.epoch(place, data.sequences(), &mut self.order, &self.config, learning_rate);
                let totals = totals.map_err(failed)?;
                (totals.loss * self.config.reduction.factor(totals.weight), totals.updates)
            }
            // `prepare` has made one.
            (_, None) => (f64::NAN, 0),
        };
        Ok(EpochStats { epoch, loss, batches, timesteps, learning_rate, validation_loss: None, best: false })
    }
}

/// An epoch on one of the ways for plain networks: the sum of squared errors, or the number of the failing batch.
fn plain_epoch<I: Dim, H: Dim, O: Dim, T: Float>(
    model: &mut Model<I, H, O, T>,
    plain: &mut Plain<T>,
    config: &TrainConfig,
    (data, order): (&DatasetView<'_, T, I, O>, &mut [usize]),
    learning_rate: f64,
    level: Level,
) -> Result<f64, usize> {
    let layout = model.layout;
    let job = Sgd {
        flat: model.params.flat_mut(),
        gradient: plain.gradient.as_mut().map(Params::flat_mut),
        workspace: &mut plain.workspace,
        features: data.features,
        labels: data.labels,
        offsets: data.offsets,
        order,
        batch_size: config.batch_size,
        learning_rate: T::from_f64(learning_rate),
        reduction: config.reduction,
    };
    if config.batch_size == 1 {
        launch(level, plain.activation, layout, SgdOne(job))
    } else {
        launch(level, plain.activation, layout, SgdMany(job))
    }
}
