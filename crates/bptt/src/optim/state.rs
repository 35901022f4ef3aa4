//! [`OptimizerState`]: what an optimizer remembers from step to step, and a step on all threads.

use std::sync::Mutex;

use super::{Optimizer, Step};
use crate::buffer::Buffer;
use crate::threads::pieces::MOST_PIECES;
use crate::threads::{Threads, locked};
use crate::{Float, Level, Result};

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
