//! [`Optimizer`]: what makes an update of a gradient. Single loops over the flat parameters.
//!
//! Formulas, names, defaults and the order of operations are those of PyTorch's `torch.optim`, one tensor at a time.
//! The padding between parameters has gradient 0 and value 0, and every optimizer leaves it so.

mod state;
mod step;

pub(crate) use state::OptimizerState;
pub use step::Step;
pub(crate) use step::sgd;

use crate::{Error, Result};

/// What makes an update of a gradient `g` of a parameter `p`, at the learning rate `γ`.
///
/// ```
/// use bptt::{Optimizer, TrainConfig};
/// let config = TrainConfig { optimizer: Optimizer::adam(), learning_rate: 0.003, ..Default::default() };
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Optimizer {
    /// `b ← momentum·b + (1 − dampening)·g`, `p ← p − γ·b`; the first `b` is the first gradient. Sutskever et al. (2013).
    Sgd {
        /// Share of the past steps in a step; from 0 on.
        momentum: f64,
        /// What the gradient loses on its way into `b`.
        dampening: f64,
        /// Steps along `g + momentum·b`. With a momentum and without dampening.
        nesterov: bool,
        /// Added to the gradient: `g + weight_decay·p`.
        weight_decay: f64,
    },
    /// `m ← β₁·m + (1 − β₁)·g`, `v ← β₂·v + (1 − β₂)·g²`, `p ← p − γ·m̂ / (√v̂ + eps)`, where `m̂ = m / (1 − β₁ᵗ)` and
    /// `v̂ = v / (1 − β₂ᵗ)`. Kingma & Ba (2015).
    Adam {
        /// `β₁` and `β₂`, from 0 on, below 1.
        betas: (f64, f64),
        /// Keeps the divisor from 0.
        eps: f64,
        /// Added to the gradient: `g + weight_decay·p`.
        weight_decay: f64,
        /// Divides by the largest `v` so far. Reddi et al. (2018).
        amsgrad: bool,
    },
    /// Adam whose weight decay is no part of the gradient: `p ← p − γ·weight_decay·p` first. Loshchilov & Hutter (2019).
    AdamW {
        /// `β₁` and `β₂`, from 0 on, below 1.
        betas: (f64, f64),
        /// Keeps the divisor from 0.
        eps: f64,
        /// What a parameter loses at each step, times the learning rate.
        weight_decay: f64,
        /// Divides by the largest `v` so far.
        amsgrad: bool,
    },
    /// `v ← α·v + (1 − α)·g²`, `p ← p − γ·g / (√v + eps)`. Hinton (2012).
    RmsProp {
        /// `α`, from 0 on.
        alpha: f64,
        /// Keeps the divisor from 0.
        eps: f64,
        /// Added to the gradient: `g + weight_decay·p`.
        weight_decay: f64,
        /// `b ← momentum·b + g / (√v + eps)`, `p ← p − γ·b`.
        momentum: f64,
        /// Divides by the deviation, `v − ḡ²` with `ḡ ← α·ḡ + (1 − α)·g`. Graves (2013).
        centered: bool,
    },
    /// `s ← s + g²`, `p ← p − γ / (1 + (t − 1)·lr_decay)·g / (√s + eps)`. Duchi et al. (2011).
    Adagrad {
        /// How the learning rate falls with the steps.
        lr_decay: f64,
        /// Keeps the divisor from 0.
        eps: f64,
        /// Added to the gradient: `g + weight_decay·p`.
        weight_decay: f64,
        /// What `s` begins with.
        initial_accumulator_value: f64,
    },
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::sgd()
    }
}

impl Optimizer {
    /// The names of all optimizers.
    pub const NAMES: [&str; 5] = ["sgd", "adam", "adamw", "rmsprop", "adagrad"];

    /// Plain SGD, `p ← p − γ·g`.
    pub const fn sgd() -> Self {
        Self::Sgd { momentum: 0.0, dampening: 0.0, nesterov: false, weight_decay: 0.0 }
    }

