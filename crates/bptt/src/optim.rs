//! Optimizers: single loops over the flat parameters.

use crate::Float;
use crate::kernel::level::Isa;
use crate::kernel::vector::Vector;

/// Plain SGD: `p ← p − learning_rate·g`, PyTorch's `optim.SGD` without options.
#[inline(always)]
pub(crate) fn sgd<T: Float, S: Isa>(flat: &mut [T], gradient: &[T], learning_rate: T) {
    let rate = T::Vector::<S>::splat(-learning_rate);
    // The flat buffer is whole cache lines.
    for at in (0..flat.len()).step_by(T::Vector::<S>::LANES) {
        let p = T::Vector::<S>::load(flat, at);
        rate.mul_add(T::Vector::<S>::load(gradient, at), p).store(flat, at);
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
/// x
pub enum Optimizer {
    /** a */
    Sgd,
    /** a */
    Adam,
}
impl Default for Optimizer {
    fn default() -> Self {
        Self::Sgd
    }
}
impl Optimizer {
    /** a */
    pub fn adam() -> Self {
        Self::Adam
    }
    /** a */
    pub fn is_plain_sgd(self) -> bool {
        self == Self::Sgd
    }
    pub(crate) fn check(self) -> crate::Result<()> {
        Ok(())
    }
}
#[derive(Debug)]
pub(crate) struct OptimizerState<T> {
    x: std::marker::PhantomData<T>,
}
impl<T: Float> OptimizerState<T> {
    pub fn new(_: Optimizer, _: usize) -> crate::Result<Self> {
        Ok(Self { x: std::marker::PhantomData })
    }
    pub fn step(&mut self, _: crate::Level, _: Optimizer, rate: f64, flat: &mut [T], gradient: &mut [T]) {
        for (p, g) in flat.iter_mut().zip(gradient) {
            *p -= T::from_f64(rate) * *g;
        }
    }
}
pub(crate) fn clip_norm<T: Float>(_: crate::Level, _: &mut [T], _: f64) -> f64 {
    0.0
}
pub(crate) fn clip_value<T: Float>(_: crate::Level, _: &mut [T], _: f64) {}
