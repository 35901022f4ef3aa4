//! The training loops that run inside one level: [`SgdOne`], [`SgdMany`] and [`BatchGradient`].

use crate::Float;
use crate::abreast;
use crate::cell::Layout;
use crate::cell::elman::Elman;
use crate::cell::one::{self, Sequence};
use crate::dim::{Dim, Dyn};
use crate::gradient::{Gradient, Target};
use crate::group::{Group, common_length, sort_by_length};
use crate::kernel::activation::Activation;
use crate::kernel::dispatch::{Bound, Job, Place};
use crate::kernel::level::{Isa, Kernel};
use crate::kernel::sweep::{may_be_uneven, uneven};
use crate::kernel::vector::Vector;
use crate::loss::Reduction;
use crate::optim::sgd;
use crate::readout::SquaredError;
use crate::rng::Rng;
use crate::threads::{Threads, inner, locked, share};
use crate::workspace::{Parts, Scratch, Single, Workspace};
use std::sync::Mutex;

/// Epochs of plain SGD over the sequences `order`. As a job it is a [`SgdOne`] or a [`SgdMany`].
///
/// Returns the sum of squared errors of the last one.
pub struct Sgd<'a, T> {
    pub flat: &'a mut [T],
    pub workspace: &'a mut Workspace<T>,
    pub threads: &'a mut Threads,
    pub features: &'a [T],
    pub labels: &'a [T],
    pub offsets: &'a [usize],
    /// The order of the sequences; within a batch it may change.
    pub order: &'a mut [usize],
    /// How many, and what each puts them in another order with.
    pub epochs: (usize, Option<&'a mut Rng>),
    /// Where a batch's gradient is summed. Without it (`batch_size` 1) it goes straight into the weights.
    pub gradient: Option<&'a mut [T]>,
    pub batch_size: usize,
    pub learning_rate: T,
    pub reduction: Reduction,
}

/// A loss was not finite.
#[derive(Debug, Clone, Copy)]
pub struct Diverged {
    /// Which of the job's epochs, from 0.
    pub epoch: usize,
    /// Which batch, from 1.
    pub batch: usize,
}

/// An update after each sequence.
pub struct SgdOne<'a, T>(pub Sgd<'a, T>);

/// An update after each batch.
pub struct SgdMany<'a, T>(pub Sgd<'a, T>);

impl<T: Float> Job for SgdOne<'_, T> {
    type Element = T;
    type Output = Result<f64, Diverged>;

    #[inline(always)]
    fn run<S: Isa, I: Dim, H: Dim, O: Dim>(
        self,
        activation: Activation,
        layout: Layout<I, H, O>,
    ) -> Result<f64, Diverged> {
        if const { may_be_uneven::<T, S, H>() } && uneven::<T, S>(layout.hidden.size()) {
            return S::Uneven::call(Bound { activation, layout, job: self });
        }
        if const { !Elman::<T, S, I, H, O>::MAY_FIT_REGISTERS }
            || !Elman::<T, S, I, H, O>::fits_registers(layout)
        {
            // Limited by arithmetic: a size that is known gains nothing.
            return S::call(Bound { activation, layout: layout.erased(), job: SgdMany(self.0) });
        }
        let Sgd { flat, workspace, features, labels, offsets, order, learning_rate, reduction, .. } = self.0;
        let (epochs, mut rng) = self.0.epochs;
        let mut error = 0.0;
        for epoch in 0..epochs {
            if let Some(rng) = &mut rng {
                rng.shuffle(order);
            }
            let pass = Pass { activation, layout, features, labels, offsets, length: None };
            let settings = (learning_rate, reduction);
            match S::call(OneByOne { pass, flat, workspace, order, settings }) {
                Ok(sum) => error = sum,
                Err(batch) => return Err(Diverged { epoch, batch }),
            }
        }
        Ok(error)
    }

    fn run_compiled(self, place: Place) -> Result<f64, Diverged> {
        T::sgd_one(self, place)
    }
}

/// One epoch with an update after each sequence, in a function of its own: in one with other loops the compiler finds fewer
/// registers for it.
struct OneByOne<'a, T, I, H, O> {
    pass: Pass<'a, T, I, H, O>,
    flat: &'a mut [T],
    workspace: &'a mut Workspace<T>,
    order: &'a [usize],
    settings: (T, Reduction),
}

impl<T: Float, I: Dim, H: Dim, O: Dim> Kernel for OneByOne<'_, T, I, H, O> {
    type Element = T;
    /// The sum of squared errors, or the number (from 1) of the sequence whose loss was not finite.
    type Output = Result<f64, usize>;

    #[inline(always)]
    fn run<S: Isa>(self) -> Result<f64, usize> {
        let Self { pass, flat, workspace, order, settings } = self;
        let cell = Elman::<T, S, I, H, O>::new(pass.activation, pass.layout);
        workspace.refresh::<S, _, _, _>(pass.layout, flat);
        pass.sgd_one_by_one(&cell, flat, &mut workspace.single(), order, settings)
    }
}

