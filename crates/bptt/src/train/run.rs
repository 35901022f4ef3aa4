//! [`Trainer::run`]: the loop over epochs, with early stopping, that can be left and entered again anywhere.

use std::ops::ControlFlow;

use super::{EpochStats, Memory, Trainer};
use crate::config::EarlyStopping;
use crate::dataset::DatasetView;
use crate::dim::Dim;
use crate::{Float, Result};

/// How far [`Trainer::run`] goes, and how often it looks up.
///
/// ```
/// let run = bptt::Run { epochs: 100, ..Default::default() };
/// assert_eq!(run.batches, usize::MAX);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    /// Epochs after which it ends, counted over the trainer's whole life, those of a restored state included.
    pub epochs: usize,
    /// When to stop before that; only with validation data.
    pub stopping: EarlyStopping,
    /// Batches after which the callback is called within an epoch, at the next place where the training can be interrupted.
    /// `usize::MAX` (the default): only between epochs.
    pub batches: usize,
    /// The callback is called after each epoch whose number is a multiple of it, and after the first one and the last. 1 by
    /// default; with validation data it is called after each.
    ///
    /// An epoch of a dozen short sequences takes a microsecond, of which coming back takes a tenth.
    pub every: usize,
}

impl Default for Run {
    fn default() -> Self {
        Self { epochs: 0, stopping: EarlyStopping::default(), batches: usize::MAX, every: 1 }
    }
}

/// When the callback of [`Trainer::run`] is called. At each of them [`Trainer::state`] is all that goes on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Moment {
    /// So many batches of an epoch have been run; not the last one.
    Batches(usize),
    /// An epoch has ended.
    Epoch(EpochStats),
}

