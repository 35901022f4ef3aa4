//! Wide layers in windows of timesteps, and with the units cut into blocks, one for each thread.
//!
//! Where no way back follows, what a step keeps for it would be most of what goes through the caches; here it lies in the
//! rows of a window, which stay in them. And a few sequences are too few for a thread to have some of its own: so each
//! thread has units of its own, whose weights its core reads. A step needs `h_{t−1}` of all units, and on the way back
//! their deltas: every block leaves what it has where the others find it in the next phase ([`crate::threads::phases`]).
//! For training the whole sequence is one window.
//!
//! A unit's sums are the same whichever block it is in, and whichever window its timestep.

mod backward;
mod exchange;
mod forward;
mod gradients;

use std::ops::Range;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::layout::Stack;
use crate::buffer::Buffer;
use crate::cell::recurrence::kept_pieces;
use crate::kernel::panel::{outer_elements, panel};
use crate::threads::Line;
use crate::threads::phases::MOST_PARTS;
use crate::{Float, Result};
use exchange::Exchange;

/// Bytes of a window's rows: they share a second-level cache with weights that stream through it.
const WINDOW_BYTES: usize = 512 << 10;

/// Multiply-adds of a step that a block has at least: some 0.5 µs, about what it takes two threads to hear of each other.
const LEAST_WORK: usize = 20_000;

/// Multiply-adds of a whole step below which nobody knows whether several threads are quicker in training, where more lies between
/// the steps that only one thread does: a virtual machine trained Elman 256 on one sequence 1.4 times quicker in one minute, 1.4
/// times slower in another. Above they are.
const UNSURE_WORK: usize = 160_000;

/// The buffers of this way.
#[derive(Debug)]
pub struct Split<T> {
    /// All units in one block, and in one for each thread.
    alone: Blocks<T>,
    together: Blocks<T>,
    /// The rows of a window's timesteps within it.
    list: Vec<usize>,
}

/// The units of a layer in one direction.
#[derive(Debug)]
struct Blocks<T> {
    blocks: Vec<Line<RwLock<Block<T>>>>,
    /// `h`, where there are several.
    states: Exchange<T>,
    /// The deltas that `W_hh` sees, gate by gate, where a way back follows.
    deltas: Exchange<T>,
    /// What the gradients of each block need.
    rooms: Vec<Mutex<Room<T>>>,
    fits: Fits,
}

/// What there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Fits {
    sequences: usize,
    /// Rows of a window.
    rows: usize,
    /// Layers and directions that keep rows of their own for a way back, or none.
    kept: usize,
}

/// Some units of a layer in one direction.
#[derive(Debug)]
struct Block<T> {
    /// The first one, and how many, padding included: whole panels but for the layer's last one.
    first: usize,
    units: usize,
    /// As [`super::Buffers::kept`]. (layers and directions, where a way back follows; timesteps of a window + 1, sequences,
    /// KEPT·units)
    kept: Buffer<T>,
    /// Elements for each layer and direction.
    kept_len: usize,
    /// `h_t`. (timesteps of a window, sequences, units)
    outputs: Buffer<T>,
    /// The sums of the gates. (sequences, G, panel)
    sums: Buffer<T>,
    /// `h_{t−1}` of all units, where there are several blocks, and on the way back their deltas: those of the block's own units
    /// at once, the others' from the exchange. (sequences, G, P)
    past: Buffer<T>,
    /// Gradients that pass the gates by. (sequences, 2, units)
    carried: Buffer<T>,
}

/// For the gradients of a block.
#[derive(Debug)]
struct Room<T> {
    /// For [`crate::kernel::panel::PanelOuter`].
    outer: Buffer<T>,
    /// Those of its biases. (2, G, units)
    biases: Buffer<T>,
}

impl<T> Default for Blocks<T> {
    fn default() -> Self {
        let (states, deltas) = (Exchange::default(), Exchange::default());
        Self { blocks: Vec::new(), states, deltas, rooms: Vec::new(), fits: Fits::default() }
    }
}

