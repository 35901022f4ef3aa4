//! A saved model for rows that come one by one: the network and its scaling, shared, and one small state per sequence.

use bptt::file::AnyModel;

use bptt::{DynRnn, Error, Float, Loss, State, Stepper, StreamState, Workers};

use crate::data::{Scaling, scale_into};
use crate::failure::Failure;
use crate::model::Saved;

/// A model that takes single rows.
pub struct LiveModel {
    network: Network,
    scaling: Scaling,
    loss: Loss,
}

enum Network {
    F32(Stepper<f32>),
    F64(Stepper<f64>),
}

/// Where a sequence stands.
pub enum LiveState {
    F32(StreamState<f32>),
    F64(StreamState<f64>),
}

/// Why a row has no prediction. The state is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Input `column`, scaled, is beyond the range of the network's numbers.
    Beyond { column: usize, dtype: &'static str },
    /// The prediction is not finite.
    NotFinite,
    /// There is no memory left.
    OutOfMemory,
}

/// What a step needs besides state and network, kept from one step to the next.
pub struct Scratch {
    f32: Room<f32>,
    f64: Room<f64>,
    workers: Workers,
}

impl Default for Scratch {
    /// For steps on the thread that asks.
    fn default() -> Self {
        Self::new(1)
    }
}

impl Scratch {
    /// For large steps on up to `threads` threads; 0: the process's share of the cores.
    pub fn new(threads: usize) -> Self {
        Self { f32: Room::default(), f64: Room::default(), workers: Workers::new(threads) }
    }
}

struct Room<T> {
    features: Vec<T>,
    outputs: Vec<T>,
    before: State<T>,
}

impl<T> Default for Room<T> {
    fn default() -> Self {
        Self { features: Vec::new(), outputs: Vec::new(), before: State { h: Vec::new(), c: Vec::new() } }
    }
}

impl LiveModel {
    /// Prepares `saved`; `name` is its file's.
    pub fn new(saved: &Saved, name: &str) -> Result<Self, Failure> {
        fn prepare<T: Float>(model: &DynRnn<T>, name: &str) -> Result<Stepper<T>, Failure> {
            Stepper::new(model).map_err(|error| match error {
                Error::Setting { .. } => Failure::input(format!(
                    "{name}: expected a network in one direction, found a bidirectional one, whose predictions need \
                     the rows that are yet to come"
                )),
                error => Failure::input(format!("{name}: {error}")),
            })
        }
        let network = match &saved.file.model {
            AnyModel::F32(model) => Network::F32(prepare(model, name)?),
            AnyModel::F64(model) => Network::F64(prepare(model, name)?),
        };
        Ok(Self { network, scaling: saved.scaling.clone(), loss: saved.loss })
    }

    /// The state of a new sequence.
    pub fn state(&self) -> Result<LiveState, Refusal> {
        match &self.network {
            Network::F32(stepper) => stepper.state().map(LiveState::F32),
            Network::F64(stepper) => stepper.state().map(LiveState::F64),
        }
        .map_err(|_| Refusal::OutOfMemory)
    }

    /// The prediction for the next row of a sequence, with the bits that the whole sequence's would have: on the labels'
    /// original scale, or the classes' probabilities.
    pub fn step(
        &self,
        state: &mut LiveState,
        inputs: &[f64],
        scratch: &mut Scratch,
    ) -> Result<Vec<f64>, Refusal> {
        match (&self.network, state) {
            (Network::F32(stepper), LiveState::F32(state)) => {
                self.typed_step(stepper, state, inputs, (&mut scratch.f32, &mut scratch.workers))
            }
            (Network::F64(stepper), LiveState::F64(state)) => {
                self.typed_step(stepper, state, inputs, (&mut scratch.f64, &mut scratch.workers))
            }
            // No model makes states of the other type.
            _ => Err(Refusal::NotFinite),
        }
    }

    fn typed_step<T: Float>(
        &self,
        stepper: &Stepper<T>,
        state: &mut StreamState<T>,
        inputs: &[f64],
        (room, workers): (&mut Room<T>, &mut Workers),
    ) -> Result<Vec<f64>, Refusal> {
        scale_into(&self.scaling.inputs, inputs, &mut room.features)
            .map_err(|column| Refusal::Beyond { column, dtype: T::DTYPE })?;
        if state.save_into(&mut room.before).is_err() {
            room.before = state.save().map_err(|_| Refusal::OutOfMemory)?;
        }
        room.outputs.resize(stepper.output_size(), T::ZERO);
        // The lengths are the model's own.
        stepper
            .step_with(workers, state, &room.features, &mut room.outputs)
            .map_err(|_| Refusal::NotFinite)?;
        self.loss.probabilities(&mut room.outputs, stepper.output_size());
        let predictions = self.scaling.predictions(&room.outputs);
        if predictions.iter().any(|value| !value.is_finite()) {
            state.restore(&room.before).map_err(|_| Refusal::NotFinite)?;
            return Err(Refusal::NotFinite);
        }
        Ok(predictions)
    }
}

impl Refusal {
    /// What was expected and found, where `columns` are the inputs' names; and the column, if it is one.
    pub fn explain(self, columns: &[String]) -> (Option<&str>, String) {
        match self {
            Self::Beyond { column, dtype } => (
                columns.get(column).map(String::as_str),
                format!("expected a number that {dtype} can hold after scaling, found one beyond its range"),
            ),
            Self::NotFinite => (
                None,
                "expected inputs in a range that the model can compute with, found ones whose prediction is not finite"
                    .into(),
            ),
            Self::OutOfMemory => (None, "expected memory for one more sequence, found none".into()),
        }
    }
}
