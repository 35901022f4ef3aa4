//! [`Trainer`]: epochs of stochastic gradient descent with backpropagation through time.

use std::ops::ControlFlow;

use crate::dataset::{DatasetView, longest};
use crate::dim::Dim;
use crate::epoch::{BatchGradient, Sgd, SgdMany, SgdOne};
use crate::kernel::dispatch::launch;
use crate::loss::Reduction;
use crate::model::Model;
use crate::params::Params;
use crate::rng::Rng;
use crate::workspace::Workspace;
use crate::{Error, Float, Level, Result};

/// Settings of a [`Trainer`].
#[derive(Debug, Clone, PartialEq)]
pub struct TrainConfig {
    /// Step size of plain SGD, `p ← p − learning_rate·∂loss/∂p`. Positive and finite.
    pub learning_rate: f64,
    /// Sequences per update; the last batch of an epoch may be smaller. 1 by default.
    pub batch_size: usize,
    /// How a batch's squared errors become its loss.
    pub reduction: Reduction,
    /// Visit the sequences in a new random order each epoch, drawn from this seed; in their order if `None`.
    pub shuffle: Option<u64>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self { learning_rate: 0.01, batch_size: 1, reduction: Reduction::Mean, shuffle: None }
    }
}

impl TrainConfig {
    fn check(&self) -> Result<()> {
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            let (expected, found) = ("a positive number", self.learning_rate.to_string());
            return Err(Error::Setting { name: "learning_rate", expected, found });
        }
        if self.batch_size == 0 { Err(Error::ZeroSize { what: "batch_size" }) } else { Ok(()) }
    }
}

/// What an epoch did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochStats {
    /// Which epoch, from 1; counted over the trainer's whole life.
    pub epoch: usize,
    /// The loss over all elements of the epoch, each taken before its batch's update.
    pub loss: f64,
    /// Updates made.
    pub batches: usize,
    /// Timesteps trained on.
    pub timesteps: usize,
}

/// Trains a [`Model`] with plain SGD. Same seed, same data, same [`Level`]: the same bits.
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
    workspace: Workspace<T>,
    /// Empty when each sequence is a batch of its own: its gradient then goes straight into the weights.
    gradient: Option<Params<T>>,
    order: Vec<usize>,
    rng: Rng,
    epoch: usize,
}

impl<I: Dim, H: Dim, O: Dim, T: Float> Trainer<I, H, O, T> {
    /// A trainer at the machine's best [`Level`].
    ///
    /// # Errors
    /// [`Error::Setting`] or [`Error::ZeroSize`] for settings out of range, [`Error::OutOfMemory`].
    pub fn new(model: Model<I, H, O, T>, config: TrainConfig) -> Result<Self> {
        Self::with_level(model, config, Level::best())
    }

    /// A trainer at a chosen level.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn with_level(model: Model<I, H, O, T>, config: TrainConfig, level: Level) -> Result<Self> {
        config.check()?;
        let rate = T::from_f64(config.learning_rate);
        if !(rate > T::ZERO && rate.is_finite()) {
            let (expected, found) =
                ("a positive number of the model's type", config.learning_rate.to_string());
            return Err(Error::Setting { name: "learning_rate", expected, found });
        }
        let workspace = Workspace::new(model.layout, 0, 1)?;
        let gradient = if config.batch_size > 1 { Some(model.params.zeros_like()?) } else { None };
        let rng = Rng::new(config.shuffle.unwrap_or(0));
        Ok(Self { model, config, level, workspace, gradient, order: Vec::new(), rng, epoch: 0 })
    }

    /// Runs one epoch. Allocates only where `data` holds more sequences, or a longer one, than any before.
    ///
    /// # Errors
    /// [`Error::Size`] where the data's sizes are not the model's, [`Error::Empty`], [`Error::OutOfMemory`];
    /// [`Error::NonFiniteLoss`] when the network diverges, before the failing batch's update.
    pub fn epoch<'a>(&mut self, data: impl Into<DatasetView<'a, T, I, O>>) -> Result<EpochStats> {
        let data = data.into();
        self.prepare(&data)?;
        self.run_epoch(&data)
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
            last = Some(stats);
            if callback(&stats, &self.model).is_break() {
                break;
            }
        }
        Ok(last)
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

    /// Checks the data and makes room for them.
    fn prepare(&mut self, data: &DatasetView<'_, T, I, O>) -> Result<()> {
        self.model.check_data(data)?;
        let batch_size = self.config.batch_size.min(data.len());
        self.workspace.fit(self.model.layout, data.longest(), batch_size)?;
        if self.order.len() != data.len() {
            self.order.clear();
            self.order.extend(0..data.len());
        }
        Ok(())
    }

    fn run_epoch(&mut self, data: &DatasetView<'_, T, I, O>) -> Result<EpochStats> {
        self.epoch += 1;
        if self.config.shuffle.is_some() {
            self.rng.shuffle(&mut self.order);
        }
        let job = Sgd {
            flat: self.model.params.flat_mut(),
            gradient: self.gradient.as_mut().map(Params::flat_mut),
            workspace: &mut self.workspace,
            features: data.features,
            labels: data.labels,
            offsets: data.offsets,
            order: &mut self.order,
            batch_size: self.config.batch_size,
            learning_rate: T::from_f64(self.config.learning_rate),
            reduction: self.config.reduction,
        };
        let epoch = self.epoch;
        let (level, activation, layout) = (self.level, self.model.activation, self.model.layout);
        let squared_error = if self.config.batch_size == 1 {
            launch(level, activation, layout, SgdOne(job))
        } else {
            launch(level, activation, layout, SgdMany(job))
        };
        let squared_error = squared_error.map_err(|batch| Error::NonFiniteLoss { epoch, batch })?;
        let timesteps = data.offsets[data.len()];
        let elements = timesteps * self.model.output_size();
        let loss = self.config.reduction.loss(squared_error, elements);
        let batches = self.order.len().div_ceil(self.config.batch_size);
        Ok(EpochStats { epoch, loss, batches, timesteps })
    }
}

/// The loss of a batch and its gradient, by PyTorch's parameter names; see [`Model::gradients`].
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients<T = f32> {
    /// The batch's loss.
    pub loss: f64,
    /// The gradient of the loss for every parameter.
    pub params: Params<T>,
}

impl<T: Float> Gradients<T> {
    /// Forward and backward over all sequences of `data` as one batch, at `level`.
    ///
    /// # Errors
    /// As [`Model::gradients`].
    pub fn of<'a, I: Dim, H: Dim, O: Dim>(
        model: &Model<I, H, O, T>,
        data: impl Into<DatasetView<'a, T, I, O>>,
        reduction: Reduction,
        level: Level,
    ) -> Result<Self> {
        let data = data.into();
        model.check_data(&data)?;
        let mut workspace = Workspace::new(model.layout, longest(data.offsets), data.len())?;
        let mut members: Vec<usize> = (0..data.len()).collect();
        let mut params = model.params.zeros_like()?;
        let job = BatchGradient {
            flat: model.params.flat(),
            gradient: params.flat_mut(),
            workspace: &mut workspace,
            features: data.features,
            labels: data.labels,
            offsets: data.offsets,
            members: &mut members,
            reduction,
        };
        let squared_error = launch(level, model.activation, model.layout, job);
        let elements = data.offsets[data.len()] * model.output_size();
        Ok(Self { loss: reduction.loss(squared_error, elements), params })
    }
}