impl<T> Default for Split<T> {
    fn default() -> Self {
        Self { alone: Blocks::default(), together: Blocks::default(), list: Vec::new() }
    }
}

impl<T: Float> Split<T> {
    /// How many blocks the units are cut into for up to `threads` threads.
    pub fn blocks(stack: &Stack, threads: usize) -> usize {
        let panels = stack.stride::<T>().div_ceil(panel::<T>());
        threads.min(panels).min(work(stack) / LEAST_WORK).clamp(1, MOST_PARTS)
    }

    /// Whether one thread may be quicker than several in training.
    pub fn is_unsure(stack: &Stack) -> bool {
        work(stack) < UNSURE_WORK
    }

    /// Timesteps of a window of `sequences` sequences.
    fn window(stack: &Stack, sequences: usize) -> usize {
        (WINDOW_BYTES / row_bytes::<T>(stack).saturating_mul(sequences).max(1)).max(1)
    }

    /// Sequences of which a window has two timesteps.
    pub fn sequences(stack: &Stack) -> usize {
        WINDOW_BYTES / 2 / row_bytes::<T>(stack).max(1)
    }

    /// Makes room for predictions of groups of `sequences` sequences of up to `longest` timesteps, in one block and, where
    /// `blocks` is more, in so many. Allocates only where that is more than ever before.
    pub fn fit(&mut self, stack: &Stack, sequences: usize, longest: usize, blocks: usize) -> Result<()> {
        // A window of any number of sequences has no more rows than that.
        let rows = (WINDOW_BYTES / row_bytes::<T>(stack).max(1)).max(sequences);
        let rows = rows.min(sequences.saturating_mul(longest));
        let fits = Fits { sequences, rows, kept: 0 };
        self.fit_list(rows);
        self.alone.fit(stack, fits, 1)?;
        if blocks > 1 { self.together.fit(stack, fits, blocks) } else { Ok(()) }
    }

    /// Makes room for training on groups of `sequences` sequences of `rows` rows, in `blocks` blocks, likewise.
    pub fn fit_training(
        &mut self,
        stack: &Stack,
        sequences: usize,
        rows: usize,
        blocks: usize,
    ) -> Result<()> {
        self.fit_list(rows);
        self.together.fit(stack, Fits { sequences, rows, kept: stack.parts() }, blocks)
    }

    fn fit_list(&mut self, rows: usize) {
        if self.list.len() < rows {
            self.list = vec![0; rows];
        }
    }
}

impl<T: Float> Blocks<T> {
    fn fit(&mut self, stack: &Stack, wanted: Fits, count: usize) -> Result<()> {
        let fits = Fits {
            sequences: wanted.sequences.max(self.fits.sequences),
            rows: wanted.rows.max(self.fits.rows),
            kept: wanted.kept,
        };
        if fits == self.fits && count == self.blocks.len() {
            return Ok(());
        }
        let (p, gates) = (stack.stride::<T>(), stack.architecture.cell.gates());
        let (cut, sequences) = (cuts::<T>(p, count), fits.sequences);
        let block = |units| Ok(Line(RwLock::new(Block::new(stack, units, fits, count > 1)?)));
        let room = |units| Ok(Mutex::new(Room::new(stack, units, fits.rows)?));
        *self = Self::default();
        self.blocks = cut.clone().map(block).collect::<Result<_>>()?;
        if count > 1 {
            self.states = Exchange::new(cut.clone(), sequences, (1, p))?;
        }
        if fits.kept > 0 {
            self.deltas = Exchange::new(cut.clone(), sequences, (gates, p))?;
            self.rooms = cut.map(room).collect::<Result<_>>()?;
        }
        self.fits = fits;
        Ok(())
    }

    /// Lets every block find the first `count` initial states (sequences, P).
    fn begin(&mut self, states: &[T], (count, p): (usize, usize)) {
        for (number, block) in self.blocks.iter_mut().enumerate() {
            own(block).past[..count * p].copy_from_slice(&states[..count * p]);
            // A sequence may begin after any number of steps.
            for steps in 0..2 {
                self.states.put(steps, number, count, states);
            }
        }
    }
}

