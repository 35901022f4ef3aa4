//! An epoch with an update after each sequence, whose rows of hidden units lie in a few registers.

use super::pass::Pass;
use crate::Float;
use crate::cell::Weights;
use crate::cell::elman::Elman;
use crate::cell::one::{First, Place, Sequence, Source};
use crate::dim::Dim;
use crate::kernel::level::Isa;
use crate::loss::Reduction;
use crate::readout::SquaredError;
use crate::workspace::Single;

impl<T: Float, I: Dim, H: Dim, O: Dim> Pass<'_, T, I, H, O> {
    /// One epoch with an update after each sequence; or else the number, from 1, of the one whose loss was not finite.
    #[inline(always)]
    pub fn sgd_one_by_one<S: Isa>(
        &self,
        cell: &Elman<T, S, I, H, O>,
        flat: &mut [T],
        scratch: &mut Single<'_, T>,
        order: &[usize],
        (learning_rate, reduction): (T, Reduction),
    ) -> Result<f64, usize> {
        let (mut epoch_error, mut failed) = (0.0, None);
        cell.gather_blocks(&self.layout.split(flat), scratch.blocks);
        let mut first = None;
        for number in 0..order.len() {
            let scale = self.scale(&order[number..=number], reduction);
            // The backward pass is linear in d_output: scaled by −learning_rate, it yields the update itself, which goes
            // straight into the weights.
            let sequence = (order[number], order.get(number + 1));
            let error = self.update_one(cell, flat, scratch, sequence, &mut first, -learning_rate * scale);
            epoch_error += error;
            if !error.is_finite() {
                failed = Some(number + 1);
                break;
            }
        }
        cell.scatter_blocks(scratch.blocks, &mut self.layout.split_mut(flat));
        failed.map_or(Ok(epoch_error), Err)
    }

    /// The features of the first timestep of sequence `s`.
    #[inline(always)]
    fn first_row(&self, s: usize) -> &[T] {
        let i = self.layout.input.size();
        &self.features[self.offsets[s] * i..][..i]
    }

    /// Forward, backward and update for one sequence; no update where the squared error, which is returned, is not finite.
    #[inline(always)]
    fn update_one<S: Isa>(
        &self,
        cell: &Elman<T, S, I, H, O>,
        flat: &mut [T],
        scratch: &mut Single<'_, T>,
        (s, next): (usize, Option<&usize>),
        first: &mut First<T, S>,
        scale: T,
    ) -> f64 {
        let layout = &self.layout;
        let (i, o, stride) = (layout.input.size(), layout.output.size(), layout.stride::<T>());
        let (from, to) = (self.offsets[s], self.offsets[s + 1]);
        let (x, labels) = (&self.features[from * i..to * i], &self.labels[from * o..to * o]);
        let hidden = &mut scratch.hidden[..(to - from) * stride];
        let delta = &mut scratch.delta[..(to - from) * stride];
        let d_output = &mut scratch.d_output[..labels.len()];
        let weights = layout.split(flat);
        let mut loss =
            SquaredError { weights: &weights, sizes: (stride, o), labels, scale, d_output, total: 0.0 };
        let Weights { weight_ih, weight_hh, .. } = weights;
        let source = Source { weight_ih, bias: scratch.bias, blocks: Some(scratch.blocks) };
        cell.forward_one(source, weight_hh, (*first, x), hidden, &mut loss);
        let error = loss.total;
        if !error.is_finite() {
            return error;
        }
        let sequence = Sequence { x, hidden, d_output };
        let Single { bias, weight_hh_t, blocks, .. } = scratch;
        let target = &mut layout.split_mut(flat);
        let next = if cell.in_blocks()
            && let Some(&s) = next
        {
            Some(self.first_row(s))
        } else {
            None
        };
        *first = cell.backward_and_update(sequence, delta, Place { target, bias, weight_hh_t, blocks }, next);
        error
    }
}
