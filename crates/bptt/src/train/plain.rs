//! [`Plain`]: one Elman layer, plain SGD and squared errors, for which there are ways of their own.

use super::{EpochStats, Trainer};
use crate::config::TrainConfig;
use crate::dataset::DatasetView;
use crate::dim::Dim;
use crate::epoch::{Diverged, Sgd, SgdMany, SgdOne};
use crate::kernel::dispatch::launch;
use crate::model::Model;
use crate::params::Params;
use crate::rng::Rng;
use crate::threads::Threads;
use crate::workspace::Workspace;
use crate::{Activation, Error, Float, Level, Result};

/// Batches after which an epoch starts anew from the weights alone, so that a training can be interrupted there: what is
/// derived from the weights and kept up with them rounds otherwise than when it is derived again.
pub(super) const STRETCH: usize = 256;

#[derive(Debug)]
pub(super) struct Plain<T> {
    activation: Activation,
    workspace: Workspace<T>,
    /// Empty when each sequence is a batch of its own: its gradient then goes straight into the weights.
    gradient: Option<Params<T>>,
}

impl<T: Float> Plain<T> {
    pub fn new<I: Dim, H: Dim, O: Dim>(
        model: &Model<I, H, O, T>,
        activation: Activation,
        batch_size: usize,
    ) -> Result<Self> {
        let gradient = if batch_size > 1 { Some(model.params.zeros_like()?) } else { None };
        Ok(Self { activation, workspace: Workspace::new(model.layout)?, gradient })
    }

    /// Makes room for batches of so many sequences.
    pub fn fit<I: Dim, H: Dim, O: Dim>(
        &mut self,
        model: &Model<I, H, O, T>,
        data: &DatasetView<'_, T, I, O>,
        batch_size: usize,
        threads: &Threads,
    ) -> Result<()> {
        let sizes = (batch_size, model.params.flat().len());
        self.workspace.fit(model.layout, data.offsets, sizes, threads.most())
    }

    /// Trains on the sequences `order`, once or for several epochs, each in an order of its own where there is a generator; returns
    /// the sum of squared errors of the last one.
    pub fn run<I: Dim, H: Dim, O: Dim>(
        &mut self,
        model: &mut Model<I, H, O, T>,
        threads: &mut Threads,
        data: &DatasetView<'_, T, I, O>,
        (order, epochs): (&mut [usize], (usize, Option<&mut Rng>)),
        (config, learning_rate, level): (&TrainConfig, f64, Level),
    ) -> Result<f64, Diverged> {
        let layout = model.layout;
        let job = Sgd {
            flat: model.params.flat_mut(),
            gradient: self.gradient.as_mut().map(Params::flat_mut),
            workspace: &mut self.workspace,
            threads,
            features: data.features,
            labels: data.labels,
            offsets: data.offsets,
            order,
            epochs,
            batch_size: config.batch_size,
            learning_rate: T::from_f64(learning_rate),
            reduction: config.reduction,
        };
        if config.batch_size == 1 {
            launch(level, self.activation, layout, SgdOne(job))
        } else {
            launch(level, self.activation, layout, SgdMany(job))
        }
    }
}

impl<I: Dim, H: Dim, O: Dim, T: Float> Trainer<I, H, O, T> {
    /// Runs `count` epochs without coming back between them, where they are small and nothing is to be decided there. Returns the
    /// last one's statistics; `None` where that is not so.
    pub(super) fn run_at_once(
        &mut self,
        data: &DatasetView<'_, T, I, O>,
        count: usize,
    ) -> Result<Option<EpochStats>> {
        let batches = self.order.len().div_ceil(self.config.batch_size);
        let Some(plain) = &mut self.plain else { return Ok(None) };
        let TrainConfig { learning_rate, schedule, warmup_epochs, .. } = self.config;
        let rate_stays = count == 1 || schedule == crate::Schedule::Constant && self.epoch >= warmup_epochs;
        if !data.is_plain() || self.position.is_some() || batches > STRETCH || !rate_stays {
            return Ok(None);
        }
        let learning_rate = self.schedule.learning_rate(learning_rate, schedule, warmup_epochs, self.epoch);
        plain.fit(&self.model, data, self.config.batch_size.min(data.len()), &self.threads)?;
        let epochs = (count, self.config.shuffle.map(|_| &mut self.rng));
        let settings = (&self.config, learning_rate, self.level);
        let run = plain.run(&mut self.model, &mut self.threads, data, (&mut self.order, epochs), settings);
        let error = match run {
            Ok(error) => error,
            Err(Diverged { epoch, batch }) => {
                self.epoch += epoch + 1;
                return Err(Error::NonFiniteLoss { epoch: self.epoch, batch });
            }
        };
        self.epoch += count;
        let timesteps = data.offsets[data.len()];
        let loss = self.config.reduction.loss(error, timesteps * self.model.output_size());
        let epoch = self.epoch;
        Ok(Some(EpochStats {
            epoch,
            loss,
            batches,
            timesteps,
            learning_rate,
            validation_loss: None,
            best: false,
        }))
    }
}
