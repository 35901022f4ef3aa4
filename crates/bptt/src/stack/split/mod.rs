//! Wide layers forward, where no way back follows: in windows of timesteps, and with the units cut into blocks, one for
//! each thread.
//!
//! What a step keeps for the way back would be most of what goes through the caches; here it lies in the rows of a window,
//! which stay in them. And a few sequences are too few for a thread to have some of its own: so each thread has units of
//! its own, whose weights its core reads. A step needs `h_{t−1}` of all units: every block leaves its `h_t` where the
//! others find it in the next phase ([`crate::threads::phases`]).
//!
//! A unit's sums are the same whichever block it is in, and whichever window its timestep.

mod exchange;
mod forward;

use std::sync::Mutex;

use super::layout::Stack;
use crate::buffer::Buffer;
use crate::cell::recurrence::kept_pieces;
use crate::kernel::panel::panel;
use crate::threads::phases::MOST_PARTS;
use crate::{Float, Result};
use exchange::Exchange;

/// Bytes of a window's rows: they share a second-level cache with weights that stream through it.
const WINDOW_BYTES: usize = 512 << 10;

/// Multiply-adds of a step that a block has at least: some 0.5 µs, about what it takes two threads to hear of each other.
const LEAST_WORK: usize = 20_000;

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
    blocks: Vec<Mutex<Block<T>>>,
    /// `h`, where there are several.
    states: Exchange<T>,
    /// Sequences and rows of a window that there is room for.
    fits: (usize, usize),
}

/// Some units of a layer in one direction.
#[derive(Debug)]
struct Block<T> {
    /// The first one, and how many, padding included: whole panels but for the layer's last one.
    first: usize,
    units: usize,
    /// As [`super::Buffers::kept`]. (timesteps of a window + 1, sequences, KEPT·units)
    kept: Buffer<T>,
    /// `h_t`. (timesteps of a window, sequences, units)
    outputs: Buffer<T>,
    /// The sums of the gates. (sequences, G, panel)
    sums: Buffer<T>,
    /// `h_{t−1}` of all units, where there are several blocks. (sequences, P)
    past: Buffer<T>,
}

impl<T> Default for Split<T> {
    fn default() -> Self {
        let none = || Blocks { blocks: Vec::new(), states: Exchange::default(), fits: (0, 0) };
        Self { alone: none(), together: none(), list: Vec::new() }
    }
}

impl<T: Float> Split<T> {
    /// How many blocks the units are cut into for up to `threads` threads.
    pub fn blocks(stack: &Stack, threads: usize) -> usize {
        let work = stack.architecture.cell.gates().saturating_mul(stack.hidden).saturating_mul(stack.hidden);
        let panels = stack.stride::<T>().div_ceil(panel::<T>());
        threads.min(panels).min(work / LEAST_WORK).clamp(1, MOST_PARTS)
    }

    /// Timesteps of a window of `sequences` sequences.
    fn window(stack: &Stack, sequences: usize) -> usize {
        (WINDOW_BYTES / row_bytes::<T>(stack).saturating_mul(sequences).max(1)).max(1)
    }

    /// Sequences of which a window has two timesteps.
    pub fn sequences(stack: &Stack) -> usize {
        WINDOW_BYTES / 2 / row_bytes::<T>(stack).max(1)
    }

    /// Makes room for groups of `sequences` sequences of up to `longest` timesteps, in one block and, where `blocks` is more,
    /// in so many. Allocates only where that is more than ever before.
    pub fn fit(&mut self, stack: &Stack, sequences: usize, longest: usize, blocks: usize) -> Result<()> {
        // A window of any number of sequences has no more rows than that.
        let rows = (WINDOW_BYTES / row_bytes::<T>(stack).max(1))
            .max(sequences)
            .min(sequences.saturating_mul(longest));
        if self.list.len() < rows {
            self.list = vec![0; rows];
        }
        self.alone.fit(stack, (sequences, rows), 1)?;
        if blocks > 1 { self.together.fit(stack, (sequences, rows), blocks) } else { Ok(()) }
    }
}

impl<T: Float> Blocks<T> {
    fn fit(&mut self, stack: &Stack, (sequences, rows): (usize, usize), count: usize) -> Result<()> {
        if sequences <= self.fits.0 && rows <= self.fits.1 && count == self.blocks.len() {
            return Ok(());
        }
        let fits = (sequences.max(self.fits.0), rows.max(self.fits.1));
        let cut = cut::<T>(stack.stride::<T>(), count);
        let block = |units| Ok(Mutex::new(Block::new(stack, units, fits, count > 1)?));
        self.blocks = cut.clone().map(block).collect::<Result<_>>()?;
        self.states = if count > 1 { Exchange::new(cut, sequences)? } else { Exchange::default() };
        self.fits = fits;
        Ok(())
    }
}

/// Where each of `count` blocks of `p` units begins and ends: as equal as whole panels can be.
fn cut<T: Float>(p: usize, count: usize) -> impl Iterator<Item = [usize; 2]> + Clone {
    let panels = p.div_ceil(panel::<T>());
    (0..count).map(move |block| [block, block + 1].map(|at| (panels * at / count * panel::<T>()).min(p)))
}

/// Bytes of what is kept of a timestep, and of its outputs; saturates.
fn row_bytes<T: Float>(stack: &Stack) -> usize {
    let pieces = kept_pieces(stack.architecture.cell) + 1;
    stack.stride::<T>().saturating_mul(pieces * size_of::<T>())
}

impl<T: Float> Block<T> {
    fn new(
        stack: &Stack,
        [first, end]: [usize; 2],
        (sequences, rows): (usize, usize),
        several: bool,
    ) -> Result<Self> {
        let (cell, units) = (stack.architecture.cell, end - first);
        let past = if several { sequences.saturating_mul(stack.stride::<T>()) } else { 0 };
        // A row more for each sequence: the states before the first timestep.
        let kept = rows.saturating_add(sequences).saturating_mul(kept_pieces(cell).saturating_mul(units));
        Ok(Self {
            first,
            units,
            kept: Buffer::zeroed(kept)?,
            outputs: Buffer::zeroed(rows.saturating_mul(units))?,
            sums: Buffer::zeroed(sequences.saturating_mul(cell.gates() * panel::<T>()))?,
            past: Buffer::zeroed(past)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_whole_panels_and_together_all_units() {
        assert_eq!(cut::<f32>(16, 1).collect::<Vec<_>>(), [[0, 16]]);
        assert_eq!(cut::<f32>(144, 2).collect::<Vec<_>>(), [[0, 64], [64, 144]]);
        assert_eq!(cut::<f64>(144, 4).collect::<Vec<_>>(), [[0, 32], [32, 64], [64, 96], [96, 144]]);
    }
}
