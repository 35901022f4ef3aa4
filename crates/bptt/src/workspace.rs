//! [`Workspace`]: every buffer that training or prediction needs, allocated once.

use crate::abreast;
use crate::buffer::Buffer;
use crate::cell::Layout;
use crate::dim::Dim;
use crate::{Float, Result};

/// Bytes of hidden states and their gradients that sequences are grouped into: what a first-level cache holds beside
/// the weights.
const GROUP_BYTES: usize = 24 << 10;

/// The buffers of a pass over a group of sequences. `P` is `H` padded to cache lines.
///
/// A row belongs to one timestep of one sequence; rows are ordered by timestep, then by sequence (see
/// [`crate::group`]). Once it is built, an epoch allocates nothing; it grows only when longer sequences come.
#[derive(Debug)]
pub struct Workspace<T> {
    hidden: Buffer<T>,
    delta: Buffer<T>,
    d_output: Buffer<T>,
    weight_hh_t: Buffer<T>,
    bias: Buffer<T>,
    abreast: Buffer<T>,
    /// Rows that there is room for.
    rows: usize,
    /// Of those, and of `abreast`, what the data at hand take. So it does not depend on what came before how sequences
    /// are grouped.
    used: (usize, usize),
}

/// The buffers of a [`Workspace`] as slices.
pub struct Scratch<'w, T> {
    /// `h` after each step. (rows, P)
    pub hidden: &'w mut [T],
    /// The gradient before the activation. (rows, P)
    pub delta: &'w mut [T],
    /// The gradient of the outputs. (rows, O)
    pub d_output: &'w mut [T],
    /// `weight_hh` output-major, for the backward sweep. (H, P)
    pub weight_hh_t: &'w mut [T],
    /// `b_ih + b_hh`. (P)
    pub bias: &'w mut [T],
    /// The buffer of [`crate::abreast`].
    pub abreast: &'w mut [T],
    /// Rows that a group may have.
    pub rows: usize,
}

impl<T: Float> Workspace<T> {
    /// Buffers for `batch_size` sequences of up to `longest` timesteps, or for as many at a time as are worth it.
    pub fn new<I: Dim, H: Dim, O: Dim>(
        layout: Layout<I, H, O>,
        longest: usize,
        batch_size: usize,
    ) -> Result<Self> {
        let rows = Self::rows(layout, longest, batch_size);
        let abreast = Self::abreast(layout, longest, batch_size);
        Self::with_room(layout, rows, abreast, batch_size > 1)
    }

    fn with_room<I: Dim, H: Dim, O: Dim>(
        layout: Layout<I, H, O>,
        rows: usize,
        abreast: usize,
        groups: bool,
    ) -> Result<Self> {
        let stride = layout.stride::<T>();
        let (h, o) = (layout.hidden.size(), layout.output.size());
        // A strided view of the last sequence of a group may reach beyond the last row, by less than a group.
        // A product that overflows saturates, so that the allocation is refused instead of being too small.
        let reserved = if groups { rows.saturating_mul(2) } else { rows };
        Ok(Self {
            hidden: Buffer::zeroed(reserved.saturating_mul(stride))?,
            delta: Buffer::zeroed(reserved.saturating_mul(stride))?,
            d_output: Buffer::zeroed(reserved.saturating_mul(o))?,
            weight_hh_t: Buffer::zeroed(h.saturating_mul(stride))?,
            bias: Buffer::zeroed(stride)?,
            abreast: Buffer::zeroed(abreast)?,
            rows,
            used: (rows, abreast),
        })
    }

    /// How many rows a group may have.
    fn rows<I: Dim, H: Dim, O: Dim>(layout: Layout<I, H, O>, longest: usize, batch_size: usize) -> usize {
        let row_bytes = layout.stride::<T>().saturating_mul(2 * size_of::<T>());
        // Where the weights are larger than that, a group has to be large enough to be worth reading them.
        let bytes = GROUP_BYTES.max(row_bytes.saturating_mul(2 * layout.hidden.size()));
        let (least, most) = (longest.saturating_mul(batch_size.min(4)), longest.saturating_mul(batch_size));
        (bytes / row_bytes).max(least).min(most)
    }

    /// How many elements the sequences of a batch take abreast.
    fn abreast<I: Dim, H: Dim, O: Dim>(layout: Layout<I, H, O>, longest: usize, batch_size: usize) -> usize {
        if batch_size > 1 { abreast::elements::<T, I, H, O>(layout, longest) } else { 0 }
    }

    /// Makes room for batches of `batch_size` sequences of up to `longest` timesteps; allocates only where that is more
    /// than ever before.
    pub fn fit<I: Dim, H: Dim, O: Dim>(
        &mut self,
        layout: Layout<I, H, O>,
        longest: usize,
        batch_size: usize,
    ) -> Result<()> {
        let rows = Self::rows(layout, longest, batch_size);
        let abreast = Self::abreast(layout, longest, batch_size);
        let has_groups = self.hidden.len() > self.rows * layout.stride::<T>();
        let groups = batch_size > 1 || has_groups;
        if rows > self.rows || abreast > self.abreast.len() || groups != has_groups {
            // What there was room for stays: a trainer goes back and forth between data sets.
            *self = Self::with_room(layout, rows.max(self.rows), abreast.max(self.abreast.len()), groups)?;
        }
        self.used = (rows, abreast);
        Ok(())
    }

    /// The buffers.
    #[inline(always)]
    pub fn scratch(&mut self) -> Scratch<'_, T> {
        Scratch {
            hidden: &mut self.hidden,
            delta: &mut self.delta,
            d_output: &mut self.d_output,
            weight_hh_t: &mut self.weight_hh_t,
            bias: &mut self.bias,
            abreast: &mut self.abreast[..self.used.1],
            rows: self.used.0,
        }
    }
}

impl<T: Float> Scratch<'_, T> {
    /// Derives `bias` from the parameters.
    #[inline(always)]
    pub fn sum_biases<I: Dim, H: Dim, O: Dim>(&mut self, layout: Layout<I, H, O>, flat: &[T]) {
        let weights = layout.split(flat);
        for ((sum, a), b) in self.bias.iter_mut().zip(weights.bias_ih).zip(weights.bias_hh) {
            *sum = *a + *b;
        }
    }

    /// Derives `bias` and `weight_hh_t` from the parameters; needed after an update that does not keep them current.
    #[inline(always)]
    pub fn refresh<I: Dim, H: Dim, O: Dim>(&mut self, layout: Layout<I, H, O>, flat: &[T]) {
        self.sum_biases(layout, flat);
        let (h, stride) = (layout.hidden.size(), layout.stride::<T>());
        let transposed = &mut self.weight_hh_t[..h * stride];
        for (k, row) in layout.split(flat).weight_hh.chunks_exact(stride).take(h).enumerate() {
            for (n, value) in row[..h].iter().enumerate() {
                transposed[n * stride + k] = *value;
            }
        }
    }
}
