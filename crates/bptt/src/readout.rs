//! The linear readout at every timestep: `y_t = W_ho·h_t + b_o`, PyTorch's `nn.Linear`.
//!
//! Shapes: `hidden (T, P)` without `h_0`, `output` and `d_output (T, O)`.

use crate::Float;
use crate::cell::{Layout, Weights, WeightsMut};
use crate::dim::Dim;
use crate::kernel::dot;
use crate::kernel::level::Isa;
use crate::kernel::outer::outer_acc;
use crate::kernel::tile::Matrix;

/// `Y = H·W_hoᵀ + b_o`.
#[inline(always)]
pub(crate) fn forward<T: Float, S: Isa, I: Dim, H: Dim, O: Dim>(
    layout: Layout<I, H, O>,
    weights: &Weights<'_, T>,
    hidden: &[T],
    output: &mut [T],
) {
    let stride = layout.stride::<T>();
    let sizes = (layout.hidden, layout.output);
    let weight = Matrix::new(weights.fc_weight, stride);
    dot::readout::<T, S, _, _>(Matrix::new(hidden, stride), sizes, weight, weights.fc_bias, output);
}

/// Adds the gradients of the readout to `target`: `d_W_ho += d_Yᵀ·H`, `d_b_o += Σ_t d_y_t`.
#[inline(always)]
pub(crate) fn gradients_acc<T: Float, S: Isa, I: Dim, H: Dim, O: Dim>(
    layout: Layout<I, H, O>,
    hidden: &[T],
    d_output: &[T],
    target: &mut WeightsMut<'_, T>,
) {
    let o = layout.output.size();
    let hidden = Matrix::new(hidden, layout.stride::<T>());
    let steps = d_output.len() / o;
    let sizes = (layout.output, layout.hidden);
    outer_acc::<T, S, _, _>(Matrix::new(d_output, o), hidden, steps, sizes, target.fc_weight);
    for d_y in d_output.chunks_exact(o) {
        for (sum, d) in target.fc_bias.iter_mut().zip(d_y) {
            *sum += *d;
        }
    }
}
