//! [`Exchange`]: where the blocks of a step find what the others did in the step before.

use crate::threads::words::Words;
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
    rows: Words<T>,
}

impl<T> Default for Exchange<T> {
    fn default() -> Self {
        Self { after: [Vec::new(), Vec::new()], pieces: 1, p: 0 }
    }
}

impl<T: Float> Exchange<T> {
    /// For blocks that begin and end where `cut` says, at whole words.
    pub fn new(
        cut: impl Iterator<Item = [usize; 2]> + Clone,
        sequences: usize,
        (pieces, p): (usize, usize),
    ) -> Result<Self> {
        let parts = || {
            let part = |[first, end]: [usize; 2]| {
                let units = end - first;
                Ok(Part { first, units, rows: Words::new(sequences.saturating_mul(pieces * units))? })
            };
            cut.clone().map(part).collect::<Result<Vec<_>>>()
        };
        Ok(Self { after: [parts()?, parts()?], pieces, p })
    }

    /// Copies what the blocks but `own` put there after `steps` steps, `count` rows, to `out` (sequences, pieces, P).
    pub fn gather(&self, steps: usize, own: usize, count: usize, out: &mut [T]) {
        for (number, part) in self.after[steps % 2].iter().enumerate() {
            if number == own {
                continue;
            }
            let Part { first, units, rows } = part;
            for (row, out) in out.chunks_mut(self.p).take(count * self.pieces).enumerate() {
                rows.read(row * units, &mut out[*first..first + units]);
            }
        }
    }

    /// Puts there what a block has after `steps` steps: the first `count` rows of its units in `from` (sequences, pieces, P). Others
    /// stay as they were.
    pub fn put(&self, steps: usize, block: usize, count: usize, from: &[T]) {
        let Part { first, units, rows } = &self.after[steps % 2][block];
        for (row, from) in from.chunks(self.p).take(count * self.pieces).enumerate() {
            rows.put(row * units, &from[*first..first + units]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_blocks_put_is_there_for_the_others_after_the_same_number_of_steps() {
        let cut = [[0, 2], [2, 6]];
        let exchange = Exchange::<f32>::new(cut.into_iter(), 2, (1, 8)).unwrap();
        let both = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0, 0.0, -1.0, -2.0, -3.0, -4.0, -5.0, -6.0, 0.0, 0.0];
        (0..2).for_each(|block| exchange.put(0, block, 2, &both));
        let mut out = [0.5; 16];
        exchange.gather(0, 0, 2, &mut out);
        let half = 0.5;
        assert_eq!(out[..8], [half, half, 3.0, 4.0, 5.0, 6.0, half, half]);
        assert_eq!(out[8..], [half, half, -3.0, -4.0, -5.0, -6.0, half, half]);
        // Only one sequence goes on: the other's row stays, for steps of either parity.
        exchange.put(2, 1, 1, &[7.0; 16]);
        exchange.gather(2, 0, 2, &mut out);
        assert_eq!(out[..8], [half, half, 7.0, 7.0, 7.0, 7.0, half, half]);
        assert_eq!(out[8..14], [half, half, -3.0, -4.0, -5.0, -6.0]);
        exchange.gather(1, 1, 1, &mut out);
        assert_eq!(out[..8], [0.0, 0.0, 7.0, 7.0, 7.0, 7.0, half, half]);
        assert_eq!(out[8], half);
    }

    #[test]
    fn rows_may_have_several_pieces() {
        let exchange = Exchange::<f64>::new([[0, 1], [1, 3]].into_iter(), 1, (2, 3)).unwrap();
        exchange.put(3, 0, 1, &[1.0, 0.0, 0.0, 4.0, 0.0, 0.0]);
        exchange.put(3, 1, 1, &[0.0, 2.0, 3.0, 0.0, f64::NAN, -0.0]);
        let mut out = [0.0_f64; 6];
        exchange.gather(3, 0, 1, &mut out);
        exchange.gather(3, 1, 1, &mut out);
        assert_eq!(out[..4], [1.0, 2.0, 3.0, 4.0]);
        assert!(out[4].is_nan() && out[5].is_sign_negative());
    }
}
