//! [`Optimizer`]: what makes an update of a gradient. Single loops over the flat parameters.
//!
//! Formulas, names, defaults and the order of operations are those of PyTorch's `torch.optim`, one tensor at a time.
//! The padding between parameters has gradient 0 and value 0, and every optimizer leaves it so.

use std::sync::Mutex;

use crate::buffer::Buffer;
use crate::kernel::level::{Isa, Kernel, Level};
use crate::kernel::vector::Vector;
use crate::threads::pieces::MOST_PIECES;
use crate::threads::{Threads, locked};
use crate::{Error, Float, Result};

/// What makes an update of a gradient `g` of a parameter `p`, at the learning rate `γ`.
///
/// ```
/// use bptt::{Optimizer, TrainConfig};
/// let config = TrainConfig { optimizer: Optimizer::adam(), learning_rate: 0.003, ..Default::default() };
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Optimizer {
    /// `b ← momentum·b + (1 − dampening)·g`, `p ← p − γ·b`; the first `b` is the first gradient. Sutskever et al. (2013).
    Sgd {
        /// Share of the past steps in a step; from 0 on.
        momentum: f64,
        /// What the gradient loses on its way into `b`.
        dampening: f64,
        /// Steps along `g + momentum·b`. With a momentum and without dampening.
        nesterov: bool,
        /// Added to the gradient: `g + weight_decay·p`.
        weight_decay: f64,
    },
    /// `m ← β₁·m + (1 − β₁)·g`, `v ← β₂·v + (1 − β₂)·g²`, `p ← p − γ·m̂ / (√v̂ + eps)`, where `m̂ = m / (1 − β₁ᵗ)` and
    /// `v̂ = v / (1 − β₂ᵗ)`. Kingma & Ba (2015).
    Adam {
        /// `β₁` and `β₂`, from 0 on, below 1.
        betas: (f64, f64),
        /// Keeps the divisor from 0.
        eps: f64,
        /// Added to the gradient: `g + weight_decay·p`.
        weight_decay: f64,
        /// Divides by the largest `v` so far. Reddi et al. (2018).
        amsgrad: bool,
    },
    /// Adam whose weight decay is no part of the gradient: `p ← p − γ·weight_decay·p` first. Loshchilov & Hutter (2019).
    AdamW {
        /// `β₁` and `β₂`, from 0 on, below 1.
        betas: (f64, f64),
        /// Keeps the divisor from 0.
        eps: f64,
        /// What a parameter loses at each step, times the learning rate.
        weight_decay: f64,
        /// Divides by the largest `v` so far.
        amsgrad: bool,
    },
    /// `v ← α·v + (1 − α)·g²`, `p ← p − γ·g / (√v + eps)`. Hinton (2012).
    RmsProp {
        /// `α`, from 0 on.
        alpha: f64,
        /// Keeps the divisor from 0.
        eps: f64,
        /// Added to the gradient: `g + weight_decay·p`.
        weight_decay: f64,
        /// `b ← momentum·b + g / (√v + eps)`, `p ← p − γ·b`.
        momentum: f64,
        /// Divides by the deviation, `v − ḡ²` with `ḡ ← α·ḡ + (1 − α)·g`. Graves (2013).
        centered: bool,
    },
    /// `s ← s + g²`, `p ← p − γ / (1 + (t − 1)·lr_decay)·g / (√s + eps)`. Duchi et al. (2011).
    Adagrad {
        /// How the learning rate falls with the steps.
        lr_decay: f64,
        /// Keeps the divisor from 0.
        eps: f64,
        /// Added to the gradient: `g + weight_decay·p`.
        weight_decay: f64,
        /// What `s` begins with.
        initial_accumulator_value: f64,
    },
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::sgd()
    }
}

impl Optimizer {
    /// The names of all optimizers.
    pub const NAMES: [&str; 5] = ["sgd", "adam", "adamw", "rmsprop", "adagrad"];

    /// Plain SGD, `p ← p − γ·g`.
    pub const fn sgd() -> Self {
        Self::Sgd { momentum: 0.0, dampening: 0.0, nesterov: false, weight_decay: 0.0 }
    }

    /// Adam with PyTorch's defaults.
    pub const fn adam() -> Self {
        Self::Adam { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, amsgrad: false }
    }

    /// AdamW with PyTorch's defaults.
    pub const fn adamw() -> Self {
        Self::AdamW { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.01, amsgrad: false }
    }

