//! The sweeps of [`GruResetBefore`], whose step is two products: the gates `r` and `z` come from `h_{t−1}`, the new state from
//! `r ⊙ h_{t−1}`.
//!
//! Everything around the sweeps is what it is for other cells: projections, the rows of what is kept and of the deltas, the
//! gradients of the weights. The products of a step are [`Product`]s of all sequences that still run, and between them is
//! what belongs to each unit. They read the states from a copy, because they write to the rows that those are in.
//!
//! There is one way for all sizes: none for few units, with a sequence in each lane, and none for many, with weights in panels.
//! The cell is for models that come from elsewhere, and every way takes the compiler its time at every level.

use super::buffers::Buffers;
use super::forward::{Way, two_rows};
use super::pass::Pass;
use crate::Float;
use crate::cell::gru_reset_before::GruResetBefore;
use crate::cell::recurrence::Shape;
use crate::kernel::level::{Isa, Kernel};
use crate::kernel::product::Product;
use crate::kernel::tile::Matrix;
use crate::kernel::vector::Vector;

/// Places in a row, in pieces: r, z and n, and from the way back on their deltas; the product r ⊙ h_{t−1}; and h_{t−1}.
const R: usize = 0;
const Z: usize = 1;
const N: usize = 2;
const RESET: usize = GruResetBefore::LAST_FACTOR;
const PAST: usize = GruResetBefore::KEPT - 1;
/// Pieces of a row.
const ROW: usize = GruResetBefore::KEPT;

