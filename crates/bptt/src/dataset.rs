//! [`Dataset`]: sequences of any lengths in flat buffers; [`DatasetView`] borrows the same.

mod check;
mod split;
mod view;

use check::{check_finite, check_flat, check_labels, check_lengths, check_sizes};
pub(crate) use check::{check_offsets, longest};
pub use split::{Split, split};
pub use view::DatasetView;

use crate::dim::{Const, Dim, Dyn};
use crate::loss::is_nan;
use crate::{Error, Float, Result};

/// Labelled sequences: one flat feature buffer `(rows, I)`, one flat label buffer `(rows, O)` and a table of
/// offsets. Sequence `s` is rows `offsets[s]..offsets[s + 1]`. No padding, no sorting, no I/O.
///
/// A label that is NaN is missing: its element has an output, but no loss. Only the methods that say so take one, so that
/// a NaN which came about by accident is an error. For cross-entropy the labels of a timestep are 1 for its class and 0
/// for the others ([`Dataset::push_classes`]), and where one of them is missing, the timestep is unlabelled.
///
/// ```
/// let mut data = bptt::Dataset::<f32>::new(2, 1)?;
/// data.push(&[0.1, 0.2, 0.3, 0.4], &[1.0, 0.0])?; // a sequence of two timesteps
/// data.push(&[0.5, 0.6], &[1.0])?; // and one of a single timestep
/// assert_eq!((data.len(), data.rows()), (2, 3));
/// # Ok::<(), bptt::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset<T = f32, I = Dyn, O = Dyn> {
    input: I,
    output: O,
    features: Vec<T>,
    labels: Vec<T>,
    offsets: Vec<usize>,
    /// One per row, or none: all 1.
    weights: Vec<T>,
    /// Whether a label is missing.
    partial: bool,
}

/// A [`Dataset`] whose sizes the compiler checks against an [`Rnn`](crate::Rnn)'s.
pub type TypedDataset<const INPUT: usize, const OUTPUT: usize, T = f32> =
    Dataset<T, Const<INPUT>, Const<OUTPUT>>;

impl<T: Float> Dataset<T> {
    /// No sequences yet, of `input_size` features and `output_size` labels per timestep.
    ///
    /// # Errors
    /// [`Error::ZeroSize`].
    pub fn new(input_size: usize, output_size: usize) -> Result<Self> {
        check_sizes(input_size, output_size)?;
        Ok(Self::empty(Dyn(input_size), Dyn(output_size)))
    }

    /// Takes flat buffers over: `features (rows, input_size)`, `labels (rows, output_size)`, and `offsets`, which
    /// starts with 0, rises, and ends with the number of rows.
    ///
    /// # Errors
    /// [`Error::ZeroSize`], [`Error::Length`], [`Error::Empty`] for a sequence without timesteps,
    /// [`Error::NotFinite`].
    pub fn from_flat(
        input_size: usize,
        output_size: usize,
        features: Vec<T>,
        labels: Vec<T>,
        offsets: Vec<usize>,
    ) -> Result<Self> {
        DatasetView::new(input_size, output_size, &features, &labels, &offsets)?;
        let (input, output) = (Dyn(input_size), Dyn(output_size));
        Ok(Self { input, output, features, labels, offsets, weights: Vec::new(), partial: false })
    }

    /// [`Dataset::from_flat`] for labels of which some are missing (NaN).
    ///
    /// # Errors
    /// As [`Dataset::from_flat`], but for NaN labels.
    pub fn from_flat_partial(
        input_size: usize,
        output_size: usize,
        features: Vec<T>,
        labels: Vec<T>,
        offsets: Vec<usize>,
    ) -> Result<Self> {
        check_flat((input_size, output_size), &features, &labels, &offsets, true)?;
        let (input, output) = (Dyn(input_size), Dyn(output_size));
        let partial = labels.iter().any(|label| is_nan(*label));
        Ok(Self { input, output, features, labels, offsets, weights: Vec::new(), partial })
    }

    /// Appends a sequence: `features (T, I)` and `labels (T, O)`, row-major.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::Length`], [`Error::NotFinite`]; the data set is then unchanged.
    pub fn push(&mut self, features: &[T], labels: &[T]) -> Result<()> {
        self.push_flat(features, labels, false)
    }

    /// [`Dataset::push`] for a sequence of which some labels are missing (NaN).
    ///
    /// # Errors
    /// As [`Dataset::push`], but for NaN labels.
    pub fn push_partial(&mut self, features: &[T], labels: &[T]) -> Result<()> {
        self.push_flat(features, labels, true)
    }

    /// Appends a sequence `features (T, I)` that has labels `(O)` at its last timestep only: one for the whole sequence.
    ///
    /// # Errors
    /// As [`Dataset::push`].
    pub fn push_last(&mut self, features: &[T], labels: &[T]) -> Result<()> {
        if labels.len() != self.output.size() {
            let (what, expected) = ("labels".to_owned(), self.output.size());
            return Err(Error::Length { what, expected, found: labels.len() });
        }
        if features.is_empty() {
            return Err(Error::Empty { what: "a sequence" });
        }
        let last = (features.len() / self.input.size()).saturating_sub(1);
        if let Some(column) = labels.iter().position(|label| !label.is_finite()) {
            return Err(Error::NotFinite { what: "label", sequence: self.len(), timestep: last, column });
        }
        let mut all = vec![T::from_f64(f64::NAN); last.saturating_mul(self.output.size())];
        all.extend_from_slice(labels);
        self.push_flat(features, &all, true)
    }

