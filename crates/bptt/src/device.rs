//! [`Network`]: predictions on small devices, without the standard library and without an allocator.
//!
//! The cells' equations and the activations are those of the rest of the library, with one lane; everything around them
//! is here. Weights are borrowed, as the constants of a program are; states and outputs lie in memory of the caller's.

use core::fmt;

use crate::cell::gru_reset_before::GruResetBefore;
use crate::cell::recurrence::{Inputs, MOST_GATES, Recurrence, Shape, with_cell};
use crate::kernel::vector::{Portable, Vector};
use crate::{Cell, Float};

/// A network of one direction over borrowed weights, a timestep at a time.
///
/// ```
/// use bptt::device::Network;
/// use bptt::{Activation, Cell};
///
/// // 1 input, 2 units, 1 output: the values of PyTorch's state dict, one after the other.
/// static WEIGHTS: [f32; 13] = [
///     0.5, -0.5, // weight_ih_l0 (2, 1)
///     0.1, 0.2, 0.3, 0.4, // weight_hh_l0 (2, 2)
///     0.0, 0.1, // bias_ih_l0
///     0.0, 0.1, // bias_hh_l0
///     1.0, -1.0, // fc.weight (1, 2)
///     0.25, // fc.bias
/// ];
/// let network = Network::new(Cell::Elman(Activation::Tanh), 1, 2, 1, 1, &WEIGHTS)?;
/// let mut state = [0.0; 4];
/// let mut output = [0.0];
/// network.step(&mut state[..network.state_len()], &[0.7], &mut output)?;
/// let h = [0.35_f32.tanh(), (-0.15_f32).tanh()];
/// assert!((output[0] - (h[0] - h[1] + 0.25)).abs() < 1e-6);
/// # Ok::<(), bptt::device::Misfit>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Network<'w, T = f32> {
    cell: Cell,
    inputs: usize,
    units: usize,
    outputs: usize,
    layers: usize,
    weights: &'w [T],
}

/// A slice or a size that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misfit {
    /// What it is, for example `"weights"`.
    pub what: &'static str,
    /// How many numbers it should have; 1 where it should have at least that.
    pub expected: usize,
    /// How many it has.
    pub found: usize,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.what, self.expected, self.found)
    }
}

impl core::error::Error for Misfit {}

/// Refuses another number than the one expected.
fn check(what: &'static str, expected: usize, found: usize) -> Result<(), Misfit> {
    if expected == found { Ok(()) } else { Err(Misfit { what, expected, found }) }
}

impl<'w, T: Float> Network<'w, T> {
    /// A network of `layers` layers of `units` units of `cell`, with `inputs` and `outputs` a timestep. `weights` are what
    /// PyTorch's state dict holds, in its order, each row-major: of each layer `weight_ih`, `weight_hh`, `bias_ih`,
    /// `bias_hh`, and then `fc.weight` and `fc.bias`.
    ///
    /// # Errors
    /// A [`Misfit`] for a size of 0, or for weights that are more or fewer than [`Network::weights_len`].
    pub fn new(
        cell: Cell,
        inputs: usize,
        units: usize,
        outputs: usize,
        layers: usize,
        weights: &'w [T],
    ) -> Result<Self, Misfit> {
        let sizes = [("inputs", inputs), ("units", units), ("outputs", outputs), ("layers", layers)];
        for (what, size) in sizes {
            if size == 0 {
                return Err(Misfit { what, expected: 1, found: 0 });
            }
        }
        check("weights", Self::weights_len(cell, inputs, units, outputs, layers), weights.len())?;
        Ok(Self { cell, inputs, units, outputs, layers, weights })
    }

    /// How many weights such a network has; `usize::MAX` where that is more than there can be.
    pub fn weights_len(cell: Cell, inputs: usize, units: usize, outputs: usize, layers: usize) -> usize {
        let rows = cell.gates().saturating_mul(units);
        let layer = |inputs: usize| rows.saturating_mul(inputs.saturating_add(units).saturating_add(2));
        let above = layer(units).saturating_mul(layers.saturating_sub(1));
        layer(inputs).saturating_add(above).saturating_add(outputs.saturating_mul(units.saturating_add(1)))
    }

    /// How many numbers a state takes: `h`, and with LSTM `c`, of every layer, and `H` to work with, or twice that with
    /// [`Cell::GruResetBefore`]. Zeros are the beginning of a sequence.
    pub fn state_len(&self) -> usize {
        let spare = if self.cell.is_one_product() { 1 } else { 2 };
        (self.layers * self.rows() + spare) * self.units
    }

    /// Rows of a layer's state.
    fn rows(&self) -> usize {
        1 + usize::from(self.cell.has_memory())
    }

    /// One timestep: from `features (I)` to `outputs (O)`; `state` is that of the sequence.
    ///
    /// # Errors
    /// A [`Misfit`] for a slice of another length; nothing is then written.
    pub fn step(&self, state: &mut [T], features: &[T], outputs: &mut [T]) -> Result<(), Misfit> {
        check("state", self.state_len(), state.len())?;
        check("features", self.inputs, features.len())?;
        check("outputs", self.outputs, outputs.len())?;
        with_cell!(
            self.cell,
            |cell| self.run(cell, state, features, outputs),
            else self.run_reset_before(state, features, outputs)
        );
        Ok(())
    }

