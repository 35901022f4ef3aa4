//! The reference: the same network in plain scalar loops over PyTorch's layout, written to be read.
//!
//! Nothing here is shared with the library's kernels: activations come from `std` in `f64`, every sum runs in
//! index order, nothing is padded or transposed. `pytorch_parity.rs` holds this code itself against PyTorch.

// Each test file compiles this module for itself and uses its own part of it.
#![allow(dead_code)]
// Indices as in the formulas; several of the loops index more than one buffer.
#![allow(clippy::needless_range_loop)]

use bptt::{Activation, Dataset, DynRnn, Float, Params, Reduction};

/// PyTorch's parameter names, in the order of [`Tensors`]' fields.
pub const NAMES: [&str; 6] =
    ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "fc.weight", "fc.bias"];

/// Parameters, or their gradients, row-major in PyTorch's shapes.
#[derive(Debug, Clone)]
pub struct Tensors<T> {
    /// (H, I)
    pub weight_ih: Vec<T>,
    /// (H, H)
    pub weight_hh: Vec<T>,
    /// (H)
    pub bias_ih: Vec<T>,
    /// (H)
    pub bias_hh: Vec<T>,
    /// (O, H)
    pub fc_weight: Vec<T>,
    /// (O)
    pub fc_bias: Vec<T>,
}

impl<T: Float> Tensors<T> {
    fn zeros(i: usize, h: usize, o: usize) -> Self {
        let zeros = |count| vec![T::ZERO; count];
        Self {
            weight_ih: zeros(h * i),
            weight_hh: zeros(h * h),
            bias_ih: zeros(h),
            bias_hh: zeros(h),
            fc_weight: zeros(o * h),
            fc_bias: zeros(o),
        }
    }

    /// The tensors in the order of [`NAMES`].
    pub fn all(&self) -> [&Vec<T>; 6] {
        let Self { weight_ih, weight_hh, bias_ih, bias_hh, fc_weight, fc_bias } = self;
        [weight_ih, weight_hh, bias_ih, bias_hh, fc_weight, fc_bias]
    }

    fn all_mut(&mut self) -> [&mut Vec<T>; 6] {
        let Self { weight_ih, weight_hh, bias_ih, bias_hh, fc_weight, fc_bias } = self;
        [weight_ih, weight_hh, bias_ih, bias_hh, fc_weight, fc_bias]
    }
}

/// One sequence: features `(T, I)` and labels `(T, O)`.
pub type Sequence<T> = (Vec<T>, Vec<T>);

/// The network.
#[derive(Debug, Clone)]
pub struct Oracle<T> {
    pub input: usize,
    pub hidden: usize,
    pub output: usize,
    pub activation: Activation,
    pub params: Tensors<T>,
}

/// `values` in another element type.
pub fn convert<A: Float, B: Float>(values: &[A]) -> Vec<B> {
    values.iter().map(|value| B::from_f64(value.to_f64())).collect()
}

/// The sequences of `data`, in element type `B`.
pub fn sequences<A: Float, B: Float>(data: &Dataset<A>) -> Vec<Sequence<B>> {
    let (i, o) = (data.input_size(), data.output_size());
    let cut = |pair: &[usize]| {
        let (from, to) = (pair[0], pair[1]);
        (convert(&data.features()[from * i..to * i]), convert(&data.labels()[from * o..to * o]))
    };
    data.offsets().windows(2).map(cut).collect()
}

impl<T: Float> Oracle<T> {
    /// The same network as `model`, in an element type of its own.
    pub fn of<A: Float>(model: &DynRnn<A>) -> Self {
        let (input, hidden, output) = (model.input_size(), model.hidden_size(), model.output_size());
        let mut params = Tensors::zeros(input, hidden, output);
        for (name, tensor) in NAMES.into_iter().zip(params.all_mut()) {
            *tensor = convert(&model.params().get(name).unwrap());
        }
        Self { input, hidden, output, activation: model.architecture().cell.activation().unwrap(), params }
    }

    fn activate(&self, a: T) -> T {
        let a = a.to_f64();
        T::from_f64(match self.activation {
            Activation::Tanh => a.tanh(),
            Activation::Relu => a.max(0.0),
            Activation::Sigmoid => 1.0 / (1.0 + (-a).exp()),
        })
    }

    /// `f'(a)` as a function of `h = f(a)`.
    fn slope(&self, h: T) -> T {
        match self.activation {
            Activation::Tanh => T::ONE - h * h,
            Activation::Relu => T::from_f64(f64::from(u8::from(h > T::ZERO))),
            Activation::Sigmoid => h * (T::ONE - h),
        }
    }

    /// The hidden states of one sequence, `h_0 = 0` first: (T + 1) rows of H.
    fn hidden_states(&self, x: &[T]) -> Vec<Vec<T>> {
        let p = &self.params;
        let mut states = vec![vec![T::ZERO; self.hidden]];
        for x in x.chunks(self.input) {
            let past = &states[states.len() - 1];
            let unit = |n: usize| {
                let mut a = p.bias_ih[n] + p.bias_hh[n];
                for (k, value) in x.iter().enumerate() {
                    a += p.weight_ih[n * self.input + k] * *value;
                }
                for (k, value) in past.iter().enumerate() {
                    a += p.weight_hh[n * self.hidden + k] * *value;
                }
                self.activate(a)
            };
            let next = (0..self.hidden).map(unit).collect();
            states.push(next);
        }
        states
    }

