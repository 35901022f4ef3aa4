//! [`Learner`]: batches, windows of truncated backpropagation, and what leads from gradients to updates.

mod evaluation;
mod sums;
mod window;

use super::buffers::Buffers;
use super::derived::Derived;
use super::dropout::Dropout;
use super::layout::Stack;
use super::split::Split;
use super::state::State;
use crate::buffer::Buffer;
use crate::clip::{clip_norm, clip_value};
use crate::config::TrainConfig;
use crate::dataset::longest;
use crate::group::sort_by_length;
use crate::optim::OptimizerState;
use crate::threads::tempo::Tempo;
use crate::threads::{Threads, inner, locked, share};
use crate::{Float, Level, Result};
use std::sync::Mutex;
use std::time::Instant;
use sums::{add_up, clear};
use window::{Window, learn, length, weight};

/// The data of an epoch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sequences<'a, T> {
    pub features: &'a [T],
    pub labels: &'a [T],
    /// One per row, or none.
    pub weights: &'a [T],
    pub offsets: &'a [usize],
}

/// Sums over an epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Totals {
    /// Of the weighted losses.
    pub loss: f64,
    /// Of the weights.
    pub weight: f64,
    /// Updates made.
    pub updates: usize,
    /// Batches, or windows of them, that were passed through.
    pub passes: usize,
}

/// What training needs beside the parameters, whatever the architecture, loss and optimizer.
#[derive(Debug)]
pub struct Learner<T> {
    derived: Derived<T>,
    parts: Vec<Mutex<Part<T>>>,
    /// Sequences that a part has at most.
    share: usize,
    /// Blocks of units in which threads may work on the layers of the only part together; 1 where they may not. Where that is not
    /// always quicker, `tempo` knows whether it is.
    team: usize,
    tempo: Option<Tempo>,
    /// Of a batch, or of as many as an update takes.
    pub(crate) gradient: Buffer<T>,
    /// The losses of an evaluation's chunks.
    losses: Vec<f64>,
    pub(crate) optimizer: OptimizerState<T>,
    /// Passes over a batch so far; dropout draws anew for each.
    pub(crate) passes: u64,
    /// Passes whose gradients wait for the next update.
    pub(crate) pending: usize,
}

/// Whether a batch's gradient goes straight into the weights: one part, plain SGD, and nothing to be done with all of it.
fn goes_straight<T: Float>(stack: &Stack, config: &TrainConfig) -> bool {
    let unclipped = config.clip_norm.is_none() && config.clip_value.is_none();
    let whole = config.batch_size == 1 && config.accumulate == 1 && unclipped;
    whole && config.optimizer.is_plain_sgd() && stack.is_wide::<T>()
}

/// Every so-manyth sequence of a batch: what one thread works on.
#[derive(Debug)]
struct Part<T> {
    buffers: Buffers<T>,
    /// Its gradient; the first part adds to the batch's.
    gradient: Buffer<T>,
    loss: f64,
}

impl<T: Float> Learner<T> {
    /// For parameters of `len` elements.
    pub fn new(stack: &Stack, config: &TrainConfig, len: usize) -> Result<Self> {
        Ok(Self {
            derived: Derived::new(stack)?,
            parts: Vec::new(),
            share: 1,
            team: 1,
            tempo: None,
            losses: Vec::new(),
            gradient: Buffer::zeroed(len)?,
            optimizer: OptimizerState::new(config.optimizer, len)?,
            passes: 0,
            pending: 0,
        })
    }

    /// Makes room for batches of `batch` of the sequences with these `offsets`.
    pub fn fit(
        &mut self,
        stack: &Stack,
        config: &TrainConfig,
        offsets: &[usize],
        batch: usize,
        threads: &Threads,
    ) -> Result<()> {
        let whole = config.truncate.unwrap_or(usize::MAX);
        let timesteps = offsets[offsets.len() - 1].div_ceil(offsets.len() - 1).min(whole);
        let work = timesteps.saturating_mul(3 * self.gradient.len());
        // Weights that no cache holds are read once a step for the whole batch, each thread its units' share of them.
        let together = stack.is_huge::<T>();
        self.share =
            if together { batch } else { share::sequences(batch, timesteps, work, share::LEAST_WORK) }.max(1);
        let count = batch.div_ceil(self.share);
        self.fit_parts(stack, longest(offsets).min(whole), self.share, count)?;
        let blocks = Split::<T>::blocks(stack, threads.most());
        self.team = if count == 1 && stack.is_wide::<T>() { blocks } else { 1 };
        if Split::<T>::is_unsure(stack) {
            self.tempo.get_or_insert_default();
        }
        if self.team > 1 {
            let Buffers { split, batch, rows, .. } = &mut inner(&mut self.parts[0]).buffers;
            split.fit_training(stack, *batch, *rows, blocks)?;
        }
        for part in self.parts.iter_mut().take(count).skip(1) {
            let gradient = &mut inner(part).gradient;
            if gradient.is_empty() {
                *gradient = Buffer::zeroed(self.gradient.len())?;
            }
        }
        Ok(())
    }

