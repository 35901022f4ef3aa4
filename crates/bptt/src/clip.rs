//! Gradient clipping: PyTorch's `clip_grad_norm_` and `clip_grad_value_`.

use crate::Float;

/// Scales `gradient` down to the norm `most`, where its norm is larger; returns the norm it had. In double precision.
///
/// As in PyTorch the factor is `most / (norm + 1e-6)`, at most 1.
pub(crate) fn clip_norm<T: Float>(gradient: &mut [T], most: f64) -> f64 {
    // Independent sums, so that additions need not wait for each other.
    let mut sums = [0.0; 8];
    for chunk in gradient.chunks(8) {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += value.to_f64() * value.to_f64();
        }
    }
    let norm = sums.iter().sum::<f64>().sqrt();
    let factor = most / (norm + 1e-6);
    if factor < 1.0 {
        let factor = T::from_f64(factor);
        gradient.iter_mut().for_each(|value| *value *= factor);
    }
    norm
}

/// Limits every element of `gradient` to ±`limit`.
pub(crate) fn clip_value<T: Float>(gradient: &mut [T], limit: f64) {
    let limit = T::from_f64(limit);
    for value in gradient {
        if *value > limit {
            *value = limit;
        } else if *value < -limit {
            *value = -limit;
        }
    }
}
