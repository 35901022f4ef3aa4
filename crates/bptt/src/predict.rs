//! [`Predictor`]: outputs for sequences, with buffers allocated once.

use crate::abreast;
use crate::cell::Layout;
use crate::cell::elman::Elman;
use crate::cell::one::{Nothing, Source};
use crate::dataset::{check_offsets, longest};
use crate::dim::Dim;
use crate::gradient::Forward;
use crate::group::{Group, sort_by_length};
use crate::kernel::activation::Activation;
use crate::kernel::dispatch::{Job, Place, launch};
use crate::kernel::level::{Isa, Kernel};
use crate::kernel::tile::Matrix;
use crate::model::Model;
use crate::readout;
use crate::stack::job::Run;
use crate::stack::state::State;
use crate::stack::{Buffers, Derived, Split};
use crate::threads::{Threads, inner, locked, share};
use crate::workspace::{Parts, Scratch, Workspace};
use crate::{Error, Float, Level, Result};
use std::sync::Mutex;

/// Sequences that are sorted by length together, and the least for which a thread is worth it.
const CHUNK: usize = 256;
const LEAST_CHUNK: usize = 32;
/// Fewer are shared out in multiples of this: whole vectors of sequences.
const WHOLE_CHUNK: usize = 16;

/// Predicts with a [`Model`]; reuse it, and nothing is allocated where as many sequences, as long as these, were there
/// before.
#[derive(Debug)]
pub struct Predictor<'m, I, H, O, T> {
    model: &'m Model<I, H, O, T>,
    workspace: Workspace<T>,
    /// For any architecture; made when it is first needed.
    stack: Option<Box<Slots<T>>>,
    threads: Threads,
    level: Level,
}

/// What a network of any architecture needs.
#[derive(Debug)]
struct Slots<T> {
    derived: Derived<T>,
    /// One for each thread: buffers, and the sequences that it works on.
    slots: Vec<Mutex<(Buffers<T>, Vec<usize>)>>,
}

impl<'m, I: Dim, H: Dim, O: Dim, T: Float> Predictor<'m, I, H, O, T> {
    /// A predictor at the machine's best [`Level`].
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new(model: &'m Model<I, H, O, T>) -> Result<Self> {
        Self::with_level(model, Level::best())
    }

