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

/// Reads the file at `path`, or the bundled weather without one; labels are required.
pub fn load(path: Option<&Path>, request: &ColumnRequest) -> Result<Source, Failure> {
    let (name, table) = match path {
        Some(path) => (path.display().to_string(), table::read(path, request, LabelUse::Required)),
        None => {
            let name = "seattle-weather.csv";
            (WEATHER_NAME.to_owned(), table::read_from(WEATHER.as_bytes(), name, request, LabelUse::Required))
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
    pub fn dataset<T: Float>(&self, table: &Table, part: &Part) -> Result<Dataset<T>, Failure> {
        let features = self.features(&part.inputs)?;
        let labels = scaled(&self.labels, &part.labels)?;
        let sizes = (table.columns.inputs.len(), table.columns.labels.len());
        Dataset::from_flat(sizes.0, sizes.1, features, labels, part.offsets.clone())
            .map_err(|error| locate(error, table, part))
    }

    /// Inputs as the network sees them.
    pub fn features<T: Float>(&self, inputs: &[f64]) -> Result<Vec<T>, Failure> {
        scaled(&self.inputs, inputs)
    }

    /// Outputs of the network on the labels' original scale.
    pub fn predictions<T: Float>(&self, outputs: &[T]) -> Result<Vec<f64>, Failure> {
        let mut predictions: Vec<f64> = outputs.iter().map(|output| output.to_f64()).collect();
        self.labels.undo_in_place(&mut predictions).map_err(Failure::input)?;
        Ok(predictions)
    }
}

/// Scales in double precision, whatever the network's type is.
fn scaled<T: Float>(normalizer: &Normalizer, values: &[f64]) -> Result<Vec<T>, Failure> {
    let mut values = values.to_vec();
    normalizer.apply_in_place(&mut values).map_err(Failure::input)?;
    Ok(values.into_iter().map(T::from_f64).collect())
}

/// Names the cell of a value that the network's number type cannot hold.
fn locate(error: Error, table: &Table, part: &Part) -> Failure {
    let Error::NotFinite { what, sequence, timestep, column } = error else { return Failure::input(error) };
    let columns = if what == "label" { &table.columns.labels } else { &table.columns.inputs };
    let line = table.line(part.table_rows[part.offsets[sequence] + timestep]);
    let name = &columns[column];
    Failure::input(format!(
        "line {line}, column `{name}`: expected a number that this dtype can hold after scaling, found one beyond \
         its range; --dtype f64 or --normalize zscore may help"
    ))
}
