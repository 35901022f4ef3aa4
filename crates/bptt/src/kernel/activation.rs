//! Hidden activations: `h = f(a)`, and the derivative from the output alone.

use super::elementary::{sigmoid, tanh};
use super::vector::Vector;
use crate::Float;

/// The activation of a hidden layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// `h = tanh(a)`, PyTorch's default.
    #[default]
    Tanh,
    /// `h = max(a, 0)`; the derivative at 0 is 0, as in PyTorch. NaN stays NaN.
    Relu,
    /// `h = 1 / (1 + e^−a)`.
    Sigmoid,
}

impl Activation {
    /// All activations.
    pub const ALL: [Self; 3] = [Self::Tanh, Self::Relu, Self::Sigmoid];

    /// The name: `"tanh"`, `"relu"` or `"sigmoid"`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tanh => "tanh",
            Self::Relu => "relu",
            Self::Sigmoid => "sigmoid",
        }
    }

    /// The activation of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|activation| activation.name() == name)
    }
}

impl std::fmt::Display for Activation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Activation {
    /// Whether `f(0) = 0`, so that padding lanes stay 0 by themselves.
    #[inline(always)]
    pub(crate) fn zero_at_zero(self) -> bool {
        self != Self::Sigmoid
    }

    /// `f(a)`.
    #[inline(always)]
    pub(crate) fn apply<T: Float, V: Vector<T>>(self, a: V) -> V {
        match self {
            Self::Tanh => tanh(a),
            // NaN passes: a diverging network must show in its loss.
            Self::Relu => a.at_least(V::splat(T::ZERO)),
            Self::Sigmoid => sigmoid(a),
        }
    }

    /// `d · f'(a)`, the derivative as a function of `h = f(a)`.
    #[inline(always)]
    pub(crate) fn backward<T: Float, V: Vector<T>>(self, d: V, h: V) -> V {
        match self {
            Self::Tanh => d.mul(V::splat(T::ONE).sub(h.mul(h))),
            Self::Relu => h.where_positive(d),
            Self::Sigmoid => d.mul(h.mul(V::splat(T::ONE).sub(h))),
        }
    }
}
