//! How a batch is cut into parts. Whatever is decided here depends on sizes alone, never on the number of threads: each
//! part adds up a gradient of its own, so that the cut decides the last bits.

/// Parts at most. Each takes the memory of a gradient.
pub(crate) const MOST_PARTS: usize = 16;

/// Sequences that a part has at least: a step of a part is a product of matrices with as many rows.
const LEAST_SEQUENCES: usize = 16;

/// Multiply-adds that a part has at least, some 12 µs of work: a second thread costs a batch about 4 µs, less than 1 for
/// handing over a part and waiting for it, the rest for weights and gradients that go from one core's cache to another's.
pub(crate) const LEAST_WORK: usize = 400_000;

/// The same for two parts where threads keep step, each with the weights for itself: some 4.5 µs, of which a second part costs some 0.6,
/// its sums over lanes.
pub(crate) const LEAST_WORK_IN_STEP: usize = 250_000;

/// Timesteps that a part has at least: making its gradient zero and adding it to the others is to cost 1 % or so.
const LEAST_TIMESTEPS: usize = 128;

/// Multiply-adds of one call below which it is not worth making threads for it alone.
pub(crate) const WORK_OF_A_CALL: usize = 20_000_000;

/// How many sequences a part has, at most, of batches of `batch` sequences of `timesteps` timesteps in the mean, each of
/// which takes `work` multiply-adds; of two parts each has at least `two`, of more [`LEAST_WORK`].
///
/// The number of parts is a power of two, so that the usual numbers of threads have equal shares.
pub(crate) fn sequences(batch: usize, timesteps: usize, work: usize, two: usize) -> usize {
    if batch < 2 * LEAST_SEQUENCES {
        return batch;
    }
    let (all, work) = (timesteps.saturating_mul(batch), batch.saturating_mul(work));
    let most = (batch / LEAST_SEQUENCES)
        .min((work / LEAST_WORK).max((work / two).min(2)))
        .min(all / LEAST_TIMESTEPS)
        .clamp(1, MOST_PARTS);
    batch.div_ceil(1 << most.ilog2())
}

/// Deals the rows of `unit` sequences in `sorted`, longest first, to `parts` parts in turn, so that each has as many long
/// ones; part after part into `dealt`, of the same length. Returns where each part ends.
pub(crate) fn deal(sorted: &[usize], parts: usize, unit: usize, dealt: &mut [usize]) -> [usize; MOST_PARTS] {
    let mut ends = [0; MOST_PARTS];
    let mut at = 0;
    for (part, end) in ends.iter_mut().enumerate().take(parts) {
        for row in sorted.chunks(unit).skip(part).step_by(parts) {
            dealt[at..at + row.len()].copy_from_slice(row);
            at += row.len();
        }
        *end = at;
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_of_enough_sequences_and_work() {
        let sequences = |batch, timesteps, work| super::sequences(batch, timesteps, work, LEAST_WORK);
        // One sequence, few sequences, little work: one part.
        assert_eq!(sequences(1, 50, 100_000), 1);
        assert_eq!(sequences(31, 50, 100_000), 31);
        assert_eq!(sequences(64, 5, 40), 64);
        assert_eq!([32, 64, 100, 128, 1024].map(|batch| sequences(batch, 50, 100_000)), [16, 16, 25, 16, 64]);
        // The blog's fraud network, 688 parameters with their padding and 5 timesteps: one part of 64, four of 256.
        assert_eq!([64, 128, 256].map(|batch| sequences(batch, 5, 5 * 3 * 688)), [64, 64, 64]);
        // In step: two of 64, and as many of 256 as otherwise.
        let in_step = |batch| super::sequences(batch, 5, 5 * 3 * 688, LEAST_WORK_IN_STEP);
        assert_eq!([32, 64, 128, 256].map(in_step), [32, 32, 64, 64]);
        assert_eq!(sequences(usize::MAX, usize::MAX, usize::MAX), usize::MAX.div_ceil(16));
        assert_eq!(sequences(0, 0, 0), 0);
    }

    #[test]
    fn rows_are_dealt_in_turn() {
        let sorted: Vec<usize> = (0..11).collect();
        let mut dealt = vec![99; 11];
        let ends = deal(&sorted, 3, 2, &mut dealt);
        assert_eq!(dealt, [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10]);
        assert_eq!(ends[..3], [4, 8, 11]);
    }
}
