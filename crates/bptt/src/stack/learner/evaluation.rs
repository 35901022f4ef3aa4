//! Losses without learning: of chunks of sequences, on all threads.

use super::window::{Window, learn, length, weight};
use super::{Learner, Sequences, Totals};
use crate::config::TrainConfig;
use crate::dataset::longest;
use crate::group::sort_by_length;
use crate::stack::layout::Stack;
use crate::threads::{Threads, locked, share};
use crate::{Float, Level, Result};
use std::sync::Mutex;

/// Sequences that an evaluation works on at a time.
const CHUNK: usize = 256;

impl<T: Float> Learner<T> {
    /// Makes room for evaluations of the sequences with these `offsets`.
    pub fn fit_evaluation(
        &mut self,
        stack: &Stack,
        config: &TrainConfig,
        offsets: &[usize],
        threads: &Threads,
    ) -> Result<()> {
        let longest = longest(offsets).min(config.truncate.unwrap_or(usize::MAX));
        let chunk = chunk(offsets.len() - 1);
        let chunks = (offsets.len() - 1).div_ceil(chunk);
        self.losses.resize(chunks.max(self.losses.len()), 0.0);
        self.fit_parts(stack, longest, chunk, self.evaluating(offsets, threads))
    }

    /// Threads for an evaluation of the sequences with these `offsets`.
    fn evaluating(&self, offsets: &[usize], threads: &Threads) -> usize {
        let sequences = offsets.len() - 1;
        let work = offsets[sequences].saturating_mul(self.gradient.len());
        sequences.div_ceil(chunk(sequences)).min(threads.most()).min(work / share::LEAST_WORK).max(1)
    }

    /// The losses of all sequences without dropout.
    pub fn evaluate(
        &mut self,
        threads: &mut Threads,
        (stack, flat, level): (&Stack, &[T], Level),
        data: Sequences<'_, T>,
        order: &mut [usize],
        config: &TrainConfig,
    ) -> Totals {
        self.derived.refresh(stack, flat, None, (threads, 1));
        let (chunk, sequences) = (chunk(order.len()), order.len());
        let chunks = sequences.div_ceil(chunk);
        let count = self.evaluating(data.offsets, threads);
        let (derived, parts) = (&self.derived, &self.parts);
        let job = (stack, flat, derived, level);
        let rest = Mutex::new((&mut *order, &mut self.losses[..chunks]));
        threads.run(count, &|part| {
            let mut part = locked(&parts[part]);
            while let Some((members, loss)) = take_chunk(&mut locked(&rest), chunk) {
                sort_by_length(members, data.offsets);
                let longest = length(data.offsets, members[0]);
                let len = config.truncate.unwrap_or(longest).max(1);
                for start in (0..longest).step_by(len) {
                    let window = Window { members, start, len, fresh: start == 0 };
                    let count = part.buffers.select(window, data.offsets, (0, 1));
                    let buffers = (&mut part.buffers, count, None);
                    *loss += learn(job, data, config, buffers, (0.0, None, None));
                }
            }
        });
        let mut totals = Totals::default();
        for loss in &self.losses[..chunks] {
            totals.loss += loss;
        }
        totals.weight =
            weight(stack, data, config, Window { members: order, start: 0, len: usize::MAX, fresh: true });
        totals
    }
}

/// The next sequences of an evaluation, and where the sum of their losses goes, which is 0 yet.
fn take_chunk<'a>(
    (members, losses): &mut (&'a mut [usize], &'a mut [f64]),
    chunk: usize,
) -> Option<(&'a mut [usize], &'a mut f64)> {
    let loss = losses.split_off_first_mut()?;
    *loss = 0.0;
    let len = chunk.min(members.len());
    Some((members.split_off_mut(..len)?, loss))
}

/// Sequences that an evaluation takes at a time, a matter of their number alone: their losses are added up first.
fn chunk(sequences: usize) -> usize {
    (sequences / 8).clamp(32, CHUNK).min(sequences.max(1))
}
