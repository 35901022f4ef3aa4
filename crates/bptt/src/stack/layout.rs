//! [`Stack`]: where the parameters of all layers lie in the flat buffer.

use std::ops::Range;

use crate::buffer::Buffer;
use crate::buffer::padded;
use crate::cell::Layout;
use crate::dim::Dim;
use crate::params::{Params, Table};
use crate::{Architecture, Error, Float, Result};

/// The sizes of a network of any architecture, and with them where each parameter lies.
///
/// With `D` directions, `G` gates and `P` = `H` padded to whole cache lines, a layer of `K` inputs (`I`, or `D·H` above
/// the first) has for each direction, forwards first:
///
/// | PyTorch name | PyTorch shape | stored as |
/// |---|---|---|
/// | `weight_ih_l{layer}{_reverse}` | (G·H, K) | (K, G·P), input-major |
/// | `weight_hh_l{layer}{_reverse}` | (G·H, H) | (H, G·P), input-major |
/// | `bias_ih_l…`, `bias_hh_l…` | (G·H) | (G·P) each |
///
/// and after all layers come `fc.weight` (O, D·H), stored as (O, D·P), and `fc.bias` (O), padded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stack {
    pub input: usize,
    pub hidden: usize,
    pub output: usize,
    pub architecture: Architecture,
}

/// Bytes of `weight_hh` from which on a stack's products go through panels ([`crate::kernel::panel`]).
///
/// Below, weights stay in the caches as they are, and it takes less to leave them there and to work on few sequences at a
/// time. GFLOP/s of training on one core (Zen 4, 1 MB of second-level cache; f32, T = 50), without → with panels:
///
/// | `weight_hh` | cell, H | batches of 32 or 64 | batches of 1 |
/// |---|---|---|---|
/// | 16 KB | Elman 64 | 122 → 103 | 94 → 65 |
/// | 48 KB | GRU 64 | 118 → 108 | |
/// | 64 KB | LSTM 64; Elman 128 | 118 → 109; 129 → 119 | 79 → 71; 87 → 75 |
/// | 108 KB | GRU 96 | 122 → 116 | |
/// | 144 KB | LSTM 96; Elman 192 | 122 → 115 | 81 → 75; 86 → 78 |
/// | 256 KB | LSTM 128; Elman 256 | 108 → 118; 97 → 112 | 75 → 76; 79 → 77 |
/// | 4 MB | LSTM 512; Elman 1024 | 55 → 112; 41 → 113 | |
///
/// It depends on the network alone: what a sequence's outputs are does not depend on the batch that it came in.
const WIDE_BYTES: usize = 192 << 10;

/// Bytes of `weight_hh` from which on a batch is one part, and threads share the units of each step instead of the sequences.
///
/// Parts of 16 sequences would each read all weights at every step, and have a gradient of that size of their own. On two
/// cores with 32 MB of third-level cache, parts → one part, batches of 64 (Elman 128), GFLOP/s on one thread and on two: LSTM 1024
/// 108 → 114, 211 → 216; GRU 1024 111 → 114, 214 → 216; Elman 2048 113 → 117, 215 → 220.
const HUGE_BYTES: usize = 8 << 20;

/// Where the parameters of one layer in one direction begin in the flat buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// (K, G·P)
    pub weight_ih: usize,
    /// (H, G·P)
    pub weight_hh: usize,
    /// (G·P)
    pub bias_ih: usize,
    /// (G·P)
    pub bias_hh: usize,
}

impl Stack {
    pub(crate) fn new<I: Dim, H: Dim, O: Dim>(layout: Layout<I, H, O>, architecture: Architecture) -> Self {
        let (input, hidden, output) = (layout.input.size(), layout.hidden.size(), layout.output.size());
        Self { input, hidden, output, architecture }
    }

    /// `P`: hidden units, padded.
    #[inline(always)]
    pub fn stride<T: Float>(&self) -> usize {
        padded::<T>(self.hidden)
    }

    /// `D`.
    #[inline(always)]
    pub fn directions(&self) -> usize {
        self.architecture.directions()
    }

    /// Layers in all directions: how many [`Place`]s there are.
    #[inline(always)]
    pub fn parts(&self) -> usize {
        self.architecture.num_layers * self.directions()
    }

    /// Inputs of a layer.
    #[inline(always)]
    pub fn inputs(&self, layer: usize) -> usize {
        if layer == 0 { self.input } else { self.hidden * self.directions() }
    }

    /// Bytes of a layer's `weight_hh`; saturates.
    #[inline(always)]
    pub fn hidden_bytes<T: Float>(&self) -> usize {
        let row = self.architecture.cell.gates().saturating_mul(self.stride::<T>());
        row.saturating_mul(self.hidden).saturating_mul(size_of::<T>())
    }

    /// Whether products go through panels.
    #[inline(always)]
    pub fn is_wide<T: Float>(&self) -> bool {
        self.architecture.cell.is_one_product() && self.hidden_bytes::<T>() >= WIDE_BYTES
    }

    /// Whether threads share the units of a step rather than the sequences of a batch.
    #[inline(always)]
    pub fn is_huge<T: Float>(&self) -> bool {
        self.is_wide::<T>() && self.hidden_bytes::<T>() >= HUGE_BYTES
    }

    /// Inputs of all layers and directions before this one; saturates.
    #[inline(always)]
    pub(crate) fn inputs_at(&self, layer: usize, direction: usize) -> usize {
        let below =
            if layer == 0 { 0 } else { self.inputs(1).saturating_mul(layer - 1).saturating_add(self.input) };
        below.saturating_mul(self.directions()).saturating_add(direction * self.inputs(layer))
    }