impl<I: Dim, H: Dim, O: Dim, T: Float> Trainer<I, H, O, T> {
    /// Trains until `run.epochs` epochs have been run in all, as [`Trainer::fit`] does, or with `validation` as
    /// [`Trainer::fit_validated`] does, and returns what they return. The callback sees the trainer, so that it can take its
    /// [state](Trainer::state); where it breaks, the next `run` of this trainer, or of one with that state, goes on there.
    ///
    /// Unlike [`Trainer::fit_validated`], it remembers the best epoch of the runs before, and how long ago it was.
    ///
    /// ```
    /// use bptt::{Activation, Dataset, DynRnn, Moment, Run, TrainConfig, Trainer};
    /// use std::ops::ControlFlow::{Break, Continue};
    ///
    /// let mut data = Dataset::<f32>::new(1, 1)?;
    /// data.push(&[0.0, 1.0, 0.0, 1.0], &[0.0, 0.0, 1.0, 0.0])?;
    /// let new = || Trainer::new(DynRnn::new(1, 4, 1, Activation::Tanh, 1)?, TrainConfig::default());
    /// let run = Run { epochs: 10, ..Default::default() };
    ///
    /// let mut whole = new()?;
    /// whole.run(&data, None, run, |_, _| Continue(()))?;
    ///
    /// let (mut begun, mut state) = (new()?, None);
    /// begun.run(&data, None, run, |moment, trainer| {
    ///     if matches!(moment, Moment::Epoch(stats) if stats.epoch == 4) {
    ///         state = trainer.state().ok();
    ///         return Break(());
    ///     }
    ///     Continue(())
    /// })?;
    /// let mut resumed = new()?;
    /// resumed.restore(state.unwrap())?;
    /// resumed.run(&data, None, run, |_, _| Continue(()))?;
    /// assert_eq!(resumed.model(), whole.model());
    /// # Ok::<(), bptt::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Trainer::fit_validated`].
    pub fn run<'a>(
        &mut self,
        data: impl Into<DatasetView<'a, T, I, O>>,
        validation: Option<DatasetView<'a, T, I, O>>,
        run: Run,
        mut callback: impl FnMut(Moment, &Self) -> ControlFlow<()>,
    ) -> Result<Option<EpochStats>> {
        let data = data.into();
        run.stopping.check()?;
        self.prepare(&data)?;
        if let Some(validation) = validation {
            return self.run_validated(&data, &validation, run, callback);
        }
        let (mut last, mut count) = (None, 1);
        while let Some(left) = run.epochs.checked_sub(self.epochs()).filter(|left| *left > 0) {
            let Some(stats) = self.run_epochs(&data, count.min(left), run.batches, &mut callback)? else {
                break;
            };
            last = Some(stats);
            if callback(Moment::Epoch(stats), self).is_break() {
                break;
            }
            count = run.every.max(1) - self.epochs() % run.every.max(1);
        }
        Ok(last)
    }

    /// Runs some epochs, at least one; `None` where the callback broke one off.
    fn run_epochs(
        &mut self,
        data: &DatasetView<'_, T, I, O>,
        count: usize,
        batches: usize,
        callback: &mut impl FnMut(Moment, &Self) -> ControlFlow<()>,
    ) -> Result<Option<EpochStats>> {
        if batches == usize::MAX
            && let Some(stats) = self.run_at_once(data, count)?
        {
            self.schedule.observe(self.config.learning_rate, self.config.schedule, stats.loss);
            return Ok(Some(stats));
        }
        let mut last = None;
        for _ in 0..count {
            let Some(stats) = self.run_epoch(data, batches, callback)? else { return Ok(None) };
            self.schedule.observe(self.config.learning_rate, self.config.schedule, stats.loss);
            last = Some(stats);
        }
        Ok(last)
    }

    fn run_validated(
        &mut self,
        data: &DatasetView<'_, T, I, O>,
        validation: &DatasetView<'_, T, I, O>,
        run: Run,
        mut callback: impl FnMut(Moment, &Self) -> ControlFlow<()>,
    ) -> Result<Option<EpochStats>> {
        self.check_data(validation)?;
        let mut members: Vec<usize> = (0..validation.len()).collect();
        if self.memory.is_none() {
            self.memory = Some(Memory::new(&self.model.params)?);
        }
        let patience = run.stopping.patience;
        while self.epochs() < run.epochs && self.memory.as_ref().is_some_and(|m| m.waited < patience) {
            let mut stats = match self.run_epoch(data, run.batches, &mut callback) {
                Ok(Some(stats)) => stats,
                Ok(None) => break,
                Err(error) => {
                    self.take_best();
                    return Err(error);
                }
            };
            let loss = self.evaluate_members(validation, &mut members)?;
            self.schedule.observe(self.config.learning_rate, self.config.schedule, loss);
            stats.validation_loss = Some(loss);
            if let Some(memory) = &mut self.memory {
                memory.observe(&mut stats, run.stopping.min_delta, &self.model.params);
            }
            if callback(Moment::Epoch(stats), self).is_break() {
                break;
            }
        }
        Ok(self.take_best())
    }

    /// Runs an epoch, or the rest of one; `None` where the callback broke it off.
    fn run_epoch(
        &mut self,
        data: &DatasetView<'_, T, I, O>,
        batches: usize,
        callback: &mut impl FnMut(Moment, &Self) -> ControlFlow<()>,
    ) -> Result<Option<EpochStats>> {
        self.begin_epoch(data)?;
        while self.advance(data, batches)? {
            let done = self.position.map_or(0, |position| position.batches);
            if callback(Moment::Batches(done), self).is_break() {
                return Ok(None);
            }
        }
        Ok(Some(self.end_epoch(data)))
    }

    /// Gives the model the weights of the best epoch, if there is one, and returns its statistics.
    fn take_best(&mut self) -> Option<EpochStats> {
        let memory = self.memory.as_ref().filter(|memory| memory.best.is_some())?;
        self.model.params.flat_mut().copy_from_slice(memory.weights.flat());
        memory.best
    }
}
