//! [`Buffer`]: a flat, zeroed, 64-byte aligned slice.

use std::ops::{Deref, DerefMut};

use crate::{Error, Float, Result};

/// Bytes in a cache line; also the widest vector register.
const ALIGNMENT: usize = 64;

/// A flat buffer whose first element lies on a 64-byte boundary, so that no vector load of a padded row
/// crosses a cache line (worth up to 2× on large matrices).
///
/// The alignment needs no `unsafe`: the buffer is one line longer than asked for, and starts at the first
/// aligned element. The heap block never moves, so that the start stays right.
pub struct Buffer<T> {
    block: Box<[T]>,
    start: usize,
    len: usize,
}

impl<T> Buffer<T> {
    /// Elements in a cache line.
    const LINE: usize = ALIGNMENT / size_of::<T>();

    /// The first aligned element of `block`.
    fn aligned_start(block: &[T]) -> usize {
        // `align_offset` may say "cannot" (`usize::MAX`); an unaligned start is slower and still correct.
        let offset = block.as_ptr().align_offset(ALIGNMENT);
        if offset <= Self::LINE { offset } else { 0 }
    }
}

impl<T> Default for Buffer<T> {
    /// An empty buffer, which takes no memory.
    fn default() -> Self {
        Self { block: Box::default(), start: 0, len: 0 }
    }
}

impl<T: Float> Buffer<T> {
    /// A buffer of `len` zeros.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where the allocator refuses.
    pub fn zeroed(len: usize) -> Result<Self> {
        Self::new(len)
    }
}

impl<T: Default> Buffer<T> {
    /// A buffer of `len` elements, all the default.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where the allocator refuses.
    pub fn new(len: usize) -> Result<Self> {
        let padded = len.checked_add(Self::LINE).ok_or(Error::OutOfMemory { elements: len })?;
        let block = zeros(padded).map_err(|_| Error::OutOfMemory { elements: len })?.into_boxed_slice();
        let start = Self::aligned_start(&block);
        Ok(Self { block, start, len })
    }
}

/// `len` zeros, or whatever the default is.
///
/// # Errors
/// [`Error::OutOfMemory`] where the allocator refuses.
pub(crate) fn zeros<T: Default>(len: usize) -> Result<Vec<T>> {
    let mut zeros = Vec::new();
    zeros.try_reserve_exact(len).map_err(|_| Error::OutOfMemory { elements: len })?;
    zeros.resize_with(len, T::default);
    Ok(zeros)
}

impl<T> Deref for Buffer<T> {
    type Target = [T];
    #[inline(always)]
    fn deref(&self) -> &[T] {
        &self.block[self.start..self.start + self.len]
    }
}

impl<T> DerefMut for Buffer<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.block[self.start..self.start + self.len]
    }
}

impl<T: Clone> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        let mut block = self.block.clone();
        // The new block may be aligned otherwise: move the contents to where its first aligned element is.
        let start = Self::aligned_start(&block);
        if start < self.start {
            block.rotate_left(self.start - start);
        } else {
            block.rotate_right(start - self.start);
        }
        Self { block, start, len: self.len }
    }
}

impl<T: PartialEq> PartialEq for Buffer<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// `columns` rounded up to whole cache lines: the distance between the rows of a padded matrix, in elements.
#[inline(always)]
pub(crate) fn padded<T: Float>(columns: usize) -> usize {
    columns.div_ceil(T::LINE) * T::LINE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_on_a_cache_line_and_holds_zeros() {
        for len in [0, 1, 7, 16, 1000] {
            let buffer = Buffer::<f32>::zeroed(len).unwrap();
            assert_eq!(buffer.len(), len);
            assert_eq!(buffer.as_ptr() as usize % ALIGNMENT, 0);
            assert!(buffer.iter().all(|&x| x == 0.0));
            let copy = buffer.clone();
            assert_eq!(copy.as_ptr() as usize % ALIGNMENT, 0);
            assert_eq!(copy, buffer);
        }
    }

    #[test]
    fn a_size_beyond_memory_is_an_error() {
        for len in [usize::MAX, usize::MAX / 4, isize::MAX as usize] {
            assert_eq!(Buffer::<f64>::zeroed(len).unwrap_err(), Error::OutOfMemory { elements: len });
        }
    }

    #[test]
    fn rows_are_padded_to_lines() {
        assert_eq!([0, 1, 16, 17].map(padded::<f32>), [0, 16, 16, 32]);
        assert_eq!([0, 1, 8, 9].map(padded::<f64>), [0, 8, 8, 16]);
    }
}
