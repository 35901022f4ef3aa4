//! A network prepared for steps: its weights in order, and the functions of the level and the size that it has.

use std::marker::PhantomData;
use std::ops::Range;

use super::pack::{block, layer_len, pack, unit_len};
use super::reset_before::ResetBefore;
use super::state::elements;
use super::step::{Cells, Readout, Single, Units};
use crate::buffer::Buffer;
use crate::cell::recurrence::with_cell;
use crate::kernel::level::{Isa, Kernel, Level};
use crate::kernel::vector::Vector;
use crate::stack::Stack;
use crate::{Float, Result};

/// A network prepared for steps.
#[derive(Debug, Clone)]
pub struct Plan<T> {
    pub(super) stack: Stack,
    /// Numbers in a state.
    pub(super) elements: usize,
    /// See [`super::pack`].
    pub(super) packed: Buffer<T>,
    /// Numbers at its end that are the readout's.
    pub(super) readout: usize,
    /// Lanes of the level's vectors.
    lanes: usize,
}

/// A step at the level and for the size that it was made for.
///
/// It gets a reference: a copy would read in large pieces what has just been written in small ones, for which the processor
/// waits.
pub type StepFn<T> = fn(&mut Step<'_, T>);

/// What a step works on.
pub struct Step<'a, T> {
    pub(super) plan: &'a Plan<T>,
    pub(super) state: &'a mut [T],
    /// Whether the second `h` of each layer is the one to read.
    pub(super) odd: bool,
    pub(super) features: &'a [T],
    pub(super) outputs: &'a mut [T],
}

/// Some units of a layer of a wide network.
pub struct Piece<'a, T> {
    pub(super) plan: &'a Plan<T>,
    pub(super) layer: usize,
    /// The units, from the first one of a block to that of another or to the last.
    pub(super) units: Range<usize>,
    /// What the layer gets (K), and `h_{t−1}` (H).
    pub(super) inputs: &'a [T],
    pub(super) past: &'a [T],
    /// `h_t`, and `c` of a cell with a memory, from the first of `units` on.
    pub(super) now: &'a mut [T],
    pub(super) memory: &'a mut [T],
}

/// Makes a piece at the level that it was made for.
pub type PieceFn<T> = fn(&mut Piece<'_, T>);

/// What a network's steps are taken with.
#[derive(Debug, Clone)]
pub struct Functions<T> {
    /// A whole step.
    pub(super) step: StepFn<T>,
    /// The same in pieces, and what comes after them; of wide networks.
    pub(super) pieces: Option<(PieceFn<T>, StepFn<T>)>,
}

/// Prepares a network, and picks the functions that take its steps.
pub(crate) fn prepare<T: Float>(stack: Stack, flat: &[T], level: Level) -> Result<(Plan<T>, Functions<T>)> {
    let (lanes, functions) = level.run(Choose { stack: &stack, element: PhantomData });
    let packed = pack(&stack, flat, lanes)?;
    let (weight, bias) = stack.readout::<T>();
    let readout = weight.len() + bias.len();
    Ok((Plan { stack, elements: elements::<T>(&stack), lanes, packed, readout }, functions))
}

impl<T: Float> Plan<T> {
    /// Units of the blocks that a layer begins with; a whole number of them fits before any but the last ones.
    pub(super) fn block_units(&self) -> usize {
        let stack = &self.stack;
        self.lanes
            * block((stack.architecture.cell.gates(), stack.is_wide::<T>()), self.lanes, 0, stack.hidden)
    }

    /// Bytes that a step reads.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.packed)
    }

    /// The weights from unit `n` of `layer` on, which begins a block.
    pub(super) fn weights(&self, layer: usize, n: usize) -> &[T] {
        let before: usize = (0..layer).map(|layer| layer_len(&self.stack, layer, self.lanes)).sum();
        &self.packed[before + n * unit_len(&self.stack, layer)..]
    }
}

/// Picks lanes and function of the level that it runs at.
struct Choose<'a, T> {
    stack: &'a Stack,
    element: PhantomData<T>,
}

impl<T: Float> Kernel for Choose<'_, T> {
    type Element = T;
    type Output = (usize, Functions<T>);

    #[inline(always)]
    fn run<S: Isa>(self) -> Self::Output {
        let Stack { hidden, architecture, .. } = *self.stack;
        let (lanes, wide) = (T::Vector::<S>::LANES, self.stack.is_wide::<T>());
        let registers = block((architecture.cell.gates(), wide), lanes, 0, hidden);
        let single = architecture.num_layers == 1 && !wide && hidden <= registers * lanes;
        let step: StepFn<T> = match (single, registers) {
            (true, 1) => enter_single::<T, S, 1>,
            (true, _) => enter_single::<T, S, 2>,
            _ if wide => enter::<T, S, true>,
            _ => enter::<T, S, false>,
        };
        let pieces: Option<(PieceFn<T>, StepFn<T>)> = (wide && architecture.cell.is_one_product())
            .then_some((enter_piece::<T, S> as PieceFn<T>, enter_readout::<T, S> as StepFn<T>));
        (lanes, Functions { step, pieces })
    }
}

/// Runs a step at the level `S`, which [`Choose`] ran at.
fn enter<T: Float, S: Isa, const WIDE: bool>(step: &mut Step<'_, T>) {
    with_cell!(
        step.plan.stack.architecture.cell,
        |cell| S::call(Cells::<T, _, WIDE> { cell, step }),
        else S::call(ResetBefore { step })
    );
}

/// The same for one layer that is a single block of `U` registers.
fn enter_single<T: Float, S: Isa, const U: usize>(step: &mut Step<'_, T>) {
    with_cell!(
        step.plan.stack.architecture.cell,
        |cell| S::call(Single::<T, _, U> { cell, step }),
        else S::call(ResetBefore { step })
    );
}

/// A piece of a step of a wide network.
fn enter_piece<T: Float, S: Isa>(piece: &mut Piece<'_, T>) {
    with_cell!(
        piece.plan.stack.architecture.cell,
        |cell| S::call(Units::<T, _> { cell, piece }),
        else ()
    );
}

/// The readout, after the step's pieces.
fn enter_readout<T: Float, S: Isa>(step: &mut Step<'_, T>) {
    S::call(Readout { step });
}
