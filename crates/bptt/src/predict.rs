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
use crate::workspace::{Scratch, Workspace};
use crate::{Error, Float, Level, Result};

/// Sequences that are sorted by length together.
const CHUNK: usize = 256;

/// Predicts with a [`Model`]; reuse it, and nothing is allocated once the longest sequence has been seen.
#[derive(Debug)]
pub struct Predictor<'m, I, H, O, T> {
    model: &'m Model<I, H, O, T>,
    workspace: Workspace<T>,
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
        Ok(Self { model, workspace: Workspace::new(model.layout, 0, CHUNK)?, members: vec![0; CHUNK], level })
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
        let rows = check_offsets(offsets)?;
        let (i, o) = (self.model.input_size(), self.model.output_size());
        for (what, size, found) in [("features", i, features.len()), ("outputs", o, outputs.len())] {
            let expected = rows.saturating_mul(size);
            if expected != found {
                return Err(Error::Length { what: what.into(), expected, found });
            }
        }
        let Self { model, workspace, members, level } = self;
        workspace.fit(model.layout, longest(offsets), CHUNK)?;
        let job = Predict { flat: model.params.flat(), workspace, features, offsets, members, outputs };
        launch(*level, model.activation, model.layout, job);
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
