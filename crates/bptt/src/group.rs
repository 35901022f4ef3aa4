//! [`Group`]: sequences that are worked on together, and where their rows lie.
//!
//! Row `t·width + m` of a group's buffers is timestep `t` of its `m`-th sequence, PyTorch's layout without
//! `batch_first`. So a recurrent step of all sequences is one product of matrices, and so is a weight gradient.
//! Longer sequences come first; a step then concerns the first so many, and nothing is computed for those that have
//! ended. (Their rows are zeros, so that sums over all rows need not know.)

/// Sequences of one group.
#[derive(Clone, Copy)]
pub(crate) struct Group<'a> {
    /// Sequence numbers, longest first.
    members: &'a [usize],
    offsets: &'a [usize],
}

impl<'a> Group<'a> {
    /// Takes the next group off the front of `members`, which are sorted by length: as many as fit into `rows` rows.
    #[inline(always)]
    pub fn take<'m: 'a>(members: &mut &'m [usize], offsets: &'a [usize], rows: usize) -> Option<Self> {
        let first = *members.first()?;
        let longest = offsets[first + 1] - offsets[first];
        // Whole tiles of 4 sequences, where there are as many.
        let width = (rows / longest.max(1)).max(1);
        let width = if width > 4 { width - width % 4 } else { width };
        let (group, rest) = members.split_at(width.min(members.len()));
        *members = rest;
        Some(Self { members: group, offsets })
    }

    /// Sequences in the group.
    #[inline(always)]
    pub fn width(self) -> usize {
        self.members.len()
    }

    /// Timesteps of the longest sequence.
    #[inline(always)]
    pub fn steps(self) -> usize {
        self.rows_of(0).len()
    }

    /// The rows of the `m`-th sequence in the dataset.
    #[inline(always)]
    pub fn rows_of(self, m: usize) -> std::ops::Range<usize> {
        let sequence = self.members[m];
        self.offsets[sequence]..self.offsets[sequence + 1]
    }

    /// Whether the sequences have different lengths.
    #[inline(always)]
    pub fn is_ragged(self) -> bool {
        self.rows_of(self.width() - 1).len() < self.steps()
    }

    /// How many sequences have a timestep `t`, starting the count at `at_most`.
    #[inline(always)]
    pub fn active(self, t: usize, at_most: usize) -> usize {
        let mut active = at_most;
        while active > 0 && self.rows_of(active - 1).len() <= t {
            active -= 1;
        }
        active
    }
}

/// Sorts sequences by length, longest first, and those of one length by number. All of one length stay as they are.
///
/// Never inlined: it is no part of what has to be compiled for every level.
#[inline(never)]
pub(crate) fn sort_by_length(members: &mut [usize], offsets: &[usize]) {
    let length = |s: usize| offsets[s + 1] - offsets[s];
    if members.windows(2).any(|pair| length(pair[0]) != length(pair[1])) {
        // Not `sort_by_key`, which allocates.
        members.sort_unstable_by_key(|&s| (usize::MAX - length(s), s));
    }
}

/// The length of all these sequences, where it is the same.
#[inline(never)]
pub(crate) fn common_length(members: &[usize], offsets: &[usize]) -> Option<usize> {
    let first = *members.first()?;
    let length = |s: usize| offsets[s + 1] - offsets[s];
    members.iter().all(|&s| length(s) == length(first)).then_some(length(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_first_and_only_whole_groups() {
        let offsets = [0, 2, 7, 8, 13, 15];
        let mut members = [0, 1, 2, 3, 4];
        sort_by_length(&mut members, &offsets);
        assert_eq!(members, [1, 3, 0, 4, 2]);
        let mut rest = &members[..];
        let group = Group::take(&mut rest, &offsets, 20).unwrap();
        assert_eq!((group.width(), group.steps(), group.is_ragged()), (4, 5, true));
        assert_eq!(
            (group.active(0, 4), group.active(1, 4), group.active(2, 4), group.active(4, 2)),
            (4, 4, 2, 2)
        );
        assert_eq!(group.rows_of(2), 0..2);
        let group = Group::take(&mut rest, &offsets, 20).unwrap();
        assert_eq!((group.width(), group.steps(), group.is_ragged()), (1, 1, false));
        assert!(Group::take(&mut rest, &offsets, 20).is_none());
        // A sequence that is longer than the rows is a group of its own.
        assert_eq!(Group::take(&mut &members[..], &offsets, 3).unwrap().width(), 1);
    }
}