    /// Distance between rows of a layer's outputs: `D·P`.
    #[inline(always)]
    pub fn width<T: Float>(&self) -> usize {
        self.directions() * self.stride::<T>()
    }

    /// Columns of a layer's outputs up to the last unit, the first direction's padding included.
    #[inline(always)]
    pub fn columns<T: Float>(&self) -> usize {
        (self.directions() - 1) * self.stride::<T>() + self.hidden
    }

    /// Where layer `layer` has its parameters for direction `direction`.
    #[inline(always)]
    pub(crate) fn place<T: Float>(&self, layer: usize, direction: usize) -> Place {
        let row = self.architecture.cell.gates() * self.stride::<T>();
        let part = |layer: usize| (self.inputs(layer) + self.hidden + 2) * row;
        let above = if layer == 0 { 0 } else { part(0) + (layer - 1) * part(1) };
        let weight_ih = above * self.directions() + direction * part(layer);
        let weight_hh = weight_ih + self.inputs(layer) * row;
        let bias_ih = weight_hh + self.hidden * row;
        Place { weight_ih, weight_hh, bias_ih, bias_hh: bias_ih + row }
    }

    /// Where the readout's weights (O, D·P) and biases (O) are.
    #[inline(always)]
    pub(crate) fn readout<T: Float>(&self) -> (Range<usize>, Range<usize>) {
        let last = self.place::<T>(self.architecture.num_layers - 1, self.directions() - 1);
        let row = self.architecture.cell.gates() * self.stride::<T>();
        let weight = last.bias_hh + row;
        let bias = weight + self.output * self.width::<T>();
        (weight..bias, bias..bias + self.output)
    }

    /// Parameters that are all 0.
    pub(crate) fn params<T: Float>(&self) -> Result<Params<T>> {
        // Memory first: where it is refused, there would be too many names as well.
        let elements = self.elements::<T>().ok_or(Error::OutOfMemory { elements: usize::MAX })?;
        Ok(Params::over(Buffer::zeroed(elements)?, self.table()))
    }

    /// How many elements the parameters take, padding included; `None` where the number overflows.
    fn elements<T: Float>(&self) -> Option<usize> {
        let (directions, line) = (self.directions(), |size: usize| size.checked_next_multiple_of(T::LINE));
        let p = line(self.hidden)?;
        let row = self.architecture.cell.gates().checked_mul(p)?;
        // Rows of both weights, and of the two biases.
        let layer = |inputs: usize| {
            let rows = inputs.checked_add(self.hidden)?.checked_add(2)?;
            rows.checked_mul(row)?.checked_mul(directions)
        };
        let above = layer(self.hidden.checked_mul(directions)?)?;
        let layers = layer(self.input)?.checked_add(above.checked_mul(self.architecture.num_layers - 1)?)?;
        let readout = self.output.checked_mul(p.checked_mul(directions)?)?;
        layers.checked_add(readout)?.checked_add(line(self.output)?)
    }

    /// Names and shapes, in the order in which [`Stack::place`] and [`Stack::readout`] find them.
    pub(crate) fn table<T: Float>(&self) -> Table<T> {
        let (hidden, gates) = (self.hidden, self.architecture.cell.gates());
        let rows = hidden.saturating_mul(gates);
        let columns = hidden.saturating_mul(self.directions());
        let mut table = Table::new();
        for layer in 0..self.architecture.num_layers {
            let inputs = if layer == 0 { self.input } else { columns };
            for suffix in ["", "_reverse"].into_iter().take(self.directions()) {
                table.add(format!("weight_ih_l{layer}{suffix}"), &[rows, inputs], true, gates);
                table.add(format!("weight_hh_l{layer}{suffix}"), &[rows, hidden], true, gates);
                table.add(format!("bias_ih_l{layer}{suffix}"), &[rows], false, gates);
                table.add(format!("bias_hh_l{layer}{suffix}"), &[rows], false, gates);
            }
        }
        table.add("fc.weight", &[self.output, columns], false, self.directions());
        table.add("fc.bias", &[self.output], false, 1);
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Activation;

    #[test]
    fn the_table_and_the_places_agree() {
        for cell in [Architecture::elman(Activation::Tanh), Architecture::gru(), Architecture::lstm()] {
            for (layers, both) in [(1, false), (1, true), (2, false), (3, true)] {
                let architecture = cell.num_layers(layers).bidirectional(both);
                let stack = Stack { input: 3, hidden: 5, output: 2, architecture };
                let mut params = stack.params::<f64>().unwrap();
                let mut names: Vec<_> =
                    params.shapes().map(|(name, shape)| (name.to_owned(), shape.iter().product())).collect();
                for (value, (name, count)) in names.iter().enumerate() {
                    params.set(name, &vec![value as f64 + 1.0; *count]).unwrap();
                }
                let flat = params.flat();
                let (weight, bias) = stack.readout::<f64>();
                assert_eq!(
                    [flat[weight.start], flat[bias.start]],
                    [names.len() as f64 - 1.0, names.len() as f64]
                );
                assert_eq!(flat.len(), (bias.start + 1).next_multiple_of(8));
                names.truncate(4 * stack.parts());
                let places = (0..layers).flat_map(|l| (0..stack.directions()).map(move |d| (l, d)));
                let starts: Vec<f64> = places
                    .map(|(layer, direction)| stack.place::<f64>(layer, direction))
                    .flat_map(|place| [place.weight_ih, place.weight_hh, place.bias_ih, place.bias_hh])
                    .map(|start| flat[start])
                    .collect();
                let expected: Vec<f64> = (1..=names.len()).map(|value| value as f64).collect();
                assert_eq!(starts, expected, "{architecture:?}");
            }
        }
    }
}
