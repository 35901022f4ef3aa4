//! The yardstick: the same training as plain loops over arrays, the way one writes it by hand.
//!
//! Sizes are const generics, everything is allocated once, activations come from `std` (libm). No vector
//! instructions by hand, no blocking, no trick; what the compiler makes of it, it makes of it.

// Indices as in the formulas.
#![allow(clippy::needless_range_loop)]

use std::ops::{Add, AddAssign, Mul, Sub, SubAssign};

use serde_json::json;

use crate::protocol::{Entry, NotCompiled, Outcome, Run};
use crate::task::Task;

/// `f32` or `f64`.
pub trait Real:
    Copy
    + Default
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + AddAssign
    + SubAssign
    + 'static
{
    const ONE: Self;
    fn from_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
    fn tanh(self) -> Self;
}

macro_rules! real {
    ($($type:ty)*) => {$(
        impl Real for $type {
            const ONE: Self = 1.0;
            fn from_f64(value: f64) -> Self {
                value as $type
            }
            fn to_f64(self) -> f64 {
                self.into()
            }
            fn tanh(self) -> Self {
                <$type>::tanh(self)
            }
        }
    )*};
}
real!(f32 f64);

/// A hidden activation and its slope as a function of its result.
trait Function: 'static {
    fn apply<T: Real>(a: T) -> T;
    fn slope<T: Real>(h: T) -> T;
}

struct Tanh;
impl Function for Tanh {
    fn apply<T: Real>(a: T) -> T {
        a.tanh()
    }
    fn slope<T: Real>(h: T) -> T {
        T::ONE - h * h
    }
}

struct Relu;
impl Function for Relu {
    fn apply<T: Real>(a: T) -> T {
        if a > T::default() { a } else { T::default() }
    }
    fn slope<T: Real>(h: T) -> T {
        if h > T::default() { T::ONE } else { T::default() }
    }
}

/// Weights, or their gradients.
#[derive(Clone)]
struct Network<T, const I: usize, const H: usize, const O: usize> {
    weight_ih: [[T; I]; H],
    weight_hh: [[T; H]; H],
    bias_ih: [T; H],
    bias_hh: [T; H],
    weight_ho: [[T; H]; O],
    bias_o: [T; O],
}

impl<T: Real, const I: usize, const H: usize, const O: usize> Network<T, I, H, O> {
    fn zeros() -> Self {
        let zero = T::default();
        Self {
            weight_ih: [[zero; I]; H],
            weight_hh: [[zero; H]; H],
            bias_ih: [zero; H],
            bias_hh: [zero; H],
            weight_ho: [[zero; H]; O],
            bias_o: [zero; O],
        }
    }

    fn clear(&mut self) {
        self.weight_ih.as_flattened_mut().fill(T::default());
        self.weight_hh.as_flattened_mut().fill(T::default());
        self.bias_ih.fill(T::default());
        self.bias_hh.fill(T::default());
        self.weight_ho.as_flattened_mut().fill(T::default());
        self.bias_o.fill(T::default());
    }

    fn from_task(task: &Task<T>) -> Self {
        let mut network = Self::zeros();
        let [weight_ih, weight_hh, bias_ih, bias_hh, weight_ho, bias_o] = &task.weights;
        network.weight_ih.as_flattened_mut().copy_from_slice(weight_ih);
        network.weight_hh.as_flattened_mut().copy_from_slice(weight_hh);
        network.bias_ih.copy_from_slice(bias_ih);
        network.bias_hh.copy_from_slice(bias_hh);
        network.weight_ho.as_flattened_mut().copy_from_slice(weight_ho);
        network.bias_o.copy_from_slice(bias_o);
        network
    }

    /// `self -= rate · gradient`.
    fn descend(&mut self, gradient: &Self, rate: T) {
        let step = |weights: &mut [T], gradient: &[T]| {
            for (weight, slope) in weights.iter_mut().zip(gradient) {
                *weight -= rate * *slope;
            }
        };
        step(self.weight_ih.as_flattened_mut(), gradient.weight_ih.as_flattened());
        step(self.weight_hh.as_flattened_mut(), gradient.weight_hh.as_flattened());
        step(&mut self.bias_ih, &gradient.bias_ih);
        step(&mut self.bias_hh, &gradient.bias_hh);
        step(self.weight_ho.as_flattened_mut(), gradient.weight_ho.as_flattened());
        step(&mut self.bias_o, &gradient.bias_o);
    }
}

struct Sequence<T, const I: usize, const O: usize, const S: usize> {
    features: [[T; I]; S],
    labels: [[T; O]; S],
}

/// The program: S steps per sequence, everything allocated once.
struct Scalar<F, T, const I: usize, const H: usize, const O: usize, const S: usize> {
    sequences: Vec<Sequence<T, I, O, S>>,
    batch_size: usize,
    rate: T,
    initial: Network<T, I, H, O>,
    network: Network<T, I, H, O>,
    gradient: Network<T, I, H, O>,
    hidden: [[T; H]; S],
    outputs: [[T; O]; S],
    function: std::marker::PhantomData<F>,
}