    fn fit_parts(&mut self, stack: &Stack, longest: usize, batch: usize, count: usize) -> Result<()> {
        for part in self.parts.iter_mut().take(count) {
            inner(part).buffers.fit(stack, longest, batch)?;
        }
        while self.parts.len() < count {
            let (buffers, gradient) = (Buffers::new(stack, longest, batch, true)?, Buffer::default());
            self.parts.push(Mutex::new(Part { buffers, gradient, loss: 0.0 }));
        }
        Ok(())
    }

    /// Batches of an epoch, over the sequences `order`, which may change within a batch. Fails with the number (from 1) of
    /// the pass whose loss was not finite; it makes no update.
    pub fn batches(
        &mut self,
        threads: &mut Threads,
        (stack, flat, level): (&Stack, &mut [T], Level),
        data: Sequences<'_, T>,
        order: &mut [usize],
        (config, learning_rate): (&TrainConfig, f64),
        totals: &mut Totals,
    ) -> Result<(), usize> {
        // Of batches that an interruption separated from their update.
        if self.pending > 0 {
            self.refresh(stack, flat, level, threads);
        }
        let straight = goes_straight::<T>(stack, config);
        for batch in order.chunks_mut(config.batch_size) {
            sort_by_length(batch, data.offsets);
            let longest = length(data.offsets, batch[0]);
            let len = config.truncate.unwrap_or(longest).max(1);
            for start in (0..longest).step_by(len) {
                totals.passes += 1;
                let window = Window { members: batch, start, len, fresh: start == 0 };
                let weight = weight(stack, data, config, window);
                let timed = self.tempo.as_ref().filter(|_| self.team > 1).map(|_| Instant::now());
                let learns = weight > 0.0;
                let scale = config.reduction.factor(weight) / config.accumulate as f64;
                let loss = if straight {
                    let scale = learns.then_some(-learning_rate * scale);
                    self.learn_straight(threads, (stack, flat, level), data, config, (window, scale))
                } else {
                    if self.pending == 0 {
                        clear(threads, &mut self.gradient);
                        self.refresh(stack, flat, level, threads);
                    }
                    let mut gradient = std::mem::take(&mut self.gradient);
                    let window = (window, learns.then_some(scale));
                    let loss = self.learn(threads, (stack, flat, level), data, config, window, &mut gradient);
                    self.gradient = gradient;
                    loss
                };
                if !loss.is_finite() {
                    self.pending = 0;
                    return Err(totals.passes);
                }
                (totals.loss, totals.weight) = (totals.loss + loss, totals.weight + weight);
                // A window without labels teaches nothing.
                if straight {
                    totals.updates += usize::from(learns);
                    self.optimizer.steps += u64::from(learns);
                } else {
                    self.pending += usize::from(learns);
                }
                if self.pending == config.accumulate {
                    self.rest(threads, (flat, level), (config, learning_rate), totals);
                }
                if let (Some(started), Some(tempo)) = (timed, &mut self.tempo) {
                    tempo.took(started.elapsed(), window.timesteps(data.offsets));
                }
            }
        }
        Ok(())
    }

    /// In how many blocks of units the layers are worked on now.
    fn blocks(&self) -> usize {
        if self.tempo.as_ref().is_none_or(Tempo::choose) { self.team } else { 1 }
    }

    /// Makes what is derived from the weights anew.
    fn refresh(&mut self, stack: &Stack, flat: &[T], level: Level, threads: &mut Threads) {
        let blocks = self.blocks();
        self.derived.refresh(stack, flat, Some(level), (threads, blocks));
    }

    /// The update that gradients wait for, if any do.
    pub fn rest(
        &mut self,
        threads: &mut Threads,
        (flat, level): (&mut [T], Level),
        (config, learning_rate): (&TrainConfig, f64),
        totals: &mut Totals,
    ) {
        if self.pending > 0 {
            self.update(threads, (flat, level), config, learning_rate);
            (totals.updates, self.pending) = (totals.updates + 1, 0);
        }
    }

