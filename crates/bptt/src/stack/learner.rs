//! [`Learner`]: batches, windows of truncated backpropagation, and what leads from gradients to updates.

use super::buffers::{Buffers, Derived};
use super::dropout::Dropout;
use super::job::Learn;
use super::layout::Stack;
use crate::buffer::Buffer;
use crate::clip::{clip_norm, clip_value};
use crate::config::TrainConfig;
use crate::group::sort_by_length;
use crate::optim::OptimizerState;
use crate::{Float, Level, Result};

/// Sequences that an evaluation works on at a time.
const CHUNK: usize = 256;

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
    buffers: Buffers<T>,
    pub(crate) gradient: Buffer<T>,
    pub(crate) optimizer: OptimizerState<T>,
    /// Passes over a batch so far; dropout draws anew for each.
    pub(crate) passes: u64,
    /// Passes whose gradients wait for the next update.
    pub(crate) pending: usize,
}

impl<T: Float> Learner<T> {
    /// For parameters of `len` elements.
    pub fn new(stack: &Stack, config: &TrainConfig, len: usize) -> Result<Self> {
        Ok(Self {
            derived: Derived::new(stack)?,
            buffers: Buffers::new(stack, 0, 1)?,
            gradient: Buffer::zeroed(len)?,
            optimizer: OptimizerState::new(config.optimizer, len)?,
            passes: 0,
            pending: 0,
        })
    }

    /// Makes room for batches of `batch` sequences of up to `longest` timesteps.
    pub fn fit(&mut self, stack: &Stack, config: &TrainConfig, longest: usize, batch: usize) -> Result<()> {
        self.buffers.fit(stack, longest.min(config.truncate.unwrap_or(usize::MAX)), batch)
    }

    /// Batches of an epoch, over the sequences `order`, which may change within a batch. Fails with the number (from 1) of
    /// the pass whose loss was not finite; it makes no update.
    pub fn batches(
        &mut self,
        (stack, flat, level): (&Stack, &mut [T], Level),
        data: Sequences<'_, T>,
        order: &mut [usize],
        (config, learning_rate): (&TrainConfig, f64),
        totals: &mut Totals,
    ) -> Result<(), usize> {
        // Of batches that an interruption separated from their update.
        if self.pending > 0 {
            self.derived.refresh(stack, flat, true);
        }
        for batch in order.chunks_mut(config.batch_size) {
            sort_by_length(batch, data.offsets);
            self.reset_states();
            let longest = length(data.offsets, batch[0]);
            let window = config.truncate.unwrap_or(longest).max(1);
            for start in (0..longest).step_by(window) {
                totals.passes += 1;
                let count = self.select(batch, data.offsets, start, window);
                let weight = self.weight(stack, data, config, count);
                if self.pending == 0 {
                    self.gradient.fill(T::ZERO);
                    self.derived.refresh(stack, flat, true);
                }
                let scale = config.reduction.factor(weight) / config.accumulate as f64;
                let learns = weight > 0.0;
                let loss = self.learn((stack, flat, level), data, config, (count, learns.then_some(scale)));
                if !loss.is_finite() {
                    self.pending = 0;
                    return Err(totals.passes);
                }
                (totals.loss, totals.weight) = (totals.loss + loss, totals.weight + weight);
                // A window without labels teaches nothing.
                self.pending += usize::from(learns);
                if self.pending == config.accumulate {
                    self.rest((flat, level), (config, learning_rate), totals);
                }
            }
        }
        Ok(())
    }

    /// The update that gradients wait for, if any do.
    pub fn rest(
        &mut self,
        (flat, level): (&mut [T], Level),
        (config, learning_rate): (&TrainConfig, f64),
        totals: &mut Totals,
    ) {
        if self.pending > 0 {
            self.update(flat, level, config, learning_rate);
            (totals.updates, self.pending) = (totals.updates + 1, 0);
        }
    }

    /// The gradient of one batch, all sequences of `data`, and its sums.
    pub fn batch_gradient(
        &mut self,
        (stack, flat, level): (&Stack, &[T], Level),
        data: Sequences<'_, T>,
        members: &mut [usize],
        config: &TrainConfig,
    ) -> (Totals, &[T]) {
        sort_by_length(members, data.offsets);
        let count = self.select(members, data.offsets, 0, usize::MAX);
        let weight = self.weight(stack, data, config, count);
        self.gradient.fill(T::ZERO);
        self.derived.refresh(stack, flat, true);
        let scale = config.reduction.factor(weight);
        let loss = self.learn((stack, flat, level), data, config, (count, Some(scale)));
        (Totals { loss, weight, ..Totals::default() }, &self.gradient)
    }

