//! [`Schedule`]: how the learning rate changes from epoch to epoch, PyTorch's `torch.optim.lr_scheduler`.

use crate::{Error, Result};

/// The learning rate of each epoch, from the one that was set. Stepped once per epoch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Schedule {
    /// Always the same.
    #[default]
    Constant,
    /// Times `gamma` after every `step_size` epochs: `StepLR`.
    Step {
        /// Epochs between changes; at least 1.
        step_size: usize,
        /// Factor of a change; above 0.
        gamma: f64,
    },
    /// Times `gamma` after every epoch: `ExponentialLR`.
    Exponential {
        /// Factor of a change; above 0.
        gamma: f64,
    },
    /// Half a cosine from the learning rate down to `eta_min`: `CosineAnnealingLR`. After `t_max` epochs it stays there
    /// (PyTorch's would rise again).
    Cosine {
        /// Epochs of the descent; at least 1.
        t_max: usize,
        /// Where it ends; from 0 on.
        eta_min: f64,
    },
    /// Times `factor` where the loss on the validation data (of the training, without them) has not become better for
    /// more than `patience` epochs: `ReduceLROnPlateau` with `threshold_mode="rel"`.
    Plateau {
        /// Factor of a change; above 0, below 1.
        factor: f64,
        /// Epochs without a better loss that are put up with.
        patience: usize,
        /// A loss is better where it is below the best so far times `1 − threshold`.
        threshold: f64,
        /// The smallest learning rate.
        min_lr: f64,
    },
}

impl Schedule {
    /// The names of all schedules.
    pub const NAMES: [&str; 5] = ["constant", "step", "exponential", "cosine", "plateau"];

    /// The name: one of [`Schedule::NAMES`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Step { .. } => "step",
            Self::Exponential { .. } => "exponential",
            Self::Cosine { .. } => "cosine",
            Self::Plateau { .. } => "plateau",
        }
    }

    pub(crate) fn check(self) -> Result<()> {
        let wrong =
            |name, expected, value: f64| Err(Error::Setting { name, expected, found: value.to_string() });
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let from_zero = |value: f64| value >= 0.0 && value.is_finite();
        match self {
            Self::Step { step_size: 0, .. } => Err(Error::ZeroSize { what: "step_size" }),
            Self::Cosine { t_max: 0, .. } => Err(Error::ZeroSize { what: "t_max" }),
            Self::Step { gamma, .. } | Self::Exponential { gamma } if !positive(gamma) => {
                wrong("gamma", "a positive number", gamma)
            }
            Self::Cosine { eta_min, .. } if !from_zero(eta_min) => {
                wrong("eta_min", "a number from 0 on", eta_min)
            }
            Self::Plateau { factor, .. } if !(factor > 0.0 && factor < 1.0) => {
                wrong("factor", "a number above 0, below 1", factor)
            }
            Self::Plateau { threshold, .. } if !from_zero(threshold) => {
                wrong("threshold", "a number from 0 on", threshold)
            }
            Self::Plateau { min_lr, .. } if !from_zero(min_lr) => {
                wrong("min_lr", "a number from 0 on", min_lr)
            }
            _ => Ok(()),
        }
    }
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The smallest change of the learning rate that [`Schedule::Plateau`] makes: PyTorch's `eps`.
const LEAST_CHANGE: f64 = 1e-8;

/// What a schedule remembers: only [`Schedule::Plateau`] does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ScheduleState {
    /// The learning rate that the plateaus so far have left; `None` before the first.
    pub reduced: Option<f64>,
    /// The best loss.
    pub best: f64,
    /// Epochs since.
    pub waited: usize,
}

impl Default for ScheduleState {
    fn default() -> Self {
        Self { reduced: None, best: f64::INFINITY, waited: 0 }
    }
}

impl ScheduleState {
    /// The learning rate of epoch `epoch`, from 0, where `base` was set.
    ///
    /// In the first `warmup` epochs `n` it is `(n + 1) / (warmup + 1)` of the schedule's, PyTorch's `LinearLR` with
    /// `start_factor = 1 / (warmup + 1)` chained with the schedule.
    pub fn learning_rate(&self, base: f64, schedule: Schedule, warmup: usize, epoch: usize) -> f64 {
        let scheduled = match schedule {
            Schedule::Constant => base,
            Schedule::Step { step_size, gamma } => base * gamma.powf((epoch / step_size) as f64),
            Schedule::Exponential { gamma } => base * gamma.powf(epoch as f64),
            Schedule::Cosine { t_max, eta_min } => {
                let share = epoch.min(t_max) as f64 / t_max as f64;
                eta_min + (base - eta_min) * (1.0 + (std::f64::consts::PI * share).cos()) / 2.0
            }
            Schedule::Plateau { .. } => self.reduced.unwrap_or(base),
        };
        if epoch < warmup { scheduled * (epoch as f64 + 1.0) / (warmup as f64 + 1.0) } else { scheduled }
    }

    /// An epoch at the scheduled learning rate of `base` has ended with this loss.
    pub fn observe(&mut self, base: f64, schedule: Schedule, loss: f64) {
        let Schedule::Plateau { factor, patience, threshold, min_lr } = schedule else { return };
        if loss < self.best * (1.0 - threshold) {
            (self.best, self.waited) = (loss, 0);
            return;
        }
        self.waited += 1;
        if self.waited > patience {
            self.waited = 0;
            let rate = self.reduced.unwrap_or(base);
            let less = (rate * factor).max(min_lr);
            if rate - less > LEAST_CHANGE {
                self.reduced = Some(less);
            }
        }
    }
}
