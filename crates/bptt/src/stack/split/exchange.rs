//! [`Exchange`]: where the blocks of a step find what the others did in the step before.

use std::sync::{PoisonError, RwLock};

use crate::buffer::Buffer;
use crate::{Float, Result};

/// Rows of all units, a piece for each block: those after even numbers of steps, and those after odd ones, so that a block
/// may write while another still reads.
#[derive(Debug)]
pub(super) struct Exchange<T> {
    after: [Vec<Piece<T>>; 2],
}

#[derive(Debug)]
struct Piece<T> {
    /// The first unit, and how many.
    first: usize,
    units: usize,
    /// (sequences, units)
    rows: RwLock<Buffer<T>>,
}

impl<T> Default for Exchange<T> {
    fn default() -> Self {
        Self { after: [Vec::new(), Vec::new()] }
    }
}

impl<T: Float> Exchange<T> {
    /// For blocks that begin and end where `cut` says.
    pub fn new(cut: impl Iterator<Item = [usize; 2]> + Clone, sequences: usize) -> Result<Self> {
        let pieces = || {
            let piece = |[first, end]: [usize; 2]| {
                let units = end - first;
                Ok(Piece {
                    first,
                    units,
                    rows: RwLock::new(Buffer::zeroed(sequences.saturating_mul(units))?),
                })
            };
            cut.clone().map(piece).collect::<Result<Vec<_>>>()
        };
        Ok(Self { after: [pieces()?, pieces()?] })
    }

    /// What all find before they have written anything: `count` rows, `stride` apart.
    pub fn fill(&mut self, from: &[T], count: usize, stride: usize) {
        for piece in self.after.iter_mut().flatten() {
            let rows = piece.rows.get_mut().unwrap_or_else(PoisonError::into_inner);
            for (row, from) in rows.chunks_exact_mut(piece.units).zip(from.chunks(stride)).take(count) {
                row.copy_from_slice(&from[piece.first..piece.first + piece.units]);
            }
        }
    }

    /// Copies what there is after `steps` steps, `count` rows, to `out`, whose rows are `stride` apart.
    pub fn gather(&self, steps: usize, count: usize, out: &mut [T], stride: usize) {
        for piece in &self.after[steps % 2] {
            let rows = piece.rows.read().unwrap_or_else(PoisonError::into_inner);
            for (row, out) in rows.chunks_exact(piece.units).zip(out.chunks_mut(stride)).take(count) {
                out[piece.first..piece.first + piece.units].copy_from_slice(row);
            }
        }
    }

    /// Leaves the rows of one block after `steps` steps; those beyond them stay as they were.
    pub fn put(&self, steps: usize, block: usize, rows: &[T]) {
        let piece = &self.after[steps % 2][block];
        piece.rows.write().unwrap_or_else(PoisonError::into_inner)[..rows.len()].copy_from_slice(rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_blocks_put_is_there_for_all_after_the_same_number_of_steps() {
        let cut = [[0, 1], [1, 3]];
        let mut exchange = Exchange::<f32>::new(cut.into_iter(), 2).unwrap();
        exchange.fill(&[1.0, 2.0, 3.0, 9.0, 4.0, 5.0, 6.0, 9.0], 2, 4);
        let mut out = [0.0; 8];
        exchange.gather(0, 2, &mut out, 4);
        assert_eq!(out, [1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 0.0]);
        // Only one sequence goes on: the other's row stays, for steps of either parity.
        exchange.put(1, 1, &[7.0, 8.0]);
        exchange.gather(1, 2, &mut out, 4);
        assert_eq!(out, [1.0, 7.0, 8.0, 0.0, 4.0, 5.0, 6.0, 0.0]);
        exchange.gather(2, 1, &mut out, 4);
        assert_eq!(out, [1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 0.0]);
    }
}
