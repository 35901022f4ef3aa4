//! [`Pass`]: forward and backward over sequences and batches, and their updates.

use crate::Float;
use crate::abreast;
use crate::cell::Layout;
use crate::dim::{Dim, Dyn};
use crate::gradient::{Gradient, Target};
use crate::group::{Group, sort_by_length};
use crate::kernel::activation::Activation;
use crate::kernel::level::Isa;
use crate::kernel::sweep::may_be_uneven;
use crate::kernel::vector::Vector;
use crate::loss::Reduction;
use crate::optim::sgd;
use crate::threads::{Threads, inner, locked, share};
use crate::workspace::{Parts, Scratch, Workspace};
use std::sync::Mutex;

/// Forward and backward over the sequences of a dataset.
pub(super) struct Pass<'a, T, I, H, O> {
    pub activation: Activation,
    pub layout: Layout<I, H, O>,
    /// (rows, I)
    pub features: &'a [T],
    /// (rows, O)
    pub labels: &'a [T],
    pub offsets: &'a [usize],
    /// Of all sequences, where that is known and the same.
    pub length: Option<usize>,
}

impl<T: Float, I: Dim, H: Dim, O: Dim> Pass<'_, T, I, H, O> {
    /// The factor of an error in the gradient of the batch's loss.
    #[inline(always)]
    pub fn scale(&self, batch: &[usize], reduction: Reduction) -> T {
        let mut steps = 0;
        match self.length {
            Some(length) => steps = batch.len() * length,
            None => {
                for &s in batch {
                    steps += self.offsets[s + 1] - self.offsets[s];
                }
            }
        }
        T::from_f64(2.0 * reduction.weight(steps * self.layout.output.size()))
    }

    /// One epoch with an update after each batch of `batch_size` sequences; or else the number of a batch, from 1.
    ///
    /// Without a buffer for the gradient, `batch_size` is 1, and the update goes straight into the weights.
    #[inline(always)]
    pub fn sgd_by_batches<S: Isa>(
        &self,
        flat: &mut [T],
        mut gradient: Option<&mut [T]>,
        (workspace, threads): (&mut Workspace<T>, &mut Threads),
        (order, batch_size): (&mut [usize], usize),
        (learning_rate, reduction): (T, Reduction),
    ) -> Result<f64, usize> {
        let mut epoch_error = 0.0;
        let (mut rest, mut number) = (order, 0);
        while !rest.is_empty() {
            let batch;
            (batch, rest) = rest.split_at_mut(batch_size.min(rest.len()));
            number += 1;
            if self.length.is_none() {
                sort_by_length(batch, self.offsets);
            }
            let mut scale = self.scale(batch, reduction);
            let target = match &mut gradient {
                Some(gradient) => {
                    gradient.fill(T::ZERO);
                    Target::Buffer { flat, gradient }
                }
                None => {
                    scale = -learning_rate * scale;
                    Target::Weights { flat }
                }
            };
            let error = self.batch_acc::<S>(target, (workspace, threads), (batch, rest), scale);
            if !error.is_finite() {
                return Err(number);
            }
            if let Some(gradient) = &gradient {
                sgd::<T, S>(flat, gradient, learning_rate);
            }
            epoch_error += error;
        }
        Ok(epoch_error)
    }

    /// Adds the gradient of a batch, sorted by length, to `target`; returns the sum of squared errors. The sequences `next`
    /// come after it.
    ///
    /// Where it is not finite, the gradient is unusable.
    #[inline(always)]
    pub fn batch_acc<S: Isa>(
        &self,
        target: Target<'_, T>,
        (workspace, threads): (&mut Workspace<T>, &mut Threads),
        (sorted, next): (&[usize], &[usize]),
        scale: T,
    ) -> f64 {
        let (layout, offsets) = (self.layout, self.offsets);
        let longest = offsets[sorted[0] + 1] - offsets[sorted[0]];
        let abreast = matches!(target, Target::Buffer { .. })
            && abreast::fits::<T, S, I, H, O>(layout, longest, sorted.len(), workspace.abreast());
        if abreast {
            workspace.sum_biases::<S, _, _, _>(layout, target.flat());
        } else {
            workspace.refresh::<S, _, _, _>(layout, target.flat());
        }
        // A part is whole rows of lanes, if sequences are abreast.
        let unit = if abreast { T::Vector::<S>::LANES } else { 1 };
        let count = workspace.count(sorted.len(), unit);
        let Parts { weight_hh_t, bias, rooms, dealt } = workspace.parts();
        let derived = (weight_hh_t, bias);
        let (flat, gradient) = match target {
            Target::Buffer { flat, gradient } if count > 1 => (flat, gradient),
            target => {
                let (mut scratch, ..) = inner(&mut rooms[0]).scratch(derived);
                return self.part_acc::<S>(target, &mut scratch, (sorted, next, abreast), scale);
            }
        };
        let ends = share::deal(sorted, count, unit, dealt);
        let (first, shared, dealt) = (Mutex::new(&mut *gradient), &*rooms, &*dealt);
        threads.run(count, &|part| {
            let mut room = locked(&shared[part]);
            let members = &dealt[if part == 0 { 0 } else { ends[part - 1] }..ends[part]];
            let next = if part + 1 < count { &dealt[ends[part]..] } else { next };
            let (mut scratch, own, _) = room.scratch(derived);
            let mut first = (part == 0).then(|| locked(&first));
            let gradient = match &mut first {
                Some(first) => &mut **first,
                None => {
                    own.fill(T::ZERO);
                    own
                }
            };
            let target = Target::Buffer { flat, gradient };
            room.error = self.part_acc::<S>(target, &mut scratch, (members, next, abreast), scale);
        });
        let mut error = inner(&mut rooms[0]).error;
        for room in &mut rooms[1..count] {
            let room = inner(room);
            error += room.error;
            add_acc::<T, S>(&room.gradient, gradient);
        }
        error
    }

    /// Adds the gradient of one part of a batch, or of all of it.
    #[inline(always)]
    fn part_acc<S: Isa>(
        &self,
        mut target: Target<'_, T>,
        scratch: &mut Scratch<'_, T>,
        (mut members, next, abreast): (&[usize], &[usize], bool),
        scale: T,
    ) -> f64 {
        let Self { activation, layout, features, labels, offsets, .. } = *self;
        if const { abreast::few_units::<T>(H::KNOWN) }
            && abreast
            && let Target::Buffer { flat, gradient } = &mut target
        {
            let steps = offsets[members[0] + 1] - offsets[members[0]];
            let (sequences, room) = (members.len(), scratch.abreast.len());
            let job = abreast::Gradient {
                activation,
                layout,
                flat,
                features,
                labels,
                offsets,
                members,
                next,
                scale,
                scratch,
                gradient,
            };
            if const { may_be_uneven::<T, S, Dyn>() }
                && abreast::fits_uneven::<T, S, I, H, O>(layout, steps, sequences, room)
            {
                return S::Uneven::call(job);
            }
            return S::call(job);
        }
        let mut error = 0.0;
        while let Some(group) = Group::take(&mut members, offsets, scratch.rows) {
            // A group is limited by arithmetic: sizes that are known would gain little, and have to be compiled.
            let (layout, target) = (layout.erased(), target.reborrow());
            error +=
                S::call(Gradient { activation, layout, features, labels, group, scale, scratch, target });
        }
        error
    }
}

/// `sum += values`.
#[inline(always)]
fn add_acc<T: Float, S: Isa>(values: &[T], sum: &mut [T]) {
    // The flat buffer is whole cache lines.
    for at in (0..sum.len()).step_by(T::Vector::<S>::LANES) {
        T::Vector::<S>::load(sum, at).add(T::Vector::<S>::load(values, at)).store(sum, at);
    }
}
