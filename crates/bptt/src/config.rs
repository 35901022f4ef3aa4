//! [`TrainConfig`] and [`EarlyStopping`]: the settings of a training.

use crate::loss::Objective;
use crate::{Error, Float, Loss, Optimizer, Reduction, Result, Schedule};

/// Settings of a [`Trainer`](crate::Trainer). The default is plain SGD on the mean squared error, one sequence per update.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainConfig {
    /// Step size of the optimizer. Positive and finite.
    pub learning_rate: f64,
    /// Sequences per update; the last batch of an epoch may be smaller. 1 by default.
    pub batch_size: usize,
    /// How the losses of a batch's elements become its loss.
    pub reduction: Reduction,
    /// Visit the sequences in a new random order each epoch, drawn from this seed; in their order if `None`.
    pub shuffle: Option<u64>,
    /// What is made small.
    pub loss: Loss,
    /// Factors of the losses of elements by their class: one per output with [`Loss::CrossEntropy`], those of the
    /// labels 0 and 1 with [`Loss::Bce`].
    pub class_weights: Option<Vec<f64>>,
    /// What makes an update of a gradient.
    pub optimizer: Optimizer,
    /// Scale gradients down to this norm over all parameters, PyTorch's `clip_grad_norm_`.
    pub clip_norm: Option<f64>,
    /// Limit each element of a gradient to ± this, PyTorch's `clip_grad_value_`; before its norm is taken.
    pub clip_value: Option<f64>,
    /// How the learning rate changes from epoch to epoch.
    pub schedule: Schedule,
    /// Epochs in which the learning rate rises to that of the schedule, starting at `1 / (warmup_epochs + 1)` of it.
    pub warmup_epochs: usize,
    /// Truncated backpropagation through time: an update after every so many timesteps, whose final states are the
    /// next ones' initial states. Gradients end there. Not for bidirectional networks.
    pub truncate: Option<usize>,
    /// Batches per update: gradients of so many are added up, each divided by their number. 1 by default.
    pub accumulate: usize,
    /// Seed of the draws of dropout.
    pub dropout_seed: u64,
    /// Threads at most; 0, the default: as many as this process has a share of, which is the least of the processors that
    /// it may run on, the cores behind them, the quota of its control group and `OMP_NUM_THREADS`. Batches that are too
    /// small to gain by a second thread stay on one. The number changes no bit of any result.
    pub threads: usize,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            learning_rate: 0.01,
            batch_size: 1,
            reduction: Reduction::Mean,
            shuffle: None,
            loss: Loss::Mse,
            class_weights: None,
            optimizer: Optimizer::default(),
            clip_norm: None,
            clip_value: None,
            schedule: Schedule::default(),
            warmup_epochs: 0,
            truncate: None,
            accumulate: 1,
            dropout_seed: 0,
            threads: 0,
        }
    }
}

impl TrainConfig {
    /// The loss with its class weights.
    pub(crate) fn objective(&self) -> Objective<'_> {
        Objective { loss: self.loss, class_weights: self.class_weights.as_deref() }
    }

    /// Whether this is plain SGD on squared errors, for which there are ways of its own.
    pub(crate) fn is_plain(&self) -> bool {
        let loss = self.loss == Loss::Mse && self.class_weights.is_none();
        let whole = self.truncate.is_none() && self.accumulate == 1;
        let unclipped = self.clip_norm.is_none() && self.clip_value.is_none();
        loss && whole && unclipped && self.optimizer.is_plain_sgd()
    }

    /// Refuses settings out of range, for a network of `output_size` outputs.
    pub(crate) fn check<T: Float>(&self, output_size: usize, bidirectional: bool) -> Result<()> {
        let wrong = |name, expected, found: String| Err(Error::Setting { name, expected, found });
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let rate = self.learning_rate;
        if !positive(rate) {
            return wrong("learning_rate", "a positive number", rate.to_string());
        }
        if !positive(T::from_f64(rate).to_f64()) {
            return wrong("learning_rate", "a positive number of the model's type", rate.to_string());
        }
        let sizes = [("batch_size", self.batch_size), ("accumulate", self.accumulate)];
        if let Some((what, _)) = sizes.into_iter().find(|(_, size)| *size == 0) {
            return Err(Error::ZeroSize { what });
        }
        for (name, limit) in [("clip_norm", self.clip_norm), ("clip_value", self.clip_value)] {
            if let Some(limit) = limit.filter(|limit| !positive(*limit)) {
                return wrong(name, "a positive number", limit.to_string());
            }
        }
        match self.truncate {
            Some(0) => return Err(Error::ZeroSize { what: "truncate" }),
            Some(steps) if bidirectional => {
                let expected = "none for a bidirectional network, which needs the whole sequence";
                return wrong("truncate", expected, steps.to_string());
            }
            _ => {}
        }
        self.objective().check(output_size)?;
        self.optimizer.check()?;
        self.schedule.check()
    }
}

/// When [`Trainer::fit_validated`](crate::Trainer::fit_validated) stops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EarlyStopping {
    /// Stop after so many epochs in a row without a better validation loss; `usize::MAX`: never. At least 1.
    pub patience: usize,
    /// A loss is better where it is below the best so far by more than this; from 0 on.
    pub min_delta: f64,
}

impl EarlyStopping {
    /// Refuses settings out of range.
    pub(crate) fn check(&self) -> Result<()> {
        let Self { patience, min_delta } = *self;
        if patience == 0 {
            return Err(Error::ZeroSize { what: "patience" });
        }
        if !(min_delta >= 0.0 && min_delta.is_finite()) {
            let (expected, found) = ("a number from 0 on", min_delta.to_string());
            return Err(Error::Setting { name: "min_delta", expected, found });
        }
        Ok(())
    }
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self { patience: 10, min_delta: 0.0 }
    }
}
