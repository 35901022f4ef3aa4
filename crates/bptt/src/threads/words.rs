//! [`Words`]: numbers that one thread writes and others read, without a lock.
//!
//! What goes from one core's cache to another's takes some 100 ns each way, and so does every word that both write, as those of
//! locks. Here only the numbers go: they are atomic, and whoever uses them sees to it that nobody reads them before they are there,
//! nor writes them before they have been read (see [`super::phases`]).

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::buffer::Buffer;
use crate::{Float, Result};

/// A buffer of numbers, as many to a word as fit.
#[derive(Debug, Default)]
pub(crate) struct Words<T> {
    words: Buffer<AtomicU64>,
    elements: PhantomData<T>,
}

impl<T: Float> Words<T> {
    /// Elements of a word.
    const EACH: usize = size_of::<u64>() / size_of::<T>();

    /// `len` zeros: whole words.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory) where the allocator refuses.
    pub fn new(len: usize) -> Result<Self> {
        Ok(Self { words: Buffer::new(len / Self::EACH)?, elements: PhantomData })
    }

    /// Writes `values`, whole words, from the element `at` on, where a word begins.
    pub fn put(&self, at: usize, values: &[T]) {
        for (word, values) in self.words[at / Self::EACH..].iter().zip(values.chunks_exact(Self::EACH)) {
            word.store(T::to_word(values), Ordering::Relaxed);
        }
    }

    /// Reads as many into `out`, likewise.
    pub fn read(&self, at: usize, out: &mut [T]) {
        for (word, out) in self.words[at / Self::EACH..].iter().zip(out.chunks_exact_mut(Self::EACH)) {
            T::from_word(word.load(Ordering::Relaxed), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Float>() {
        let values: Vec<T> = [1.5, -0.0, f64::NAN, 1e-40, f64::INFINITY, -7.0].map(T::from_f64).to_vec();
        let words = Words::<T>::new(8).unwrap();
        words.put(2, &values);
        let mut out = [T::ONE; 10];
        words.read(0, &mut out[1..9]);
        assert_eq!([out[0], out[1], out[2], out[9]], [T::ONE, T::ZERO, T::ZERO, T::ONE]);
        let bits = |values: &[T]| values.iter().map(|x| x.to_f64().to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&out[3..9]), bits(&values));
    }

    #[test]
    fn values_come_back_with_all_their_bits() {
        check::<f32>();
        check::<f64>();
    }
}