impl<F: Function, T: Real, const I: usize, const H: usize, const O: usize, const S: usize>
    Scalar<F, T, I, H, O, S>
{
    fn new(task: &Task<T>) -> Self {
        let (features, _) = task.features.as_chunks::<I>();
        let (labels, _) = task.labels.as_chunks::<O>();
        let (features, labels) = (features.as_chunks::<S>().0, labels.as_chunks::<S>().0);
        let pair = |(features, labels): (&[[T; I]; S], &[[T; O]; S])| Sequence {
            features: *features,
            labels: *labels,
        };
        let initial = Network::from_task(task);
        Self {
            sequences: features.iter().zip(labels).map(pair).collect(),
            batch_size: task.setup.batch_size,
            rate: T::from_f64(task.setup.learning_rate),
            network: initial.clone(),
            initial,
            gradient: Network::zeros(),
            hidden: [[T::default(); H]; S],
            outputs: [[T::default(); O]; S],
            function: std::marker::PhantomData,
        }
    }

    fn forward(&mut self, s: usize) {
        let (x, network) = (&self.sequences[s].features, &self.network);
        for t in 0..S {
            for n in 0..H {
                let mut a = network.bias_ih[n] + network.bias_hh[n];
                for k in 0..I {
                    a += network.weight_ih[n][k] * x[t][k];
                }
                if t > 0 {
                    for k in 0..H {
                        a += network.weight_hh[n][k] * self.hidden[t - 1][k];
                    }
                }
                self.hidden[t][n] = F::apply(a);
            }
            for o in 0..O {
                let mut y = network.bias_o[o];
                for k in 0..H {
                    y += network.weight_ho[o][k] * self.hidden[t][k];
                }
                self.outputs[t][o] = y;
            }
        }
    }

    /// Adds the sequence's gradient, each error counting `scale`; returns the sum of squared errors.
    fn backward(&mut self, s: usize, scale: T) -> T {
        let Sequence { features: x, labels } = &self.sequences[s];
        let (network, gradient, hidden) = (&self.network, &mut self.gradient, &self.hidden);
        let mut squared_error = T::default();
        let mut later = [T::default(); H];
        for t in (0..S).rev() {
            let mut d_hidden = [T::default(); H];
            for o in 0..O {
                let error = self.outputs[t][o] - labels[t][o];
                squared_error += error * error;
                let d_output = scale * error;
                gradient.bias_o[o] += d_output;
                for k in 0..H {
                    gradient.weight_ho[o][k] += d_output * hidden[t][k];
                    d_hidden[k] += d_output * network.weight_ho[o][k];
                }
            }
            for n in 0..H {
                for k in 0..H {
                    d_hidden[k] += later[n] * network.weight_hh[n][k];
                }
            }
            for n in 0..H {
                let delta = d_hidden[n] * F::slope(hidden[t][n]);
                later[n] = delta;
                gradient.bias_ih[n] += delta;
                gradient.bias_hh[n] += delta;
                for k in 0..I {
                    gradient.weight_ih[n][k] += delta * x[t][k];
                }
                if t > 0 {
                    for k in 0..H {
                        gradient.weight_hh[n][k] += delta * hidden[t - 1][k];
                    }
                }
            }
        }
        squared_error
    }

    /// One epoch over the first `sequences` sequences; returns its loss.
    fn epoch(&mut self, sequences: usize) -> f64 {
        let mut squared_error = 0.0;
        for first in (0..sequences).step_by(self.batch_size) {
            let last = sequences.min(first + self.batch_size);
            let scale = T::from_f64(2.0 / ((last - first) * S * O) as f64);
            self.gradient.clear();
            for s in first..last {
                self.forward(s);
                squared_error += self.backward(s, scale).to_f64();
            }
            self.network.descend(&self.gradient, self.rate);
        }
        squared_error / (sequences * S * O) as f64
    }
}

impl<F: Function, T: Real, const I: usize, const H: usize, const O: usize, const S: usize> Run
    for Scalar<F, T, I, H, O, S>
{
    fn reset(&mut self) -> Outcome<()> {
        self.network = self.initial.clone();
        Ok(())
    }

    fn pass(&mut self, sequences: usize, epochs: usize) -> Outcome<f64> {
        let mut loss = f64::NAN;
        for _ in 0..epochs {
            loss = self.epoch(sequences);
        }
        Ok(loss)
    }
}

/// Enters the scalar program, for the shapes that are compiled in.
pub fn enter<T: Real>(task: Task<T>) -> Outcome<Entry> {
    let setup = &task.setup;
    let run: Box<dyn Run> =
        match (setup.input, setup.hidden, setup.output, setup.steps, setup.activation.as_str()) {
            (3, 5, 1, 5, "relu") => Box::new(Scalar::<Relu, T, 3, 5, 1, 5>::new(&task)),
            (29, 10, 1, 5, "tanh") => Box::new(Scalar::<Tanh, T, 29, 10, 1, 5>::new(&task)),
            (i, h, o, t, f) => {
                return Err(NotCompiled(format!("{i} → {h} → {o}, {f}, {t} steps")).into());
            }
        };
    Ok(Entry { run, offsets: task.offsets, about: json!({ "threads": 1, "variant": "" }) })
}