    /// A predictor at a chosen level.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn with_level(model: &'m Model<I, H, O, T>, level: Level) -> Result<Self> {
        let workspace = Workspace::new(model.layout)?;
        Ok(Self { model, workspace, stack: None, threads: Threads::new(0), level })
    }

    /// The same with `threads` threads at most; 0, as without this: as many as this process has a share of, which is the
    /// least of the processors that it may run on, the cores behind them, the quota of its control group and
    /// `OMP_NUM_THREADS`. Few or short sequences stay on one, but those of a large network have all threads work on each
    /// timestep. The number changes no bit of the outputs.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Threads::new(threads);
        self
    }

    /// Threads that there have been so far, the caller's among them.
    pub fn threads_used(&self) -> usize {
        self.threads.used()
    }

    /// The same for a single prediction of `rows` timesteps, for which threads have to be worth making.
    pub(crate) fn for_one_call(model: &'m Model<I, H, O, T>, rows: usize) -> Result<Self> {
        let work = rows.saturating_mul(model.params.flat().len());
        Ok(Self { threads: Threads::for_one_call(0, work), ..Self::new(model)? })
    }

    /// How many sequences to take at a time, and on how many threads.
    fn cut(&self, offsets: &[usize]) -> (usize, usize) {
        let sequences = offsets.len() - 1;
        let work = offsets[sequences].saturating_mul(self.model.params.flat().len());
        let threads = self.threads.most().min(work / share::LEAST_WORK).max(1);
        let chunk = if threads == 1 {
            CHUNK
        } else if sequences >= LEAST_CHUNK * threads {
            // Several for each thread, so that one that is kept from work does not hold up the others.
            sequences.div_ceil(4 * threads).clamp(LEAST_CHUNK, CHUNK)
        } else if self.model.stack().is_wide::<T>() {
            // Too few to be shared out: threads share the units.
            CHUNK
        } else {
            sequences.div_ceil(threads).next_multiple_of(WHOLE_CHUNK)
        };
        let chunk = chunk.min(sequences.max(1));
        (chunk, threads.min(sequences.div_ceil(chunk)).max(1))
    }

    /// Writes the outputs `(T, O)` for one sequence of `features (T, I)`, from `h_0 = 0`.
    ///
    /// # Errors
    /// [`Error::Length`] where the features are not whole timesteps or `outputs` has another length.
    pub fn predict_into(&mut self, features: &[T], outputs: &mut [T]) -> Result<()> {
        let steps = features.len() / self.model.input_size();
        let offsets = if steps == 0 { &[0][..] } else { &[0, steps] };
        self.predict_sequences_into(features, offsets, outputs)
    }

    /// Writes the outputs `(rows, O)` for many sequences; see [`Model::predict_sequences`].
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Setting`] for offsets that do not rise from 0, [`Error::OutOfMemory`].
    pub fn predict_sequences_into(
        &mut self,
        features: &[T],
        offsets: &[usize],
        outputs: &mut [T],
    ) -> Result<()> {
        self.check(features, offsets, outputs)?;
        let Some(activation) = self.model.plain() else {
            return self.run_stack(features, offsets, outputs, None);
        };
        let cut = self.cut(offsets);
        let Self { model, workspace, threads, level, .. } = self;
        workspace.fit_rooms(model.layout, longest(offsets), (CHUNK, cut.1))?;
        workspace.fit_members(CHUNK);
        let flat = model.params.flat();
        let job = Predict { flat, workspace, threads, cut, features, offsets, outputs };
        launch(*level, activation, model.layout, job);
        Ok(())
    }

    /// Writes the outputs `(rows, O)` for many sequences, each from its `initial` state (zeros without one), and returns
    /// their final states: what comes later in a sequence can go on from there.
    ///
    /// ```
    /// use bptt::{Architecture, DynRnn, Predictor};
    /// let model = DynRnn::<f32>::with_architecture(1, 4, 1, Architecture::lstm(), 1)?;
    /// let mut predictor = Predictor::new(&model)?;
    /// let (mut whole, mut parts) = ([0.0; 3], [0.0; 3]);
    /// predictor.predict_into(&[0.1, 0.2, 0.3], &mut whole)?;
    /// let state = predictor.predict_from(None, &[0.1, 0.2], &[0, 2], &mut parts[..2])?;
    /// predictor.predict_from(Some(&state), &[0.3], &[0, 1], &mut parts[2..])?;
    /// assert_eq!(whole, parts);
    /// # Ok::<(), bptt::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Predictor::predict_sequences_into`], and [`Error::Length`] for a state of other sizes.
    pub fn predict_from(
        &mut self,
        initial: Option<&State<T>>,
        features: &[T],
        offsets: &[usize],
        outputs: &mut [T],
    ) -> Result<State<T>> {
        self.check(features, offsets, outputs)?;
        let (stack, sequences) = (self.model.stack(), offsets.len() - 1);
        let mut state = match initial {
            Some(state) => {
                state.check(&stack, sequences)?;
                state.clone()
            }
            None => State::zeros(&stack, sequences)?,
        };
        self.run_stack(features, offsets, outputs, Some(&mut state))?;
        Ok(state)
    }

    /// Refuses buffers that do not fit each other.
    fn check(&self, features: &[T], offsets: &[usize], outputs: &[T]) -> Result<()> {
        let rows = check_offsets(offsets)?;
        let (i, o) = (self.model.input_size(), self.model.output_size());
        for (what, size, found) in [("features", i, features.len()), ("outputs", o, outputs.len())] {
            let expected = rows.saturating_mul(size);
            if expected != found {
                return Err(Error::Length { what: what.into(), expected, found });
            }
        }
        Ok(())
    }

    /// The way for any architecture.
    fn run_stack(
        &mut self,
        features: &[T],
        offsets: &[usize],
        outputs: &mut [T],
        state: Option<&mut State<T>>,
    ) -> Result<()> {
        let (stack, flat) = (self.model.stack(), self.model.params.flat());
        let (chunk, count) = self.cut(offsets);
        let Self { stack: all, threads, level, .. } = self;
        let Slots { derived, slots } = &mut **match all {
            Some(all) => all,
            none => none.insert(Box::new(Slots { derived: Derived::new(&stack)?, slots: Vec::new() })),
        };
        let longest = longest(offsets);
        for slot in slots.iter_mut().take(count) {
            inner(slot).0.fit(&stack, longest, chunk)?;
        }
        while slots.len() < count {
            let buffers = Buffers::new(&stack, longest, chunk, false)?;
            slots.push(Mutex::new((buffers, Vec::with_capacity(CHUNK))));
        }
        // Sequences for one thread only: the others share in its layers, where those are wide.
        let blocks = if count == 1 { Split::<T>::blocks(&stack, threads.most()) } else { 1 };
        if blocks > 1 && stack.is_wide::<T>() {
            inner(&mut slots[0]).0.split.fit(&stack, chunk, longest, blocks)?;
        }
        derived.refresh_once(&stack, flat, threads);
        let (derived, slots, level) = (&*derived, &*slots, *level);
        let rest = Mutex::new(Rest::new(offsets, outputs, chunk, stack.output));
        let state = Mutex::new(state);
        let work = |slot: usize, mut threads: Option<&mut Threads>| {
            let mut slot = locked(&slots[slot]);
            let (buffers, members) = &mut *slot;
            while let Some((first_row, outputs)) = take(&rest, members) {
                sort_by_length(members, offsets);
                for (m, &member) in members.iter().enumerate() {
                    buffers.starts[m] = offsets[member];
                    buffers.lengths[m] = offsets[member + 1] - offsets[member];
                }
                buffers.hidden.fill(T::ZERO);
                buffers.memory.fill(T::ZERO);
                if let Some(state) = &mut *locked(&state) {
                    state.exchange(&stack, members.iter().copied(), buffers, false);
                }
                let (batch, threads) = (members.len(), threads.as_deref_mut());
                let run = Run { stack, flat, derived, features, buffers, batch, outputs, first_row, threads };
                T::run(run, level);
                if let Some(state) = &mut *locked(&state) {
                    state.exchange(&stack, members.iter().copied(), buffers, true);
                }
            }
        };
        if blocks > 1 && stack.is_wide::<T>() {
            work(0, Some(threads));
        } else {
            threads.run(count, &|slot| work(slot, None));
        }
        Ok(())
    }
}

