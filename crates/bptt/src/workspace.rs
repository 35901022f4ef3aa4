//! [`Workspace`]: every buffer that training or prediction needs, allocated once.

use crate::buffer::Buffer;
use crate::cell::Layout;
use crate::dim::Dim;
use crate::{Float, Result};

/// The buffers of a pass over one sequence at a time, sized for the longest one. `P` is `H` padded to cache lines.
///
/// Once it is built, an epoch allocates nothing; it grows only when a longer sequence comes.
#[derive(Debug)]
pub struct Workspace<T> {
    /// Row 0 is `h_0`, all zeros; row `t + 1` is `h` after step `t`. (T + 1, P)
    pub hidden: Buffer<T>,
    /// The gradient before the activation. (T, P)
    pub delta: Buffer<T>,
    /// (T, O)
    pub output: Buffer<T>,
    /// (T, O)
    pub d_output: Buffer<T>,
    /// `weight_hh` output-major, for the backward sweep. (H, P)
    pub weight_hh_t: Buffer<T>,
    /// `b_ih + b_hh`. (P)
    pub bias: Buffer<T>,
    longest: usize,
}

impl<T: Float> Workspace<T> {
    /// Buffers for sequences of up to `longest` timesteps.
    pub fn new<I: Dim, H: Dim, O: Dim>(layout: Layout<I, H, O>, longest: usize) -> Result<Self> {
        let stride = layout.stride::<T>();
        let (h, o) = (layout.hidden.size(), layout.output.size());
        // A product that overflows saturates, so that the allocation is refused instead of being too small.
        Ok(Self {
            hidden: Buffer::zeroed(longest.saturating_add(1).saturating_mul(stride))?,
            delta: Buffer::zeroed(longest.saturating_mul(stride))?,
            output: Buffer::zeroed(longest.saturating_mul(o))?,
            d_output: Buffer::zeroed(longest.saturating_mul(o))?,
            weight_hh_t: Buffer::zeroed(h.saturating_mul(stride))?,
            bias: Buffer::zeroed(stride)?,
            longest,
        })
    }

    /// Makes room for sequences of `longest` timesteps; allocates only where it is longer than any before.
    pub fn fit<I: Dim, H: Dim, O: Dim>(&mut self, layout: Layout<I, H, O>, longest: usize) -> Result<()> {
        if longest > self.longest {
            *self = Self::new(layout, longest)?;
        }
        Ok(())
    }

    /// Timesteps of the longest sequence that fits.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Derives `bias` and `weight_hh_t` from the parameters; needed after every update.
    #[inline(always)]
    pub fn refresh<I: Dim, H: Dim, O: Dim>(&mut self, layout: Layout<I, H, O>, flat: &[T]) {
        let weights = layout.split(flat);
        for ((sum, a), b) in self.bias.iter_mut().zip(weights.bias_ih).zip(weights.bias_hh) {
            *sum = *a + *b;
        }
        let (h, stride) = (layout.hidden.size(), layout.stride::<T>());
        let transposed = &mut self.weight_hh_t[..h * stride];
        for (k, row) in weights.weight_hh.chunks_exact(stride).take(h).enumerate() {
            for (n, value) in row[..h].iter().enumerate() {
                transposed[n * stride + k] = *value;
            }
        }
    }
}