    fn run<C: Recurrence>(&self, cell: C, state: &mut [T], features: &[T], outputs: &mut [T]) {
        let (h, len) = (self.units, self.rows() * self.units);
        let (states, next) = state.split_at_mut(self.layers * len);
        let mut weights = self.weights;
        for layer in 0..self.layers {
            let (below, present) = states.split_at_mut(layer * len);
            let x = if layer == 0 { features } else { &below[(layer - 1) * len..][..h] };
            let (past, memory) = present[..len].split_at_mut(h);
            let gates = Gates::take(&mut weights, C::GATES, h, x.len());
            for (unit, next) in next.iter_mut().enumerate() {
                *next = gates.unit(cell, unit, x, past, memory.get_mut(unit));
            }
            past.copy_from_slice(next);
        }
        self.read_out(weights, &states[(self.layers - 1) * len..][..h], outputs);
    }

    /// The cell whose reset gate has to be there for all units before the new gate can be.
    fn run_reset_before(&self, state: &mut [T], features: &[T], outputs: &mut [T]) {
        let h = self.units;
        let (states, spare) = state.split_at_mut(self.layers * h);
        let (product, next) = spare.split_at_mut(h);
        let mut weights = self.weights;
        for layer in 0..self.layers {
            let (below, past) = states.split_at_mut(layer * h);
            let (x, past) = (if layer == 0 { features } else { &below[(layer - 1) * h..] }, &mut past[..h]);
            let gates = Gates::take(&mut weights, GruResetBefore::GATES, h, x.len());
            for (unit, product) in product.iter_mut().enumerate() {
                let sum = |gate| one(gates.sum(gate, unit, x, past));
                let [_, _, reset] = GruResetBefore::gates([sum(0), sum(1)], one(past[unit]));
                *product = reset.sum();
            }
            for (unit, next) in next.iter_mut().enumerate() {
                // z once more takes less room than keeping it.
                let sum = |gate| one(gates.sum(gate, unit, x, past));
                let [_, z, _] = GruResetBefore::gates([sum(0), sum(1)], one(past[unit]));
                let new = one(gates.sum(2, unit, x, product));
                let [_, hidden] = GruResetBefore::state(new, z, one(past[unit]));
                *next = hidden.sum();
            }
            past.copy_from_slice(next);
        }
        self.read_out(weights, &states[(self.layers - 1) * h..], outputs);
    }

    fn read_out(&self, weights: &[T], top: &[T], outputs: &mut [T]) {
        let h = self.units;
        let (weight, bias) = weights.split_at(self.outputs * h);
        for (n, output) in outputs.iter_mut().enumerate() {
            *output = dot(bias[n], &weight[n * h..][..h], top);
        }
    }
}

/// The weights of a layer.
struct Gates<'w, T> {
    hidden: usize,
    weight_ih: &'w [T],
    weight_hh: &'w [T],
    bias_ih: &'w [T],
    bias_hh: &'w [T],
}

impl<'w, T: Float> Gates<'w, T> {
    /// Takes those of the next layer off the front of `weights`.
    fn take(weights: &mut &'w [T], gates: usize, hidden: usize, inputs: usize) -> Self {
        let mut next = |len: usize| {
            let (first, rest) = weights.split_at(len);
            *weights = rest;
            first
        };
        let rows = gates * hidden;
        let (weight_ih, weight_hh) = (next(rows * inputs), next(rows * hidden));
        Self { hidden, weight_ih, weight_hh, bias_ih: next(rows), bias_hh: next(rows) }
    }

    fn ih(&self, row: usize, x: &[T]) -> &[T] {
        &self.weight_ih[row * x.len()..][..x.len()]
    }

    fn hh(&self, row: usize) -> &[T] {
        &self.weight_hh[row * self.hidden..][..self.hidden]
    }

    /// `b_ih + W_ih·x + b_hh + W_hh·h` of a gate of a unit.
    fn sum(&self, gate: usize, unit: usize, x: &[T], h: &[T]) -> T {
        let row = gate * self.hidden + unit;
        let from_input = dot(self.bias_ih[row], self.ih(row, x), x);
        dot(from_input + self.bias_hh[row], self.hh(row), h)
    }

    /// `h_t` of a unit; `c_t` goes to `memory`.
    fn unit<C: Recurrence>(&self, cell: C, unit: usize, x: &[T], past: &[T], memory: Option<&mut T>) -> T {
        let (mut sums, mut input) = ([one(T::ZERO); MOST_GATES], one(T::ZERO));
        for (gate, sum) in sums.iter_mut().enumerate().take(C::GATES) {
            let row = gate * self.hidden + unit;
            if C::SPLIT && gate == C::GATES - 1 {
                input = one(dot(self.bias_ih[row], self.ih(row, x), x));
                *sum = one(dot(self.bias_hh[row], self.hh(row), past));
            } else {
                *sum = one(self.sum(gate, unit, x, past));
            }
        }
        let mut kept = one(T::ZERO);
        if let Some(memory) = &memory {
            kept = one(**memory);
        }
        let step = cell.forward::<T, Portable<T, 1>>(Inputs {
            sums,
            input,
            past: one(past[unit]),
            memory: kept,
            mask: one(T::ONE),
        });
        if let Some(memory) = memory {
            *memory = step.memory.sum();
        }
        step.hidden.sum()
    }
}

/// A vector of one lane.
fn one<T: Float>(value: T) -> Portable<T, 1> {
    Portable::splat(value)
}

/// `start + Σ_k a[k]·b[k]`.
fn dot<T: Float>(start: T, a: &[T], b: &[T]) -> T {
    let mut sum = start;
    for (a, b) in a.iter().zip(b) {
        sum += *a * *b;
    }
    sum
}
