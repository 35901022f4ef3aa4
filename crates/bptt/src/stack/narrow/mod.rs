//! Training of narrow layers on several sequences: one in each lane, as [`crate::abreast`] does for plain networks.
//!
//! Of a register of 16 units, 5 hidden units would leave 11 lanes idle, and every gate has registers of its own. Here a
//! unit of all sequences of a block is one vector, a weight is one number for all of them, and nothing crosses lanes but
//! inputs and labels, once, and the gradient, once a batch. A block, a sequence for each lane, goes all the way before the
//! next one: through the layers ([`forward`], [`layers`]), the readout and the loss ([`readout`]), and back ([`backward`],
//! [`gradients`]).
//!
//! Shapes, with `L` lanes: a step's row in [`Buffers::kept`] is `(KEPT, H, L)` instead of `(L, KEPT·P)`, in the same places
//! of the same buffer; everything else is in [`Buffers::lanes`] ([`room`]). Lanes whose sequence has ended keep their
//! state, and have no deltas; lanes without a sequence have no inputs and states of 0. The sums are not in the order of the
//! other ways, so that only training goes here: what a network predicts has the same bits in every batch.

mod backward;
mod forward;
mod gradients;
mod layers;
mod readout;
mod room;

use super::buffers::Buffers;
use super::forward::Way;
use super::job::Labelled;
use super::layout::Stack;
use super::pass::Pass;
use super::rows::Rows;
use crate::Float;
use crate::cell::recurrence::{Recurrence, with_cell};
use crate::kernel::gather::{Gather, Windows};
use crate::kernel::level::Isa;
use crate::kernel::vector::Vector;
pub(super) use gradients::{add_sums, clear_sums};
use room::Room;
pub(super) use room::elements;

/// Elements of the room for gathered rows from which on long sequences would leave the caches.
const MOST_ELEMENTS: usize = 1 << 19;

/// Whether training may go this way. What it gains is in docs/performance.md, "Cells with gates".
pub(super) fn is_narrow<T: Float>(stack: &Stack) -> bool {
    stack.architecture.cell.is_one_product() && stack.hidden < 2 * T::LINE
}

/// Takes the next sequences off the front of `rest` that train abreast, if any do, in buffers of so many rows: whole vectors
/// of them, and then what is left.
pub(super) fn take<'a, T: Float, S: Isa>(
    stack: &Stack,
    rest: &mut Rows<'a>,
    capacity: usize,
) -> Option<Rows<'a>> {
    let (width, lanes) = (rest.width(), T::Vector::<S>::LANES);
    let mut behind = *rest;
    let front = behind.take_first(if width > lanes { width - width % lanes } else { width });
    if width == 0 || !pays::<T, S>(stack, front) || !fits::<T, S>(stack, front, capacity) {
        return None;
    }
    *rest = behind;
    Some(front)
}

/// Whether sequences are enough.
///
/// With all lanes full a unit takes three quarters of the time that it takes as one of a full register of units, or less.
fn pays<T: Float, S: Isa>(stack: &Stack, rows: Rows<'_>) -> bool {
    let (h, lanes) = (stack.hidden, T::Vector::<S>::LANES);
    let (sequences, units) = (rows.width().next_multiple_of(lanes), h.next_multiple_of(lanes));
    is_narrow::<T>(stack) && 3 * h * sequences <= 4 * units * rows.width()
}

/// Whether there is room for a block.
fn fits<T: Float, S: Isa>(stack: &Stack, rows: Rows<'_>, capacity: usize) -> bool {
    // The kept rows take whole vectors of sequences, but not the units' padding.
    let kept = T::Vector::<S>::LANES * (rows.steps() + 1) * stack.hidden;
    kept <= capacity * stack.stride::<T>()
        && Room::new(stack, rows.steps()).end.saturating_mul(T::LINE) <= MOST_ELEMENTS
}

