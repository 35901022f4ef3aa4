//! The passes of narrow layers, for training on several sequences: one in each lane, as [`crate::abreast`] does for plain
//! networks.
//!
//! Of a register of 16 units, 5 hidden units would leave 11 lanes idle, and every gate has registers of its own. Here a
//! unit of all sequences of a block is one vector, a weight is one number for all of them, and nothing crosses lanes but
//! the gradient, once a group.
//!
//! Shapes, with `L` lanes: a step's row in `kept` is `(KEPT, H, L)` instead of `(L, KEPT·P)`, in the same places of the
//! same buffer; inputs are gathered to `(T, K, L)`; gradients have `L` partial sums each. Lanes whose sequence has ended
//! keep their state, and have no deltas. The sums are not in the order of the other ways, so that only training goes here: what a network predicts
//! has the same bits in every batch.

mod backward;
mod forward;

use std::marker::PhantomData;

use super::buffers::Buffers;
use super::forward::Way;
use super::layout::Stack;
use super::pass::Pass;
use crate::Float;
use crate::cell::recurrence::Recurrence;
use crate::kernel::level::Isa;
use crate::kernel::vector::Vector;
use backward::{InputsBack, Reduce, SweepBack};
use forward::Sweep;

/// Elements of the room for gathered rows from which on long sequences would leave the caches.
const MOST_ELEMENTS: usize = 1 << 19;

/// Whether a stack's layers leave so many lanes idle that training goes this way: over a quarter. What it gains is in
/// docs/performance.md, "Cells with gates".
pub(super) fn is_narrow<T: Float>(stack: &Stack) -> bool {
    let (h, p) = (stack.hidden, stack.stride::<T>());
    h < 2 * T::LINE && 4 * h < 3 * p
}

/// Elements of [`Buffers::lanes`] that sequences of up to `longest` timesteps can use.
pub(super) fn elements<T: Float>(stack: &Stack, longest: usize) -> usize {
    if is_narrow::<T>(stack) { wanted::<T>(stack, longest).min(MOST_ELEMENTS) } else { 0 }
}

fn wanted<T: Float>(stack: &Stack, steps: usize) -> usize {
    Cut::new(stack, steps).end.saturating_mul(T::LINE)
}

/// Where the parts of [`Buffers::lanes`] begin, in vectors.
struct Cut {
    /// The outputs' gradient of a step. (H)
    d_outputs: usize,
    /// What passes the gates by. (2, H)
    carried: usize,
    /// Partial sums of `d_W_ih` (K, G·H), `d_W_hh` (H, G·H) and the biases (DELTAS, H).
    sums: usize,
    end: usize,
}

impl Cut {
    fn new(stack: &Stack, steps: usize) -> Self {
        let (h, gates) = (stack.hidden, stack.architecture.cell.gates());
        let inputs = stack.inputs(0).max(stack.inputs(1));
        let d_outputs = steps.saturating_mul(inputs);
        let carried = d_outputs.saturating_add(h);
        let sums = carried.saturating_add(2 * h);
        // No cell has more pieces of deltas than gates and one more.
        let rows = inputs.saturating_add(h).saturating_mul(gates).saturating_add(gates + 1);
        Self { d_outputs, carried, sums, end: sums.saturating_add(rows.saturating_mul(h)) }
    }
}

/// Up to one sequence for each lane.
#[derive(Clone, Copy)]
struct Block {
    /// The first one's number within the group.
    first: usize,
    count: usize,
    /// Timesteps of the longest.
    steps: usize,
    /// Where its part of a layer's kept rows begins, and how long it is.
    at: usize,
    len: usize,
}