    /// Appends a sequence `features (T, I)` with the class of each timestep, for cross-entropy: its labels become 1 for
    /// the class and 0 for the others. `None` is unlabelled.
    ///
    /// # Errors
    /// As [`Dataset::push`], and [`Error::Setting`] for a class that is not below the number of outputs,
    /// [`Error::OutOfMemory`].
    pub fn push_classes(&mut self, features: &[T], classes: &[Option<usize>]) -> Result<()> {
        let size = self.output.size();
        let (mut labels, elements) = (Vec::new(), classes.len().saturating_mul(size));
        labels.try_reserve_exact(elements).map_err(|_| Error::OutOfMemory { elements })?;
        for class in classes {
            match class {
                None => labels.extend(std::iter::repeat_n(T::from_f64(f64::NAN), size)),
                Some(class) if *class < size => {
                    labels.extend((0..size).map(|c| if c == *class { T::ONE } else { T::ZERO }));
                }
                Some(class) => {
                    let expected = "a class below the number of outputs";
                    return Err(Error::Setting { name: "class", expected, found: class.to_string() });
                }
            }
        }
        self.push_flat(features, &labels, true)
    }
}

impl<const INPUT: usize, const OUTPUT: usize, T: Float> TypedDataset<INPUT, OUTPUT, T> {
    /// No sequences yet.
    pub fn typed() -> Self {
        const { assert!(INPUT > 0 && OUTPUT > 0, "sizes are at least 1") };
        Self::empty(Const, Const)
    }

    /// Appends a sequence of timesteps.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::Length`] where there are more or fewer labels than timesteps,
    /// [`Error::NotFinite`]; the data set is then unchanged.
    pub fn push(&mut self, features: &[[T; INPUT]], labels: &[[T; OUTPUT]]) -> Result<()> {
        self.push_flat(features.as_flattened(), labels.as_flattened(), false)
    }

    /// Appends a sequence of timesteps, some of whose labels are missing (NaN).
    ///
    /// # Errors
    /// As [`TypedDataset::push`], but for NaN labels.
    pub fn push_partial(&mut self, features: &[[T; INPUT]], labels: &[[T; OUTPUT]]) -> Result<()> {
        self.push_flat(features.as_flattened(), labels.as_flattened(), true)
    }
}

impl<T: Float, I: Dim, O: Dim> Dataset<T, I, O> {
    fn empty(input: I, output: O) -> Self {
        let (features, labels, weights) = (Vec::new(), Vec::new(), Vec::new());
        Self { input, output, features, labels, offsets: vec![0], weights, partial: false }
    }

    fn push_flat(&mut self, features: &[T], labels: &[T], partial: bool) -> Result<()> {
        let rows = features.len() / self.input.size();
        check_lengths(self.input, self.output, features, labels, rows)?;
        if rows == 0 {
            return Err(Error::Empty { what: "a sequence" });
        }
        check_finite("feature", features, &[0, rows], self.input.size(), self.len())?;
        check_labels(labels, &[0, rows], self.output.size(), self.len(), partial)?;
        self.partial |= partial && labels.iter().any(|label| is_nan(*label));
        if !self.weights.is_empty() {
            self.weights.extend(std::iter::repeat_n(T::ONE, rows));
        }
        self.features.extend_from_slice(features);
        self.labels.extend_from_slice(labels);
        self.offsets.push(self.rows() + rows);
        Ok(())
    }

    /// How many sequences there are.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is no sequence.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many timesteps all sequences have together.
    pub fn rows(&self) -> usize {
        self.offsets[self.len()]
    }

    /// Features per timestep.
    pub fn input_size(&self) -> usize {
        self.input.size()
    }

    /// Labels per timestep.
    pub fn output_size(&self) -> usize {
        self.output.size()
    }

    /// All features, `(rows, I)`.
    pub fn features(&self) -> &[T] {
        &self.features
    }

    /// All labels, `(rows, O)`.
    pub fn labels(&self) -> &[T] {
        &self.labels
    }

    /// All features for writing, to normalise them in place.
    pub fn features_mut(&mut self) -> &mut [T] {
        &mut self.features
    }

    /// All labels for writing, to normalise them in place.
    pub fn labels_mut(&mut self) -> &mut [T] {
        &mut self.labels
    }

    /// Where each sequence starts, in rows; the last entry is the number of rows.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// The weights of the rows in the loss; empty where all are 1.
    pub fn weights(&self) -> &[T] {
        &self.weights
    }

