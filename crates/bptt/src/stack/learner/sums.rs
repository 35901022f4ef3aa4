//! Gradients as flat buffers: cleared, and added up over the parts of a batch.

use super::Part;
use crate::Float;
use crate::threads::{Threads, inner, locked, share};
use std::sync::Mutex;

/// Elements of gradients that are worth a second thread for adding them up, and how many a thread adds up at a time.
const MANY_ELEMENTS: usize = 1 << 17;
const SLICE: usize = 1 << 13;

/// Makes a gradient zero.
pub(super) fn clear<T: Float>(threads: &mut Threads, gradient: &mut [T]) {
    let (len, count) = (gradient.len(), threads.pieces(gradient.len()));
    threads.for_pieces(gradient, count, |number| len * (number + 1) / count, &|_, piece| piece.fill(T::ZERO));
}

/// Adds the gradients of `parts` to `sum`, each element in the order of the parts.
pub(super) fn add_up<T: Float>(threads: &mut Threads, sum: &mut [T], parts: &mut [Mutex<Part<T>>]) {
    if parts.is_empty() {
        return;
    }
    let mut gradients: [&[T]; share::MOST_PARTS] = [&[]; share::MOST_PARTS];
    let count = parts.len();
    for (gradient, part) in gradients.iter_mut().zip(parts) {
        *gradient = &inner(part).gradient;
    }
    let gradients = &gradients[..count];
    let many = sum.len() * count >= MANY_ELEMENTS;
    let jobs = if many { threads.most() } else { 1 };
    let rest = Mutex::new((0, sum));
    threads.run(jobs, &|_| {
        while let Some((at, sum)) = take_slice(&mut locked(&rest)) {
            for gradient in gradients {
                for (sum, value) in sum.iter_mut().zip(&gradient[at..]) {
                    *sum += *value;
                }
            }
        }
    });
}

/// The next elements of what is left of a buffer, and where they begin.
fn take_slice<'a, T>((at, rest): &mut (usize, &'a mut [T])) -> Option<(usize, &'a mut [T])> {
    let len = SLICE.min(rest.len());
    let slice = rest.split_off_mut(..len).filter(|slice| !slice.is_empty())?;
    *at += len;
    Some((*at - len, slice))
}
