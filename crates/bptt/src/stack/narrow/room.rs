//! [`Room`]: where everything of a block lies in [`super::Buffers::lanes`].

use super::{MOST_ELEMENTS, is_narrow};
use crate::Float;
use crate::stack::Stack;

/// Elements of [`super::Buffers::lanes`] that sequences of up to `longest` timesteps can use.
pub(in crate::stack) fn elements<T: Float>(stack: &Stack, longest: usize) -> usize {
    if !is_narrow::<T>(stack) {
        return 0;
    }
    Room::new(stack, longest).end.saturating_mul(T::LINE).min(MOST_ELEMENTS)
}

/// Where the parts begin, in vectors; `T` timesteps. Sizes saturate.
#[derive(Clone, Copy)]
pub(super) struct Room {
    /// How many partial sums of the gradient there are, which come first: see [`sums_at`].
    sums: usize,
    /// Ends of the parts that follow; see [`Parts`].
    inputs: usize,
    above: usize,
    d_outputs: usize,
    d_y: usize,
    weights: usize,
    outputs: usize,
    pub end: usize,
}

/// The parts of the room for a block, with `L` lanes.
pub(super) struct Parts<'a, T> {
    /// Partial sums of the gradient, in the order of [`sums_at`].
    pub sums: &'a mut [T],
    /// What goes into the first layer. (T, I, L)
    pub inputs: &'a mut [T],
    /// What goes into a layer above it. (T, D·H, L)
    pub above: &'a mut [T],
    /// The gradient of a layer's outputs. (T, D·H, L)
    pub d_outputs: &'a mut [T],
    /// Labels, and then the gradient of the readout's outputs. (T, O, L)
    pub d_y: &'a mut [T],
    /// The weights of the rows. (T, L)
    pub weights: &'a mut [T],
    /// The readout's outputs of a timestep. (O, L)
    pub outputs: &'a mut [T],
    /// What passes the gates by. (2, H, L)
    pub carried: &'a mut [T],
}

/// Where the partial sums of a layer in one direction begin, in vectors: `d_W_ih` (K, G·H), `d_W_hh` (H, G·H) and the biases
/// (DELTAS, H); those of the readout's weights (O, D·H) and biases (O) come after all layers.
pub(super) fn sums_at(stack: &Stack, part: usize) -> usize {
    let (h, gates, directions) = (stack.hidden, stack.architecture.cell.gates(), stack.directions());
    let layer = |inputs: usize| {
        // No cell has more pieces of deltas than gates and one more.
        let rows = inputs.saturating_add(h).saturating_mul(gates).saturating_add(gates + 1);
        rows.saturating_mul(h)
    };
    let first = part.min(directions);
    layer(stack.input)
        .saturating_mul(first)
        .saturating_add(layer(directions * h).saturating_mul(part - first))
}

impl Room {
    pub fn new(stack: &Stack, steps: usize) -> Self {
        let (h, o, layers) = (stack.hidden, stack.output, stack.architecture.num_layers);
        let width = stack.directions() * h;
        let rows = |columns: usize| steps.saturating_mul(columns);
        let sums = sums_at(stack, stack.parts()).saturating_add(o.saturating_mul(width + 1));
        let inputs = sums.saturating_add(rows(stack.input));
        let above = inputs.saturating_add(if layers > 1 { rows(width) } else { 0 });
        let d_outputs = above.saturating_add(rows(width));
        let d_y = d_outputs.saturating_add(rows(o));
        let weights = d_y.saturating_add(steps);
        let outputs = weights.saturating_add(o);
        Self { sums, inputs, above, d_outputs, d_y, weights, outputs, end: outputs.saturating_add(2 * h) }
    }

    /// Cuts `room` into the parts, for vectors of so many lanes.
    pub fn cut<T>(self, room: &mut [T], lanes: usize) -> Parts<'_, T> {
        let (sums, rest) = room.split_at_mut(self.sums * lanes);
        let (inputs, rest) = rest.split_at_mut((self.inputs - self.sums) * lanes);
        let (above, rest) = rest.split_at_mut((self.above - self.inputs) * lanes);
        let (d_outputs, rest) = rest.split_at_mut((self.d_outputs - self.above) * lanes);
        let (d_y, rest) = rest.split_at_mut((self.d_y - self.d_outputs) * lanes);
        let (weights, rest) = rest.split_at_mut((self.weights - self.d_y) * lanes);
        let (outputs, rest) = rest.split_at_mut((self.outputs - self.weights) * lanes);
        let carried = &mut rest[..(self.end - self.outputs) * lanes];
        Parts { sums, inputs, above, d_outputs, d_y, weights, outputs, carried }
    }

    /// How many elements the partial sums take.
    pub fn sums(self, lanes: usize) -> usize {
        self.sums * lanes
    }
}
