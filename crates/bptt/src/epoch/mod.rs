//! The training loops that run inside one level: [`SgdOne`], [`SgdMany`] and [`BatchGradient`].

mod in_step;
mod one;
mod pass;

pub use in_step::InStep;

use crate::Float;
use crate::cell::Layout;
use crate::cell::elman::Elman;
use crate::dim::Dim;
use crate::gradient::Target;
use crate::group::{common_length, sort_by_length};
use crate::kernel::activation::Activation;
use crate::kernel::dispatch::{Bound, Job, Place};
use crate::kernel::level::{Isa, Kernel};
use crate::kernel::sweep::{may_be_uneven, uneven};
use crate::loss::Reduction;
use crate::rng::Rng;
use crate::threads::Threads;
use crate::workspace::Workspace;
use in_step::Team;
use pass::Pass;

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

/// One epoch with an update after each sequence, as a kernel of its own: in one body with other loops the compiler finds fewer
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
        workspace.refresh::<S, _, _, _>(pass.layout, flat, false);
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
            let (sequences, started) = (order.len(), workspace.started());
            let batches = (&mut *order, self.0.batch_size);
            let run = if workspace.goes_in_step() {
                let share = workspace.share();
                let (in_step, rooms, count) = workspace.team();
                let pass = &pass;
                Team { pass, in_step, rooms, share, count, learning_rate: rate, reduction }
                    .run::<S>(flat, threads, batches)
            } else {
                let gradient = gradient.as_deref_mut();
                pass.sgd_by_batches::<S>(flat, gradient, workspace, batches, (rate, reduction))
            };
            workspace.ended(started, sequences);
            match run {
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
        let room = (workspace, Some(threads));
        pass.batch_acc::<S>(Target::Buffer { flat, gradient }, room, (members, &[]), scale)
    }

    fn run_compiled(self, place: Place) -> f64 {
        T::batch_gradient(self, place)
    }
}
