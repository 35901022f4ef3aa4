//! A step of [`GruResetBefore`], whose gates are two products, one after the other: the same products as in
//! `stack::reset_before`, of one row, and so the same bits.

use super::plan::Step;
use super::state::spare_rows;
use super::step::Readout;
use crate::Float;
use crate::cell::gru_reset_before::GruResetBefore;
use crate::cell::recurrence::Shape;
use crate::kernel::level::{Isa, Kernel};
use crate::kernel::product::Product;
use crate::kernel::tile::{Matrix, next_row};
use crate::kernel::vector::Vector;

/// A step through all layers and the readout.
pub(super) struct ResetBefore<'s, 'a, T> {
    pub step: &'s mut Step<'a, T>,
}

impl<T: Float> Kernel for ResetBefore<'_, '_, T> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Step { plan, state, odd, features, .. } = &mut *self.step;
        let stack = &plan.stack;
        let (h, p, layers) = (stack.hidden, stack.stride::<T>(), stack.architecture.num_layers);
        let (states, sums) = state.split_at_mut(layers * 2 * p);
        let sums = &mut sums[..spare_rows(stack) * p];
        // Of each layer's two h, the one to read and the one to write.
        let (read, write) = (usize::from(*odd) * p, usize::from(!*odd) * p);
        let mut weights: &[T] = &plan.packed;
        for layer in 0..layers {
            let (below, present) = states.split_at_mut(layer * 2 * p);
            let inputs = if layer == 0 { *features } else { &below[(layer - 1) * 2 * p + write..][..h] };
            self::layer::<T, S>(&mut weights, inputs, (h, p), (present, read, write), sums);
        }
        Readout { step: self.step }.run::<S>();
    }
}

/// One layer; takes its weights off the front of `weights`.
#[inline(always)]
fn layer<T: Float, S: Isa>(
    weights: &mut &[T],
    inputs: &[T],
    (h, p): (usize, usize),
    (states, read, write): (&mut [T], usize, usize),
    sums: &mut [T],
) {
    let all = GruResetBefore::GATES * p;
    let bias = next_row(weights, all);
    let weight_ih = next_row(weights, inputs.len() * all);
    let (gates, new) = (next_row(weights, h * 2 * p), next_row(weights, h * p));
    let (x, w, columns) = (inputs, Matrix::new(weight_ih, all), 2 * p + h);
    product::<T, S>(x, w, Some(bias), columns, sums);
    product::<T, S>(&states[read..][..h], Matrix::new(gates, 2 * p), None, p + h, sums);
    // What is in place of the sum of r is r ⊙ h_{t−1} from here on, in place of the sum of z it is z.
    let mut n = 0;
    while n < h {
        let past = T::Vector::<S>::load(states, read + n);
        let summed = [T::Vector::<S>::load(sums, n), T::Vector::<S>::load(sums, p + n)];
        let [_, z, reset] = GruResetBefore::gates(summed, past);
        reset.store(sums, n);
        z.store(sums, p + n);
        n += T::Vector::<S>::LANES;
    }
    let (reset, sums) = sums.split_at_mut(2 * p);
    product::<T, S>(&reset[..h], Matrix::new(new, p), None, h, sums);
    let mut n = 0;
    while n < h {
        let past = T::Vector::<S>::load(states, read + n);
        let (sum, z) = (T::Vector::<S>::load(sums, n), T::Vector::<S>::load(reset, p + n));
        let [_, hidden] = GruResetBefore::state(sum, z, past);
        hidden.store(states, write + n);
        n += T::Vector::<S>::LANES;
    }
}

/// `out = bias + x·w`, or `out += x·w` without a bias.
#[inline(always)]
fn product<T: Float, S: Isa>(x: &[T], w: Matrix<'_, T>, bias: Option<&[T]>, columns: usize, out: &mut [T]) {
    let (a, stride) = (Matrix::new(x, x.len()), w.stride);
    S::call(Product { a, rows: 1, k: x.len(), w, bias, columns, out, stride });
}