    /// The gradient of one batch, the sequences `members`, longest first, from the states that there are, and its sums.
    pub fn batch_gradient(
        &mut self,
        threads: &mut Threads,
        (stack, flat, level): (&Stack, &[T], Level),
        data: Sequences<'_, T>,
        members: &[usize],
        config: &TrainConfig,
    ) -> (Totals, &[T]) {
        let window = Window { members, start: 0, len: usize::MAX, fresh: false };
        let weight = weight(stack, data, config, window);
        clear(threads, &mut self.gradient);
        self.refresh(stack, flat, level, threads);
        let scale = config.reduction.factor(weight);
        let mut gradient = std::mem::take(&mut self.gradient);
        let window = (window, Some(scale));
        let loss = self.learn(threads, (stack, flat, level), data, config, window, &mut gradient);
        self.gradient = gradient;
        (Totals { loss, weight, ..Totals::default() }, &self.gradient)
    }

    /// The states of the batch `members`, longest first, from `state` into the buffers, or with `back` the other way.
    pub fn exchange(&mut self, state: &mut State<T>, stack: &Stack, members: &[usize], back: bool) {
        let parts = members.len().div_ceil(self.share);
        for (number, part) in self.parts.iter_mut().enumerate().take(parts) {
            let members = members.iter().copied().skip(number).step_by(parts);
            state.exchange(stack, members, &mut inner(part).buffers, back);
        }
    }

    /// [`Learner::learn`] with the gradient straight into the weights: clearing, summing up and reading a gradient of their size
    /// would be most of the bytes that an update moves. The way back reads the weights from their panels, but for the readout's,
    /// of which the gradient's buffer, not needed otherwise, keeps a copy.
    fn learn_straight(
        &mut self,
        threads: &mut Threads,
        (stack, flat, level): (&Stack, &mut [T], Level),
        data: Sequences<'_, T>,
        config: &TrainConfig,
        window: (Window<'_>, Option<f64>),
    ) -> f64 {
        self.refresh(stack, flat, level, threads);
        let mut copy = std::mem::take(&mut self.gradient);
        let (weight, bias) = stack.readout::<T>();
        for range in [weight, bias] {
            copy[range.clone()].copy_from_slice(&flat[range]);
        }
        let loss = self.learn(threads, (stack, &copy, level), data, config, window, flat);
        self.gradient = copy;
        loss
    }

    /// Adds the gradient of a window to `gradient`, where there is a `scale`; returns the sum of its losses.
    fn learn(
        &mut self,
        threads: &mut Threads,
        (stack, flat, level): (&Stack, &[T], Level),
        data: Sequences<'_, T>,
        config: &TrainConfig,
        (window, scale): (Window<'_>, Option<f64>),
        gradient: &mut [T],
    ) -> f64 {
        let share = stack.architecture.dropout;
        let dropout = Dropout { share, seed: config.dropout_seed, pass: self.passes };
        let dropout = (share > 0.0).then_some(dropout);
        self.passes += 1;
        let count = window.members.len().div_ceil(self.share);
        let job = (stack, flat, &self.derived, level);
        let (first, parts) = (Mutex::new(&mut *gradient), &self.parts);
        let work = |number: usize, threads: Option<&mut Threads>| {
            let mut part = locked(&parts[number]);
            let Part { buffers, gradient: own, loss } = &mut *part;
            let selected = buffers.select(window, data.offsets, (number, count));
            let mut first = (number == 0).then(|| locked(&first));
            let gradient = match &mut first {
                Some(first) => &mut ***first,
                None => {
                    own.fill(T::ZERO);
                    own
                }
            };
            let gradient = scale.map(|_| gradient);
            let scale = scale.unwrap_or(0.0);
            *loss = learn(job, data, config, (buffers, selected, threads), (scale, dropout, gradient));
        };
        if self.team > 1 {
            work(0, (self.blocks() > 1).then_some(threads));
        } else {
            threads.run(count, &|number| work(number, None));
        }
        let mut total = 0.0;
        for part in &mut self.parts[..count] {
            total += inner(part).loss;
        }
        if scale.is_some() && total.is_finite() {
            add_up(threads, gradient, &mut self.parts[1.min(count)..count]);
        }
        total
    }

    /// Clips, and steps.
    fn update(
        &mut self,
        threads: &mut Threads,
        (flat, level): (&mut [T], Level),
        config: &TrainConfig,
        learning_rate: f64,
    ) {
        if let Some(limit) = config.clip_value {
            clip_value(&mut self.gradient, limit);
        }
        if let Some(most) = config.clip_norm {
            clip_norm(&mut self.gradient, most);
        }
        self.optimizer.step(threads, level, (config.optimizer, learning_rate), flat, &self.gradient);
    }
}