impl<T: Float> Pass<'_, T> {
    /// One layer in one direction.
    pub(super) fn forward_reset_before<S: Isa>(
        &self,
        layer: usize,
        direction: usize,
        buffers: &mut Buffers<T>,
    ) {
        let part = layer * self.stack.directions() + direction;
        let way = Way { reverse: direction == 1 };
        self.project::<S, GruResetBefore>(layer, direction, buffers);
        self.move_states::<GruResetBefore>(part, way, buffers, false);
        self.sweep_reset_before::<S>(layer, direction, buffers);
        self.move_states::<GruResetBefore>(part, way, buffers, true);
    }

    /// The sweep; the projections of the inputs are already where the gates' pieces will be.
    fn sweep_reset_before<S: Isa>(&self, layer: usize, direction: usize, buffers: &mut Buffers<T>) {
        let Self { stack, rows, .. } = *self;
        let (h, p, width) = (stack.hidden, stack.stride::<T>(), stack.width::<T>());
        let part = layer * stack.directions() + direction;
        let (kept_len, output_len) = self.lengths::<GruResetBefore>(buffers);
        let (way, group) = (Way { reverse: direction == 1 }, rows.width());
        let weight_hh = &self.flat[stack.place::<T>(layer, direction).weight_hh..];
        let Buffers { kept, outputs, carried: copies, .. } = buffers;
        let kept = &mut kept[part * kept_len..][..kept_len];
        let outputs = &mut outputs[layer * output_len + direction * p..(layer + 1) * output_len];
        for step in 0..rows.steps() {
            let t = if way.reverse { rows.steps() - 1 - step } else { step };
            let active = rows.active(t);
            let (now, next) = two_rows(kept, way.row(t), way.next(t), group * ROW * p);
            for m in 0..active {
                copies[2 * m * p..][..p].copy_from_slice(&now[(m * ROW + PAST) * p..][..p]);
            }
            let product = |copy: usize, gate: usize, columns: usize, now: &mut [T], copies: &[T]| {
                S::call(Product {
                    a: Matrix::new(&copies[copy * p..], 2 * p),
                    rows: active,
                    k: h,
                    w: Matrix::new(&weight_hh[gate * p..], GruResetBefore::GATES * p),
                    bias: None,
                    columns,
                    out: &mut now[gate * p..],
                    stride: ROW * p,
                });
            };
            product(0, R, p + h, now, copies);
            S::call(Gates { active, sizes: (h, p), now, copies });
            product(1, N, h, now, copies);
            let outputs = &mut outputs[t * group * width..];
            S::call(States { active, sizes: (h, p), now, next, outputs, width });
        }
    }

    /// Back through all layers, from the gradient of the highest one's outputs. Adds to `gradient`.
    pub(super) fn backward_reset_before<S: Isa>(&self, buffers: &mut Buffers<T>, gradient: &mut [T]) {
        for layer in (0..self.stack.architecture.num_layers).rev() {
            for direction in 0..self.stack.directions() {
                self.sweep_back_reset_before::<S>(layer, direction, buffers);
                self.gradients_acc::<S, _>(GruResetBefore, layer, direction, buffers, gradient);
            }
            if layer > 0 {
                self.inputs_backward::<S, _>(GruResetBefore, layer, buffers);
                self.dropout_backward(layer, buffers);
            }
        }
    }

    /// The sweep backward; what was kept becomes the deltas. What reaches `h_{t−1}` waits in the carried gradients, whole: a
    /// step puts it there for the one before it.
    fn sweep_back_reset_before<S: Isa>(&self, layer: usize, direction: usize, buffers: &mut Buffers<T>) {
        let Self { stack, rows, .. } = *self;
        let (h, p, width) = (stack.hidden, stack.stride::<T>(), stack.width::<T>());
        let part = layer * stack.directions() + direction;
        let kept_len = self.lengths::<GruResetBefore>(buffers).0;
        let (way, group, steps) = (Way { reverse: direction == 1 }, rows.width(), rows.steps());
        let hidden_t = &self.derived.hidden_t[part * GruResetBefore::GATES * h * p..];
        let Buffers { kept, d_outputs, carried, .. } = buffers;
        let kept = &mut kept[part * kept_len..][..kept_len];
        carried[..2 * group * p].fill(T::ZERO);
        for step in 0..steps {
            let t = if way.reverse { step } else { steps - 1 - step };
            let active = rows.active(t);
            let now = &mut kept[way.row(t) * group * ROW * p..][..group * ROW * p];
            // Sums over all rows need not know which sequences have ended, nor what another batch left there.
            now[active * ROW * p..].fill(T::ZERO);
            let product = |gate: usize, now: &[T], out: &mut [T], bias: Option<&[T]>| {
                S::call(Product {
                    a: Matrix::new(&now[gate * p..], ROW * p),
                    rows: active,
                    k: h,
                    w: Matrix::new(&hidden_t[gate * h * p..][..h * p], p),
                    bias,
                    columns: h,
                    out,
                    stride: 2 * p,
                });
            };
            let d_outputs = &d_outputs[t * group * width + direction * p..];
            S::call(StatesBack { active, sizes: (h, p), now, carried, d_outputs, width });
            product(N, now, &mut carried[p..], Some(&self.derived.zeros));
            S::call(GatesBack { active, sizes: (h, p), now, carried });
            // Before the first step there is none.
            if step + 1 < steps {
                product(R, now, carried, None);
                product(Z, now, carried, None);
            }
        }
    }
}

/// A register of units of a row.
#[inline(always)]
fn load<T: Float, S: Isa>(row: &[T], at: usize) -> T::Vector<S> {
    T::Vector::<S>::load(row, at)
}

/// Runs `$body` for each register of units of each sequence; `$row` is where its row of `now` begins, plus the unit, and
/// `$carried` where its two pieces are.
macro_rules! each {
    ($t:ty, $s:ty, $active:expr, ($h:expr, $p:expr), |$m:ident, $n:ident, $row:ident, $carried:ident| $body:expr) => {
        for $m in 0..$active {
            let mut $n = 0;
            while $n < $h {
                let ($row, $carried) = ($m * ROW * $p + $n, 2 * $m * $p + $n);
                $body;
                $n += <$t as Float>::Vector::<$s>::LANES;
            }
        }
    };
}