impl<T: Float> Job for SgdMany<'_, T> {
    type Element = T;
    type Output = Result<f64, Diverged>;

    #[inline(always)]
    fn run<S: Isa, I: Dim, H: Dim, O: Dim>(
        self,
        activation: Activation,
        layout: Layout<I, H, O>,
    ) -> Result<f64, Diverged> {
        let Sgd { flat, mut gradient, workspace, threads, features, labels, offsets, order, .. } = self.0;
        let length = common_length(order, offsets);
        let pass = Pass { activation, layout, features, labels, offsets, length };
        let (rate, reduction) = (self.0.learning_rate, self.0.reduction);
        let (epochs, mut rng) = self.0.epochs;
        let mut error = 0.0;
        for epoch in 0..epochs {
            if let Some(rng) = &mut rng {
                rng.shuffle(order);
            }
            match pass.sgd_by_batches::<S>(
                flat,
                gradient.as_deref_mut(),
                (workspace, threads),
                (order, self.0.batch_size),
                (rate, reduction),
            ) {
                Ok(sum) => error = sum,
                Err(batch) => return Err(Diverged { epoch, batch }),
            }
        }
        Ok(error)
    }

    fn run_compiled(self, place: Place) -> Result<f64, Diverged> {
        T::sgd_many(self, place)
    }
}

/// The gradient of one batch: the sequences `members`. Returns the sum of squared errors.
pub struct BatchGradient<'a, T> {
    pub flat: &'a [T],
    pub gradient: &'a mut [T],
    pub workspace: &'a mut Workspace<T>,
    pub threads: &'a mut Threads,
    pub features: &'a [T],
    pub labels: &'a [T],
    pub offsets: &'a [usize],
    /// The order of the sequences; it may change.
    pub members: &'a mut [usize],
    pub reduction: Reduction,
}

impl<T: Float> Job for BatchGradient<'_, T> {
    type Element = T;
    type Output = f64;

    #[inline(always)]
    fn run<S: Isa, I: Dim, H: Dim, O: Dim>(self, activation: Activation, layout: Layout<I, H, O>) -> f64 {
        let Self { flat, gradient, workspace, threads, features, labels, offsets, members, reduction } = self;
        let pass = Pass { activation, layout, features, labels, offsets, length: None };
        let scale = pass.scale(members, reduction);
        sort_by_length(members, offsets);
        pass.batch_acc::<S>(Target::Buffer { flat, gradient }, (workspace, threads), (members, &[]), scale)
    }

    fn run_compiled(self, place: Place) -> f64 {
        T::batch_gradient(self, place)
    }
}

/// Forward and backward over the sequences of a dataset.
struct Pass<'a, T, I, H, O> {
    activation: Activation,
    layout: Layout<I, H, O>,
    /// (rows, I)
    features: &'a [T],
    /// (rows, O)
    labels: &'a [T],
    offsets: &'a [usize],
    /// Of all sequences, where that is known and the same.
    length: Option<usize>,
}

impl<T: Float, I: Dim, H: Dim, O: Dim> Pass<'_, T, I, H, O> {
    /// The factor of an error in the gradient of the batch's loss.
    #[inline(always)]
    fn scale(&self, batch: &[usize], reduction: Reduction) -> T {
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

    /// One epoch with an update after each sequence; or else the number, from 1, of the one whose loss was not finite.
    #[inline(always)]
    fn sgd_one_by_one<S: Isa>(
        &self,
        cell: &Elman<T, S, I, H, O>,
        flat: &mut [T],
        scratch: &mut Single<'_, T>,
        order: &[usize],
        (learning_rate, reduction): (T, Reduction),
    ) -> Result<f64, usize> {
        let mut epoch_error = 0.0;
        for number in 0..order.len() {
            let scale = self.scale(&order[number..=number], reduction);
            // The backward pass is linear in d_output: scaled by −learning_rate, it yields the update itself, which goes
            // straight into the weights.
            let error = self.update_one(cell, flat, scratch, order[number], -learning_rate * scale);
            if !error.is_finite() {
                return Err(number + 1);
            }
            epoch_error += error;
        }
        Ok(epoch_error)
    }

    /// Forward, backward and update for one sequence; no update where the squared error, which is returned, is not finite.
    #[inline(always)]
    fn update_one<S: Isa>(
        &self,
        cell: &Elman<T, S, I, H, O>,
        flat: &mut [T],
        scratch: &mut Single<'_, T>,
        s: usize,
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
        cell.forward_one(&weights, scratch.bias, x, hidden, &mut loss);
        let error = loss.total;
        if !error.is_finite() {
            return error;
        }
        let sequence = Sequence { x, hidden, d_output };
        let (bias, weight_hh_t) = (&mut *scratch.bias, &mut *scratch.weight_hh_t);
        let target = &mut layout.split_mut(flat);
        cell.backward_and_update(sequence, delta, one::Place { target, bias, weight_hh_t });
        error
    }

    /// One epoch with an update after each batch of `batch_size` sequences; or else the number of a batch, as above.
    ///
    /// Without a buffer for the gradient, `batch_size` is 1, and the update goes straight into the weights.
    #[inline(always)]
    fn sgd_by_batches<S: Isa>(
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
    fn batch_acc<S: Isa>(
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
