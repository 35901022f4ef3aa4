//! [`Buffers`]: everything a pass through a stack of layers needs beside the weights, allocated once.

use super::layout::Stack;
use super::narrow::{elements, is_narrow};
use super::split::Split;
use crate::buffer::Buffer;
use crate::cell::recurrence::kept_pieces;
use crate::kernel::panel::{outer_elements, panel};
use crate::{Float, Result};

/// Bytes that a group of sequences may take: about what a second-level cache holds beside the weights.
const GROUP_BYTES: usize = 192 << 10;

/// The same for wide stacks, whose weights a second-level cache does not hold: a share of the third.
const WIDE_GROUP_BYTES: usize = 4 << 20;

/// And for each of so many bytes of their weights a group has to have a sequence, which pays for reading them.
const BYTES_A_SEQUENCE: usize = 256 << 10;

/// Bytes that the outputs of a wide stack's predictions may take, where that leaves enough sequences.
const PREDICTION_BYTES: usize = 16 << 20;

/// The buffers of a pass; the rows are those of [`super::rows::Rows`].
///
/// Once built, an epoch allocates nothing; they grow only when longer sequences or larger batches come.
#[derive(Debug)]
pub struct Buffers<T> {
    /// What each step keeps for the way back, and then the deltas. (layers, directions, rows, KEPT·P)
    pub kept: Buffer<T>,
    /// What each layer hands up, after dropout. (layers, rows, D·P)
    pub outputs: Buffer<T>,
    /// The factors of dropout. (layers − 1, rows, D·P)
    pub dropout: Buffer<T>,
    /// The gradient of a layer's outputs. (rows, D·P)
    pub d_outputs: Buffer<T>,
    /// The readout's outputs, and then their gradient. (rows, O)
    pub readout: Buffer<T>,
    /// The gradients of `h_{t−1}` and `c_{t−1}` that pass the gates by. (sequences, 2·P)
    pub carried: Buffer<T>,
    /// `h` of every sequence of the batch. (layers, directions, batch, P)
    pub hidden: Buffer<T>,
    /// `c`. (layers, directions, batch, P), empty without a memory
    pub memory: Buffer<T>,
    /// Of wide stacks: the rows of [`super::rows::Rows::list`]. (rows) each
    pub list: [Vec<usize>; 2],
    /// How many they are.
    pub listed: usize,
    /// Of wide stacks: the sums of the gates, a panel each. (sequences, G, panel)
    pub sums: Buffer<T>,
    /// Of wide stacks: room for [`crate::kernel::panel::PanelOuter`].
    pub room: Buffer<T>,
    /// Of narrow stacks: rows, states and gradients with a sequence in each lane ([`super::narrow`]).
    pub lanes: Buffer<T>,
    /// Of wide stacks: what takes the place of `kept` and `sums` where no way back follows.
    pub split: Box<Split<T>>,
    /// See [`super::rows::Rows`]. (batch)
    pub starts: Vec<usize>,
    /// See [`super::rows::Rows`]. (batch)
    pub lengths: Vec<usize>,
    /// Rows that there is room for.
    pub rows: usize,
    /// Rows that a group may have. Never more than there is room for, and the same whatever came before: how sequences
    /// are grouped decides in which order their gradients are added up, and so the last bits.
    pub capacity: usize,
    /// Sequences that a batch may have.
    pub batch: usize,
    /// Whether there is room for a way back.
    learns: bool,
}

impl<T: Float> Buffers<T> {
    /// Buffers for batches of `batch` sequences of up to `longest` timesteps; for predictions alone, where nothing `learns`.
    pub fn new(stack: &Stack, longest: usize, batch: usize, learns: bool) -> Result<Self> {
        let mut buffers = Self::with_rows(stack, 0, 0, 0, learns)?;
        buffers.fit(stack, longest, batch)?;
        Ok(buffers)
    }

