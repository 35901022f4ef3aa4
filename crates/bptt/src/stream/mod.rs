//! Live data: one timestep in, one prediction out, with the state held in between.
//!
//! - [`Stepper`]: a network prepared for single steps. It is never written to, so any number of sequences can share it,
//!   from any number of threads, without a lock.
//! - [`StreamState`]: what is different from sequence to sequence: `h`, and with LSTM `c`, of every layer.
//! - [`Stream`]: both together, for a single sequence.
//! - [`Workers`]: threads for the steps of large networks.
//!
//! A step gives the same bits as [`Predictor`](crate::Predictor) over the whole sequence at the same level: [`step`] adds
//! up each element in the order of [`crate::kernel::affine`], `stack::forward` and [`crate::kernel::dot`].

mod pack;
pub(crate) mod plan;
mod reset_before;
mod state;
mod step;
mod workers;

pub use state::StreamState;
pub use workers::Workers;

use std::marker::PhantomData;

use crate::buffer::Buffer;
use crate::dim::{Const, Dim, Dyn};
use crate::model::Model;
use crate::stack::state::State;
use crate::{Error, Float, Level, Result};
use plan::{Functions, Plan, Step};

/// A [`Model`] prepared for single timesteps, to be shared by many sequences.
///
/// It owns a copy of the weights, laid out in the order in which a step reads them; changes of the model do not reach
/// it. A step allocates nothing, locks nothing, and looks at the instruction-set level no more.
///
/// ```
/// use bptt::{Architecture, DynRnn, Stepper};
/// let model = DynRnn::<f32>::with_architecture(2, 8, 1, Architecture::gru(), 1)?;
/// let stepper = Stepper::new(&model)?;
///
/// // Two sequences, whose timesteps come in as they please.
/// let (mut first, mut second) = (stepper.state()?, stepper.state()?);
/// let mut y = [[0.0]; 4];
/// stepper.step(&mut first, &[0.1, 0.2], &mut y[0])?;
/// stepper.step(&mut second, &[0.5, 0.6], &mut y[2])?;
/// stepper.step(&mut second, &[0.7, 0.8], &mut y[3])?;
/// stepper.step(&mut first, &[0.3, 0.4], &mut y[1])?;
///
/// assert_eq!(y[..2].as_flattened(), model.predict(&[0.1, 0.2, 0.3, 0.4])?);
/// assert_eq!(y[2..].as_flattened(), model.predict(&[0.5, 0.6, 0.7, 0.8])?);
/// # Ok::<(), bptt::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Stepper<T = f32> {
    plan: Plan<T>,
    functions: Functions<T>,
}

impl<T: Float> Stepper<T> {
    /// Prepares `model` at the machine's best [`Level`].
    ///
    /// # Errors
    /// [`Error::Setting`] for a bidirectional network, whose outputs depend on what is yet to come;
    /// [`Error::OutOfMemory`].
    pub fn new<I: Dim, H: Dim, O: Dim>(model: &Model<I, H, O, T>) -> Result<Self> {
        Self::with_level(model, Level::best())
    }

    /// Prepares `model` at a chosen level.
    ///
    /// # Errors
    /// As [`Stepper::new`].
    pub fn with_level<I: Dim, H: Dim, O: Dim>(model: &Model<I, H, O, T>, level: Level) -> Result<Self> {
        if model.architecture.bidirectional {
            let expected = "a network in one direction: the other one begins at the end of a sequence";
            return Err(Error::Setting { name: "bidirectional", expected, found: "true".into() });
        }
        let (plan, functions) = T::prepare(model.stack(), model.params.flat(), level)?;
        Ok(Self { plan, functions })
    }

    /// Features per timestep.
    pub fn input_size(&self) -> usize {
        self.plan.stack.input
    }

    /// Outputs per timestep.
    pub fn output_size(&self) -> usize {
        self.plan.stack.output
    }

