//! From a table to data sets: the bundled data, parts of a table, scaling.

use std::path::Path;

use bptt::{Dataset, Float, Normalizer};

use crate::bundled::Bundled;
use crate::failure::Failure;
use crate::table::{self, ColumnRequest, LabelUse, Table};

/// A table and what to call it.
pub struct Source {
    pub name: String,
    pub table: Table,
}

/// What messages call standard input.
pub const STANDARD_INPUT: &str = "standard input";

/// Whether `path` stands for standard input. A file of this name is `./-`.
pub fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Reads the file at `path`, or for `-` standard input to its end.
pub fn load(path: &Path, request: &ColumnRequest, labels: LabelUse) -> Result<Source, Failure> {
    if is_standard_input(path) {
        let table = table::read_from(std::io::stdin().lock(), STANDARD_INPUT, request, labels);
        return Ok(Source { name: STANDARD_INPUT.into(), table: table.map_err(Failure::input)? });
    }
    let table = table::read(path, request, labels).map_err(Failure::input)?;
    Ok(Source { name: path.display().to_string(), table })
}

/// Reads a bundled data set.
pub fn load_bundled(set: &Bundled, request: &ColumnRequest) -> Result<Source, Failure> {
    let table = table::read_from(set.csv.as_bytes(), set.file, request, LabelUse::Required);
    Ok(Source { name: set.title.to_owned(), table: table.map_err(Failure::input)? })
}

/// Some sequences of a table, with its values as they are in the file.
pub struct Part {
    /// (rows, inputs)
    pub inputs: Vec<f64>,
    /// (rows, labels); NaN where there is none, numbers of classes in a classification
    pub labels: Vec<f64>,
    /// (rows), or none
    pub weights: Vec<f64>,
    pub offsets: Vec<usize>,
    /// The row of the table that each row here is.
    table_rows: Vec<usize>,
}

impl Part {
    /// The sequences `sequences` of `table`.
    pub fn of(table: &Table, sequences: &[usize]) -> Self {
        let (i, o) = (table.columns.inputs.len(), table.columns.labels.len());
        let (inputs, labels, weights, table_rows) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut part = Self { inputs, labels, weights, offsets: vec![0], table_rows };
        for &sequence in sequences {
            let (from, to) = (table.offsets[sequence], table.offsets[sequence + 1]);
            part.weights.extend_from_slice(table.weights.as_ref().map_or(&[], |weights| &weights[from..to]));
            part.inputs.extend_from_slice(&table.inputs[from * i..to * i]);
            part.labels.extend_from_slice(&table.labels[from * o..to * o]);
            part.table_rows.extend(from..to);
            part.offsets.push(part.table_rows.len());
        }
        part
    }

    /// All of `table`.
    pub fn whole(table: &Table) -> Self {
        Self::of(table, &(0..table.sequences()).collect::<Vec<_>>())
    }

    /// Takes the labels of the first `steps` rows of every sequence away.
    pub fn washout(&mut self, steps: usize, labels: usize) {
        for ends in self.offsets.windows(2) {
            let end = ends[1].min(ends[0].saturating_add(steps));
            self.labels[ends[0] * labels..end * labels].fill(f64::NAN);
        }
    }

    /// Whether there is no label at all.
    pub fn is_unlabelled(&self) -> bool {
        self.labels.iter().all(|label| label.is_nan())
    }

    /// The name of sequence `sequence`, and the times of its rows.
    pub fn titles(&self, table: &Table, sequence: usize) -> (String, Vec<String>) {
        let rows = &self.table_rows[self.offsets[sequence]..self.offsets[sequence + 1]];
        // No sequence is empty.
        let number = table.offsets.partition_point(|&offset| offset <= rows[0]) - 1;
        let times = rows.iter().map(|&row| table.time(number, row).into_owned()).collect();
        (table.name(number).to_owned(), times)
    }

    /// The line of the file that `row` was on.
    pub fn line(&self, table: &Table, row: usize) -> u64 {
        table.line(self.table_rows[row])
    }

