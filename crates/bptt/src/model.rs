//! [`Rnn`] and [`DynRnn`]: recurrent layers with a linear readout, with sizes in the type or at run time.

use crate::buffer::zeros;
use crate::cell::Layout;
use crate::dataset::{DatasetView, check_offsets};
use crate::dim::{Const, Dim, Dyn};
use crate::gradients::Gradients;
use crate::loss::Reduction;
use crate::params::Params;
use crate::predict::Predictor;
use crate::rng::Rng;
use crate::stack::Stack;
use crate::{Activation, Architecture, Error, Float, Level, Result};

/// A recurrent network: the layers of an [`Architecture`] and a linear readout at every timestep.
///
/// In its simplest form, one Elman layer, `h_t = f(W_ih·x_t + b_ih + W_hh·h_{t−1} + b_hh)`,
/// `y_t = W_ho·h_t + b_o`, `h_0 = 0`. Use it through its aliases [`Rnn`] and [`DynRnn`].
#[derive(Debug, Clone, PartialEq)]
pub struct Model<I, H, O, T = f32> {
    pub(crate) layout: Layout<I, H, O>,
    pub(crate) architecture: Architecture,
    pub(crate) params: Params<T>,
}

/// A [`Model`] whose sizes are part of its type.
///
/// ```
/// use bptt::{Activation, Rnn};
/// let model = Rnn::<3, 5, 1>::new(Activation::Tanh, 42)?;
/// let outputs: Vec<[f32; 1]> = model.predict(&[[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])?;
/// assert_eq!(outputs.len(), 2);
/// # Ok::<(), bptt::Error>(())
/// ```
///
/// A size that does not fit does not compile; here each timestep has 4 inputs:
///
/// ```compile_fail,E0308
/// use bptt::{Activation, Rnn};
/// let model = Rnn::<3, 5, 1>::new(Activation::Tanh, 42).unwrap();
/// let outputs = model.predict(&[[0.1, 0.2, 0.3, 0.4]]);
/// ```
pub type Rnn<const INPUT: usize, const HIDDEN: usize, const OUTPUT: usize, T = f32> =
    Model<Const<INPUT>, Const<HIDDEN>, Const<OUTPUT>, T>;

/// A [`Model`] whose sizes are known at run time.
///
/// ```
/// use bptt::{Activation, DynRnn};
/// let model = DynRnn::<f64>::new(3, 5, 1, Activation::Relu, 42)?;
/// assert_eq!(model.predict(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6])?.len(), 2);
/// assert!(DynRnn::<f64>::new(3, 0, 1, Activation::Relu, 42).is_err());
/// # Ok::<(), bptt::Error>(())
/// ```
pub type DynRnn<T = f32> = Model<Dyn, Dyn, Dyn, T>;

impl<const INPUT: usize, const HIDDEN: usize, const OUTPUT: usize, T: Float> Rnn<INPUT, HIDDEN, OUTPUT, T> {
    /// One Elman layer with PyTorch's initialisation: every parameter uniform in ±1/√H, drawn from `seed`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new(activation: Activation, seed: u64) -> Result<Self> {
        Self::with_architecture(Architecture::elman(activation), seed)
    }

    /// A network of any architecture; see [`Rnn::new`].
    ///
    /// # Errors
    /// [`Error::ZeroSize`] or [`Error::Setting`] for an architecture that cannot be, [`Error::OutOfMemory`].
    pub fn with_architecture(architecture: Architecture, seed: u64) -> Result<Self> {
        const { assert!(INPUT > 0 && HIDDEN > 0 && OUTPUT > 0, "sizes are at least 1") };
        Self::initialised(Layout { input: Const, hidden: Const, output: Const }, architecture, seed)
    }

    /// The outputs for one sequence, from `h_0 = 0`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn predict(&self, sequence: &[[T; INPUT]]) -> Result<Vec<[T; OUTPUT]>> {
        let mut outputs = vec![[T::ZERO; OUTPUT]; sequence.len()];
        Predictor::for_one_call(self, 0)?
            .predict_into(sequence.as_flattened(), outputs.as_flattened_mut())?;
        Ok(outputs)
    }

    /// The same network with its sizes at run time, for saving or for code that does not know them.
    pub fn into_dyn(self) -> DynRnn<T> {
        let layout = Layout { input: Dyn(INPUT), hidden: Dyn(HIDDEN), output: Dyn(OUTPUT) };
        Model { layout, architecture: self.architecture, params: self.params }
    }
}

impl<T: Float> DynRnn<T> {
    /// One Elman layer with PyTorch's initialisation: every parameter uniform in ±1/√H, drawn from `seed`.
    ///
    /// # Errors
    /// [`Error::ZeroSize`], [`Error::OutOfMemory`].
    pub fn new(
        input_size: usize,
        hidden_size: usize,
        output_size: usize,
        activation: Activation,
        seed: u64,
    ) -> Result<Self> {
        let architecture = Architecture::elman(activation);
        Self::with_architecture(input_size, hidden_size, output_size, architecture, seed)
    }

    /// A network of any architecture; see [`DynRnn::new`].
    ///
    /// # Errors
    /// [`Error::ZeroSize`], [`Error::Setting`] for an architecture that cannot be, [`Error::OutOfMemory`].
    pub fn with_architecture(
        input_size: usize,
        hidden_size: usize,
        output_size: usize,
        architecture: Architecture,
        seed: u64,
    ) -> Result<Self> {
        let sizes = [("input_size", input_size), ("hidden_size", hidden_size), ("output_size", output_size)];
        if let Some((what, _)) = sizes.into_iter().find(|(_, size)| *size == 0) {
            return Err(Error::ZeroSize { what });
        }
        let layout = Layout { input: Dyn(input_size), hidden: Dyn(hidden_size), output: Dyn(output_size) };
        Self::initialised(layout, architecture, seed)
    }

