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
