//! [`StreamState`]: what a sequence of live data needs between its timesteps.

use crate::buffer::{Buffer, zeros};
use crate::stack::Stack;
use crate::stack::state::State;
use crate::{Error, Float, Result};

/// Where a sequence stands: `h`, and with LSTM `c`, of every layer. Made by [`Stepper::state`](crate::Stepper::state).
///
/// It is as small as what it holds: for H units, two or three times H numbers a layer, rounded up to whole cache lines; three
/// more in all where the reset gate acts before the product ([`Cell::GruResetBefore`](crate::Cell::GruResetBefore)).
#[derive(Debug, Clone)]
pub struct StreamState<T = f32> {
    /// Of each layer `h`, twice, and `c` where there is one, `P` each; then spare rows. A step reads one `h` and writes the
    /// other.
    data: Buffer<T>,
    /// Whether the second `h` is the present one.
    odd: bool,
    layers: usize,
    hidden: usize,
    /// Rows of a layer.
    rows: usize,
}

/// Rows of `P` that the state of a layer takes.
#[inline(always)]
pub(super) fn rows(stack: &Stack) -> usize {
    2 + usize::from(stack.architecture.cell.has_memory())
}

/// Rows of `P` that a step needs beside the states of the layers: of a cell whose step is not one product, the sums of its
/// gates.
#[inline(always)]
pub(super) fn spare_rows(stack: &Stack) -> usize {
    let cell = stack.architecture.cell;
    if cell.is_one_product() { 0 } else { cell.gates() }
}

/// Numbers in the state of a network.
#[inline(always)]
pub(super) fn elements<T: Float>(stack: &Stack) -> usize {
    let rows = stack.architecture.num_layers.saturating_mul(rows(stack)).saturating_add(spare_rows(stack));
    rows.saturating_mul(stack.stride::<T>())
}

impl<T: Float> StreamState<T> {
    pub(super) fn new(stack: &Stack) -> Result<Self> {
        let data = Buffer::zeroed(elements::<T>(stack))?;
        let layers = stack.architecture.num_layers;
        Ok(Self { data, odd: false, layers, hidden: stack.hidden, rows: rows(stack) })
    }

    /// Whether it is a state of this network, whose states have so many numbers, or of another of the same shape.
    #[inline(always)]
    pub(super) fn fits(&self, stack: &Stack, elements: usize) -> bool {
        let layers = self.layers == stack.architecture.num_layers && self.rows == rows(stack);
        layers && self.hidden == stack.hidden && self.data.len() == elements
    }

    pub(super) fn elements(&self) -> usize {
        self.data.len()
    }

    /// The data for a step, and whether the second `h` is the one to read; from now on the other one is.
    #[inline(always)]
    pub(super) fn turn(&mut self) -> (&mut [T], bool) {
        let odd = self.odd;
        self.odd = !odd;
        (&mut self.data, odd)
    }

    /// Goes back to the beginning of a sequence: zeros.
    pub fn reset(&mut self) {
        self.data.fill(T::ZERO);
        self.odd = false;
    }

    /// The state in PyTorch's order: `h (num_layers, 1, H)`, and `c` likewise, as
    /// [`Predictor::predict_from`](crate::Predictor::predict_from) takes and returns it.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn save(&self) -> Result<State<T>> {
        let len = self.layers * self.hidden;
        let c = if self.has_memory() { zeros(len)? } else { Vec::new() };
        let mut state = State { h: zeros(len)?, c };
        self.save_into(&mut state)?;
        Ok(state)
    }

    /// [`StreamState::save`] into a state that is there already; allocates nothing.
    ///
    /// # Errors
    /// [`Error::Length`] for a state of other sizes.
    pub fn save_into(&self, state: &mut State<T>) -> Result<()> {
        self.check(state)?;
        for layer in 0..self.layers {
            let units = layer * self.hidden..(layer + 1) * self.hidden;
            let (h, c) = self.places(layer);
            state.h[units.clone()].copy_from_slice(&self.data[h..h + self.hidden]);
            if let Some(c) = c {
                state.c[units].copy_from_slice(&self.data[c..c + self.hidden]);
            }
        }
        Ok(())
    }

    /// Goes on from a state that was saved, or that [`Predictor::predict_from`](crate::Predictor::predict_from) returned
    /// for one sequence.
    ///
    /// # Errors
    /// [`Error::Length`] for a state of other sizes; this one is then as it was.
    pub fn restore(&mut self, state: &State<T>) -> Result<()> {
        self.check(state)?;
        for layer in 0..self.layers {
            let units = layer * self.hidden..(layer + 1) * self.hidden;
            let (h, c) = self.places(layer);
            self.data[h..h + self.hidden].copy_from_slice(&state.h[units.clone()]);
            if let Some(c) = c {
                self.data[c..c + self.hidden].copy_from_slice(&state.c[units]);
            }
        }
        Ok(())
    }

    fn has_memory(&self) -> bool {
        self.rows == 3
    }

    fn stride(&self) -> usize {
        crate::buffer::padded::<T>(self.hidden)
    }

    /// Where a layer's present `h` and its `c` begin.
    fn places(&self, layer: usize) -> (usize, Option<usize>) {
        let (rows, p) = (self.rows, self.stride());
        let first = layer * rows * p;
        (first + usize::from(self.odd) * p, self.has_memory().then_some(first + 2 * p))
    }

    /// Refuses a state of other sizes.
    fn check(&self, state: &State<T>) -> Result<()> {
        let len = self.layers * self.hidden;
        let memory = if self.has_memory() { len } else { 0 };
        let lengths = [("h of the state", len, state.h.len()), ("c of the state", memory, state.c.len())];
        for (what, expected, found) in lengths {
            if expected != found {
                return Err(Error::Length { what: what.into(), expected, found });
            }
        }
        Ok(())
    }
}
