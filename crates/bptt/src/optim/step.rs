//! [`Step`]: the loops over the parameters.

use super::Optimizer;
use crate::Float;
use crate::kernel::level::{Isa, Kernel};
use crate::kernel::vector::Vector;

/// A step as a kernel.
pub struct Step<'a, T> {
    pub optimizer: Optimizer,
    pub learning_rate: f64,
    /// Steps made, this one among them.
    pub steps: u64,
    /// As in [`OptimizerState`](super::OptimizerState).
    pub memory: [&'a mut [T]; 3],
    pub flat: &'a mut [T],
    pub gradient: &'a [T],
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