    /// RMSprop with PyTorch's defaults.
    pub const fn rmsprop() -> Self {
        Self::RmsProp { alpha: 0.99, eps: 1e-8, weight_decay: 0.0, momentum: 0.0, centered: false }
    }

    /// Adagrad with PyTorch's defaults.
    pub const fn adagrad() -> Self {
        Self::Adagrad { lr_decay: 0.0, eps: 1e-10, weight_decay: 0.0, initial_accumulator_value: 0.0 }
    }

    /// The name: one of [`Optimizer::NAMES`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Sgd { .. } => "sgd",
            Self::Adam { .. } => "adam",
            Self::AdamW { .. } => "adamw",
            Self::RmsProp { .. } => "rmsprop",
            Self::Adagrad { .. } => "adagrad",
        }
    }

    /// The optimizer of that name, with PyTorch's defaults.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::sgd(), Self::adam(), Self::adamw(), Self::rmsprop(), Self::adagrad()];
        all.into_iter().find(|optimizer| optimizer.name() == name)
    }

    /// Whether this is `p ← p − γ·g`.
    pub fn is_plain_sgd(self) -> bool {
        matches!(self, Self::Sgd { momentum: 0.0, weight_decay: 0.0, .. })
    }

    /// Refuses options out of PyTorch's ranges; `eps` has to be above 0.
    pub(crate) fn check(self) -> Result<()> {
        let wrong =
            |name, expected, value: f64| Err(Error::Setting { name, expected, found: value.to_string() });
        let from_zero: &[(&'static str, f64)] = match &self {
            Self::Sgd { momentum, weight_decay, .. } => {
                &[("momentum", *momentum), ("weight_decay", *weight_decay)]
            }
            Self::Adam { eps, weight_decay, .. } | Self::AdamW { eps, weight_decay, .. } => {
                &[("eps", *eps), ("weight_decay", *weight_decay)]
            }
            Self::RmsProp { alpha, eps, weight_decay, momentum, .. } => {
                &[("alpha", *alpha), ("eps", *eps), ("weight_decay", *weight_decay), ("momentum", *momentum)]
            }
            Self::Adagrad { lr_decay, eps, weight_decay, initial_accumulator_value } => &[
                ("lr_decay", *lr_decay),
                ("eps", *eps),
                ("weight_decay", *weight_decay),
                ("initial_accumulator_value", *initial_accumulator_value),
            ],
        };
        for (name, value) in from_zero {
            // In the padding, as in units without a gradient, the divisor is eps alone.
            if *name == "eps" && (value.is_nan() || *value < f64::from(f32::MIN_POSITIVE)) {
                return wrong(name, "a number above 1e-37", *value);
            }
            if !(*value >= 0.0 && value.is_finite()) {
                return wrong(name, "a number from 0 on", *value);
            }
        }
        match self {
            Self::Adam { betas, .. } | Self::AdamW { betas, .. } => {
                for beta in [betas.0, betas.1] {
                    if !(0.0..1.0).contains(&beta) {
                        return wrong("betas", "numbers from 0 on, below 1", beta);
                    }
                }
            }
            Self::Sgd { dampening, .. } if !dampening.is_finite() => {
                return wrong("dampening", "a finite number", dampening);
            }
            Self::Sgd { momentum, dampening, nesterov: true, .. } if momentum == 0.0 || dampening != 0.0 => {
                let expected = "false without a momentum or with dampening";
                return Err(Error::Setting { name: "nesterov", expected, found: "true".into() });
            }
            _ => {}
        }
        Ok(())
    }
}

/// What an optimizer remembers, each as long as the parameters, or empty where it has no use for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OptimizerState<T> {
    /// Momentum, or Adam's `m`.
    pub first: Buffer<T>,
    /// Sums or means of squares.
    pub second: Buffer<T>,
    /// Adam's largest `v`, or the mean gradient of centred RMSprop.
    pub third: Buffer<T>,
    /// Steps made.
    pub steps: u64,
}

