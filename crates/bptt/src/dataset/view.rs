//! [`DatasetView`]: labelled sequences that somebody else holds.

use super::Dataset;
use super::check::{check_flat, longest};
use crate::dim::{Dim, Dyn};
use crate::loss::Objective;
use crate::stack::learner::Sequences;
use crate::{Error, Float, Result};

/// Borrowed labelled sequences; what training takes. See [`Dataset`] for the layout.
#[derive(Debug, Clone, Copy)]
pub struct DatasetView<'a, T = f32, I = Dyn, O = Dyn> {
    pub(crate) input: I,
    pub(crate) output: O,
    pub(crate) features: &'a [T],
    pub(crate) labels: &'a [T],
    pub(crate) offsets: &'a [usize],
    pub(crate) weights: &'a [T],
    pub(crate) partial: bool,
}

impl<'a, T: Float> DatasetView<'a, T> {
    /// Borrows flat buffers; see [`Dataset::from_flat`].
    ///
    /// # Errors
    /// As [`Dataset::from_flat`].
    pub fn new(
        input_size: usize,
        output_size: usize,
        features: &'a [T],
        labels: &'a [T],
        offsets: &'a [usize],
    ) -> Result<Self> {
        check_flat((input_size, output_size), features, labels, offsets, false)?;
        let (input, output) = (Dyn(input_size), Dyn(output_size));
        Ok(Self { input, output, features, labels, offsets, weights: &[], partial: false })
    }
}

impl<'a, T: Float, I: Dim, O: Dim> DatasetView<'a, T, I, O> {
    /// How many sequences there are.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is no sequence.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Timesteps of the longest sequence; 0 where there is none.
    pub fn longest(&self) -> usize {
        longest(self.offsets)
    }

    /// A number that tells these data from others: a hash over sizes, offsets, features, labels and weights, the same on
    /// every machine and for the same values in f32 and f64. Not for keeping out an adversary.
    ///
    /// ```
    /// let mut data = bptt::Dataset::<f32>::new(1, 1)?;
    /// data.push(&[1.0, 2.0], &[0.0, 1.0])?;
    /// let before = data.view().digest();
    /// data.features_mut()[1] = 2.5;
    /// assert_ne!(data.view().digest(), before);
    /// # Ok::<(), bptt::Error>(())
    /// ```
    pub fn digest(&self) -> u64 {
        let sizes = [self.input.size(), self.output.size(), self.offsets.len(), self.weights.len()];
        let counts = sizes.iter().chain(self.offsets).map(|&count| count as u64);
        let values = self.features.iter().chain(self.labels).chain(self.weights);
        // As FNV-1a, on words; the rotation brings the high bits, where numbers differ, to the low ones.
        let mix = |hash: u64, word: u64| (hash.rotate_left(29) ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        let hash = counts.fold(0xcbf2_9ce4_8422_2325, mix);
        let hash = values.map(|value| value.to_f64().to_bits()).fold(hash, mix);
        hash ^ (hash >> 32)
    }

    /// Whether every element is labelled and weighs 1.
    pub(crate) fn is_plain(&self) -> bool {
        !self.partial && self.weights.is_empty()
    }

    /// Refuses data of which no label counts in the loss.
    pub(crate) fn check_labels(&self, objective: Objective<'_>) -> Result<()> {
        let mut rows = self.labels.chunks_exact(self.output.size()).enumerate();
        let counts = |(row, labels)| {
            let weight = self.weights.get(row).map_or(1.0, |weight: &T| weight.to_f64());
            weight * objective.row_weight(labels) > 0.0
        };
        if rows.any(counts) { Ok(()) } else { Err(Error::Unlabelled) }
    }

    /// The buffers.
    pub(crate) fn sequences(&self) -> Sequences<'a, T> {
        Sequences {
            features: self.features,
            labels: self.labels,
            weights: self.weights,
            offsets: self.offsets,
        }
    }
}

impl<'a, T: Float, I: Dim, O: Dim> From<&'a Dataset<T, I, O>> for DatasetView<'a, T, I, O> {
    fn from(data: &'a Dataset<T, I, O>) -> Self {
        data.view()
    }
}
