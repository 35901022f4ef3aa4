//! Work on every element of a large buffer, in pieces.

use std::sync::Mutex;

use super::pool::{Threads, locked};

/// Pieces at most.
pub(crate) const MOST_PIECES: usize = 16;

/// Elements below which a second thread costs more than it saves.
const MANY_ELEMENTS: usize = 1 << 17;

impl Threads {
    /// Into how many pieces a buffer of `elements` elements is cut.
    pub(crate) fn pieces(&self, elements: usize) -> usize {
        if elements < MANY_ELEMENTS { 1 } else { self.most().min(MOST_PIECES) }
    }

    /// Cuts `data` into `count` pieces (at most [`MOST_PIECES`]), of which each ends where `end` says, and runs `work` for each
    /// with its number.
    pub(crate) fn for_pieces<T: Send>(
        &mut self,
        mut data: &mut [T],
        count: usize,
        end: impl Fn(usize) -> usize,
        work: &(dyn Fn(usize, &mut [T]) + Sync),
    ) {
        if count <= 1 {
            return work(0, data);
        }
        let mut start = 0;
        let pieces: [Mutex<&mut [T]>; MOST_PIECES] = std::array::from_fn(|number| {
            let len = if number < count { end(number) - start } else { 0 };
            start += len;
            Mutex::new(data.split_off_mut(..len).unwrap_or_default())
        });
        self.run(count, &|number| work(number, &mut locked(&pieces[number])));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_all_there_is() {
        for (most, count) in [(1, 1), (3, 3), (2, 5)] {
            let mut data = vec![0; 17];
            Threads::new(most).for_pieces(
                &mut data,
                count,
                |number| 17 * (number + 1) / count,
                &|number, piece| {
                    piece.fill(number + 1);
                },
            );
            assert!(data.is_sorted() && data[0] == 1 && data[16] == count, "{data:?}");
        }
        assert_eq!(
            [MANY_ELEMENTS - 1, MANY_ELEMENTS].map(|elements| Threads::new(3).pieces(elements)),
            [1, 3]
        );
    }
}
