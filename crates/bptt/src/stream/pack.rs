//! The weights in the order in which a step reads them.
//!
//! A step works on a block of up to four registers of units at a time, through all its gates. So for each layer, and
//! each block of it, come one after the other, each row as wide as the block:
//!
//! | rows | what |
//! |---|---|
//! | G | `b_ih + b_hh`, but `b_ih` alone for the last gate of a split cell |
//! | 1, of a split cell | `b_hh` of the last gate |
//! | 1 | 1 for each unit, 0 in the padding |
//! | K·G | `weight_ih`, input by input, of each all gates |
//! | H·G | `weight_hh` likewise |
//!
//! After all layers: `fc.weight (O, P)`, `fc.bias (O)`. Whatever the size, memory is read from front to back.
//!
//! A cell whose step is two products ([`super::reset_before`]) reads its weights product by product instead: of each layer
//! `b_ih + b_hh (G·P)`, `weight_ih (K, G·P)`, and of `weight_hh` the first two gates `(H, 2·P)`, then the last one `(H, P)`.

use crate::buffer::Buffer;
use crate::cell::recurrence::is_split;
use crate::stack::Stack;
use crate::{Float, Result};

/// Registers of the block that begins at unit `n`, for `lanes` a register.
#[inline(always)]
pub(super) fn block((gates, wide): (usize, bool), lanes: usize, n: usize, hidden: usize) -> usize {
    // As many chains as keep the multipliers busy: those of a sum, of all gates and of all registers count.
    let left = (hidden - n).div_ceil(lanes);
    if gates == 1 && wide && left >= 4 {
        4
    } else if (gates == 1 || wide) && left >= 2 {
        2
    } else {
        1
    }
}

/// Numbers that each unit of a layer adds to its blocks.
pub(super) fn unit_len(stack: &Stack, layer: usize) -> usize {
    let (cell, gates) = (stack.architecture.cell, stack.architecture.cell.gates());
    gates + usize::from(is_split(cell)) + 1 + (stack.inputs(layer) + stack.hidden) * gates
}

/// Numbers of all blocks of a layer, for vectors of `lanes`.
pub(super) fn layer_len(stack: &Stack, layer: usize, lanes: usize) -> usize {
    stack.hidden.next_multiple_of(lanes) * unit_len(stack, layer)
}

/// Packs the parameters of `stack`, for vectors of `lanes`.
pub(super) fn pack<T: Float>(stack: &Stack, flat: &[T], lanes: usize) -> Result<Buffer<T>> {
    let walk = |row: &mut dyn FnMut(&[T])| {
        if stack.architecture.cell.is_one_product() {
            walk_blocks(stack, flat, lanes, row);
        } else {
            walk_products(stack, flat, row);
        }
        let (weight, bias) = stack.readout::<T>();
        row(&flat[weight]);
        row(&flat[bias]);
    };
    let mut length = 0;
    walk(&mut |row| length += row.len());
    let mut packed = Buffer::zeroed(length)?;
    let mut at = 0;
    walk(&mut |row| {
        packed[at..at + row.len()].copy_from_slice(row);
        at += row.len();
    });
    Ok(packed)
}

/// Hands out the rows of all layers in their order.
fn walk_blocks<T: Float>(stack: &Stack, flat: &[T], lanes: usize, row: &mut dyn FnMut(&[T])) {
    let (h, p, gates) = (stack.hidden, stack.stride::<T>(), stack.architecture.cell.gates());
    let (split, wide) = (is_split(stack.architecture.cell), stack.is_wide::<T>());
    // As wide as the widest block.
    let mut made = [T::ZERO; 64];
    for layer in 0..stack.architecture.num_layers {
        let place = stack.place::<T>(layer, 0);
        let mut n = 0;
        while n < h {
            let width = lanes * block((gates, wide), lanes, n, h);
            for gate in 0..gates {
                let (ih, hh) = (place.bias_ih + gate * p + n, place.bias_hh + gate * p + n);
                for lane in 0..width {
                    let alone = split && gate + 1 == gates;
                    made[lane] = if alone { flat[ih + lane] } else { flat[ih + lane] + flat[hh + lane] };
                }
                row(&made[..width]);
            }
            if split {
                row(&flat[place.bias_hh + (gates - 1) * p + n..][..width]);
            }
            made.fill(T::ZERO);
            made[..width.min(h - n)].fill(T::ONE);
            row(&made[..width]);
            for (weights, inputs) in [(place.weight_ih, stack.inputs(layer)), (place.weight_hh, h)] {
                for at in 0..inputs * gates {
                    row(&flat[weights + at * p + n..][..width]);
                }
            }
            n += width;
        }
    }
}

/// The same for two products.
fn walk_products<T: Float>(stack: &Stack, flat: &[T], row: &mut dyn FnMut(&[T])) {
    let (h, p, gates) = (stack.hidden, stack.stride::<T>(), stack.architecture.cell.gates());
    for layer in 0..stack.architecture.num_layers {
        let place = stack.place::<T>(layer, 0);
        for at in 0..gates * p {
            row(&[flat[place.bias_ih + at] + flat[place.bias_hh + at]]);
        }
        row(&flat[place.weight_ih..place.weight_hh]);
        for (from, to) in [(0, 2 * p), (2 * p, gates * p)] {
            for k in 0..h {
                let weights = place.weight_hh + k * gates * p;
                row(&flat[weights + from..weights + to]);
            }
        }
    }
}