impl<T: Float> Pass<'_, T> {
    /// Forward and back over the group, a sequence in each lane. Adds the gradient, lane by lane, to the sums in
    /// [`Buffers::lanes`]; returns the sum of the losses. Where it is not finite, the sums are unusable.
    pub(super) fn learn_abreast<S: Isa>(&self, labelled: &Labelled<'_, T>, buffers: &mut Buffers<T>) -> f64 {
        let (lanes, Rows { starts, lengths }) = (T::Vector::<S>::LANES, self.rows);
        let mut total = 0.0;
        for (number, (starts, lengths)) in starts.chunks(lanes).zip(lengths.chunks(lanes)).enumerate() {
            let block = Pass { rows: Rows { starts, lengths }, first: self.first + number * lanes, ..*self };
            total += with_cell!(
                self.stack.architecture.cell,
                |cell| block.learn_block::<S, _>(cell, labelled, buffers),
                // Never: it is not narrow.
                else f64::NAN
            );
            if !f64::is_finite(total) {
                break;
            }
        }
        total
    }

    /// One block: as many sequences as there are lanes, or fewer.
    fn learn_block<S: Isa, C: Recurrence>(
        &self,
        cell: C,
        labelled: &Labelled<'_, T>,
        buffers: &mut Buffers<T>,
    ) -> f64 {
        let (stack, layers) = (self.stack, self.stack.architecture.num_layers);
        let room = Room::new(&stack, self.rows.steps()).cut(&mut buffers.lanes, T::Vector::<S>::LANES);
        let (data, columns, pad) = (self.features, stack.input, T::ZERO);
        S::call(Gather { data, columns, windows: self.windows(), pad, out: room.inputs });
        for layer in 0..layers {
            for direction in 0..stack.directions() {
                self.sweep_abreast::<S, C>(cell, layer, direction, buffers);
            }
            if layer + 1 < layers {
                self.draw_dropout::<S>(layer, buffers);
                self.hand_up::<S, C>(layer, buffers);
            }
        }
        let loss = self.losses_abreast::<S, C>(labelled, buffers);
        if !loss.is_finite() {
            return loss;
        }
        for layer in (0..layers).rev() {
            // The highest layer's inputs are still there.
            if layer > 0 && layer + 1 < layers {
                self.hand_up::<S, C>(layer - 1, buffers);
            }
            for direction in 0..stack.directions() {
                self.sweep_back_abreast::<S, C>(cell, layer, direction, buffers);
                self.gradients_abreast::<S, C>(layer, direction, buffers);
            }
            if layer > 0 {
                self.hand_down::<S, C>(layer, buffers);
            }
        }
        loss
    }

    fn windows(&self) -> Windows<'_> {
        Windows { starts: self.rows.starts, lengths: self.rows.lengths }
    }

    /// Where the part of a layer in one direction begins in [`Buffers::kept`], and how long a block's is.
    fn kept_of<S: Isa, C: Recurrence>(&self, part: usize, buffers: &Buffers<T>) -> (usize, usize) {
        let row = C::KEPT * self.stack.hidden * T::Vector::<S>::LANES;
        (part * self.lengths::<C>(buffers).0, (self.rows.steps() + 1) * row)
    }
}

/// `h_t` of a layer, in each direction, as they lie in [`Buffers::kept`].
#[derive(Clone, Copy)]
struct Hidden<'a, T> {
    /// Of each direction, from timestep 0 on.
    data: [&'a [T]; 2],
    directions: usize,
    /// How far timesteps are apart.
    stride: usize,
    h: usize,
}

impl<'a, T: Float> Hidden<'a, T> {
    /// Of `layer`, in the block of `pass`.
    fn of<S: Isa, C: Recurrence>(
        pass: &Pass<'_, T>,
        layer: usize,
        (kept, kept_len): (&'a [T], usize),
    ) -> Self {
        let (h, directions) = (pass.stack.hidden, pass.stack.directions());
        let lanes = T::Vector::<S>::LANES;
        let stride = C::KEPT * h * lanes;
        let mut data = [kept; 2];
        for (direction, data) in data.iter_mut().enumerate().take(directions) {
            let next = Way { reverse: direction == 1 }.next(0);
            let at = (layer * directions + direction) * kept_len + next * stride + (C::KEPT - 1) * h * lanes;
            *data = &kept[at..];
        }
        Self { data, directions, stride, h }
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
