//! The gated recurrent unit as Cho et al. (2014) have it: the reset gate acts before the product.
//!
//! ```text
//! r_t = σ(W_ir·x_t + b_ir + W_hr·h_{t−1} + b_hr)                  reset
//! z_t = σ(W_iz·x_t + b_iz + W_hz·h_{t−1} + b_hz)                  update
//! n_t = tanh(W_in·x_t + b_in + W_hn·(r_t ⊙ h_{t−1}) + b_hn)       new
//! h_t = (1 − z_t) ⊙ n_t + z_t ⊙ h_{t−1}
//! ```
//!
//! That is ONNX's `GRU` with `linear_before_reset` 0, its default, and Keras' with `reset_after=False`. PyTorch has
//! [`super::gru`] only.
//!
//! A step is two products, and the second one waits for the first: no [`Recurrence`](super::recurrence::Recurrence), but the
//! equations of both halves, for those who make the products.

use super::recurrence::{MOST_GATES, Shape};
use crate::Float;
use crate::kernel::elementary::{sigmoid, tanh};
use crate::kernel::vector::Vector;

/// The cell; its gates are r, z, n.
#[derive(Clone, Copy)]
pub(crate) struct GruResetBefore;

impl Shape for GruResetBefore {
    const GATES: usize = 3;
    /// r, z, n, r ⊙ h_{t−1} and h_{t−1}.
    const KEPT: usize = 5;
    /// Of r, z and n.
    const DELTAS: usize = 3;
    const HIDDEN: [usize; MOST_GATES] = [0, 1, 2, 2];
    const SPLIT: bool = false;
    const MEMORY: bool = false;
    /// r ⊙ h_{t−1}.
    const LAST_FACTOR: usize = 3;
}

impl GruResetBefore {
    /// r, z and r ⊙ h_{t−1}, from the sums of r and z.
    #[inline(always)]
    pub fn gates<T: Float, V: Vector<T>>([reset, update]: [V; 2], past: V) -> [V; 3] {
        let r = sigmoid(reset);
        [r, sigmoid(update), r.mul(past)]
    }

    /// n and h_t, from the sum of n.
    #[inline(always)]
    pub fn state<T: Float, V: Vector<T>>(sum: V, z: V, past: V) -> [V; 2] {
        let n = tanh(sum);
        // (1 − z)·n + z·h = n + z·(h − n)
        [n, z.mul_add(past.sub(n), n)]
    }

    /// δ_z, δ_n and what reaches h_{t−1} past the gates, from the gradient of h_t.
    #[inline(always)]
    pub fn state_backward<T: Float, V: Vector<T>>(d_hidden: V, [z, n]: [V; 2], past: V) -> [V; 3] {
        let one = V::splat(T::ONE);
        let d_n = d_hidden.mul(one.sub(z)).mul(one.sub(n.mul(n)));
        let d_z = d_hidden.mul(past.sub(n)).mul(z.mul(one.sub(z)));
        [d_z, d_n, d_hidden.mul(z)]
    }

    /// δ_r and what reaches h_{t−1} by way of r ⊙ h_{t−1}, from the gradient of that, `W_hnᵀ·δ_n`.
    #[inline(always)]
    pub fn reset_backward<T: Float, V: Vector<T>>(d_product: V, r: V, past: V) -> [V; 2] {
        let one = V::splat(T::ONE);
        [d_product.mul(past).mul(r.mul(one.sub(r))), d_product.mul(r)]
    }
}
