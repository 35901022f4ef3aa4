//! The long short-term memory (Hochreiter & Schmidhuber 1997, with Gers' forget gate), PyTorch's `nn.LSTM`.
//!
//! ```text
//! i_t = σ(W_ii·x_t + b_ii + W_hi·h_{t−1} + b_hi)          input
//! f_t = σ(W_if·x_t + b_if + W_hf·h_{t−1} + b_hf)          forget
//! g_t = tanh(W_ig·x_t + b_ig + W_hg·h_{t−1} + b_hg)       cell
//! o_t = σ(W_io·x_t + b_io + W_ho·h_{t−1} + b_ho)          output
//! c_t = f_t ⊙ c_{t−1} + i_t ⊙ g_t
//! h_t = o_t ⊙ tanh(c_t)
//! ```

use super::recurrence::{Deltas, Inputs, MOST_GATES, MOST_KEPT, Outputs, Recurrence, Shape};
use crate::Float;
use crate::kernel::elementary::{sigmoid, tanh};
use crate::kernel::vector::Vector;

/// The cell; its gates are i, f, g, o.
#[derive(Clone, Copy)]
pub(crate) struct Lstm;

impl Shape for Lstm {
    const GATES: usize = 4;
    /// i, f, g, o, tanh(c_t), c_{t−1} and h_{t−1}.
    const KEPT: usize = 7;
    const DELTAS: usize = 4;
    const HIDDEN: [usize; MOST_GATES] = [0, 1, 2, 3];
    const SPLIT: bool = false;
    const MEMORY: bool = true;
}

impl Recurrence for Lstm {
    const CHAINS: usize = 2;
    const SKIPS: bool = false;

    #[inline(always)]
    fn forward<T: Float, V: Vector<T>>(self, inputs: Inputs<V>) -> Outputs<V> {
        let Inputs { sums: [input, forget, cell, output], memory: past, .. } = inputs;
        let i = sigmoid(input);
        let f = sigmoid(forget);
        let g = tanh(cell);
        let o = sigmoid(output);
        let memory = f.mul_add(past, i.mul(g));
        let squashed = tanh(memory);
        Outputs { hidden: o.mul(squashed), memory, kept: [i, f, g, o, squashed, past, past, past] }
    }

    #[inline(always)]
    fn backward<T: Float, V: Vector<T>>(
        self,
        kept: [V; MOST_KEPT],
        _past: V,
        d_hidden: V,
        d_memory: V,
    ) -> Deltas<V> {
        let [i, f, g, o, squashed, past, ..] = kept;
        let one = V::splat(T::ONE);
        // d_o = d_h·tanh(c), through σ
        let d_o = d_hidden.mul(squashed).mul(o.mul(one.sub(o)));
        // d_c = d_c_{t+1}·f_{t+1} + d_h·o through tanh
        let d_c = d_hidden.mul(o).mul_add(one.sub(squashed.mul(squashed)), d_memory);
        let d_i = d_c.mul(g).mul(i.mul(one.sub(i)));
        let d_f = d_c.mul(past).mul(f.mul(one.sub(f)));
        let d_g = d_c.mul(i).mul(one.sub(g.mul(g)));
        Deltas { delta: [d_i, d_f, d_g, d_o], past: V::splat(T::ZERO), memory: d_c.mul(f) }
    }
}