/// Multiply-adds of a step of one sequence.
fn work(stack: &Stack) -> usize {
    stack.architecture.cell.gates().saturating_mul(stack.hidden).saturating_mul(stack.hidden)
}

/// Where the `number`-th of `count` blocks of `p` units begins: they are as equal as whole panels can be.
pub(super) fn cut<T: Float>(p: usize, count: usize, number: usize) -> usize {
    (p.div_ceil(panel::<T>()) * number / count * panel::<T>()).min(p)
}

/// Where all of them begin and end.
fn cuts<T: Float>(p: usize, count: usize) -> impl Iterator<Item = [usize; 2]> + Clone {
    (0..count).map(move |number| [number, number + 1].map(|number| cut::<T>(p, count, number)))
}

/// Bytes of what is kept of a timestep, and of its outputs; saturates.
fn row_bytes<T: Float>(stack: &Stack) -> usize {
    let pieces = kept_pieces(stack.architecture.cell) + 1;
    stack.stride::<T>().saturating_mul(pieces * size_of::<T>())
}

impl<T: Float> Block<T> {
    fn new(stack: &Stack, [first, end]: [usize; 2], fits: Fits, several: bool) -> Result<Self> {
        let Fits { sequences, rows, kept } = fits;
        let (cell, units, learns) = (stack.architecture.cell, end - first, kept > 0);
        // A row more for each sequence: the states before the first timestep.
        let kept_len = rows.saturating_add(sequences).saturating_mul(kept_pieces(cell).saturating_mul(units));
        let pieces = if learns { cell.gates() } else { usize::from(several) };
        let carried = if learns { 2 * units } else { 0 };
        let for_each = |elements: usize| Buffer::zeroed(sequences.saturating_mul(elements));
        Ok(Self {
            first,
            units,
            kept: Buffer::zeroed(kept_len.saturating_mul(kept.max(1)))?,
            kept_len,
            outputs: Buffer::zeroed(rows.saturating_mul(units))?,
            sums: for_each(cell.gates() * panel::<T>())?,
            past: for_each(pieces * stack.stride::<T>())?,
            carried: for_each(carried)?,
        })
    }

    /// Where the rows of a layer in one direction are kept.
    fn kept_range(&self, part: usize) -> Range<usize> {
        part * self.kept_len..(part + 1) * self.kept_len
    }

    /// Units without the padding, of `h` in all.
    fn real_units(&self, h: usize) -> usize {
        self.units.min(h - self.first)
    }
}

impl<T: Float> Room<T> {
    fn new(stack: &Stack, [first, end]: [usize; 2], rows: usize) -> Result<Self> {
        let most = stack.input.max(stack.hidden);
        let biases = 2 * stack.architecture.cell.gates() * (end - first);
        Ok(Self { outer: Buffer::zeroed(outer_elements::<T>(rows, most))?, biases: Buffer::zeroed(biases)? })
    }
}

/// The block, to change it; nobody else has it in this phase.
fn changed<T>(Line(block): &Line<RwLock<T>>) -> RwLockWriteGuard<'_, T> {
    block.write().unwrap_or_else(PoisonError::into_inner)
}

/// All blocks, to read them.
fn all<T>(blocks: &[Line<RwLock<T>>]) -> [Option<RwLockReadGuard<'_, T>>; MOST_PARTS] {
    std::array::from_fn(|number| {
        blocks.get(number).map(|Line(block)| block.read().unwrap_or_else(PoisonError::into_inner))
    })
}

/// The block, which nobody else has outside of phases.
fn own<T>(Line(block): &mut Line<RwLock<T>>) -> &mut T {
    block.get_mut().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_whole_panels_and_together_all_units() {
        assert_eq!(cuts::<f32>(16, 1).collect::<Vec<_>>(), [[0, 16]]);
        assert_eq!(cuts::<f32>(144, 2).collect::<Vec<_>>(), [[0, 64], [64, 144]]);
        assert_eq!(cuts::<f64>(144, 4).collect::<Vec<_>>(), [[0, 32], [32, 64], [64, 96], [96, 144]]);
    }
}