    /// The state of a new sequence: zeros.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn state(&self) -> Result<StreamState<T>> {
        StreamState::new(&self.plan.stack)
    }

    /// Takes the sequence of `state` one timestep on: from `features (I)` to `outputs (O)`.
    ///
    /// # Errors
    /// [`Error::Length`] where a slice or the state has another size than the network's; the state is then as it was.
    #[inline]
    pub fn step(&self, state: &mut StreamState<T>, features: &[T], outputs: &mut [T]) -> Result<()> {
        self.check(state, features.len(), outputs.len())?;
        self.advance(state, features, outputs);
        Ok(())
    }

    /// [`Stepper::step`] on the threads of `workers`, where the network is so large that they pay: from 2 MB of weights, as an
    /// LSTM of 256 units has in f32. The bits are the same.
    ///
    /// # Errors
    /// As [`Stepper::step`].
    #[inline]
    pub fn step_with(
        &self,
        workers: &mut Workers,
        state: &mut StreamState<T>,
        features: &[T],
        outputs: &mut [T],
    ) -> Result<()> {
        self.check(state, features.len(), outputs.len())?;
        self.advance_with(workers, state, features, outputs);
        Ok(())
    }

    #[inline]
    fn check(&self, state: &StreamState<T>, features: usize, outputs: usize) -> Result<()> {
        let stack = &self.plan.stack;
        let fits =
            features == stack.input && outputs == stack.output && state.fits(stack, self.plan.elements);
        if fits { Ok(()) } else { Err(self.misfit(state, features, outputs)) }
    }

    /// [`Stepper::step`] for sizes that have been checked.
    #[inline]
    fn advance(&self, state: &mut StreamState<T>, features: &[T], outputs: &mut [T]) {
        let (state, odd) = state.turn();
        (self.functions.step)(&mut Step { plan: &self.plan, state, odd, features, outputs });
    }

    /// [`Stepper::step_with`] for sizes that have been checked.
    #[inline]
    fn advance_with(
        &self,
        workers: &mut Workers,
        state: &mut StreamState<T>,
        features: &[T],
        outputs: &mut [T],
    ) {
        let Some((piece, readout)) = self.functions.pieces else {
            return self.advance(state, features, outputs);
        };
        let count = workers.pieces(&self.plan);
        if count == 1 {
            return self.advance(state, features, outputs);
        }
        let (state, odd) = state.turn();
        workers.layers((&self.plan, piece), count, (&mut *state, odd), features);
        readout(&mut Step { plan: &self.plan, state, odd, features, outputs });
    }

    /// What does not fit.
    #[cold]
    fn misfit(&self, state: &StreamState<T>, features: usize, outputs: usize) -> Error {
        let stack = &self.plan.stack;
        let (what, expected, found) = if features != stack.input {
            ("features of a timestep", stack.input, features)
        } else if outputs != stack.output {
            ("outputs of a timestep", stack.output, outputs)
        } else {
            ("the state of the stream", self.plan.elements, state.elements())
        };
        Error::Length { what: what.into(), expected, found }
    }
}

/// A single sequence of live data: a [`Stepper`] with its [`StreamState`].
///
/// ```
/// use bptt::{Activation, Rnn, Stream};
/// let model = Rnn::<2, 5, 1>::new(Activation::Tanh, 1)?;
/// let mut stream = Stream::new(&model)?;
/// let first: [f32; 1] = stream.step(&[0.1, 0.2]);
///
/// // Held over a restart, or to come back to.
/// let saved = stream.save()?;
/// let second = stream.step(&[0.3, 0.4]);
/// stream.restore(&saved)?;
/// assert_eq!(stream.step(&[0.3, 0.4]), second);
/// assert_eq!([first, second], model.predict(&[[0.1, 0.2], [0.3, 0.4]])?[..]);
///
/// stream.reset();
/// assert_eq!(stream.step(&[0.1, 0.2]), first);
/// # Ok::<(), bptt::Error>(())
/// ```
///
/// With sizes at run time, the outputs are a slice, and lengths that do not fit an error:
///
/// ```
/// use bptt::{Architecture, DynRnn, Stream};
/// let model = DynRnn::<f32>::with_architecture(2, 32, 3, Architecture::lstm().num_layers(2), 1)?;
/// let mut stream = Stream::new(&model)?;
/// assert_eq!(stream.step(&[0.1, 0.2])?.len(), 3);
/// assert!(stream.step(&[0.1]).is_err());
/// # Ok::<(), bptt::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Stream<I, H, O, T = f32> {
    stepper: Stepper<T>,
    state: StreamState<T>,
    outputs: Buffer<T>,
    workers: Workers,
    sizes: PhantomData<(I, H, O)>,
}

