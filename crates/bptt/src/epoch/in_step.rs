//! Batches of small networks on several threads that keep step.
//!
//! What a second thread costs a batch of few microseconds is above all the way from one core's cache to the other's and back, of
//! weights, gradients and locks. So each thread has the weights for itself and makes every update, and only gradients go over, once
//! a batch, to buffers that alternate. A batch is a phase ([`crate::threads::phases`]): the update of the batch before, then the
//! gradients of the parts of this one that are the thread's.
//!
//! The parts and the order of their sum are those of one thread, and so are the bits.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::pass::{Pass, add_acc};
use crate::buffer::Buffer;
use crate::cell::Layout;
use crate::dim::Dim;
use crate::gradient::Target;
use crate::group::sort_by_length;
use crate::kernel::level::{Isa, Kernel};
use crate::loss::Reduction;
use crate::optim::sgd;
use crate::threads::phases::run_phases;
use crate::threads::words::Words;
use crate::threads::{Line, Threads, locked};
use crate::workspace::{Derived, Room};
use crate::{Float, Result};

/// What the threads have for themselves, and between them.
#[derive(Debug, Default)]
pub struct InStep<T> {
    members: Vec<Line<Mutex<Member<T>>>>,
    /// A gradient for each part of a batch, of even batches and of odd ones.
    handed: [Vec<Line<Handed<T>>>; 2],
}

/// What one thread has for itself.
#[derive(Debug)]
struct Member<T> {
    flat: Buffer<T>,
    /// Of one part, and then of the batch.
    gradient: Buffer<T>,
    /// Of another thread's part.
    other: Buffer<T>,
    derived: Derived<T>,
    /// The squared errors of all batches so far.
    error: f64,
    /// The batch, from 1, whose error was not finite.
    failed: Option<usize>,
}

/// What a part of a batch comes to.
#[derive(Debug, Default)]
struct Handed<T> {
    gradient: Words<T>,
    /// The squared errors' bits.
    error: AtomicU64,
}

impl<T: Float> Member<T> {
    fn new<I: Dim, H: Dim, O: Dim>(layout: Layout<I, H, O>, elements: usize) -> Result<Self> {
        let zeros = || Buffer::zeroed(elements);
        let (flat, gradient, other) = (zeros()?, zeros()?, zeros()?);
        Ok(Self { flat, gradient, other, derived: Derived::new(layout)?, error: 0.0, failed: None })
    }
}

impl<T: Float> InStep<T> {
    /// Makes room for `count` threads and the gradients of `parts` parts of `elements` elements; allocates only where that is more
    /// than ever before.
    pub fn fit<I: Dim, H: Dim, O: Dim>(
        &mut self,
        layout: Layout<I, H, O>,
        elements: usize,
        (count, parts): (usize, usize),
    ) -> Result<()> {
        while self.members.len() < count {
            self.members.push(Line(Mutex::new(Member::new(layout, elements)?)));
        }
        for handed in &mut self.handed {
            while handed.len() < parts {
                handed.push(Line(Handed { gradient: Words::new(elements)?, error: AtomicU64::new(0) }));
            }
        }
        Ok(())
    }
}

/// Batches, and who works on them.
pub(super) struct Team<'a, T, I, H, O> {
    pub pass: &'a Pass<'a, T, I, H, O>,
    pub in_step: &'a mut InStep<T>,
    /// One for each thread.
    pub rooms: &'a [Mutex<Room<T>>],
    /// Sequences that a part has at most, and elements that there are for sequences abreast.
    pub share: (usize, usize),
    pub count: usize,
    pub learning_rate: T,
    pub reduction: Reduction,
}