    /// Sets what each row counts for in the loss, on top of class weights. Sequences that are added later weigh 1.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Setting`] for a weight that is not a number from 0 on.
    pub fn set_weights(&mut self, weights: Vec<T>) -> Result<()> {
        if weights.len() != self.rows() {
            let (what, expected) = ("weights".to_owned(), self.rows());
            return Err(Error::Length { what, expected, found: weights.len() });
        }
        if let Some(row) = weights.iter().position(|weight| !(*weight >= T::ZERO && weight.is_finite())) {
            let found = format!("{} in row {row} (counted from 0)", weights[row]);
            return Err(Error::Setting { name: "weights", expected: "numbers from 0 on", found });
        }
        self.weights = weights;
        Ok(())
    }

    /// Makes the first `steps` timesteps of every sequence unlabelled: the network reads them and warms up.
    pub fn washout(&mut self, steps: usize) {
        let o = self.output.size();
        for s in 0..self.len() {
            let (from, to) = (self.offsets[s], self.offsets[s + 1]);
            self.labels[from * o..to.min(from.saturating_add(steps)) * o].fill(T::from_f64(f64::NAN));
        }
        self.partial |= steps > 0 && !self.is_empty();
    }

    /// Whether a label is missing.
    pub fn is_partial(&self) -> bool {
        self.partial
    }

    /// The same, borrowed.
    pub fn view(&self) -> DatasetView<'_, T, I, O> {
        DatasetView {
            input: self.input,
            output: self.output,
            features: &self.features,
            labels: &self.labels,
            offsets: &self.offsets,
            weights: &self.weights,
            partial: self.partial,
        }
    }

    /// A new data set of the sequences `indices`, in that order.
    ///
    /// # Errors
    /// [`Error::Setting`] where an index is beyond the last sequence.
    pub fn subset(&self, indices: &[usize]) -> Result<Self> {
        let mut subset = Self::empty(self.input, self.output);
        let (i, o) = (self.input.size(), self.output.size());
        for &index in indices {
            let (Some(&from), Some(&to)) = (self.offsets.get(index), self.offsets.get(index + 1)) else {
                let expected = "indices of sequences";
                return Err(Error::Setting { name: "indices", expected, found: index.to_string() });
            };
            subset.features.extend_from_slice(&self.features[from * i..to * i]);
            subset.labels.extend_from_slice(&self.labels[from * o..to * o]);
            subset.weights.extend_from_slice(self.weights.get(from..to).unwrap_or_default());
            subset.offsets.push(subset.rows() + to - from);
        }
        subset.partial = subset.labels.iter().any(|label| is_nan(*label));
        Ok(subset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_that_does_not_fit_leaves_the_data_as_they_were() {
        let mut data = Dataset::<f64>::new(2, 1).unwrap();
        data.push(&[1.0, 2.0], &[3.0]).unwrap();
        let before = data.clone();
        let length = |what: &str, expected, found| Error::Length { what: what.into(), expected, found };
        assert_eq!(data.push(&[1.0, 2.0, 3.0], &[3.0]).unwrap_err(), length("features", 2, 3));
        assert_eq!(data.push(&[1.0, 2.0], &[]).unwrap_err(), length("labels", 1, 0));
        assert_eq!(data.push(&[], &[]).unwrap_err(), Error::Empty { what: "a sequence" });
        let found = data.push(&[1.0, 2.0, 1.0, f64::NAN], &[3.0, 3.0]).unwrap_err();
        assert_eq!(found, Error::NotFinite { what: "feature", sequence: 1, timestep: 1, column: 1 });
        assert_eq!(data, before);
    }

    #[test]
    fn flat_buffers_are_checked() {
        let flat = |offsets: &[usize]| {
            Dataset::<f64>::from_flat(1, 1, vec![0.0; 3], vec![0.0; 3], offsets.to_vec())
                .map(|data| data.len())
        };
        assert_eq!(flat(&[0, 1, 3]), Ok(2));
        for offsets in [&[][..], &[1, 3], &[0, 2, 2, 3], &[0, 3, 1], &[0, 2], &[0, 4]] {
            assert!(flat(offsets).is_err(), "{offsets:?}");
        }
        let labels = vec![0.0, 0.0, f64::INFINITY];
        let error = Dataset::from_flat(1, 1, vec![0.0; 3], labels, vec![0, 1, 3]).unwrap_err();
        assert_eq!(error, Error::NotFinite { what: "label", sequence: 1, timestep: 1, column: 0 });
        assert_eq!(Dataset::<f32>::new(0, 1).unwrap_err(), Error::ZeroSize { what: "input_size" });
    }

    #[test]
    fn a_subset_keeps_rows_together() {
        let mut data = TypedDataset::<1, 1, f64>::typed();
        data.push(&[[1.0], [2.0]], &[[10.0], [20.0]]).unwrap();
        data.push(&[[3.0]], &[[30.0]]).unwrap();
        let subset = data.subset(&[1, 0]).unwrap();
        assert_eq!((subset.features(), subset.labels()), (&[3.0, 1.0, 2.0][..], &[30.0, 10.0, 20.0][..]));
        assert_eq!(subset.offsets(), [0, 1, 3]);
        assert!(data.subset(&[2]).is_err());
    }
}
