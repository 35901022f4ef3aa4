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

/// An activation as the kernels see it: [`Tanh`], [`Relu`] or [`Sigmoid`], known at compile time, or an [`Activation`].
pub(crate) trait Function: Copy {
    /// Whether `f(0) = 0`, so that padding lanes stay 0 by themselves.
    fn zero_at_zero(self) -> bool;
    /// `f(a)`.
    fn apply<T: Float, V: Vector<T>>(self, a: V) -> V;
    /// `d · f'(a)`, the derivative as a function of `h = f(a)`.
    fn backward<T: Float, V: Vector<T>>(self, d: V, h: V) -> V;
}

#[derive(Clone, Copy)]
pub(crate) struct Tanh;
#[derive(Clone, Copy)]
pub(crate) struct Relu;
#[derive(Clone, Copy)]
pub(crate) struct Sigmoid;

impl Function for Tanh {
    #[inline(always)]
    fn zero_at_zero(self) -> bool {
        true
    }
    #[inline(always)]
    fn apply<T: Float, V: Vector<T>>(self, a: V) -> V {
        tanh(a)
    }
    #[inline(always)]
    fn backward<T: Float, V: Vector<T>>(self, d: V, h: V) -> V {
        d.mul(V::splat(T::ONE).sub(h.mul(h)))
    }
}

impl Function for Relu {
    #[inline(always)]
    fn zero_at_zero(self) -> bool {
        true
    }
    #[inline(always)]
    fn apply<T: Float, V: Vector<T>>(self, a: V) -> V {
        // NaN passes: a diverging network must show in its loss.
        a.at_least(V::splat(T::ZERO))
    }
    #[inline(always)]
    fn backward<T: Float, V: Vector<T>>(self, d: V, h: V) -> V {
        h.where_positive(d)
    }
}

impl Function for Sigmoid {
    #[inline(always)]
    fn zero_at_zero(self) -> bool {
        false
    }
    #[inline(always)]
    fn apply<T: Float, V: Vector<T>>(self, a: V) -> V {
        sigmoid(a)
    }
    #[inline(always)]
    fn backward<T: Float, V: Vector<T>>(self, d: V, h: V) -> V {
        d.mul(h.mul(V::splat(T::ONE).sub(h)))
    }
}

impl Function for Activation {
    #[inline(always)]
    fn zero_at_zero(self) -> bool {
        self != Self::Sigmoid
    }
    #[inline(always)]
    fn apply<T: Float, V: Vector<T>>(self, a: V) -> V {
        with_activation!(self, |f| f.apply(a))
    }
    #[inline(always)]
    fn backward<T: Float, V: Vector<T>>(self, d: V, h: V) -> V {
        with_activation!(self, |f| f.backward(d, h))
    }
}

/// Runs `$body` with `$f` as the compile-time form of `$activation`.
macro_rules! with_activation {
    ($activation:expr, |$f:ident| $body:expr) => {
        match $activation {
            $crate::Activation::Tanh => {
                let $f = $crate::kernel::activation::Tanh;
                $body
            }
            $crate::Activation::Relu => {
                let $f = $crate::kernel::activation::Relu;
                $body
            }
            $crate::Activation::Sigmoid => {
                let $f = $crate::kernel::activation::Sigmoid;
                $body
            }
        }
    };
}
pub(crate) use with_activation;
