//! [`Derived`]: what the passes read beside the parameters, made from them after each update.

use std::sync::Mutex;

use super::buffers::sized;
use super::layout::Stack;
use super::split::cut;
use crate::buffer::Buffer;
use crate::cell::recurrence::MOST_GATES;
use crate::kernel::panel::{pack, pack_transposed, panel};
use crate::kernel::tile::Matrix;
use crate::kernel::transpose::Transpose;
use crate::threads::phases::{MOST_PARTS, run_phases};
use crate::threads::{Threads, locked};
use crate::{Float, Level, Result};

/// What the passes read beside the parameters, derived from them: the same for all sequences, and so for all [`Buffers`].
#[derive(Debug)]
pub struct Derived<T> {
    /// `b_ih + b_hh`, or what of it belongs to `x`; then the hidden half of a split gate. (layers, directions, (G + 1)·P)
    pub bias: Buffer<T>,
    /// `weight_hh` output-major. (layers, directions, G·H, P); of wide stacks in panels of `(H, P)`, those of all gates for some
    /// units one after the other.
    pub hidden_t: Buffer<T>,
    /// `weight_ih` of the layers above the first, output-major. (layers − 1, directions, G·H, D·P); of wide stacks in panels
    /// of `(H, P)`, gate by gate and in it by direction of the layer below.
    pub inputs_t: Buffer<T>,
    /// Of wide stacks: `weight_hh` in panels of `(H, P)`, likewise. (layers, directions, G)
    pub hidden: Buffer<T>,
    /// Of wide stacks: `weight_ih` in panels of `(I, P)`, above the first layer of `(H, P)` for each direction of the layer
    /// below. (layers, directions, G, …)
    pub inputs: Buffer<T>,
    /// 1 for each unit, 0 in the padding. (P)
    pub mask: Buffer<T>,
    /// Zeros. (D·P)
    pub zeros: Buffer<T>,
    /// Whether anything has been derived yet.
    is_derived: bool,
}

impl<T: Float> Derived<T> {
    /// Not yet derived.
    pub fn new(stack: &Stack) -> Result<Self> {
        let architecture = stack.architecture;
        let (above, parts, wide) = (architecture.num_layers - 1, stack.parts(), stack.is_wide::<T>());
        let (p, width, gates) = (stack.stride::<T>(), stack.width::<T>(), architecture.cell.gates());
        let mut derived = Self {
            bias: sized(&[parts, gates + 1, p])?,
            hidden_t: sized(&[parts, gates, stack.hidden, p])?,
            inputs_t: sized(&[above, stack.directions(), gates, stack.hidden, width])?,
            hidden: sized(&[if wide { parts } else { 0 }, gates, stack.hidden, p])?,
            inputs: sized(&[if wide { stack.inputs_at(architecture.num_layers, 0) } else { 0 }, gates, p])?,
            mask: sized(&[p])?,
            zeros: sized(&[width])?,
            is_derived: false,
        };
        derived.mask[..stack.hidden].fill(T::ONE);
        Ok(derived)
    }

    /// Derives what the way forward needs from parameters that do not change, the first time that it is called.
    pub fn refresh_once(&mut self, stack: &Stack, flat: &[T], threads: &mut Threads) {
        if !self.is_derived {
            self.refresh(stack, flat, None, (threads, 1));
        }
    }

    /// Derives sums of biases, and for the way `back`, which runs at that level, the transposed weights. Of wide stacks, whose
    /// units are worked on in `blocks` blocks, all is put into panels.
    pub fn refresh(
        &mut self,
        stack: &Stack,
        flat: &[T],
        back: Option<Level>,
        (threads, blocks): (&mut Threads, usize),
    ) {
        let (p, gates) = (stack.stride::<T>(), stack.architecture.cell.gates());
        let split = crate::cell::recurrence::is_split(stack.architecture.cell);
        let pieces = threads.pieces(gates.saturating_mul(stack.hidden) * p).min(p.div_ceil(panel::<T>()));
        self.is_derived = true;
        for layer in 0..stack.architecture.num_layers {
            for direction in 0..stack.directions() {
                let (place, part) =
                    (stack.place::<T>(layer, direction), layer * stack.directions() + direction);
                let (ih, hh) = (&flat[place.bias_ih..][..gates * p], &flat[place.bias_hh..][..gates * p]);
                let bias = &mut self.bias[part * (gates + 1) * p..][..(gates + 1) * p];
                for at in 0..gates * p {
                    bias[at] = ih[at] + hh[at];
                }
                if split {
                    let last = (gates - 1) * p;
                    bias[last..gates * p].copy_from_slice(&ih[last..]);
                    bias[gates * p..].copy_from_slice(&hh[last..]);
                }
                if stack.is_wide::<T>() {
                    self.pack_part(stack, flat, (layer, direction), back, (threads, blocks.max(pieces)));
                } else if let Some(level) = back {
                    self.transpose_part(stack, flat, (layer, direction), level);
                }
            }
        }
    }

    /// Transposes the weights of one layer in one direction.
    fn transpose_part(
        &mut self,
        stack: &Stack,
        flat: &[T],
        (layer, direction): (usize, usize),
        level: Level,
    ) {
        let (h, p, gates) = (stack.hidden, stack.stride::<T>(), stack.architecture.cell.gates());
        let (place, part) = (stack.place::<T>(layer, direction), layer * stack.directions() + direction);
        let transposed = &mut self.hidden_t[part * gates * h * p..][..gates * h * p];
        transpose(level, (&flat[place.weight_hh..], gates), (h, h, p), transposed, (p, 0));
        if layer > 0 {
            let width = stack.width::<T>();
            let at = (part - stack.directions()) * gates * h * width;
            let transposed = &mut self.inputs_t[at..][..gates * h * width];
            for half in 0..stack.directions() {
                let weights = &flat[place.weight_ih + half * h * gates * p..];
                transpose(level, (weights, gates), (h, h, p), transposed, (width, half * p));
            }
        }
    }

