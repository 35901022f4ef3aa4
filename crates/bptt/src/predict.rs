//! [`Predictor`]: outputs for sequences, with buffers allocated once.

use crate::abreast;
use crate::cell::Layout;
use crate::cell::elman::Elman;
use crate::dataset::{check_offsets, longest};
use crate::dim::Dim;
use crate::gradient::Forward;
use crate::group::{Group, sort_by_length};
use crate::kernel::activation::Activation;
use crate::kernel::dispatch::{Job, Place, launch};
use crate::kernel::level::Isa;
use crate::kernel::tile::Matrix;
use crate::model::Model;
use crate::readout;
use crate::stack::job::Run;
use crate::stack::state::State;
use crate::stack::{Buffers, Derived};
use crate::workspace::{Scratch, Workspace};
use crate::{Error, Float, Level, Result};

/// Sequences that are sorted by length together.
const CHUNK: usize = 256;

/// Predicts with a [`Model`]; reuse it, and nothing is allocated where as many sequences, as long as these, were there
/// before.
#[derive(Debug)]
pub struct Predictor<'m, I, H, O, T> {
    model: &'m Model<I, H, O, T>,
    workspace: Workspace<T>,
    /// For any architecture; made when it is first needed.
    buffers: Option<Box<(Derived<T>, Buffers<T>)>>,
    members: Vec<usize>,
    level: Level,
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
        let workspace =
            Workspace::new(model.layout, 0, if model.architecture.plain().is_some() { CHUNK } else { 1 })?;
        Ok(Self { model, workspace, buffers: None, members: vec![0; CHUNK], level })
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
        let Some(activation) = self.model.architecture.plain() else {
            return self.run_stack(features, offsets, outputs, None);
        };
        let Self { model, workspace, members, level, .. } = self;
        workspace.fit(model.layout, longest(offsets), CHUNK)?;
        let job = Predict { flat: model.params.flat(), workspace, features, offsets, members, outputs };
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
        mut state: Option<&mut State<T>>,
    ) -> Result<()> {
        let (stack, flat) = (self.model.stack(), self.model.params.flat());
        let most = CHUNK.min((offsets.len() - 1).max(1));
        let (derived, buffers) = match &mut self.buffers {
            Some(both) => {
                both.1.fit(&stack, longest(offsets), most)?;
                &mut **both
            }
            none => {
                none.insert(Box::new((Derived::new(&stack)?, Buffers::new(&stack, longest(offsets), most)?)))
            }
        };
        derived.refresh(&stack, flat, false);
        let mut next = 0;
        while next + 1 < offsets.len() {
            let batch = CHUNK.min(offsets.len() - 1 - next);
            let members = &mut self.members[..batch];
            members.iter_mut().enumerate().for_each(|(m, member)| *member = next + m);
            next += batch;
            sort_by_length(members, offsets);
            for (m, &member) in members.iter().enumerate() {
                buffers.starts[m] = offsets[member];
                buffers.lengths[m] = offsets[member + 1] - offsets[member];
            }
            buffers.hidden.fill(T::ZERO);
            buffers.memory.fill(T::ZERO);
            if let Some(state) = &mut state {
                state.exchange(&stack, members, buffers, false);
            }
            T::run(Run { stack, flat, derived, features, buffers, batch, outputs }, self.level);
            if let Some(state) = &mut state {
                state.exchange(&stack, members, buffers, true);
            }
        }
        Ok(())
    }
}

/// The forward pass over all sequences.
pub struct Predict<'a, T> {
    flat: &'a [T],
    workspace: &'a mut Workspace<T>,
    features: &'a [T],
    offsets: &'a [usize],
    /// Room for the numbers of [`CHUNK`] sequences.
    members: &'a mut [usize],
    outputs: &'a mut [T],
}

impl<T: Float> Job for Predict<'_, T> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa, I: Dim, H: Dim, O: Dim>(self, activation: Activation, layout: Layout<I, H, O>) {
        let Self { flat, workspace, features, offsets, members, outputs } = self;
        let cell = Elman::<T, S, _, _, _>::new(activation, layout);
        let mut scratch = workspace.scratch();
        scratch.sum_biases(layout, flat);
        let mut next = 0;
        while next + 1 < offsets.len() {
            let chunk = members.len().min(offsets.len() - 1 - next);
            for (m, member) in members[..chunk].iter_mut().enumerate() {
                *member = next + m;
            }
            next += chunk;
            sort_by_length(&mut members[..chunk], offsets);
            let mut rest = &members[..chunk];
            let longest = offsets[rest[0] + 1] - offsets[rest[0]];
            if abreast::fits::<T, S, I, H, O>(layout, longest, rest.len(), scratch.abreast) {
                let (members, scratch) = (rest, &mut scratch);
                let outputs = &mut *outputs;
                S::call(abreast::Predict {
                    activation,
                    layout,
                    flat,
                    features,
                    offsets,
                    members,
                    scratch,
                    outputs,
                });
                continue;
            }
            while let Some(group) = Group::take(&mut rest, offsets, scratch.rows) {
                predict_group(&cell, activation, layout, flat, (features, group), &mut scratch, outputs);
            }
        }
    }

    fn run_compiled(self, place: Place) {
        T::predict(self, place);
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
    outputs: &mut [T],
) {
    let (i, o, stride) = (layout.input.size(), layout.output.size(), layout.stride::<T>());
    let (weights, width) = (layout.split(flat), group.width());
    let Scratch { hidden, bias, .. } = scratch;
    // A few sequences are limited by latency, a group by arithmetic.
    let singly = width < 4 && cell.fits_registers();
    if !singly {
        S::call(Forward { activation, layout, flat, bias, features, group, hidden });
    }
    for m in 0..width {
        let rows = group.rows_of(m);
        let hidden = if singly {
            let hidden = &mut hidden[..rows.len() * stride];
            cell.forward_one(&weights, bias, &features[rows.start * i..rows.end * i], hidden);
            Matrix::new(&*hidden, stride)
        } else {
            Matrix::new(&hidden[m * stride..], width * stride)
        };
        readout::forward::<T, S, _, _, _>(
            layout,
            &weights,
            hidden,
            &mut outputs[rows.start * o..rows.end * o],
        );
    }
}
