//! [`Exchange`]: where the blocks of a step find what the others did in the step before.

use std::sync::{PoisonError, RwLock};

use crate::buffer::Buffer;
use crate::{Float, Result};

/// Rows of all units, cut up by blocks: those after even numbers of steps, and those after odd ones, so that a block may write
/// while another still reads.
#[derive(Debug)]
pub(super) struct Exchange<T> {
    after: [Vec<Part<T>>; 2],
    /// What a row has of each unit, and how many units there are.
    pieces: usize,
    p: usize,
}

#[derive(Debug)]
struct Part<T> {
    /// The first unit, and how many.
    first: usize,
    units: usize,
    /// (sequences, pieces, units)
    rows: RwLock<Buffer<T>>,
}

impl<T> Default for Exchange<T> {
    fn default() -> Self {
        Self { after: [Vec::new(), Vec::new()], pieces: 1, p: 0 }
    }
}

impl<T: Float> Exchange<T> {
    /// For blocks that begin and end where `cut` says.
    pub fn new(
        cut: impl Iterator<Item = [usize; 2]> + Clone,
        sequences: usize,
        (pieces, p): (usize, usize),
    ) -> Result<Self> {
        let parts = || {
            let part = |[first, end]: [usize; 2]| {
                let units = end - first;
                let rows = RwLock::new(Buffer::zeroed(sequences.saturating_mul(pieces * units))?);
                Ok(Part { first, units, rows })
            };
            cut.clone().map(part).collect::<Result<Vec<_>>>()
        };
        Ok(Self { after: [parts()?, parts()?], pieces, p })
    }

    /// What all find before they have written anything: `count` rows (pieces, P).
    pub fn fill(&mut self, from: &[T], count: usize) {
        let (pieces, p) = (self.pieces, self.p);
        for part in self.after.iter_mut().flatten() {
            let rows = part.rows.get_mut().unwrap_or_else(PoisonError::into_inner);
            for (row, from) in rows.chunks_exact_mut(part.units).zip(from.chunks(p)).take(count * pieces) {
                row.copy_from_slice(&from[part.first..part.first + part.units]);
            }
        }
    }

    /// Copies what there is after `steps` steps, `count` rows, to `out` (sequences, pieces, P).
    pub fn gather(&self, steps: usize, count: usize, out: &mut [T]) {
        for part in &self.after[steps % 2] {
            let rows = part.rows.read().unwrap_or_else(PoisonError::into_inner);
            for (row, out) in
                rows.chunks_exact(part.units).zip(out.chunks_mut(self.p)).take(count * self.pieces)
            {
                out[part.first..part.first + part.units].copy_from_slice(row);
            }
        }
    }

    /// Lets a block write its rows (sequences, pieces, units) after `steps` steps; those that it leaves stay as they were.
    pub fn put(&self, steps: usize, block: usize, write: impl FnOnce(&mut [T])) {
        let part = &self.after[steps % 2][block];
        write(&mut part.rows.write().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_blocks_put_is_there_for_all_after_the_same_number_of_steps() {
        let cut = [[0, 1], [1, 3]];
        let mut exchange = Exchange::<f32>::new(cut.into_iter(), 2, (1, 4)).unwrap();
        exchange.fill(&[1.0, 2.0, 3.0, 9.0, 4.0, 5.0, 6.0, 9.0], 2);
        let mut out = [0.0; 8];
        exchange.gather(0, 2, &mut out);
        assert_eq!(out, [1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 0.0]);
        // Only one sequence goes on: the other's row stays, for steps of either parity.
        exchange.put(1, 1, |rows| rows[..2].copy_from_slice(&[7.0, 8.0]));
        exchange.gather(1, 2, &mut out);
        assert_eq!(out, [1.0, 7.0, 8.0, 0.0, 4.0, 5.0, 6.0, 0.0]);
        exchange.gather(2, 1, &mut out);
        assert_eq!(out, [1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 0.0]);
    }

    #[test]
    fn rows_may_have_several_pieces() {
        let exchange = Exchange::<f64>::new([[0, 1], [1, 3]].into_iter(), 1, (2, 3)).unwrap();
        exchange.put(3, 0, |rows| rows.copy_from_slice(&[1.0, 4.0]));
        exchange.put(3, 1, |rows| rows.copy_from_slice(&[2.0, 3.0, 5.0, 6.0]));
        let mut out = [0.0; 6];
        exchange.gather(3, 1, &mut out);
        assert_eq!(out, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }
}