    /// The outputs of the timesteps whose hidden states these are.
    fn readout(&self, states: &[Vec<T>]) -> Vec<T> {
        let mut outputs = Vec::new();
        for h in states {
            for o in 0..self.output {
                let mut y = self.params.fc_bias[o];
                for (k, value) in h.iter().enumerate() {
                    y += self.params.fc_weight[o * self.hidden + k] * *value;
                }
                outputs.push(y);
            }
        }
        outputs
    }

    /// The outputs `(T, O)` of one sequence.
    pub fn predict(&self, x: &[T]) -> Vec<T> {
        self.readout(&self.hidden_states(x)[1..])
    }

    /// Adds one sequence's gradient to `grad`, each squared error counting `weight`; returns `Σ (y − label)²`.
    fn accumulate(&self, (x, labels): &Sequence<T>, weight: T, grad: &mut Tensors<T>) -> T {
        let (i, h, o) = (self.input, self.hidden, self.output);
        let states = self.hidden_states(x);
        let outputs = self.readout(&states[1..]);
        let mut squared_error = T::ZERO;
        // ∂loss/∂a of the step after this one; none comes from beyond the last.
        let mut later = vec![T::ZERO; h];
        for t in (0..states.len() - 1).rev() {
            let state = &states[t + 1];
            let mut d_state = vec![T::ZERO; h];
            for n in 0..o {
                let error = outputs[t * o + n] - labels[t * o + n];
                squared_error += error * error;
                let d_output = T::from_f64(2.0) * weight * error;
                grad.fc_bias[n] += d_output;
                for k in 0..h {
                    grad.fc_weight[n * h + k] += d_output * state[k];
                    d_state[k] += d_output * self.params.fc_weight[n * h + k];
                }
            }
            for n in 0..h {
                for k in 0..h {
                    d_state[k] += later[n] * self.params.weight_hh[n * h + k];
                }
            }
            for n in 0..h {
                later[n] = d_state[n] * self.slope(state[n]);
                grad.bias_ih[n] += later[n];
                grad.bias_hh[n] += later[n];
                for k in 0..i {
                    grad.weight_ih[n * i + k] += later[n] * x[t * i + k];
                }
                for k in 0..h {
                    grad.weight_hh[n * h + k] += later[n] * states[t][k];
                }
            }
        }
        squared_error
    }

    /// The sum of squared errors of a batch, its loss, and the loss's gradient.
    fn batch(&self, batch: &[Sequence<T>], reduction: Reduction) -> (f64, f64, Tensors<T>) {
        let elements: usize = batch.iter().map(|(_, labels)| labels.len()).sum();
        let weight = match reduction {
            Reduction::Mean => 1.0 / elements as f64,
            Reduction::Sum => 1.0,
        };
        let mut grad = Tensors::zeros(self.input, self.hidden, self.output);
        let mut squared_error = 0.0;
        for sequence in batch {
            squared_error += self.accumulate(sequence, T::from_f64(weight), &mut grad).to_f64();
        }
        (squared_error, squared_error * weight, grad)
    }

    /// The loss of all `sequences` as one batch, and its gradient.
    pub fn gradients(&self, sequences: &[Sequence<T>], reduction: Reduction) -> (f64, Tensors<T>) {
        let (_, loss, grad) = self.batch(sequences, reduction);
        (loss, grad)
    }

    /// One epoch of plain SGD in the given order; returns the epoch's loss as `EpochStats` defines it.
    pub fn epoch(
        &mut self,
        sequences: &[Sequence<T>],
        batch_size: usize,
        rate: f64,
        reduction: Reduction,
    ) -> f64 {
        let elements: usize = sequences.iter().map(|(_, labels)| labels.len()).sum();
        let mut total = 0.0;
        for batch in sequences.chunks(batch_size) {
            let (squared_error, _, grad) = self.batch(batch, reduction);
            total += squared_error;
            for (tensor, grad) in self.params.all_mut().into_iter().zip(grad.all()) {
                for (p, g) in tensor.iter_mut().zip(grad) {
                    *p -= T::from_f64(rate) * *g;
                }
            }
        }
        match reduction {
            Reduction::Mean => total / elements as f64,
            Reduction::Sum => total,
        }
    }
}

/// The largest `|found − expected|`, relative to the tensor's largest `|expected|`; infinite for a NaN.
///
/// Relative to the tensor, not the element: an element that is a difference of large terms is as wrong as they.
pub fn tensor_error<A: Float, B: Float>(found: &[A], expected: &[B]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().map(|x| x.to_f64().abs()).fold(f64::MIN_POSITIVE, f64::max);
    let errors = found.iter().zip(expected).map(|(a, b)| (a.to_f64() - b.to_f64()).abs() / scale);
    errors.fold(0.0, |worst, error| if error >= worst || error.is_nan() { error } else { worst })
}

/// The largest [`tensor_error`] over all parameters.
pub fn params_error<A: Float, B: Float>(found: &Params<A>, expected: &Tensors<B>) -> f64 {
    let error = |(name, tensor): (&str, &Vec<B>)| tensor_error(&found.get(name).unwrap(), tensor);
    NAMES.into_iter().zip(expected.all()).map(error).fold(0.0, worse)
}

/// The larger of two errors; NaN, the largest of all, becomes infinite.
pub fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::INFINITY } else { a.max(b) }
}