impl<T: Float> OptimizerState<T> {
    /// Before the first step, for `len` parameters.
    pub fn new(optimizer: Optimizer, len: usize) -> Result<Self> {
        let (first, second, third) = match optimizer {
            Optimizer::Sgd { momentum, .. } => (momentum != 0.0, false, false),
            Optimizer::Adam { amsgrad, .. } | Optimizer::AdamW { amsgrad, .. } => (true, true, amsgrad),
            Optimizer::RmsProp { momentum, centered, .. } => (momentum > 0.0, true, centered),
            Optimizer::Adagrad { .. } => (false, true, false),
        };
        let buffer = |wanted: bool| Buffer::zeroed(if wanted { len } else { 0 });
        let mut state =
            Self { first: buffer(first)?, second: buffer(second)?, third: buffer(third)?, steps: 0 };
        if let Optimizer::Adagrad { initial_accumulator_value, .. } = optimizer {
            state.second.fill(T::from_f64(initial_accumulator_value));
        }
        Ok(state)
    }

    /// One step.
    pub fn step(
        &mut self,
        threads: &mut Threads,
        level: Level,
        (optimizer, learning_rate): (Optimizer, f64),
        flat: &mut [T],
        gradient: &[T],
    ) {
        self.steps += 1;
        let (len, count, steps) = (flat.len(), threads.pieces(flat.len()), self.steps);
        let mut first = Pieces::new(&mut self.first, len, count);
        let mut second = Pieces::new(&mut self.second, len, count);
        let mut third = Pieces::new(&mut self.third, len, count);
        let memories = [&mut first, &mut second, &mut third].map(|pieces| &*pieces);
        threads.for_pieces(flat, count, |number| cut(len, count, number + 1), &|number, flat| {
            let from = cut(len, count, number);
            let gradient = &gradient[from..from + flat.len()];
            let [first, second, third] = &mut memories.map(|pieces| locked(&pieces.0[number]));
            let memory = [&mut ***first, &mut ***second, &mut ***third];
            T::step(Step { optimizer, learning_rate, steps, memory, flat, gradient }, level);
        });
    }
}

/// Where the `number`-th of `count` pieces of `len` elements begins, at a cache line.
fn cut(len: usize, count: usize, number: usize) -> usize {
    if number == count { len } else { len * number / count / 16 * 16 }
}

/// What a step remembers, cut as the parameters are, or empty.
struct Pieces<'a, T>([Mutex<&'a mut [T]>; MOST_PIECES]);

impl<'a, T> Pieces<'a, T> {
    fn new(mut data: &'a mut [T], len: usize, count: usize) -> Self {
        Self(std::array::from_fn(|number| {
            let wanted =
                if number < count { cut(len, count, number + 1) - cut(len, count, number) } else { 0 };
            Mutex::new(data.split_off_mut(..wanted).unwrap_or_default())
        }))
    }
}

/// A step as a kernel.
pub struct Step<'a, T> {
    optimizer: Optimizer,
    learning_rate: f64,
    /// Steps made, this one among them.
    steps: u64,
    /// As in [`OptimizerState`].
    memory: [&'a mut [T]; 3],
    flat: &'a mut [T],
    gradient: &'a [T],
}

impl<T: Float> Kernel for Step<'_, T> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { optimizer, learning_rate, steps, memory: [first, second, third], flat, gradient } = self;
        let rate = T::from_f64(learning_rate);
        match optimizer {
            _ if optimizer.is_plain_sgd() => sgd::<T, S>(flat, gradient, rate),
            Optimizer::Sgd { momentum, dampening, nesterov, weight_decay } => {
                // The first gradient becomes the momentum as it is.
                let (keep, take) = if steps == 1 { (0.0, 1.0) } else { (momentum, 1.0 - dampening) };
                let numbers = [keep, take, momentum, weight_decay, learning_rate];
                sgd_with_momentum(flat, gradient, first, numbers.map(T::from_f64), nesterov);
            }
            Optimizer::Adam { betas, eps, weight_decay, amsgrad } => {
                let adam = Adam::new(betas, eps, learning_rate, steps);
                adam.step(flat, gradient, (first, second, third), T::from_f64(weight_decay), T::ONE, amsgrad);
            }
            Optimizer::AdamW { betas, eps, weight_decay, amsgrad } => {
                let adam = Adam::new(betas, eps, learning_rate, steps);
                let shrink = T::from_f64(1.0 - learning_rate * weight_decay);
                adam.step(flat, gradient, (first, second, third), T::ZERO, shrink, amsgrad);
            }
            Optimizer::RmsProp { alpha, eps, weight_decay, momentum, centered } => {
                let numbers = [alpha, 1.0 - alpha, eps, weight_decay, momentum, learning_rate];
                rmsprop(flat, gradient, (first, second, third), numbers.map(T::from_f64), centered);
            }
            Optimizer::Adagrad { lr_decay, eps, weight_decay, .. } => {
                let rate = learning_rate / (1.0 + (steps - 1) as f64 * lr_decay);
                adagrad(flat, gradient, second, [rate, eps, weight_decay].map(T::from_f64));
            }
        }
    }
}