    pub fn rows(&self) -> usize {
        self.table_rows.len()
    }

    pub fn sequences(&self) -> usize {
        self.offsets.len() - 1
    }
}

/// The scaling of inputs and labels, fitted on the training part.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaling {
    pub inputs: Normalizer,
    pub labels: Normalizer,
}

impl Scaling {
    /// `part` as the network sees it: labels scaled, or with `classes` one for the true class and 0 for the others.
    pub fn dataset<T: Float>(
        &self,
        source: &Source,
        part: &Part,
        classes: usize,
    ) -> Result<Dataset<T>, Failure> {
        let columns = &source.table.columns;
        let features = self.features(source, part)?;
        let (labels, outputs) = if classes == 0 {
            (scaled(&self.labels, &part.labels, source, part, &columns.labels)?, columns.labels.len())
        } else {
            (one_hot(&part.labels, classes), classes)
        };
        let offsets = part.offsets.clone();
        let mut data = Dataset::from_flat_partial(columns.inputs.len(), outputs, features, labels, offsets)
            .map_err(Failure::input)?;
        if !part.weights.is_empty() {
            let weights = part.weights.iter().map(|weight| T::from_f64(*weight)).collect();
            data.set_weights(weights).map_err(Failure::input)?;
        }
        Ok(data)
    }

    /// The inputs of `part` as the network sees them.
    pub fn features<T: Float>(&self, source: &Source, part: &Part) -> Result<Vec<T>, Failure> {
        scaled(&self.inputs, &part.inputs, source, part, &source.table.columns.inputs)
    }

    /// Outputs of the network on the labels' original scale. What is not finite stays so.
    pub fn predictions<T: Float>(&self, outputs: &[T]) -> Vec<f64> {
        let pairs = self.labels.offset().iter().zip(self.labels.scale()).cycle();
        outputs.iter().zip(pairs).map(|(output, (offset, scale))| output.to_f64() * scale + offset).collect()
    }
}

/// Scales in double precision, whatever the network's type is. A value that the type cannot hold is an error that
/// names its cell.
fn scaled<T: Float>(
    normalizer: &Normalizer,
    values: &[f64],
    source: &Source,
    part: &Part,
    columns: &[String],
) -> Result<Vec<T>, Failure> {
    let beyond = |row: usize, column: usize| {
        let (file, line) = (&source.name, part.line(&source.table, row));
        Failure::input(format!(
            "{file}, line {line}, column `{}`: expected a number that {} can hold after scaling, found one beyond \
             its range",
            columns[column],
            T::DTYPE
        ))
    };
    let mut out = Vec::new();
    match scale_into(normalizer, values, &mut out) {
        Err(at) => Err(beyond(at / columns.len(), at % columns.len())),
        Ok(()) => Ok(out),
    }
}

/// Puts the scaled `values` (rows, columns) into `out`, or says which is the first that the type cannot hold.
pub fn scale_into<T: Float>(normalizer: &Normalizer, values: &[f64], out: &mut Vec<T>) -> Result<(), usize> {
    let pairs = normalizer.offset().iter().zip(normalizer.scale()).cycle();
    let scale = |(value, (offset, scale)): (&f64, (&f64, &f64))| T::from_f64((value - offset) / scale);
    out.clear();
    out.extend(values.iter().zip(pairs).map(scale));
    // NaN is a missing label, and stays one.
    let overflowed = |(value, scaled): (&f64, &T)| !scaled.is_finite() && !value.is_nan();
    values.iter().zip(&*out).position(overflowed).map_or(Ok(()), Err)
}

/// Labels (rows, classes): 1 for the class, 0 for the others, NaN where there is none.
fn one_hot<T: Float>(labels: &[f64], classes: usize) -> Vec<T> {
    let mut out = vec![T::ZERO; labels.len() * classes];
    for (row, label) in out.chunks_exact_mut(classes).zip(labels) {
        if label.is_nan() {
            row.fill(T::from_f64(f64::NAN));
        } else {
            row[*label as usize] = T::ONE;
        }
    }
    out
}