impl<T: Float> Pass<'_, T> {
    /// Whether this group goes this way: at least half of the lanes have a sequence, and there is room. It depends on the
    /// group alone, and not on what the buffers have served before.
    pub(super) fn goes_abreast<S: Isa>(&self) -> bool {
        let (stack, rows, lanes) = (&self.stack, self.rows, T::Vector::<S>::LANES);
        let h = stack.hidden;
        if !self.learns
            || !is_narrow::<T>(stack)
            || 4 * h >= 3 * h.next_multiple_of(lanes)
            || 2 * rows.width() < lanes
        {
            return false;
        }
        // The kept rows take whole vectors of sequences, but not the units' padding.
        let sequences = rows.width().next_multiple_of(lanes);
        let fits =
            sequences * (rows.steps() + 1) * h <= rows.width() * (rows.steps() + 2) * stack.stride::<T>();
        fits && wanted::<T>(stack, rows.steps()) <= MOST_ELEMENTS
    }

    /// The group's sequences, a lane each.
    fn blocks<S: Isa, C: Recurrence>(&self) -> impl Iterator<Item = Block> + use<'_, S, C, T> {
        let lanes = T::Vector::<S>::LANES;
        let mut at = 0;
        (0..self.rows.width()).step_by(lanes).map(move |first| {
            let steps = self.rows.lengths[first];
            let len = (steps + 1) * C::KEPT * self.stack.hidden * lanes;
            at += len;
            Block { first, count: lanes.min(self.rows.width() - first), steps, at: at - len, len }
        })
    }

    /// Forward through one layer in one direction.
    pub(super) fn forward_abreast<S: Isa, C: Recurrence>(
        &self,
        cell: C,
        layer: usize,
        direction: usize,
        buffers: &mut Buffers<T>,
    ) {
        let Self { stack, rows, derived, .. } = *self;
        let (h, p, width, lanes) =
            (stack.hidden, stack.stride::<T>(), stack.width::<T>(), T::Vector::<S>::LANES);
        let part = layer * stack.directions() + direction;
        let (kept_len, output_len) = self.lengths::<C>(buffers);
        let (place, way) = (stack.place::<T>(layer, direction), Way { reverse: direction == 1 });
        for block in self.blocks::<S, C>() {
            self.gather_inputs::<S>(layer, block, buffers);
            let Buffers { kept, lanes: room, hidden, memory, batch, outputs, .. } = buffers;
            let kept = &mut kept[part * kept_len + block.at..][..block.len];
            let row_len = C::KEPT * h * lanes;
            let states =
                [(&mut **hidden, C::KEPT - 1, true), (&mut **memory, C::KEPT.saturating_sub(2), C::MEMORY)];
            if block.count < lanes || rows.lengths[block.first + block.count - 1] < block.steps {
                kept.fill(T::ZERO);
            }
            for m in 0..block.count {
                // A sweep begins at one end of a sequence and ends at the other.
                let row = if way.reverse { rows.lengths[block.first + m] } else { 0 };
                for (states, piece, _) in states.iter().filter(|(.., is_there)| *is_there) {
                    let state = &states[(part * *batch + self.first + block.first + m) * p..][..h];
                    for (n, value) in state.iter().enumerate() {
                        kept[row * row_len + (piece * h + n) * lanes + m] = *value;
                    }
                }
            }
            S::call(Sweep {
                cell,
                way,
                steps: block.steps,
                lengths: &rows.lengths[block.first..][..block.count],
                sizes: (stack.inputs(layer), h, p),
                inputs: room,
                weight_ih: &self.flat[place.weight_ih..place.weight_hh],
                weight_hh: &self.flat[place.weight_hh..place.bias_ih],
                bias: &derived.bias[part * (C::GATES + 1) * p..][..(C::GATES + 1) * p],
                kept: &mut *kept,
            });
            for (states, piece, _) in states.into_iter().filter(|(.., is_there)| *is_there) {
                for m in 0..block.count {
                    let row = if way.reverse { 0 } else { rows.lengths[block.first + m] };
                    let state = &mut states[(part * *batch + self.first + block.first + m) * p..][..h];
                    for (n, value) in state.iter_mut().enumerate() {
                        *value = kept[row * row_len + (piece * h + n) * lanes + m];
                    }
                }
            }
            let outputs = &mut outputs[layer * output_len..][..output_len];
            for t in 0..block.steps {
                let now = &kept[way.next(t) * row_len + (C::KEPT - 1) * h * lanes..][..h * lanes];
                let out = &mut outputs[(t * rows.width() + block.first) * width + direction * p..];
                scatter((now, lanes), block.count, h, (out, width), |out, value| *out = value);
                // What another way left in the padding, where a network that overflows has NaN, would be read.
                for m in 0..block.count {
                    out[m * width + h..m * width + p].fill(T::ZERO);
                }
            }
        }
    }

    /// Back through one layer in one direction; adds to `gradient`.
    pub(super) fn backward_abreast<S: Isa, C: Recurrence>(
        &self,
        cell: C,
        layer: usize,
        direction: usize,
        buffers: &mut Buffers<T>,
        gradient: &mut [T],
    ) {
        let Self { stack, rows, .. } = *self;
        let (h, p) = (stack.hidden, stack.stride::<T>());
        let part = layer * stack.directions() + direction;
        let kept_len = self.lengths::<C>(buffers).0;
        let (place, way) = (stack.place::<T>(layer, direction), Way { reverse: direction == 1 });
        let cut = Cut::new(&stack, rows.steps());
        let lanes = T::Vector::<S>::LANES;
        buffers.lanes[cut.sums * lanes..cut.end * lanes].fill(T::ZERO);
        for block in self.blocks::<S, C>() {
            self.gather_inputs::<S>(layer, block, buffers);
            let Buffers { kept, lanes: room, d_outputs, .. } = buffers;
            let (inputs, room) = room.split_at_mut(cut.d_outputs * lanes);
            let (gathered, room) = room.split_at_mut((cut.carried - cut.d_outputs) * lanes);
            let (carried, room) = room.split_at_mut((cut.sums - cut.carried) * lanes);
            S::call(SweepBack {
                cell,
                way,
                steps: block.steps,
                lengths: &rows.lengths[block.first..][..block.count],
                sizes: (stack.inputs(layer), h, p),
                inputs,
                weight_hh: &self.flat[place.weight_hh..place.bias_ih],
                kept: &mut kept[part * kept_len + block.at..][..block.len],
                d_outputs: &d_outputs[block.first * stack.width::<T>() + direction * p..],
                strides: (rows.width() * stack.width::<T>(), stack.width::<T>()),
                gathered,
                carried,
                sums: room,
            });
        }
        let gradient = &mut gradient[place.weight_ih..place.bias_hh + C::GATES * p];
        let sums = &buffers.lanes[cut.sums * lanes..cut.end * lanes];
        let sizes = (stack.inputs(layer), h, p);
        S::call(Reduce { cell: PhantomData::<C>, sums, sizes, gradient });
    }

    /// The gradient of the outputs of the layer below: `d_X = δ·W_ihᵀ`.
    pub(super) fn inputs_back_abreast<S: Isa, C: Recurrence>(
        &self,
        _cell: C,
        layer: usize,
        buffers: &mut Buffers<T>,
    ) {
        let Self { stack, rows, .. } = *self;
        let (h, p, width, lanes) =
            (stack.hidden, stack.stride::<T>(), stack.width::<T>(), T::Vector::<S>::LANES);
        let (kept_len, row_len) = (self.lengths::<C>(buffers).0, C::KEPT * h * lanes);
        for direction in 0..stack.directions() {
            let part = layer * stack.directions() + direction;
            let (place, way) = (stack.place::<T>(layer, direction), Way { reverse: direction == 1 });
            for block in self.blocks::<S, C>() {
                let Buffers { kept, lanes: room, d_outputs, .. } = buffers;
                let kept = &kept[part * kept_len + block.at..][..block.len];
                for t in 0..block.steps {
                    S::call(InputsBack {
                        gates: C::GATES,
                        sizes: (stack.inputs(layer), h, p),
                        weight_ih: &self.flat[place.weight_ih..place.weight_hh],
                        deltas: &kept[way.row(t) * row_len..][..C::GATES * h * lanes],
                        out: &mut room[..stack.inputs(layer) * lanes],
                    });
                    for half in 0..stack.directions() {
                        let gathered = &room[half * h * lanes..(half + 1) * h * lanes];
                        let out = &mut d_outputs[(t * rows.width() + block.first) * width + half * p..];
                        if direction == 0 {
                            scatter((gathered, lanes), block.count, h, (out, width), |out, value| {
                                *out = value
                            });
                        } else {
                            scatter((gathered, lanes), block.count, h, (out, width), |out, value| {
                                *out += value
                            });
                        }
                    }
                }
            }
        }
    }

    /// What goes into a layer, to `(T, K, L)` at the beginning of [`Buffers::lanes`].
    fn gather_inputs<S: Isa>(&self, layer: usize, block: Block, buffers: &mut Buffers<T>) {
        let Self { stack, rows, features, .. } = *self;
        let (h, p, width, lanes) =
            (stack.hidden, stack.stride::<T>(), stack.width::<T>(), T::Vector::<S>::LANES);
        let (k, len) = (stack.inputs(layer), buffers.rows * width);
        let out = &mut buffers.lanes[..block.steps * k * lanes];
        if block.count < lanes || rows.lengths[block.first + block.count - 1] < block.steps {
            out.fill(T::ZERO);
        }
        for m in 0..block.count {
            let (start, steps) = (rows.starts[block.first + m], rows.lengths[block.first + m]);
            if layer == 0 {
                gather_row(&features[start * k..(start + steps) * k], &mut out[m..], lanes);
                continue;
            }
            let below = &buffers.outputs[(layer - 1) * len..][..len];
            for t in 0..steps {
                let row = &below[(t * rows.width() + block.first + m) * width..][..width];
                for half in 0..stack.directions() {
                    gather_row(&row[half * p..][..h], &mut out[(t * k + half * h) * lanes + m..], lanes);
                }
            }
        }
    }
}

