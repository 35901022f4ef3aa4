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

/// How a batch is cut.
pub(super) struct Cut {
    /// Whether a sequence goes in each lane.
    pub is_abreast: bool,
    /// Sequences that stay together: whole rows of lanes, if they are abreast.
    pub unit: usize,
    pub parts: usize,
}

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

    /// How the batch `sorted` is cut, where a part has at most so many sequences, and there are so many elements for sequences abreast.
    #[inline(always)]
    pub fn cut<S: Isa>(&self, sorted: &[usize], (share, elements): (usize, usize)) -> Cut {
        let longest = self.offsets[sorted[0] + 1] - self.offsets[sorted[0]];
        let is_abreast = abreast::fits::<T, S, I, H, O>(self.layout, longest, sorted.len(), elements);
        let unit = if is_abreast { T::Vector::<S>::LANES } else { 1 };
        Cut { is_abreast, unit, parts: sorted.len().div_ceil(share.next_multiple_of(unit)) }
    }

    /// One epoch with an update after each batch of `batch_size` sequences; or else the number of a batch, from 1.
    ///
    /// Without a buffer for the gradient, `batch_size` is 1, and the update goes straight into the weights.
    #[inline(always)]
    pub fn sgd_by_batches<S: Isa>(
        &self,
        flat: &mut [T],
        mut gradient: Option<&mut [T]>,
        workspace: &mut Workspace<T>,
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
            let error = self.batch_acc::<S>(target, (workspace, None), (batch, rest), scale);
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

    /// Adds the gradient of a batch, sorted by length, to `target`, on `threads` or, without them, this one; returns the sum of squared errors. The sequences `next`
    /// come after it.
    ///
    /// Where it is not finite, the gradient is unusable.
    #[inline(always)]
    pub fn batch_acc<S: Isa>(
        &self,
        target: Target<'_, T>,
        (workspace, threads): (&mut Workspace<T>, Option<&mut Threads>),
        (sorted, next): (&[usize], &[usize]),
        scale: T,
    ) -> f64 {
        let Cut { mut is_abreast, unit, parts: count } = self.cut::<S>(sorted, workspace.share());
        is_abreast &= matches!(target, Target::Buffer { .. });
        workspace.refresh::<S, _, _, _>(self.layout, target.flat(), is_abreast);
        let Parts { derived, rooms, dealt } = workspace.parts();
        let (flat, gradient) = match target {
            Target::Buffer { flat, gradient } if count > 1 => (flat, gradient),
            target => {
                let (mut scratch, ..) = inner(&mut rooms[0]).scratch(derived);
                return self.part_acc::<S>(target, &mut scratch, (sorted, next, is_abreast), scale);
            }
        };
        let ends = share::deal(sorted, count, unit, dealt);
        let members = |part: usize| &dealt[if part == 0 { 0 } else { ends[part - 1] }..ends[part]];
        let next = |part: usize| if part + 1 < count { &dealt[ends[part]..] } else { next };
        let Some(threads) = threads else {
            // In one room: what is in it stays in the first-level cache.
            let (mut scratch, own, _) = inner(&mut rooms[0]).scratch(derived);
            let mut error = 0.0;
            for part in 0..count {
                let members = (members(part), next(part), is_abreast);
                if part == 0 {
                    let target = Target::Buffer { flat, gradient: &mut *gradient };
                    error += self.part_acc::<S>(target, &mut scratch, members, scale);
                } else {
                    own.fill(T::ZERO);
                    let target = Target::Buffer { flat, gradient: &mut *own };
                    error += self.part_acc::<S>(target, &mut scratch, members, scale);
                    add_acc::<T, S>(own, gradient);
                }
            }
            return error;
        };
        let (first, shared) = (Mutex::new(&mut *gradient), &*rooms);
        threads.run(count, &|part| {
            let mut room = locked(&shared[part]);
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
            let members = (members(part), next(part), is_abreast);
            room.error = self.part_acc::<S>(target, &mut scratch, members, scale);
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
    pub fn part_acc<S: Isa>(
        &self,
        mut target: Target<'_, T>,
        scratch: &mut Scratch<'_, T>,
        (mut members, next, is_abreast): (&[usize], &[usize], bool),
        scale: T,
    ) -> f64 {
        let Self { activation, layout, features, labels, offsets, .. } = *self;
        if const { abreast::few_units::<T>(H::KNOWN) }
            && is_abreast
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
pub(super) fn add_acc<T: Float, S: Isa>(values: &[T], sum: &mut [T]) {
    // The flat buffer is whole cache lines.
    for at in (0..sum.len()).step_by(T::Vector::<S>::LANES) {
        T::Vector::<S>::load(sum, at).add(T::Vector::<S>::load(values, at)).store(sum, at);
    }
}
