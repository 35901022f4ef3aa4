//! [`Predictor`]: outputs for sequences, with buffers allocated once.

use crate::cell::{Layout, elman};
use crate::dataset::{check_offsets, longest};
use crate::dim::Dim;
use crate::kernel::activation::Activation;
use crate::kernel::dispatch::{Job, Place, launch};
use crate::kernel::level::Isa;
use crate::model::Model;
use crate::readout;
use crate::workspace::Workspace;
use crate::{Error, Float, Level, Result};

/// Predicts with a [`Model`]; reuse it, and nothing is allocated once the longest sequence has been seen.
#[derive(Debug)]
pub struct Predictor<'m, I, H, O, T> {
    model: &'m Model<I, H, O, T>,
    workspace: Workspace<T>,
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
        let mut workspace = Workspace::new(model.layout, 0)?;
        workspace.refresh(model.layout, model.params.flat());
        Ok(Self { model, workspace, level })
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
        let Self { model, workspace, level } = self;
        if longest(offsets) > workspace.longest() {
            workspace.fit(model.layout, longest(offsets))?;
            workspace.refresh(model.layout, model.params.flat());
        }
        let job = Predict { flat: model.params.flat(), workspace, features, offsets, outputs };
        launch(*level, model.activation, model.layout, job);
        Ok(())
    }
}

/// The forward pass over sequences, one after the other.
pub struct Predict<'a, T> {
    flat: &'a [T],
    workspace: &'a mut Workspace<T>,
    features: &'a [T],
    offsets: &'a [usize],
    outputs: &'a mut [T],
}

impl<T: Float> Job for Predict<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa, I: Dim, H: Dim, O: Dim>(self, activation: Activation, layout: Layout<I, H, O>) {
        let (i, o, stride) = (layout.input.size(), layout.output.size(), layout.stride::<T>());
        let weights = layout.split(self.flat);
        let Workspace { hidden, bias, .. } = self.workspace;
        for pair in self.offsets.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let x = &self.features[from * i..to * i];
            let hidden = &mut hidden[..(to - from + 1) * stride];
            elman::forward_sequence::<T, S, _, _, _>(activation, layout, &weights, bias, x, hidden);
            let outputs = &mut self.outputs[from * o..to * o];
            readout::forward::<T, S, _, _, _>(layout, &weights, &hidden[stride..], outputs);
        }
    }

    fn run_compiled(self, place: Place) {
        T::predict(self, place);
    }
}
