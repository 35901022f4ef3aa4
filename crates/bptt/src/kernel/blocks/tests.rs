//! Blocks against plain loops, at every level: with instructions for them and without.

use super::Blocks;
use crate::kernel::level::{Isa, Kernel};
use crate::kernel::tile::Matrix;
use crate::kernel::vector::Vector;
use crate::{Dyn, Float, Level, Rng};

fn numbers<T: Float>(count: usize, seed: u64) -> Vec<T> {
    let mut rng = Rng::new(seed);
    (0..count).map(|_| T::from_f64(rng.uniform() - 0.5)).collect()
}

/// Rows of units, with the padding 0.
fn rows<T: Float>(count: usize, units: usize, stride: usize, seed: u64) -> Vec<T> {
    let mut rows = numbers::<T>(count * stride, seed);
    for row in rows.chunks_exact_mut(stride) {
        row[units..].fill(T::ZERO);
    }
    rows
}

struct Check<T>(T);

impl<T: Float> Kernel for Check<T> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let lanes = T::Vector::<S>::LANES;
        for units in 1..=12 {
            // A vector of 4 lanes has one unit, and 3 vectors 3.
            let fits = units <= 3 * lanes / 4 && lanes >= 4;
            for inputs in 4..=33 {
                if fits {
                    check::<T, S>(inputs, units);
                }
            }
        }
    }
}

fn check<T: Float, S: Isa>(inputs: usize, units: usize) {
    let name = format!("{inputs} inputs, {units} units, {} lanes", T::Vector::<S>::LANES);
    let stride = units.next_multiple_of(T::LINE).max(T::Vector::<S>::LANES);
    let blocks = Blocks { input: Dyn(inputs), hidden: Dyn(units) };
    let weights = rows::<T>(inputs, units, stride, 1);
    // What is there before does not count.
    let mut w = numbers::<T>(inputs.div_ceil(4) * units.next_multiple_of(4) * 4 + 64, 2);
    blocks.gather::<T, S>(Matrix::new(&weights, stride), &mut w);
    let close = |found: T, expected: f64| {
        let (found, ulp) = (found.to_f64(), if size_of::<T>() == 4 { 1e-6 } else { 1e-14 });
        assert!((found - expected).abs() <= ulp * 8.0, "{name}: {found} for {expected}");
    };

    let x = numbers::<T>(5 * inputs, 3);
    let bias = rows::<T>(1, units, stride, 4);
    let mut out = vec![T::ONE; stride];
    blocks.row::<T, S>(T::Vector::<S>::load(&bias, 0), &x, &w).store(&mut out, 0);
    for (unit, found) in out[..T::Vector::<S>::LANES].iter().enumerate() {
        let product = |k: usize| x[k].to_f64() * weights[k * stride + unit].to_f64();
        close(*found, bias[unit].to_f64() + (0..inputs).map(product).sum::<f64>());
    }

    let delta = rows::<T>(5, units, stride, 5);
    for first in 0..2.min(inputs.div_ceil(4)) {
        let mut sum = w.clone();
        let matrices = (Matrix::new(&x, inputs), Matrix::new(&delta, stride));
        blocks.acc::<T, S>(first, matrices, 5, &mut sum);
        let mut found = vec![T::ZERO; inputs * stride];
        blocks.scatter::<T, S>(&sum, (&mut found, stride));
        for k in 0..inputs {
            // Where the last block begins earlier, the one before is what counts.
            let late = k / 4 >= first;
            for unit in 0..units {
                let product = |t: usize| x[t * inputs + k].to_f64() * delta[t * stride + unit].to_f64();
                let sum = if late { (0..5).map(product).sum::<f64>() } else { 0.0 };
                close(found[k * stride + unit], weights[k * stride + unit].to_f64() + sum);
            }
        }
    }

    let mut back = vec![T::ZERO; inputs * stride];
    blocks.scatter::<T, S>(&w, (&mut back, stride));
    assert!(back == weights, "{name}: there and back");
}

#[test]
fn blocks_compute_what_rows_do() {
    for level in Level::available() {
        level.run(Check(0.0_f32));
        level.run(Check(0.0_f64));
    }
}