    /// Buffers for `rows` rows and `lanes` elements of rows abreast.
    fn with_rows(stack: &Stack, rows: usize, batch: usize, lanes: usize, learns: bool) -> Result<Self> {
        let architecture = stack.architecture;
        let (layers, parts) = (architecture.num_layers, stack.parts());
        let (p, width) = (stack.stride::<T>(), stack.width::<T>());
        let (above, wide) = (layers - 1, stack.is_wide::<T>());
        let dropout = if learns && architecture.dropout > 0.0 { above } else { 0 };
        // What only a way back reads, or a way forward that is not split.
        let back = if learns || !wide { rows } else { 0 };
        Ok(Self {
            kept: sized(&[parts, back, kept_pieces(architecture.cell), p])?,
            outputs: sized(&[layers, rows, width])?,
            dropout: sized(&[dropout, rows, width])?,
            d_outputs: sized(&[back, width])?,
            readout: sized(&[back, stack.output])?,
            carried: sized(&[batch, 2, p])?,
            hidden: sized(&[parts, batch, p])?,
            memory: sized(&[if architecture.cell.has_memory() { parts } else { 0 }, batch, p])?,
            list: [vec![0; if wide { rows } else { 0 }], vec![0; if wide { rows } else { 0 }]],
            listed: 0,
            sums: sized(&[if wide && learns { batch } else { 0 }, architecture.cell.gates(), panel::<T>()])?,
            room: sized(&[if wide { outer_elements::<T>(back, stack.input.max(stack.hidden)) } else { 0 }])?,
            lanes: sized(&[lanes])?,
            split: Box::default(),
            starts: vec![0; batch],
            lengths: vec![0; batch],
            rows,
            capacity: rows,
            batch,
            learns,
        })
    }

    /// How many rows a group may have: two more for each sequence than it has timesteps.
    fn rows(stack: &Stack, longest: usize, batch: usize) -> usize {
        let (p, width) = (stack.stride::<T>(), stack.width::<T>());
        let kept = kept_pieces(stack.architecture.cell).saturating_mul(p).saturating_mul(stack.directions());
        let row = kept.saturating_add(2 * width).saturating_mul(size_of::<T>());
        let sequence = longest.saturating_add(2);
        let narrow = is_narrow::<T>(stack);
        // Whole vectors of sequences, where they could be abreast.
        let whole =
            if narrow && batch >= T::LINE / 2 { batch.checked_next_multiple_of(T::LINE) } else { None };
        let batch = whole.unwrap_or(batch);
        // At least as many sequences as a tile has rows: each weight that is read then serves them all.
        let (bytes, least) = if stack.is_wide::<T>() {
            (WIDE_GROUP_BYTES, (stack.hidden_bytes::<T>() / BYTES_A_SEQUENCE).clamp(16, 64))
        } else {
            (GROUP_BYTES, if narrow { T::LINE } else { 8 })
        };
        let least = sequence.saturating_mul(batch.min(least));
        (bytes / row.max(1)).max(least).min(sequence.saturating_mul(batch.max(1)))
    }

    /// The same where wide stacks go forward only: the outputs are what grows with the timesteps.
    fn rows_of_predictions(stack: &Stack, longest: usize, batch: usize) -> usize {
        let row = stack.width::<T>().saturating_mul(stack.architecture.num_layers * size_of::<T>());
        let sequence = longest.saturating_add(2);
        let least = (stack.hidden_bytes::<T>() / BYTES_A_SEQUENCE).clamp(16, 64);
        let wanted = Split::<T>::sequences(stack).clamp(least, 64);
        let group = (PREDICTION_BYTES / row.saturating_mul(sequence).max(1)).clamp(8, wanted);
        sequence.saturating_mul(group.min(batch.max(1)))
    }

    /// Makes room for what comes next; allocates only where that is more than ever before.
    pub fn fit(&mut self, stack: &Stack, longest: usize, batch: usize) -> Result<()> {
        let wide = stack.is_wide::<T>();
        let rows = if wide && !self.learns {
            Self::rows_of_predictions(stack, longest, batch)
        } else {
            Self::rows(stack, longest, batch)
        };
        let lanes = if self.learns { elements::<T>(stack, longest) } else { 0 };
        if batch > self.batch || rows > self.rows || lanes > self.lanes.len() {
            // What there was room for stays: a trainer goes back and forth between data sets.
            let lanes = lanes.max(self.lanes.len());
            let split = std::mem::take(&mut self.split);
            let (rows, batch) = (rows.max(self.rows), batch.max(self.batch));
            *self = Self { split, ..Self::with_rows(stack, rows, batch, lanes, self.learns)? };
        }
        if wide {
            self.split.fit(stack, batch, longest, 1)?;
        }
        self.capacity = rows;
        Ok(())
    }
}

/// Zeros. A size that overflows saturates, so that the allocation is refused.
pub(super) fn sized<T: Float>(factors: &[usize]) -> Result<Buffer<T>> {
    Buffer::zeroed(factors.iter().fold(1, |size: usize, factor| size.saturating_mul(*factor)))
}