    /// Adam with PyTorch's defaults.
    pub const fn adam() -> Self {
        Self::Adam { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, amsgrad: false }
    }

    /// AdamW with PyTorch's defaults.
    pub const fn adamw() -> Self {
        Self::AdamW { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.01, amsgrad: false }
    }

    /// RMSprop with PyTorch's defaults.
    pub const fn rmsprop() -> Self {
        Self::RmsProp { alpha: 0.99, eps: 1e-8, weight_decay: 0.0, momentum: 0.0, centered: false }
    }

    /// Adagrad with PyTorch's defaults.
    pub const fn adagrad() -> Self {
        Self::Adagrad { lr_decay: 0.0, eps: 1e-10, weight_decay: 0.0, initial_accumulator_value: 0.0 }
    }

    /// The name: one of [`Optimizer::NAMES`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Sgd { .. } => "sgd",
            Self::Adam { .. } => "adam",
            Self::AdamW { .. } => "adamw",
            Self::RmsProp { .. } => "rmsprop",
            Self::Adagrad { .. } => "adagrad",
        }
    }

    /// The optimizer of that name, with PyTorch's defaults.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::sgd(), Self::adam(), Self::adamw(), Self::rmsprop(), Self::adagrad()];
        all.into_iter().find(|optimizer| optimizer.name() == name)
    }

    /// Whether this is `p ← p − γ·g`.
    pub fn is_plain_sgd(self) -> bool {
        matches!(self, Self::Sgd { momentum: 0.0, weight_decay: 0.0, .. })
    }

    /// Refuses options out of PyTorch's ranges; `eps` has to be above 0.
    pub(crate) fn check(self) -> Result<()> {
        let wrong =
            |name, expected, value: f64| Err(Error::Setting { name, expected, found: value.to_string() });
        let from_zero: &[(&'static str, f64)] = match &self {
            Self::Sgd { momentum, weight_decay, .. } => {
                &[("momentum", *momentum), ("weight_decay", *weight_decay)]
            }
            Self::Adam { eps, weight_decay, .. } | Self::AdamW { eps, weight_decay, .. } => {
                &[("eps", *eps), ("weight_decay", *weight_decay)]
            }
            Self::RmsProp { alpha, eps, weight_decay, momentum, .. } => {
                &[("alpha", *alpha), ("eps", *eps), ("weight_decay", *weight_decay), ("momentum", *momentum)]
            }
            Self::Adagrad { lr_decay, eps, weight_decay, initial_accumulator_value } => &[
                ("lr_decay", *lr_decay),
                ("eps", *eps),
                ("weight_decay", *weight_decay),
                ("initial_accumulator_value", *initial_accumulator_value),
            ],
        };
        for (name, value) in from_zero {
            // In the padding, as in units without a gradient, the divisor is eps alone.
            if *name == "eps" && (value.is_nan() || *value < f64::from(f32::MIN_POSITIVE)) {
                return wrong(name, "a number above 1e-37", *value);
            }
            if !(*value >= 0.0 && value.is_finite()) {
                return wrong(name, "a number from 0 on", *value);
            }
        }
        match self {
            Self::Adam { betas, .. } | Self::AdamW { betas, .. } => {
                for beta in [betas.0, betas.1] {
                    if !(0.0..1.0).contains(&beta) {
                        return wrong("betas", "numbers from 0 on, below 1", beta);
                    }
                }
            }
            Self::Sgd { dampening, .. } if !dampening.is_finite() => {
                return wrong("dampening", "a finite number", dampening);
            }
            Self::Sgd { momentum, dampening, nesterov: true, .. } if momentum == 0.0 || dampening != 0.0 => {
                let expected = "false without a momentum or with dampening";
                return Err(Error::Setting { name: "nesterov", expected, found: "true".into() });
            }
            _ => {}
        }
        Ok(())
    }
}