/// What is left of a prediction.
struct Rest<'a, T> {
    offsets: &'a [usize],
    /// The next sequence.
    next: usize,
    /// The outputs from that on.
    outputs: &'a mut [T],
    chunk: usize,
    output_size: usize,
}

impl<'a, T> Rest<'a, T> {
    fn new(offsets: &'a [usize], outputs: &'a mut [T], chunk: usize, output_size: usize) -> Self {
        Self { offsets, next: 0, outputs, chunk, output_size }
    }
}

/// Takes the next sequences, whose numbers come into `members`: their first row, and where their outputs go.
fn take<'a, T>(rest: &Mutex<Rest<'a, T>>, members: &mut Vec<usize>) -> Option<(usize, &'a mut [T])> {
    let mut rest = locked(rest);
    let (first, end) = (rest.next, (rest.next + rest.chunk).min(rest.offsets.len() - 1));
    let rows = rest.offsets[first]..rest.offsets[end];
    let outputs = rest.output_size * rows.len();
    rest.next = end;
    members.clear();
    members.extend(first..end);
    let outputs = rest.outputs.split_off_mut(..outputs)?;
    (first < end).then_some((rows.start, outputs))
}

/// The forward pass over all sequences.
pub struct Predict<'a, T> {
    flat: &'a [T],
    workspace: &'a mut Workspace<T>,
    threads: &'a mut Threads,
    /// Sequences at a time, and threads.
    cut: (usize, usize),
    features: &'a [T],
    offsets: &'a [usize],
    outputs: &'a mut [T],
}

