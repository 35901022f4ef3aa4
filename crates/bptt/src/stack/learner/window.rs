//! [`Window`]: some timesteps of a batch, their losses and their weights.

use super::Sequences;
use crate::config::TrainConfig;
use crate::loss::labelled;
use crate::stack::buffers::Buffers;
use crate::stack::derived::Derived;
use crate::stack::dropout::Dropout;
use crate::stack::job::Learn;
use crate::stack::layout::Stack;
use crate::threads::Threads;
use crate::{Float, Level};

/// Some timesteps of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window<'a> {
    /// The sequences of the batch, longest first.
    pub members: &'a [usize],
    pub start: usize,
    /// Timesteps, where a sequence has as many.
    pub len: usize,
    /// Whether the states begin anew.
    pub fresh: bool,
}

impl Window<'_> {
    /// Timesteps of all sequences together.
    pub(super) fn timesteps(&self, offsets: &[usize]) -> usize {
        let of = |&member: &usize| self.len.min(length(offsets, member).saturating_sub(self.start));
        self.members.iter().map(of).sum()
    }
}

impl<T: Float> Buffers<T> {
    /// Chooses what `window` has of every `parts`-th sequence, from the sequence `first` on; returns how many reach that
    /// far.
    pub(super) fn select(
        &mut self,
        window: Window<'_>,
        offsets: &[usize],
        (first, parts): (usize, usize),
    ) -> usize {
        if window.fresh {
            self.hidden.fill(T::ZERO);
            self.memory.fill(T::ZERO);
        }
        let mut count = 0;
        for &member in window.members.iter().skip(first).step_by(parts) {
            let length = length(offsets, member);
            if length <= window.start {
                break;
            }
            self.starts[count] = offsets[member] + window.start;
            self.lengths[count] = window.len.min(length - window.start);
            count += 1;
        }
        count
    }
}

/// The losses of the first `count` sequences that are selected in `buffers`, and their gradient, where it is wanted.
pub(super) fn learn<T: Float>(
    (stack, flat, derived, level): (&Stack, &[T], &Derived<T>, Level),
    data: Sequences<'_, T>,
    config: &TrainConfig,
    (buffers, count, threads): (&mut Buffers<T>, usize, Option<&mut Threads>),
    (scale, dropout, gradient): (f64, Option<Dropout>, Option<&mut [T]>),
) -> f64 {
    if count == 0 {
        return 0.0;
    }
    let job = Learn {
        stack: *stack,
        flat,
        derived,
        features: data.features,
        labels: data.labels,
        weights: data.weights,
        objective: config.objective(),
        scale,
        dropout,
        buffers,
        batch: count,
        gradient,
        threads,
    };
    T::learn(job, level)
}

/// The sum of the weights of a window.
pub(super) fn weight<T: Float>(
    stack: &Stack,
    data: Sequences<'_, T>,
    config: &TrainConfig,
    window: Window<'_>,
) -> f64 {
    let (o, objective) = (stack.output, config.objective());
    let alike = data.weights.is_empty() && objective.weighs_alike();
    let mut total = 0.0;
    for &member in window.members {
        let length = length(data.offsets, member);
        if length <= window.start {
            break;
        }
        let first = data.offsets[member] + window.start;
        let rows = first..first + window.len.min(length - window.start);
        if alike {
            total += labelled(&data.labels[rows.start * o..rows.end * o]) as f64;
            continue;
        }
        for row in rows {
            let weight = data.weights.get(row).map_or(1.0, |weight| weight.to_f64());
            total += weight * objective.row_weight(&data.labels[row * o..(row + 1) * o]);
        }
    }
    total
}

/// Timesteps of a sequence.
pub(super) fn length(offsets: &[usize], sequence: usize) -> usize {
    offsets[sequence + 1] - offsets[sequence]
}