    /// The buffers, for states.
    pub fn buffers_mut(&mut self) -> &mut Buffers<T> {
        &mut self.buffers
    }

    /// The losses of all sequences without dropout.
    pub fn evaluate(
        &mut self,
        (stack, flat, level): (&Stack, &[T], Level),
        data: Sequences<'_, T>,
        order: &mut [usize],
        config: &TrainConfig,
    ) -> Totals {
        let mut totals = Totals::default();
        self.derived.refresh(stack, flat, false);
        let chunk = CHUNK.min(self.buffers.batch);
        for members in order.chunks_mut(chunk) {
            sort_by_length(members, data.offsets);
            self.reset_states();
            let longest = length(data.offsets, members[0]);
            let window = config.truncate.unwrap_or(longest).max(1);
            for start in (0..longest).step_by(window) {
                let batch = self.select(members, data.offsets, start, window);
                totals.weight += self.weight(stack, data, config, batch);
                totals.loss += T::learn(
                    Learn {
                        stack: *stack,
                        flat,
                        derived: &self.derived,
                        features: data.features,
                        labels: data.labels,
                        weights: data.weights,
                        objective: config.objective(),
                        scale: 0.0,
                        dropout: None,
                        buffers: &mut self.buffers,
                        batch,
                        gradient: None,
                    },
                    level,
                );
            }
        }
        totals
    }

    /// Adds the gradient of the selected windows, where there is a `scale`; returns the sum of their losses.
    fn learn(
        &mut self,
        (stack, flat, level): (&Stack, &[T], Level),
        data: Sequences<'_, T>,
        config: &TrainConfig,
        (batch, scale): (usize, Option<f64>),
    ) -> f64 {
        let share = stack.architecture.dropout;
        let dropout = Dropout { share, seed: config.dropout_seed, pass: self.passes };
        self.passes += 1;
        let job = Learn {
            stack: *stack,
            flat,
            derived: &self.derived,
            features: data.features,
            labels: data.labels,
            weights: data.weights,
            objective: config.objective(),
            scale: scale.unwrap_or(0.0),
            dropout: (share > 0.0).then_some(dropout),
            buffers: &mut self.buffers,
            batch,
            gradient: scale.map(|_| &mut *self.gradient),
        };
        T::learn(job, level)
    }

    /// Clips, and steps.
    fn update(&mut self, flat: &mut [T], level: Level, config: &TrainConfig, learning_rate: f64) {
        if let Some(limit) = config.clip_value {
            clip_value(&mut self.gradient, limit);
        }
        if let Some(most) = config.clip_norm {
            clip_norm(&mut self.gradient, most);
        }
        self.optimizer.step(level, config.optimizer, learning_rate, flat, &self.gradient);
    }

    /// All states to 0.
    pub fn reset_states(&mut self) {
        self.buffers.hidden.fill(T::ZERO);
        self.buffers.memory.fill(T::ZERO);
    }

    /// Chooses the rows `start..start + window` of the sequences `members`, longest first; returns how many sequences
    /// reach that far.
    fn select(&mut self, members: &[usize], offsets: &[usize], start: usize, window: usize) -> usize {
        let mut count = 0;
        for &member in members {
            let length = length(offsets, member);
            if length <= start {
                break;
            }
            self.buffers.starts[count] = offsets[member] + start;
            self.buffers.lengths[count] = window.min(length - start);
            count += 1;
        }
        count
    }

    /// The sum of the weights of the selected windows.
    fn weight(&self, stack: &Stack, data: Sequences<'_, T>, config: &TrainConfig, count: usize) -> f64 {
        let (o, objective) = (stack.output, config.objective());
        let mut total = 0.0;
        for m in 0..count {
            for row in self.buffers.starts[m]..self.buffers.starts[m] + self.buffers.lengths[m] {
                let weight = data.weights.get(row).map_or(1.0, |weight| weight.to_f64());
                total += weight * objective.row_weight(&data.labels[row * o..(row + 1) * o]);
            }
        }
        total
    }
}

/// Timesteps of a sequence.
fn length(offsets: &[usize], sequence: usize) -> usize {
    offsets[sequence + 1] - offsets[sequence]
}