impl<T: Float> Job for Predict<'_, T> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa, I: Dim, H: Dim, O: Dim>(self, activation: Activation, layout: Layout<I, H, O>) {
        let Self { flat, workspace, threads, cut: (chunk, count), features, offsets, outputs } = self;
        workspace.refresh::<S, _, _, _>(layout, flat, true);
        let Parts { derived, rooms, .. } = workspace.parts();
        let rooms = &*rooms;
        let rest = Mutex::new(Rest::new(offsets, outputs, chunk, layout.output.size()));
        threads.run(count, &|room| {
            let mut room = locked(&rooms[room]);
            let (mut scratch, _, members) = room.scratch(derived);
            while let Some((first_row, outputs)) = take(&rest, members) {
                sort_by_length(members, offsets);
                S::call(Chunk {
                    activation,
                    layout,
                    flat,
                    features,
                    offsets,
                    members,
                    scratch: &mut scratch,
                    outputs,
                    first_row,
                });
            }
        });
    }

    fn run_compiled(self, place: Place) {
        T::predict(self, place);
    }
}

/// The outputs of the sequences `members`, sorted by length.
struct Chunk<'a, 's, T, I, H, O> {
    activation: Activation,
    layout: Layout<I, H, O>,
    flat: &'a [T],
    features: &'a [T],
    offsets: &'a [usize],
    members: &'a [usize],
    scratch: &'a mut Scratch<'s, T>,
    /// (rows, O), from the row `first_row` on
    outputs: &'a mut [T],
    first_row: usize,
}

impl<T: Float, I: Dim, H: Dim, O: Dim> Kernel for Chunk<'_, '_, T, I, H, O> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { activation, layout, flat, features, offsets, members, scratch, outputs, first_row } = self;
        let longest = offsets[members[0] + 1] - offsets[members[0]];
        if const { abreast::few_units::<T>(H::KNOWN) }
            && abreast::fits::<T, S, I, H, O>(layout, longest, members.len(), scratch.abreast.len())
        {
            return S::call(abreast::Predict {
                activation,
                layout,
                flat,
                features,
                offsets,
                members,
                scratch,
                outputs,
                first_row,
            });
        }
        let cell = Elman::<T, S, _, _, _>::new(activation, layout);
        let mut rest = members;
        while let Some(group) = Group::take(&mut rest, offsets, scratch.rows) {
            let outputs = (&mut *outputs, first_row);
            predict_group(&cell, activation, layout, flat, (features, group), scratch, outputs);
        }
    }
}

/// The outputs of one group.
#[inline(always)]
fn predict_group<T: Float, S: Isa, I: Dim, H: Dim, O: Dim>(
    cell: &Elman<T, S, I, H, O>,
    activation: Activation,
    layout: Layout<I, H, O>,
    flat: &[T],
    (features, group): (&[T], Group<'_>),
    scratch: &mut Scratch<'_, T>,
    (outputs, first_row): (&mut [T], usize),
) {
    let (i, o, stride) = (layout.input.size(), layout.output.size(), layout.stride::<T>());
    let (weights, width) = (layout.split(flat), group.width());
    let Scratch { hidden, bias, .. } = scratch;
    // A few sequences are limited by latency, a group by arithmetic.
    let singly = width < 4 && Elman::<T, S, I, H, O>::fits_registers(layout);
    if !singly {
        // A group is limited by arithmetic: sizes that are known would gain little, and have to be compiled.
        let layout = layout.erased();
        S::call(Forward { activation, layout, flat, bias, features, group, hidden });
    }
    for m in 0..width {
        let rows = group.rows_of(m);
        let hidden = if singly {
            let hidden = &mut hidden[..rows.len() * stride];
            let x = &features[rows.start * i..rows.end * i];
            let source = Source { weight_ih: weights.weight_ih, bias, blocks: None };
            cell.forward_one(source, weights.weight_hh, (None, x), hidden, &mut Nothing);
            Matrix::new(&*hidden, stride)
        } else {
            Matrix::new(&hidden[m * stride..], width * stride)
        };
        readout::forward::<T, S, _, _, _>(
            layout,
            &weights,
            hidden,
            &mut outputs[(rows.start - first_row) * o..(rows.end - first_row) * o],
        );
    }
}
