//! The linear readout at every timestep: `y_t = W_ho·h_t + b_o`, PyTorch's `nn.Linear`.
//!
//! Shapes: `hidden (T, P)`, `output` and `d_output (T, O)`; T counts rows of any sequences.

use crate::Float;
use crate::cell::one::Each;
use crate::cell::{Layout, Weights, WeightsMut};
use crate::dim::Dim;
use crate::kernel::dot::{dot, dot_registers};
use crate::kernel::level::Isa;
use crate::kernel::outer::outer_acc;
use crate::kernel::tile::{Block, Matrix};

/// `Y = H·W_hoᵀ + b_o` for the rows of `output (T, O)`.
#[inline(always)]
pub(crate) fn forward<T: Float, S: Isa, I: Dim, H: Dim, O: Dim>(
    layout: Layout<I, H, O>,
    weights: &Weights<'_, T>,
    hidden: Matrix<'_, T>,
    output: &mut [T],
) {
    let (stride, o) = (layout.stride::<T>(), layout.output.size());
    for (t, y) in output.chunks_exact_mut(o).enumerate() {
        let h = &hidden.data[t * hidden.stride..][..stride];
        for (n, y) in y.iter_mut().enumerate() {
            *y = dot::<T, S, H>(weights.fc_bias[n], h, &weights.fc_weight[n * stride..], layout.hidden);
        }
    }
}

/// The readout with its loss: returns `Σ (y − label)²` and fills `d_output`, whose rows are `d_stride` apart, with
/// `scale·(y − label)`.
///
/// With `scale = 2·weight` that is the gradient of the loss. `labels` are `(T, O)`. The sum is taken in double
/// precision: in f32 it would stop growing after 2²⁴ terms.
#[inline(always)]
pub(crate) fn squared_error<T: Float, S: Isa, I: Dim, H: Dim, O: Dim>(
    layout: Layout<I, H, O>,
    weights: &Weights<'_, T>,
    hidden: Matrix<'_, T>,
    (labels, scale): (&[T], T),
    (d_output, d_stride): (&mut [T], usize),
) -> f64 {
    let (stride, o) = (layout.stride::<T>(), layout.output.size());
    let mut total = 0.0;
    for t in 0..labels.len() / o {
        let h = &hidden.data[t * hidden.stride..][..stride];
        let (labels, d) = (&labels[t * o..][..o], &mut d_output[t * d_stride..][..o]);
        for n in 0..o {
            let y = dot::<T, S, H>(weights.fc_bias[n], h, &weights.fc_weight[n * stride..], layout.hidden);
            let error = y - labels[n];
            d[n] = scale * error;
            // The square overflows where it would in PyTorch, so that a diverging network is seen as soon.
            total += (error * error).to_f64();
        }
    }
    total
}

/// [`squared_error`], to the bit, of states that come from a sweep one by one.
pub(crate) struct SquaredError<'a, T> {
    pub weights: &'a Weights<'a, T>,
    /// `P` and `O`.
    pub sizes: (usize, usize),
    pub labels: &'a [T],
    pub scale: T,
    pub d_output: &'a mut [T],
    /// `Σ (y − label)²` so far.
    pub total: f64,
}

impl<T: Float, S: Isa> Each<T, S> for SquaredError<'_, T> {
    #[inline(always)]
    fn state<const R: usize>(&mut self, t: usize, state: Block<T, S, R>) {
        let (stride, o) = self.sizes;
        let (labels, d) = (&self.labels[t * o..][..o], &mut self.d_output[t * o..][..o]);
        for n in 0..o {
            let weights = &self.weights.fc_weight[n * stride..][..stride];
            let error = dot_registers::<T, S, R>(self.weights.fc_bias[n], state, weights) - labels[n];
            d[n] = self.scale * error;
            self.total += (error * error).to_f64();
        }
    }
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
    let stride = layout.stride::<T>();
    let hidden = Matrix::new(hidden, stride);
    let rows = d_output.len() / o;
    let sizes = (layout.output, layout.hidden);
    outer_acc::<T, S, _, _>(Matrix::new(d_output, o), hidden, rows, sizes, (target.fc_weight, stride));
    for d_y in d_output.chunks_exact(o) {
        for (sum, d) in target.fc_bias.iter_mut().zip(d_y) {
            *sum += *d;
        }
    }
}