    /// Puts the weights of one layer in one direction into panels: in `count` blocks of units, each on the thread that goes on with
    /// these units where a layer's threads work on it together.
    fn pack_part(
        &mut self,
        stack: &Stack,
        flat: &[T],
        (layer, direction): (usize, usize),
        back: Option<Level>,
        (threads, count): (&mut Threads, usize),
    ) {
        let (h, p, gates) = (stack.hidden, stack.stride::<T>(), stack.architecture.cell.gates());
        let part = layer * stack.directions() + direction;
        let (k, halves) = if layer == 0 { (stack.input, 1) } else { (h, stack.directions()) };
        let hidden = part * gates * h * p..(part + 1) * gates * h * p;
        let inputs = stack.inputs_at(layer, direction) * gates * p;
        let (turned, turned_inputs) = if back.is_none() { (0, 0) } else { (1, layer.min(1)) };
        let above =
            (part * turned_inputs).saturating_sub(stack.directions()) * gates * h * stack.width::<T>();
        let mut all = Panels {
            hidden: &mut self.hidden[hidden.clone()],
            hidden_t: &mut self.hidden_t[hidden][..turned * gates * h * p],
            inputs: each(&mut self.inputs[inputs..], gates * halves, k * p),
            inputs_t: each(&mut self.inputs_t[above..], turned_inputs * gates * halves, h * p),
        };
        let blocks: [Mutex<Panels<'_, T>>; MOST_PARTS] = std::array::from_fn(|number| {
            let [from, to] = [number, number + 1].map(|number| cut::<T>(p, count, number.min(count)));
            Mutex::new(all.split_off(to - from, (gates, h, k)))
        });
        run_phases(&mut Some(threads), 1, count, &|_, number| {
            let units = [number, number + 1].map(|number| cut::<T>(p, count, number));
            pack_block(stack, flat, (layer, direction), back, units, &mut locked(&blocks[number]));
        });
    }
}

/// The panels of some units of a layer in one direction, as in [`Derived`]; empty where nothing is wanted.
struct Panels<'a, T> {
    hidden: &'a mut [T],
    hidden_t: &'a mut [T],
    inputs: [&'a mut [T]; 2 * MOST_GATES],
    inputs_t: [&'a mut [T]; 2 * MOST_GATES],
}

impl<'a, T> Panels<'a, T> {
    /// Takes the first `units` units off.
    fn split_off(&mut self, units: usize, (gates, h, k): (usize, usize, usize)) -> Self {
        let take = |from: &mut &'a mut [T], elements: usize| {
            from.split_off_mut(..elements.min(from.len())).unwrap_or_default()
        };
        Self {
            hidden: take(&mut self.hidden, units * gates * h),
            hidden_t: take(&mut self.hidden_t, units * gates * h),
            inputs: self.inputs.each_mut().map(|inputs| take(inputs, units * k)),
            inputs_t: self.inputs_t.each_mut().map(|inputs| take(inputs, units * h)),
        }
    }
}

/// The first `count` pieces of `len` elements of `data`; the others are empty.
fn each<T, const N: usize>(mut data: &mut [T], count: usize, len: usize) -> [&mut [T]; N] {
    std::array::from_fn(|number| {
        let len = if number < count { len } else { 0 };
        data.split_off_mut(..len).unwrap_or_default()
    })
}

/// Packs the weights of the units from `from` to `to`, padding included.
fn pack_block<T: Float>(
    stack: &Stack,
    flat: &[T],
    (layer, direction): (usize, usize),
    back: Option<Level>,
    [from, to]: [usize; 2],
    panels: &mut Panels<'_, T>,
) {
    let (h, p, gates) = (stack.hidden, stack.stride::<T>(), stack.architecture.cell.gates());
    let (place, row, real) = (stack.place::<T>(layer, direction), gates * p, to.min(h) - from);
    let (k, halves) = if layer == 0 { (stack.input, 1) } else { (h, stack.directions()) };
    for gate in 0..gates {
        let at = |weights: usize| &flat[weights + gate * p..];
        let columns = |weights: usize| Matrix::new(&at(weights)[from..], row);
        let rows = |weights: usize| Matrix::new(at(weights), row).skip(from);
        pack(columns(place.weight_hh), (h, to - from), (gates, gate), panels.hidden);
        if let Some(level) = back {
            pack_transposed(level, rows(place.weight_hh), (real, h), (gates, gate), panels.hidden_t);
        }
        for half in 0..halves {
            let number = gate * halves + half;
            let weights = place.weight_ih + half * h * row;
            pack(columns(weights), (k, to - from), (1, 0), panels.inputs[number]);
            if let Some(level) = back.filter(|_| layer > 0) {
                pack_transposed(level, rows(weights), (real, h), (1, 0), panels.inputs_t[number]);
            }
        }
    }
}

/// Copies `weights (K, G·P)` to `out (G·H, …)`, whose rows are `stride` apart, into the columns from `at` on.
fn transpose<T: Float>(
    level: Level,
    (weights, gates): (&[T], usize),
    (k, h, p): (usize, usize, usize),
    out: &mut [T],
    (stride, at): (usize, usize),
) {
    for gate in 0..gates {
        let w = Matrix::new(&weights[gate * p..], gates * p);
        Transpose { w, sizes: (k, h), out: &mut out[gate * h * stride + at..], stride }.at(level);
    }
}
