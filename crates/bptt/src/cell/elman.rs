//! The Elman cell: `h_t = f(W_ih·x_t + b_ih + W_hh·h_{t−1} + b_hh)`, PyTorch's `nn.RNN`.
//!
//! Shapes: `x (T, I)`, `hidden (T + 1, P)` whose row 0 is `h_0` and row `t + 1` is `h` after step `t`,
//! `delta (T, P)`. `P` is `H` padded to cache lines. Forward and backward each have a part that is a product
//! over all timesteps (limited by arithmetic) and a sweep, one step after the other (limited by latency).

use super::{Layout, Weights, WeightsMut};
use crate::Float;
use crate::dim::Dim;
use crate::kernel::activation::Activation;
use crate::kernel::affine::{Finish, affine_acc, affine_row};
use crate::kernel::level::Isa;
use crate::kernel::outer::{column_sums_acc, outer_acc};
use crate::kernel::tile::{Block, Matrix, for_blocks, load, store, unroll};
use crate::kernel::vector::Vector;

/// Fills rows `1..` of `hidden` from `x` and row 0; `bias` is `b_ih + b_hh`.
#[inline(always)]
pub(crate) fn forward_sequence<T: Float, S: Isa, I: Dim, H: Dim, O: Dim>(
    activation: Activation,
    layout: Layout<I, H, O>,
    weights: &Weights<'_, T>,
    bias: &[T],
    x: &[T],
    hidden: &mut [T],
) {
    let stride = layout.stride::<T>();
    let (i, h) = (layout.input, layout.hidden);
    // 1. Project all inputs: A = b + X·W_ih.
    let (_, projected) = hidden.split_at_mut(stride);
    for row in projected.chunks_exact_mut(stride) {
        row.copy_from_slice(bias);
    }
    affine_acc::<T, S, _, _>(
        Matrix::new(x, i.size()),
        (i, h),
        Matrix::new(weights.weight_ih, stride),
        projected,
    );
    // 2. The recurrent sweep: h_t = f(A_t + W_hh·h_{t−1}).
    let weight_hh = Matrix::new(weights.weight_hh, stride);
    let finish = Apply { activation, columns: h };
    for t in 0..projected.len() / stride {
        let (past, rest) = hidden.split_at_mut((t + 1) * stride);
        affine_row::<T, S, _, _, _>(&past[t * stride..], (h, h), weight_hh, &mut rest[..stride], finish);
    }
}

/// `h = f(a)` in the lanes of hidden units, 0 in the padding.
#[derive(Clone, Copy)]
struct Apply<H> {
    activation: Activation,
    columns: H,
}

impl<T: Float, S: Isa, H: Dim> Finish<T, S> for Apply<H> {
    #[inline(always)]
    fn finish<const R: usize>(&self, at: usize, block: Block<T, S, R>) -> Block<T, S, R> {
        let lanes = T::Vector::<S>::LANES;
        let mut block = block;
        unroll!(|v| in R => {
            block[v] = self.activation.apply(block[v]);
            let inside = self.columns.size().saturating_sub(at + v * lanes);
            if !self.activation.zero_at_zero() && inside < lanes {
                block[v] = block[v].mul(mask::<T, S>(inside));
            }
        });
        block
    }
}

/// 1 in the first `inside` lanes, 0 in the others.
#[inline(always)]
fn mask<T: Float, S: Isa>(inside: usize) -> T::Vector<S> {
    let mut mask = [T::ZERO; 16];
    mask[..inside].fill(T::ONE);
    T::Vector::<S>::load(&mask, 0)
}

/// Fills `delta` with the gradient of the loss before the activation, `δ_t`, from `d_output (T, O)`.
///
/// `δ_t = (W_hoᵀ·d_y_t + W_hhᵀ·δ_{t+1}) ⊙ f'(a_t)`; `weight_hh_t` is `W_hh` output-major.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // Every buffer of the pass has its own name.
pub(crate) fn backward_sequence<T: Float, S: Isa, I: Dim, H: Dim, O: Dim>(
    activation: Activation,
    layout: Layout<I, H, O>,
    weights: &Weights<'_, T>,
    weight_hh_t: &[T],
    hidden: &[T],
    d_output: &[T],
    delta: &mut [T],
) {
    let stride = layout.stride::<T>();
    let (h, o) = (layout.hidden, layout.output);
    // 1. What the readout sends back, for all timesteps: D = d_Y·W_ho.
    delta.fill(T::ZERO);
    let d_output = Matrix::new(d_output, o.size());
    affine_acc::<T, S, _, _>(d_output, (o, h), Matrix::new(weights.fc_weight, stride), delta);
    // 2. The sweep backwards: δ_t = (D_t + W_hhᵀ·δ_{t+1}) ⊙ f'(a_t).
    let weight_hh_t = Matrix::new(weight_hh_t, stride);
    let steps = delta.len() / stride;
    for t in (0..steps).rev() {
        let (rest, future) = delta.split_at_mut((t + 1) * stride);
        let row = &mut rest[t * stride..];
        let finish = Derive { activation, hidden: &hidden[(t + 1) * stride..][..stride] };
        if t + 1 == steps {
            for_blocks!(T, S, h.size(), 2 or 1, |n, R| {
                let block = load::<T, S, R>(row, n);
                store::<T, S, R>(row, n, Finish::<T, S>::finish(&finish, n, block));
            });
        } else {
            affine_row::<T, S, _, _, _>(&future[..stride], (h, h), weight_hh_t, row, finish);
        }
    }
}

/// Multiplies by `f'(a)`, taken from `h`.
struct Derive<'a, T> {
    activation: Activation,
    hidden: &'a [T],
}

impl<T: Float, S: Isa> Finish<T, S> for Derive<'_, T> {
    #[inline(always)]
    fn finish<const R: usize>(&self, at: usize, block: Block<T, S, R>) -> Block<T, S, R> {
        let hidden = load::<T, S, R>(self.hidden, at);
        let mut block = block;
        unroll!(|v| in R => block[v] = self.activation.backward(block[v], hidden[v]));
        block
    }
}

/// Adds the gradients of the cell's parameters to `target`.
///
/// `d_W_ih += Xᵀ·δ`, `d_W_hh += H_{t−1}ᵀ·δ` (both input-major), `d_b_ih, d_b_hh += Σ_t δ_t`.
#[inline(always)]
pub(crate) fn gradients_acc<T: Float, S: Isa, I: Dim, H: Dim, O: Dim>(
    layout: Layout<I, H, O>,
    x: &[T],
    hidden: &[T],
    delta: &[T],
    target: &mut WeightsMut<'_, T>,
) {
    let stride = layout.stride::<T>();
    let (i, h) = (layout.input, layout.hidden);
    let steps = delta.len() / stride;
    let delta = Matrix::new(delta, stride);
    outer_acc::<T, S, _, _>(Matrix::new(x, i.size()), delta, steps, (i, h), target.weight_ih);
    outer_acc::<T, S, _, _>(Matrix::new(hidden, stride), delta, steps, (h, h), target.weight_hh);
    column_sums_acc::<T, S, _>(delta, steps, h, target.bias_ih);
    column_sums_acc::<T, S, _>(delta, steps, h, target.bias_hh);
}