impl<I: Dim, H: Dim, O: Dim, T: Float> Stream<I, H, O, T> {
    /// A stream at the machine's best [`Level`], at the beginning of a sequence.
    ///
    /// # Errors
    /// As [`Stepper::new`].
    pub fn new(model: &Model<I, H, O, T>) -> Result<Self> {
        Self::with_level(model, Level::best())
    }

    /// A stream at a chosen level.
    ///
    /// # Errors
    /// As [`Stepper::new`].
    pub fn with_level(model: &Model<I, H, O, T>, level: Level) -> Result<Self> {
        let stepper = Stepper::with_level(model, level)?;
        let (state, outputs) = (stepper.state()?, Buffer::zeroed(model.output_size())?);
        Ok(Self { stepper, state, outputs, workers: Workers::new(0), sizes: PhantomData })
    }

    /// The same with `threads` threads at most for a step; 0, as without this: as many as this process has a share of. Only
    /// steps that read at least 2 MB of weights take more than one.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.workers = Workers::new(threads);
        self
    }

    /// Threads that there have been so far, the caller's among them.
    pub fn threads_used(&self) -> usize {
        self.workers.used()
    }

    /// One timestep, into a slice of the caller's: from `features (I)` to `outputs (O)`.
    ///
    /// # Errors
    /// [`Error::Length`]; the state is then as it was.
    pub fn step_into(&mut self, features: &[T], outputs: &mut [T]) -> Result<()> {
        self.stepper.step_with(&mut self.workers, &mut self.state, features, outputs)
    }

    /// Goes back to the beginning of a sequence: the state becomes 0.
    pub fn reset(&mut self) {
        self.state.reset();
    }

    /// The state, in PyTorch's order; see [`StreamState::save`].
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn save(&self) -> Result<State<T>> {
        self.state.save()
    }

    /// Goes on from a state that was saved.
    ///
    /// # Errors
    /// [`Error::Length`] for a state of other sizes.
    pub fn restore(&mut self, state: &State<T>) -> Result<()> {
        self.state.restore(state)
    }
}

impl<const INPUT: usize, const HIDDEN: usize, const OUTPUT: usize, T: Float>
    Stream<Const<INPUT>, Const<HIDDEN>, Const<OUTPUT>, T>
{
    /// One timestep: the outputs for `features`.
    #[inline]
    pub fn step(&mut self, features: &[T; INPUT]) -> [T; OUTPUT] {
        let mut outputs = [T::ZERO; OUTPUT];
        self.stepper.advance_with(&mut self.workers, &mut self.state, features, &mut outputs);
        outputs
    }
}

impl<T: Float> Stream<Dyn, Dyn, Dyn, T> {
    /// One timestep: the outputs `(O)` for `features (I)`.
    ///
    /// # Errors
    /// [`Error::Length`]; the state is then as it was.
    #[inline]
    pub fn step(&mut self, features: &[T]) -> Result<&[T]> {
        self.stepper.step_with(&mut self.workers, &mut self.state, features, &mut self.outputs)?;
        Ok(&self.outputs)
    }
}