/// Writes the elements of `data` to every `lanes`-th place of `out`.
#[inline(always)]
fn gather_row<T: Float>(data: &[T], out: &mut [T], lanes: usize) {
    for (column, value) in out.chunks_mut(lanes).zip(data) {
        column[0] = *value;
    }
}

/// From `(columns, L)` to `count` rows of `columns`, `stride` apart.
#[inline(always)]
fn scatter<T: Float>(
    (data, lanes): (&[T], usize),
    count: usize,
    columns: usize,
    (out, stride): (&mut [T], usize),
    put: impl Fn(&mut T, T),
) {
    for m in 0..count {
        let row = &mut out[m * stride..][..columns];
        for (out, column) in row.iter_mut().zip(data.chunks_exact(lanes)) {
            put(out, column[m]);
        }
    }
}

/// The lengths of a block's sequences, one in each lane; 0 where there is none.
#[inline(always)]
fn lengths<T: Float, S: Isa>(lengths: &[usize]) -> T::Vector<S> {
    let mut lanes = [T::ZERO; 16];
    for m in 0..lengths.len() {
        lanes[m] = T::from_f64(lengths[m] as f64);
    }
    T::Vector::<S>::load(&lanes, 0)
}

/// `value` in the lanes whose sequence has a timestep `t`, `other` in the others.
#[inline(always)]
fn alive_or<T: Float, S: Isa>(
    t: usize,
    lengths: T::Vector<S>,
    value: T::Vector<S>,
    other: T::Vector<S>,
) -> T::Vector<S> {
    lengths.sub(T::Vector::<S>::splat(T::from_f64((t + 1) as f64))).where_negative(other, value)
}

/// `value` in the lanes whose sequence has a timestep `t`, 0 in the others.
#[inline(always)]
fn alive<T: Float, S: Isa>(t: usize, lengths: T::Vector<S>, value: T::Vector<S>) -> T::Vector<S> {
    value.zero_above(T::Vector::<S>::splat(T::from_f64((t + 1) as f64)), lengths)
}