/// Plain SGD: `p ← p − learning_rate·g`, PyTorch's `optim.SGD` without options.
#[inline(always)]
pub(crate) fn sgd<T: Float, S: Isa>(flat: &mut [T], gradient: &[T], learning_rate: T) {
    let rate = T::Vector::<S>::splat(-learning_rate);
    // The flat buffer is whole cache lines.
    for at in (0..flat.len()).step_by(T::Vector::<S>::LANES) {
        let p = T::Vector::<S>::load(flat, at);
        rate.mul_add(T::Vector::<S>::load(gradient, at), p).store(flat, at);
    }
}

/// Zero where a value is below `least`, too small to count.
///
/// What an optimizer remembers of a parameter whose gradient has become 0, as that of an input which is nearly always 0,
/// falls by a factor each step: into the denormal numbers, where rounding holds it for ever and every operation takes a
/// hundred cycles (oneDNN 561; training was 2.8 times slower). Zero is as good, and quick. NaN stays.
#[inline(always)]
fn settled<T: Float>(value: T, least: T) -> T {
    if value.abs() < least { T::ZERO } else { value }
}

// The loops below are plain, over slices of one length: the compiler makes vectors of them.

#[inline(always)]
fn sgd_with_momentum<T: Float>(
    flat: &mut [T],
    gradient: &[T],
    buffer: &mut [T],
    [keep, take, momentum, weight_decay, rate]: [T; 5],
    nesterov: bool,
) {
    let gradient = &gradient[..flat.len()];
    if buffer.is_empty() {
        for i in 0..flat.len() {
            let g = gradient[i] + weight_decay * flat[i];
            flat[i] -= rate * g;
        }
        return;
    }
    let buffer = &mut buffer[..flat.len()];
    for i in 0..flat.len() {
        let g = gradient[i] + weight_decay * flat[i];
        let b = settled(keep * buffer[i] + take * g, T::NEGLIGIBLE);
        buffer[i] = b;
        let direction = if nesterov { g + momentum * b } else { b };
        flat[i] -= rate * direction;
    }
}

/// The numbers of one step of Adam.
struct Adam<T> {
    /// `β₁`, `1 − β₁`
    first: [T; 2],
    /// `β₂`, `1 − β₂`
    second: [T; 2],
    eps: T,
    /// `γ / (1 − β₁ᵗ)`
    rate: T,
    /// `√(1 − β₂ᵗ)`
    correction: T,
}

impl<T: Float> Adam<T> {
    #[inline(always)]
    fn new((beta1, beta2): (f64, f64), eps: f64, learning_rate: f64, steps: u64) -> Self {
        let steps = steps as f64;
        let rate = learning_rate / (1.0 - beta1.powf(steps));
        let correction = (1.0 - beta2.powf(steps)).sqrt();
        Self {
            first: [beta1, 1.0 - beta1].map(T::from_f64),
            second: [beta2, 1.0 - beta2].map(T::from_f64),
            eps: T::from_f64(eps),
            rate: T::from_f64(rate),
            correction: T::from_f64(correction),
        }
    }

    /// `weight_decay` goes into the gradient, `shrink` is a factor of the parameters.
    #[inline(always)]
    fn step(
        &self,
        flat: &mut [T],
        gradient: &[T],
        (first, second, third): (&mut [T], &mut [T], &mut [T]),
        weight_decay: T,
        shrink: T,
        amsgrad: bool,
    ) {
        let len = flat.len();
        let (gradient, first, second) = (&gradient[..len], &mut first[..len], &mut second[..len]);
        let third = if amsgrad { &mut third[..len] } else { &mut third[..0] };
        for i in 0..len {
            let p = settled(flat[i] * shrink, T::NEGLIGIBLE);
            let g = gradient[i] + weight_decay * p;
            // As PyTorch's lerp: m + (g − m)·(1 − β₁).
            let m = settled(first[i] + (g - first[i]) * self.first[1], T::NEGLIGIBLE);
            let v = settled(self.second[0] * second[i] + self.second[1] * (g * g), T::LEAST);
            (first[i], second[i]) = (m, v);
            let mut divisor = v;
            if amsgrad {
                divisor = if third[i] > v { third[i] } else { v };
                third[i] = divisor;
            }
            flat[i] = p - self.rate * (m / (divisor.sqrt() / self.correction + self.eps));
        }
    }
}

