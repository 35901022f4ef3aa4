//! [`Dataset`]: sequences of any lengths in flat buffers; [`DatasetView`] borrows the same.

use crate::dim::{Const, Dim, Dyn};
use crate::loss::{Objective, is_nan};
use crate::rng::Rng;
use crate::stack::learner::Sequences;
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

/// Which sequences train and which are held out; indices in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Sequences of the training part.
    pub train: Vec<usize>,
    /// Sequences of the test part.
    pub test: Vec<usize>,
}

/// Splits `sequences` sequences: the training part gets `⌊sequences · train_ratio⌋` of them, the first ones, or,
/// with a seed, ones drawn at random. Whole sequences only, so that no timestep of a held-out sequence is seen.
///
/// # Errors
/// [`Error::Setting`] where the ratio is not in `(0, 1]`, [`Error::Empty`] where the training part gets none.
///
/// ```
/// let split = bptt::split(10, 0.8, Some(7))?;
/// assert_eq!((split.train.len(), split.test.len()), (8, 2));
/// # Ok::<(), bptt::Error>(())
/// ```
pub fn split(sequences: usize, train_ratio: f64, seed: Option<u64>) -> Result<Split> {
    if !(train_ratio > 0.0 && train_ratio <= 1.0) {
        let expected = "a number above 0, at most 1";
        return Err(Error::Setting { name: "train_ratio", expected, found: train_ratio.to_string() });
    }
    // 0.7·10 is 6.999… in binary: a hair is added, so that decimal ratios mean what they say.
    let train = ((sequences as f64 * train_ratio + 1e-9) as usize).min(sequences);
    if train == 0 {
        return Err(Error::Empty { what: "the training part" });
    }
    let mut order: Vec<usize> = (0..sequences).collect();
    if let Some(seed) = seed {
        Rng::new(seed).shuffle(&mut order);
    }
    let mut test = order.split_off(train);
    order.sort_unstable();
    test.sort_unstable();
    Ok(Split { train: order, test })
}

/// Timesteps of the longest sequence in a table of offsets.
pub(crate) fn longest(offsets: &[usize]) -> usize {
    offsets.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
}

fn check_flat<T: Float>(
    (input_size, output_size): (usize, usize),
    features: &[T],
    labels: &[T],
    offsets: &[usize],
    partial: bool,
) -> Result<()> {
    check_sizes(input_size, output_size)?;
    let rows = check_offsets(offsets)?;
    check_lengths(Dyn(input_size), Dyn(output_size), features, labels, rows)?;
    check_finite("feature", features, offsets, input_size, 0)?;
    check_labels(labels, offsets, output_size, 0, partial)
}

/// [`check_finite`] for labels, of which some may be missing.
fn check_labels<T: Float>(
    labels: &[T],
    offsets: &[usize],
    columns: usize,
    first: usize,
    partial: bool,
) -> Result<()> {
    let known = |label: T| label.is_finite() || partial && is_nan(label);
    check_values("label", labels, offsets, columns, first, known)
}

fn check_sizes(input_size: usize, output_size: usize) -> Result<()> {
    match (input_size, output_size) {
        (0, _) => Err(Error::ZeroSize { what: "input_size" }),
        (_, 0) => Err(Error::ZeroSize { what: "output_size" }),
        _ => Ok(()),
    }
}

/// Checks that offsets start with 0 and rise; returns the number of rows.
pub(crate) fn check_offsets(offsets: &[usize]) -> Result<usize> {
    let wrong = |found: String| Error::Setting {
        name: "offsets",
        expected: "row numbers that start with 0 and rise",
        found,
    };
    match offsets {
        [0, ..] => {}
        [] => return Err(wrong("none".into())),
        [first, ..] => return Err(wrong(format!("{first} first"))),
    }
    match offsets.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => Err(wrong(format!("{} after {}", pair[1], pair[0]))),
        None => Ok(offsets[offsets.len() - 1]),
    }
}

fn check_lengths<T, I: Dim, O: Dim>(
    input: I,
    output: O,
    features: &[T],
    labels: &[T],
    rows: usize,
) -> Result<()> {
    for (what, size, found) in
        [("features", input.size(), features.len()), ("labels", output.size(), labels.len())]
    {
        let expected = rows.saturating_mul(size);
        if found != expected {
            return Err(Error::Length { what: what.to_owned(), expected, found });
        }
    }
    Ok(())
}

/// Names the first NaN or infinity; `first` is the index of the first sequence of `offsets`.
fn check_finite<T: Float>(
    what: &'static str,
    values: &[T],
    offsets: &[usize],
    columns: usize,
    first: usize,
) -> Result<()> {
    check_values(what, values, offsets, columns, first, T::is_finite)
}

/// Names the first value that is not `good`.
fn check_values<T: Float>(
    what: &'static str,
    values: &[T],
    offsets: &[usize],
    columns: usize,
    first: usize,
    good: impl Fn(T) -> bool,
) -> Result<()> {
    let Some(at) = values.iter().position(|value| !good(*value)) else { return Ok(()) };
    let row = at / columns;
    let sequence = offsets.partition_point(|&offset| offset <= row) - 1;
    let timestep = row - offsets[sequence];
    Err(Error::NotFinite { what, sequence: first + sequence, timestep, column: at % columns })
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

    #[test]
    fn a_split_is_a_partition_that_the_seed_decides() {
        assert_eq!(split(56_962, 0.8, None).unwrap().train.len(), 45_569);
        assert_eq!(split(10, 0.7, None).unwrap().train, [0, 1, 2, 3, 4, 5, 6]);
        let Split { train, test } = split(100, 0.8, Some(1)).unwrap();
        assert_ne!(train, (0..80).collect::<Vec<_>>());
        let mut all = [train, test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        assert_eq!(split(100, 0.8, Some(1)), split(100, 0.8, Some(1)));
    }

    #[test]
    fn a_split_without_a_training_part_is_an_error() {
        assert_eq!(split(1, 0.8, None).unwrap_err(), Error::Empty { what: "the training part" });
        for ratio in [0.0, -1.0, 1.1, f64::NAN] {
            assert!(matches!(split(5, ratio, None), Err(Error::Setting { name: "train_ratio", .. })));
        }
        assert!(split(5, 1.0, None).unwrap().test.is_empty());
    }
}
