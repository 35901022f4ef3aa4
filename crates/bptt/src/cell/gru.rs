//! The gated recurrent unit (Cho et al. 2014) in PyTorch's form, `nn.GRU`: the reset gate acts after the product. Where it acts
//! before is [`super::gru_reset_before`].
//!
//! ```text
//! r_t = σ(W_ir·x_t + b_ir + W_hr·h_{t−1} + b_hr)          reset
//! z_t = σ(W_iz·x_t + b_iz + W_hz·h_{t−1} + b_hz)          update
//! q_t =                     W_hn·h_{t−1} + b_hn
//! n_t = tanh(W_in·x_t + b_in + r_t ⊙ q_t)                 new
//! h_t = (1 − z_t) ⊙ n_t + z_t ⊙ h_{t−1}
//! ```

use super::recurrence::{Deltas, Inputs, MOST_GATES, MOST_KEPT, Outputs, Recurrence, Shape};
use crate::Float;
use crate::kernel::elementary::{sigmoid, tanh};
use crate::kernel::vector::Vector;

/// The cell; its gates are r, z, n.
#[derive(Clone, Copy)]
pub(crate) struct Gru;

impl Shape for Gru {
    const GATES: usize = 3;
    /// r, z, n, q and h_{t−1}.
    const KEPT: usize = 5;
    /// Of r, z, n and q.
    const DELTAS: usize = 4;
    /// `W_hn` belongs to q.
    const HIDDEN: [usize; MOST_GATES] = [0, 1, 3, 3];
    const SPLIT: bool = true;
    const MEMORY: bool = false;
}

impl Recurrence for Gru {
    const CHAINS: usize = 2;
    const SKIPS: bool = true;

    #[inline(always)]
    fn forward<T: Float, V: Vector<T>>(self, inputs: Inputs<V>) -> Outputs<V> {
        let Inputs { sums: [reset, update, q, _], input, past, .. } = inputs;
        let r = sigmoid(reset);
        let z = sigmoid(update);
        let n = tanh(r.mul_add(q, input));
        // (1 − z)·n + z·h = n + z·(h − n)
        let hidden = z.mul_add(past.sub(n), n);
        Outputs { hidden, memory: hidden, kept: [r, z, n, q, q, q, q, q] }
    }

    #[inline(always)]
    fn backward<T: Float, V: Vector<T>>(
        self,
        kept: [V; MOST_KEPT],
        past: V,
        d_hidden: V,
        memory: V,
    ) -> Deltas<V> {
        let [r, z, n, q, ..] = kept;
        let one = V::splat(T::ONE);
        // d_n = d_h·(1 − z), through tanh
        let d_n = d_hidden.mul(one.sub(z)).mul(one.sub(n.mul(n)));
        // d_z = d_h·(h_{t−1} − n), through σ
        let d_z = d_hidden.mul(past.sub(n)).mul(z.mul(one.sub(z)));
        // d_r = d_n·q, through σ
        let d_r = d_n.mul(q).mul(r.mul(one.sub(r)));
        let d_q = d_n.mul(r);
        Deltas { delta: [d_r, d_z, d_n, d_q], past: d_hidden.mul(z), memory }
    }
}