#[inline(always)]
fn rmsprop<T: Float>(
    flat: &mut [T],
    gradient: &[T],
    (buffer, squares, means): (&mut [T], &mut [T], &mut [T]),
    [alpha, rest, eps, weight_decay, momentum, rate]: [T; 6],
    centered: bool,
) {
    let len = flat.len();
    let (gradient, squares) = (&gradient[..len], &mut squares[..len]);
    let means = if centered { &mut means[..len] } else { &mut means[..0] };
    let with_momentum = !buffer.is_empty();
    let buffer = if with_momentum { &mut buffer[..len] } else { &mut buffer[..0] };
    for i in 0..len {
        let g = gradient[i] + weight_decay * flat[i];
        let v = settled(alpha * squares[i] + rest * (g * g), T::LEAST);
        squares[i] = v;
        let mut divisor = v;
        if centered {
            let mean = settled(means[i] + (g - means[i]) * rest, T::NEGLIGIBLE);
            means[i] = mean;
            // A variance; rounding can make it negative, of which PyTorch makes NaN.
            divisor = v - mean * mean;
            divisor = if divisor < T::ZERO { T::ZERO } else { divisor };
        }
        let step = g / (divisor.sqrt() + eps);
        if with_momentum {
            let b = settled(momentum * buffer[i] + step, T::NEGLIGIBLE);
            buffer[i] = b;
            flat[i] -= rate * b;
        } else {
            flat[i] -= rate * step;
        }
    }
}

#[inline(always)]
fn adagrad<T: Float>(flat: &mut [T], gradient: &[T], sums: &mut [T], [rate, eps, weight_decay]: [T; 3]) {
    let (gradient, sums) = (&gradient[..flat.len()], &mut sums[..flat.len()]);
    for i in 0..flat.len() {
        let g = gradient[i] + weight_decay * flat[i];
        let sum = sums[i] + g * g;
        sums[i] = sum;
        flat[i] -= rate * (g / (sum.sqrt() + eps));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a gradient has become 0, no memory of it is left among the denormal numbers.
    fn check_forgetting<T: Float>(optimizer: Optimizer) {
        let mut state = OptimizerState::<T>::new(optimizer, T::LINE).unwrap();
        let mut flat = Buffer::<T>::zeroed(T::LINE).unwrap();
        let mut gradient = Buffer::<T>::zeroed(T::LINE).unwrap();
        let mut threads = Threads::new(1);
        gradient[0] = T::from_f64(0.01);
        state.step(&mut threads, Level::best(), (optimizer, 0.01), &mut flat, &gradient);
        gradient[0] = T::ZERO;
        for _ in 0..30_000 {
            state.step(&mut threads, Level::best(), (optimizer, 0.01), &mut flat, &gradient);
        }
        let remembered = state.first.iter().chain(state.second.iter()).chain(state.third.iter());
        for value in remembered.chain(flat.iter()) {
            let normal = value.abs() >= T::LEAST;
            assert!(normal || *value == T::ZERO, "{optimizer:?} {}: {value:?}", T::DTYPE);
        }
    }

    #[test]
    fn what_is_forgotten_is_zero() {
        let optimizers = [
            Optimizer::Sgd { momentum: 0.9, dampening: 0.0, nesterov: true, weight_decay: 0.0 },
            Optimizer::Adam { betas: (0.9, 0.99), eps: 1e-8, weight_decay: 0.0, amsgrad: true },
            Optimizer::AdamW { betas: (0.9, 0.99), eps: 1e-8, weight_decay: 0.5, amsgrad: false },
            Optimizer::RmsProp { alpha: 0.99, eps: 1e-8, weight_decay: 0.0, momentum: 0.9, centered: true },
        ];
        for optimizer in optimizers {
            check_forgetting::<f32>(optimizer);
            check_forgetting::<f64>(optimizer);
        }
    }
}