    /// The outputs `(T, O)` for one sequence of features `(T, I)`, from `h_0 = 0`.
    ///
    /// # Errors
    /// [`Error::Length`] where the features are not whole timesteps, [`Error::OutOfMemory`].
    pub fn predict(&self, sequence: &[T]) -> Result<Vec<T>> {
        let steps = sequence.len() / self.input_size();
        let mut outputs = zeros(steps.saturating_mul(self.output_size()))?;
        Predictor::for_one_call(self, 0)?.predict_into(sequence, &mut outputs)?;
        Ok(outputs)
    }

    /// The same network with its sizes in the type.
    ///
    /// # Errors
    /// [`Error::Size`] where a size is another than the type's.
    pub fn into_typed<const INPUT: usize, const HIDDEN: usize, const OUTPUT: usize>(
        self,
    ) -> Result<Rnn<INPUT, HIDDEN, OUTPUT, T>> {
        check_size("input_size", INPUT, self.input_size())?;
        check_size("hidden_size", HIDDEN, self.hidden_size())?;
        check_size("output_size", OUTPUT, self.output_size())?;
        let layout = Layout { input: Const, hidden: Const, output: Const };
        Ok(Model { layout, architecture: self.architecture, params: self.params })
    }
}

impl<I: Dim, H: Dim, O: Dim, T: Float> Model<I, H, O, T> {
    fn initialised(layout: Layout<I, H, O>, architecture: Architecture, seed: u64) -> Result<Self> {
        let mut model = Self::zeroed(layout, architecture)?;
        let hidden = layout.hidden.size() as f64;
        let mut rng = Rng::new(seed);
        model.params.fill(|name| {
            // The readout is an `nn.Linear` of all directions' units.
            let inputs = if name.starts_with("fc.") { architecture.directions() as f64 } else { 1.0 };
            T::from_f64((2.0 * rng.uniform() - 1.0) / (inputs * hidden).sqrt())
        });
        Ok(model)
    }

    /// A network whose parameters are all 0.
    pub(crate) fn zeroed(layout: Layout<I, H, O>, architecture: Architecture) -> Result<Self> {
        architecture.check()?;
        let params = Stack::new(layout, architecture).params()?;
        Ok(Self { layout, architecture, params })
    }

    /// The activation, where this is one Elman layer in one direction for which there are ways of its own.
    pub(crate) fn plain(&self) -> Option<Activation> {
        self.architecture.plain().filter(|_| !self.stack().is_wide::<T>())
    }

    /// The layout of all layers.
    pub(crate) fn stack(&self) -> Stack {
        Stack::new(self.layout, self.architecture)
    }

    /// Features per timestep.
    pub fn input_size(&self) -> usize {
        self.layout.input.size()
    }

    /// Hidden units.
    pub fn hidden_size(&self) -> usize {
        self.layout.hidden.size()
    }

    /// Outputs per timestep.
    pub fn output_size(&self) -> usize {
        self.layout.output.size()
    }

    /// Cell, layers and directions.
    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// The parameters, by PyTorch's names.
    pub fn params(&self) -> &Params<T> {
        &self.params
    }

    /// The parameters for writing.
    pub fn params_mut(&mut self) -> &mut Params<T> {
        &mut self.params
    }

    /// The outputs `(rows, O)` for many sequences: `features (rows, I)`, sequence `s` being rows
    /// `offsets[s]..offsets[s + 1]`. Each starts from `h_0 = 0`; none depends on another.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Setting`] for offsets that do not rise from 0, [`Error::OutOfMemory`].
    pub fn predict_sequences(&self, features: &[T], offsets: &[usize]) -> Result<Vec<T>> {
        let rows = check_offsets(offsets)?;
        let expected = rows.saturating_mul(self.input_size());
        if features.len() != expected {
            return Err(Error::Length { what: "features".into(), expected, found: features.len() });
        }
        let mut outputs = zeros(rows.saturating_mul(self.output_size()))?;
        Predictor::for_one_call(self, rows)?.predict_sequences_into(features, offsets, &mut outputs)?;
        Ok(outputs)
    }

    /// The mean or summed squared error and its gradient for one batch: all sequences of `data`, from `h_0 = 0`, without
    /// dropout. [`Gradients::with_config`] takes any loss.
    ///
    /// For code that brings its own optimizer; [`Trainer`](crate::Trainer) does not allocate as this does.
    ///
    /// # Errors
    /// [`Error::Size`] where the data's sizes are not the model's, [`Error::Empty`], [`Error::Unlabelled`],
    /// [`Error::OutOfMemory`].
    pub fn gradients<'a>(
        &self,
        data: impl Into<DatasetView<'a, T, I, O>>,
        reduction: Reduction,
    ) -> Result<Gradients<T>> {
        Gradients::of(self, data.into(), reduction, Level::best())
    }

    /// Refuses data of other sizes; only run-time sizes can differ.
    pub(crate) fn check_data(&self, data: &DatasetView<'_, T, I, O>) -> Result<()> {
        check_size("input_size of the data", self.input_size(), data.input.size())?;
        check_size("output_size of the data", self.output_size(), data.output.size())?;
        if data.is_empty() { Err(Error::Empty { what: "the data" }) } else { Ok(()) }
    }
}

fn check_size(what: &'static str, expected: usize, found: usize) -> Result<()> {
    if expected == found { Ok(()) } else { Err(Error::Size { what, expected, found }) }
}