/// The gates r and z, from their sums, and r ⊙ h_{t−1}.
struct Gates<'a, T> {
    active: usize,
    /// `H` and `P`
    sizes: (usize, usize),
    /// (sequences, ROW·P)
    now: &'a mut [T],
    /// h_{t−1}, and then r ⊙ h_{t−1}. (sequences, 2·P)
    copies: &'a mut [T],
}

impl<T: Float> Kernel for Gates<'_, T> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { active, sizes: (h, p), now, copies } = self;
        each!(T, S, active, (h, p), |m, n, row, copy| {
            let [r, z, product] = GruResetBefore::gates(
                [load::<T, S>(now, row + R * p), load::<T, S>(now, row + Z * p)],
                load::<T, S>(now, row + PAST * p),
            );
            r.store(now, row + R * p);
            z.store(now, row + Z * p);
            product.store(now, row + RESET * p);
            product.store(copies, copy + p);
        });
    }
}

/// The new states, from the sum of n; they go to the next step's rows and to the layer above.
struct States<'a, T> {
    active: usize,
    /// `H` and `P`
    sizes: (usize, usize),
    /// (sequences, ROW·P)
    now: &'a mut [T],
    next: &'a mut [T],
    /// Rows `width` apart.
    outputs: &'a mut [T],
    width: usize,
}

impl<T: Float> Kernel for States<'_, T> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { active, sizes: (h, p), now, next, outputs, width } = self;
        each!(T, S, active, (h, p), |m, n, row, _copy| {
            let [new, hidden] = GruResetBefore::state(
                load::<T, S>(now, row + N * p),
                load::<T, S>(now, row + Z * p),
                load::<T, S>(now, row + PAST * p),
            );
            new.store(now, row + N * p);
            hidden.store(next, row + PAST * p);
            hidden.store(outputs, m * width + n);
        });
    }
}

/// From the gradient of h_t, what comes from above and what the step after has carried over, to δ_z and δ_n.
struct StatesBack<'a, T> {
    active: usize,
    /// `H` and `P`
    sizes: (usize, usize),
    /// (sequences, ROW·P)
    now: &'a mut [T],
    /// The gradient of h_t, and then what reaches h_{t−1}. (sequences, 2·P), the first half of each
    carried: &'a mut [T],
    /// Rows `width` apart.
    d_outputs: &'a [T],
    width: usize,
}

impl<T: Float> Kernel for StatesBack<'_, T> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { active, sizes: (h, p), now, carried, d_outputs, width } = self;
        each!(T, S, active, (h, p), |m, n, row, past| {
            let above = load::<T, S>(d_outputs, m * width + n);
            let d_hidden = above.add(load::<T, S>(carried, past));
            let [d_z, d_n, d_past] = GruResetBefore::state_backward(
                d_hidden,
                [load::<T, S>(now, row + Z * p), load::<T, S>(now, row + N * p)],
                load::<T, S>(now, row + PAST * p),
            );
            d_z.store(now, row + Z * p);
            d_n.store(now, row + N * p);
            d_past.store(carried, past);
        });
    }
}

/// From the gradient of r ⊙ h_{t−1}, in the second half of what is carried, to δ_r and what reaches h_{t−1}.
struct GatesBack<'a, T> {
    active: usize,
    /// `H` and `P`
    sizes: (usize, usize),
    /// (sequences, ROW·P)
    now: &'a mut [T],
    /// (sequences, 2·P)
    carried: &'a mut [T],
}

impl<T: Float> Kernel for GatesBack<'_, T> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { active, sizes: (h, p), now, carried } = self;
        each!(T, S, active, (h, p), |m, n, row, past| {
            let d_product = load::<T, S>(carried, past + p);
            let [d_r, d_past] = GruResetBefore::reset_backward(
                d_product,
                load::<T, S>(now, row + R * p),
                load::<T, S>(now, row + PAST * p),
            );
            d_r.store(now, row + R * p);
            load::<T, S>(carried, past).add(d_past).store(carried, past);
        });
    }
}
