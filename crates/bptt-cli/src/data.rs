//! From a table to data sets: the bundled data, parts of a table, scaling.

use std::path::Path;

use bptt::{Dataset, Error, Float, Normalizer};

use crate::failure::Failure;
use crate::table::{self, ColumnRequest, LabelUse, Table};

/// Seattle's weather; see `tools/make_weather.py`.
const WEATHER: &str = include_str!("../data/seattle-weather.csv");
const WEATHER_NAME: &str = "Seattle weather 2012–2015 (bundled)";
/// "Tomorrow is like today."
pub const WEATHER_NAIVE: &str = "x_temp_max";

/// A table and what to call it.
pub struct Source {
    pub name: String,
    pub table: Table,
}

/// Reads the file at `path`, or the bundled weather without one.
pub fn load(path: Option<&Path>, request: &ColumnRequest, labels: LabelUse) -> Result<Source, Failure> {
    let (name, table) = match path {
        Some(path) => (path.display().to_string(), table::read(path, request, labels)),
        None => {
            let name = "seattle-weather.csv";
            (WEATHER_NAME.to_owned(), table::read_from(WEATHER.as_bytes(), name, request, labels))
        }
    };
    Ok(Source { name, table: table.map_err(Failure::input)? })
}

/// Some sequences of a table, with its values as they are in the file.
pub struct Part {
    /// (rows, inputs)
    pub inputs: Vec<f64>,
    /// (rows, labels)
    pub labels: Vec<f64>,
    pub offsets: Vec<usize>,
    /// The row of the table that each row here is.
    table_rows: Vec<usize>,
}

impl Part {
    /// The sequences `sequences` of `table`.
    pub fn of(table: &Table, sequences: &[usize]) -> Self {
        let (i, o) = (table.columns.inputs.len(), table.columns.labels.len());
        let mut part =
            Self { inputs: Vec::new(), labels: Vec::new(), offsets: vec![0], table_rows: Vec::new() };
        for &sequence in sequences {
            let (from, to) = (table.offsets[sequence], table.offsets[sequence + 1]);
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
    /// `part` as the network sees it.
    pub fn dataset<T: Float>(&self, source: &Source, part: &Part) -> Result<Dataset<T>, Failure> {
        let columns = &source.table.columns;
        let features = self.features(source, part)?;
        let labels = scaled(&self.labels, &part.labels, source, part, &columns.labels)?;
        let sizes = (columns.inputs.len(), columns.labels.len());
        Dataset::from_flat(sizes.0, sizes.1, features, labels, part.offsets.clone()).map_err(Failure::input)
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
    let mut values = values.to_vec();
    let beyond = |row: usize, column: usize| {
        let (file, line) = (&source.name, part.line(&source.table, row));
        Failure::input(format!(
            "{file}, line {line}, column `{}`: expected a number that {} can hold after scaling, found one beyond \
             its range",
            columns[column],
            T::DTYPE
        ))
    };
    normalizer.apply_in_place(&mut values).map_err(|error| match error {
        Error::Unscalable { column, row: Some(row), .. } => beyond(row, column),
        error => Failure::input(error),
    })?;
    let values: Vec<T> = values.into_iter().map(T::from_f64).collect();
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(beyond(at / columns.len(), at % columns.len())),
        None => Ok(values),
    }
}
