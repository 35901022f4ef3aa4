//! [`Recurrence`]: a cell as the kernels of [`crate::stack`] see it, and the simplest one, Elman's.
//!
//! A cell is its equations for one register of units of one sequence: forward from the sums of its gates to the new
//! state, backward from the gradient of that state to the gradients of the sums. The products, the layers, the directions
//! and the ragged batches around it are the same for all cells.
//!
//! That takes a cell whose step is one product, from which all its gates come. One is not like that ([`GruResetBefore`]); it
//! has a [`Shape`] as all others do, and sweeps of its own.
//!
//! [`GruResetBefore`]: super::gru_reset_before::GruResetBefore

use super::gru_reset_before::GruResetBefore;
use crate::kernel::activation::{Activation, Function};
use crate::kernel::vector::Vector;
use crate::{Cell, Float};

/// The most gates that a cell may have.
pub(crate) const MOST_GATES: usize = 4;
/// The most pieces that a cell may keep beside `h_{t−1}`.
pub(crate) const MOST_KEPT: usize = 8;

/// What a cell gets at a step, one register each.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<V> {
    /// For each gate `b_ih + W_ih·x_t + b_hh + W_hh·h_{t−1}`; for the last gate of a [`Recurrence::SPLIT`] cell only the
    /// hidden half, `b_hh + W_hh·h_{t−1}`.
    pub sums: [V; MOST_GATES],
    /// The other half of that gate, `b_ih + W_ih·x_t`.
    pub input: V,
    /// `h_{t−1}`.
    pub past: V,
    /// `c_{t−1}`, of a cell with a memory.
    pub memory: V,
    /// 1 in the lanes of units, 0 in those of the padding, whose `h` must be 0.
    pub mask: V,
}

/// What a cell makes of it.
#[derive(Clone, Copy)]
pub(crate) struct Outputs<V> {
    /// `h_t`.
    pub hidden: V,
    /// `c_t`, of a cell with a memory.
    pub memory: V,
    /// What the backward pass needs. Of a cell with a memory the last piece is `c_{t−1}`.
    pub kept: [V; MOST_KEPT],
}

/// Gradients of the loss that a cell sends back.
#[derive(Clone, Copy)]
pub(crate) struct Deltas<V> {
    /// With respect to the sums: [`Recurrence::DELTAS`] pieces. Those from 0 on are what `W_ih` sees, gate by gate;
    /// [`Recurrence::HIDDEN`] says which of them `W_hh` sees.
    pub delta: [V; MOST_GATES],
    /// What reaches `h_{t−1}` past the gates.
    pub past: V,
    /// What reaches `c_{t−1}`.
    pub memory: V,
}

/// How many numbers of which kind a cell has.
pub(crate) trait Shape: Copy + Sync {
    /// Gates, in PyTorch's order.
    const GATES: usize;
    /// Pieces kept of each step, `h_{t−1}` included, which is the last; backward puts the deltas into the first ones.
    const KEPT: usize;
    /// Pieces of deltas.
    const DELTAS: usize;
    /// The piece of the deltas that each gate's `W_hh` sees.
    const HIDDEN: [usize; MOST_GATES];
    /// Whether the last gate keeps the halves of its sum, `W_ih·x` and `W_hh·h`, apart.
    const SPLIT: bool;
    /// Whether there is a memory `c`.
    const MEMORY: bool;
    /// The kept piece that the last gate's `W_hh` is multiplied with; that of all others is `h_{t−1}`.
    const LAST_FACTOR: usize = Self::KEPT - 1;
}

/// A cell's equations, and what the kernels have to know about them.
pub(crate) trait Recurrence: Shape {
    /// Independent chains of multiply-adds that the sum of each gate consists of. Few gates need more, because a single
    /// chain waits for the multiplier at every term.
    const CHAINS: usize;
    /// Whether `h_{t−1}` reaches `h_t` past the gates as well.
    const SKIPS: bool;

    /// The step.
    fn forward<T: Float, V: Vector<T>>(self, inputs: Inputs<V>) -> Outputs<V>;
    /// Its gradient: `kept` and `past` as in the step, `d_hidden` and `d_memory` with respect to `h_t` and `c_t`.
    fn backward<T: Float, V: Vector<T>>(
        self,
        kept: [V; MOST_KEPT],
        past: V,
        d_hidden: V,
        d_memory: V,
    ) -> Deltas<V>;
}

/// Runs `$body` with `$cell` as the compile-time form of the [`Cell`] `$kind`, where that is a [`Recurrence`]; else `$other`.
macro_rules! with_cell {
    ($kind:expr, |$cell:ident| $body:expr, else $other:expr) => {
        match $kind {
            $crate::Cell::Elman(activation) => {
                let $cell = $crate::cell::recurrence::Elman(activation);
                $body
            }
            $crate::Cell::Gru => {
                let $cell = $crate::cell::gru::Gru;
                $body
            }
            $crate::Cell::Lstm => {
                let $cell = $crate::cell::lstm::Lstm;
                $body
            }
            $crate::Cell::GruResetBefore => $other,
        }
    };
}
pub(crate) use with_cell;

/// Pieces that a cell keeps of each step.
pub(crate) fn kept_pieces(cell: Cell) -> usize {
    fn pieces<C: Shape>(_: C) -> usize {
        C::KEPT
    }
    with_cell!(cell, |cell| pieces(cell), else pieces(GruResetBefore))
}

/// Whether a cell's last gate keeps its halves apart.
pub(crate) fn is_split(cell: Cell) -> bool {
    fn split<C: Shape>(_: C) -> bool {
        C::SPLIT
    }
    with_cell!(cell, |cell| split(cell), else split(GruResetBefore))
}

/// `h_t = f(a)`, `a = b_ih + W_ih·x_t + b_hh + W_hh·h_{t−1}`.
#[derive(Clone, Copy)]
pub(crate) struct Elman(pub Activation);

impl Shape for Elman {
    const GATES: usize = 1;
    const KEPT: usize = 2;
    const DELTAS: usize = 1;
    const HIDDEN: [usize; MOST_GATES] = [0, 0, 0, 0];
    const SPLIT: bool = false;
    const MEMORY: bool = false;
}

impl Recurrence for Elman {
    const CHAINS: usize = 4;
    const SKIPS: bool = false;

    #[inline(always)]
    fn forward<T: Float, V: Vector<T>>(self, inputs: Inputs<V>) -> Outputs<V> {
        let mut hidden = self.0.apply(inputs.sums[0]);
        if !self.0.zero_at_zero() {
            hidden = hidden.mul(inputs.mask);
        }
        Outputs { hidden, memory: hidden, kept: [hidden; MOST_KEPT] }
    }

    #[inline(always)]
    fn backward<T: Float, V: Vector<T>>(
        self,
        kept: [V; MOST_KEPT],
        _past: V,
        d_hidden: V,
        _: V,
    ) -> Deltas<V> {
        // δ = d_h ⊙ f'(a), f' taken from h = f(a).
        let [hidden, ..] = kept;
        let zero = V::splat(T::ZERO);
        Deltas { delta: [self.0.backward(d_hidden, hidden); MOST_GATES], past: zero, memory: zero }
    }
}
