//! [`Rows`]: the sequences that a pass works on, and where their rows lie.

/// Windows of a dataset's rows, one for each sequence, longest first.
///
/// In the buffers of a pass, row `t·width + m` is timestep `t` of the `m`-th sequence, PyTorch's layout without
/// `batch_first`: a step of all sequences is one product of matrices, and concerns the first so many of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// The first row of each in the dataset.
    pub starts: &'a [usize],
    /// How many rows each has; never 0.
    pub lengths: &'a [usize],
}

impl<'a> Rows<'a> {
    /// Takes the next group off the front: as many sequences as fit into `capacity` rows of which each needs two more
    /// than it has timesteps, but at least one.
    pub fn take(&mut self, capacity: usize) -> Option<Self> {
        let longest = *self.lengths.first()?;
        let width = (capacity / (longest + 2)).max(1);
        // Whole tiles of 4 sequences, and whole vectors of them, where there are as many.
        let tile = if width >= 16 { 16 } else { 4 };
        let width = if width > tile { width - width % tile } else { width }.min(self.lengths.len());
        Some(self.take_first(width))
    }

    /// Takes the first `count` sequences off the front.
    pub fn take_first(&mut self, count: usize) -> Self {
        let (starts, lengths) = (self.starts.split_at(count), self.lengths.split_at(count));
        *self = Self { starts: starts.1, lengths: lengths.1 };
        Self { starts: starts.0, lengths: lengths.0 }
    }

    /// Sequences.
    #[inline(always)]
    pub fn width(self) -> usize {
        self.lengths.len()
    }

    /// Timesteps of the longest.
    #[inline(always)]
    pub fn steps(self) -> usize {
        self.lengths[0]
    }

    /// Whether the lengths differ.
    #[inline(always)]
    pub fn is_ragged(self) -> bool {
        self.lengths[self.width() - 1] < self.steps()
    }

    /// Lists the timesteps of all sequences, in the order of the rows: the row of each, and its row in the dataset.
    /// Returns how many there are.
    pub fn list(self, [rows, data]: [&mut [usize]; 2]) -> usize {
        let (mut count, mut active) = (0, self.width());
        for t in 0..self.steps() {
            while self.lengths[active - 1] <= t {
                active -= 1;
            }
            for m in 0..active {
                (rows[count], data[count]) = (t * self.width() + m, self.starts[m] + t);
                count += 1;
            }
        }
        count
    }

    /// How many sequences have a timestep `t`.
    #[inline(always)]
    pub fn active(self, t: usize) -> usize {
        let mut active = self.width();
        while active > 0 && self.lengths[active - 1] <= t {
            active -= 1;
        }
        active
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_taken_off_the_front() {
        let mut rows = Rows { starts: &[2, 8, 0, 13, 7], lengths: &[5, 5, 2, 2, 1] };
        let group = rows.take(28).unwrap();
        assert_eq!((group.width(), group.steps(), group.is_ragged()), (4, 5, true));
        assert_eq!([0, 1, 2, 4].map(|t| group.active(t)), [4, 4, 2, 2]);
        let mut lists = [[0; 20]; 2];
        let [list, data] = &mut lists;
        assert_eq!(group.list([list, data]), 14);
        assert_eq!(lists[0][..14], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 16, 17]);
        assert_eq!(lists[1][..14], [2, 8, 0, 13, 3, 9, 1, 14, 4, 10, 5, 11, 6, 12]);
        let group = rows.take(28).unwrap();
        assert_eq!((group.starts, group.width(), group.is_ragged()), (&[7][..], 1, false));
        assert!(rows.take(28).is_none());
        // A sequence that is longer than the rows is a group of its own.
        assert_eq!(Rows { starts: &[0, 9], lengths: &[9, 9] }.take(3).unwrap().width(), 1);
    }
}