impl<T: Float, I: Dim, H: Dim, O: Dim> Team<'_, T, I, H, O> {
    /// [`Pass::sgd_by_batches`].
    #[inline(always)]
    pub fn run<S: Isa>(
        self,
        flat: &mut [T],
        threads: &mut Threads,
        (order, batch_size): (&mut [usize], usize),
    ) -> Result<f64, usize> {
        let (pass, batches) = (self.pass, order.len().div_ceil(batch_size));
        if pass.length.is_none() {
            order.chunks_mut(batch_size).for_each(|batch| sort_by_length(batch, pass.offsets));
        }
        let (team, order, begin) = (&self, &*order, &*flat);
        run_phases(&mut Some(threads), batches, self.count, &|batch, number| {
            S::call(Turn { team, order, batch_size, begin, batch, number });
        });
        S::call(Turn { team, order, batch_size, begin, batch: batches, number: 0 });
        let member = locked(&self.in_step.members[0].0);
        flat.copy_from_slice(&member.flat);
        member.failed.map_or(Ok(member.error), Err)
    }
}

/// What a thread does in a phase.
struct Turn<'a, T, I, H, O> {
    team: &'a Team<'a, T, I, H, O>,
    order: &'a [usize],
    batch_size: usize,
    /// The weights before the first batch.
    begin: &'a [T],
    /// From 0; the one after the last is only the last one's update.
    batch: usize,
    number: usize,
}

impl<T: Float, I: Dim, H: Dim, O: Dim> Kernel for Turn<'_, T, I, H, O> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let member = &mut *locked(&self.team.in_step.members[self.number].0);
        if self.batch == 0 {
            member.flat.copy_from_slice(self.begin);
            (member.error, member.failed) = (0.0, None);
        } else if member.failed.is_none() {
            self.update::<S>(member);
        }
        if member.failed.is_none() && self.batch * self.batch_size < self.order.len() {
            self.gradients::<S>(member);
        }
    }
}

impl<T: Float, I: Dim, H: Dim, O: Dim> Turn<'_, T, I, H, O> {
    /// The sequences of a batch, longest first, and those that come later.
    #[inline(always)]
    fn batch(&self, batch: usize) -> (&[usize], &[usize]) {
        let rest = &self.order[batch * self.batch_size..];
        rest.split_at(self.batch_size.min(rest.len()))
    }

    /// The update of the batch before.
    #[inline(always)]
    fn update<S: Isa>(&self, member: &mut Member<T>) {
        let Team { pass, in_step, share, learning_rate, .. } = self.team;
        let count = pass.cut::<S>(self.batch(self.batch - 1).0, *share).parts;
        let Member { flat, gradient, other, .. } = member;
        let mut error = 0.0;
        for (part, Line(handed)) in in_step.handed[(self.batch - 1) % 2][..count].iter().enumerate() {
            error += f64::from_bits(handed.error.load(Ordering::Relaxed));
            if part == 0 {
                handed.gradient.read(0, gradient);
            } else {
                handed.gradient.read(0, other);
                add_acc::<T, S>(other, gradient);
            }
        }
        if error.is_finite() {
            member.error += error;
            sgd::<T, S>(flat, gradient, *learning_rate);
        } else {
            member.failed = Some(self.batch);
        }
    }

    /// The gradients of this thread's parts.
    #[inline(always)]
    fn gradients<S: Isa>(&self, member: &mut Member<T>) {
        let Team { pass, in_step, rooms, share, count: threads, reduction, .. } = self.team;
        let (sorted, next) = self.batch(self.batch);
        let cut = pass.cut::<S>(sorted, *share);
        let scale = pass.scale(sorted, *reduction);
        let Member { flat, gradient, derived, .. } = member;
        derived.refresh::<S, _, _, _>(pass.layout, flat, cut.is_abreast);
        let room = &mut *locked(&rooms[self.number]);
        let (mut scratch, _, members) = room.scratch(derived);
        for part in (self.number..cut.parts).step_by(*threads) {
            members.clear();
            for row in sorted.chunks(cut.unit).skip(part).step_by(cut.parts) {
                members.extend_from_slice(row);
            }
            // Those that the same part of the next batch begins with.
            let next = next.get(part * cut.unit..).unwrap_or_default();
            gradient.fill(T::ZERO);
            let target = Target::Buffer { flat, gradient };
            let error = pass.part_acc::<S>(target, &mut scratch, (members, next, cut.is_abreast), scale);
            let Line(handed) = &in_step.handed[self.batch % 2][part];
            handed.gradient.put(0, gradient);
            handed.error.store(error.to_bits(), Ordering::Relaxed);
        }
    }
}
