//! How predictions are written: which columns there are, and with which digits. `bptt predict`, with and without
//! `--follow`, and `bptt serve` write the same.

use std::io::{self, Write};

use bptt::file::AnyModel;
use bptt::metrics::largest;

use crate::args::Task;
use crate::model::Saved;
use crate::table::Columns;

/// The predictions of a model in writing.
#[derive(Clone, Copy)]
pub struct Format<'a> {
    saved: &'a Saved,
    threshold: f64,
}

/// What is in one column of one row.
#[derive(Debug, PartialEq)]
pub enum Cell<'a> {
    /// The name of a class.
    Class(&'a str),
    /// A number in decimal digits.
    Number(String),
}

impl<'a> Format<'a> {
    /// Predictions from `threshold` on are class 1.
    pub fn new(saved: &'a Saved, threshold: f64) -> Self {
        Self { saved, threshold }
    }

    /// The columns of a prediction: one per label column; for binary tasks one class each as well, for a classification the
    /// class and the probability of each.
    pub fn columns(&self) -> Vec<String> {
        let labels = &self.saved.columns.labels;
        let titled = |what: &str, label: &String| {
            if labels.len() == 1 { what.to_owned() } else { format!("{what}_{label}") }
        };
        if !self.saved.classes().is_empty() {
            let probabilities = self.saved.classes().iter().map(|class| format!("p_{class}"));
            return std::iter::once("class".to_owned()).chain(probabilities).collect();
        }
        let mut columns: Vec<String> = labels.iter().map(|label| titled("prediction", label)).collect();
        if self.saved.task == Task::Binary {
            columns.extend(labels.iter().map(|label| titled("class", label)));
        }
        columns
    }

    /// The cells of a row with the predictions `values`, in the order of the columns.
    pub fn cells<'v>(&self, values: &'v [f64]) -> impl Iterator<Item = Cell<'a>> + use<'a, 'v> {
        let Self { saved, threshold } = *self;
        let single = matches!(saved.file.model, AnyModel::F32(_));
        let number = move |(column, value): (usize, &f64)| {
            // Probabilities have no scale of their own.
            let scales = if saved.classes().is_empty() { saved.scaling.labels.scale() } else { &[] };
            let scale = scales.get(column).copied().unwrap_or(1.0);
            Cell::Number(if single { single_precision(*value, scale) } else { value.to_string() })
        };
        let yes_or_no = move |value: &f64| Cell::Number(u8::from(*value >= threshold).to_string());
        let classes = if saved.task == Task::Binary { values } else { &[] };
        let class = saved.classes().get(largest(values)).map(|class| Cell::Class(class));
        class.into_iter().chain(values.iter().enumerate().map(number)).chain(classes.iter().map(yes_or_no))
    }

    /// Writes the header of a table of predictions, whose rows came from a table with `columns`.
    pub fn write_header<W: Write>(&self, csv: &mut csv::Writer<W>, columns: &Columns) -> io::Result<()> {
        let sequence = columns.sequence.as_deref().unwrap_or("sequence");
        csv.write_field(sequence).map_err(into_io)?;
        csv.write_field(columns.time.as_deref().unwrap_or("t")).map_err(into_io)?;
        for column in self.columns() {
            csv.write_field(column).map_err(into_io)?;
        }
        csv.write_record(None::<&[u8]>).map_err(into_io)
    }

    /// Writes a row: name, time, prediction.
    pub fn write_row<W: Write>(
        &self,
        csv: &mut csv::Writer<W>,
        name: &str,
        time: &str,
        values: &[f64],
    ) -> io::Result<()> {
        csv.write_field(name).map_err(into_io)?;
        csv.write_field(time).map_err(into_io)?;
        for cell in self.cells(values) {
            match cell {
                Cell::Class(class) => csv.write_field(class).map_err(into_io)?,
                Cell::Number(number) => csv.write_field(number).map_err(into_io)?,
            }
        }
        csv.write_record(None::<&[u8]>).map_err(into_io)
    }
}

/// The digits that a single-precision output has after scaling: to a hundredth of a millionth of `scale`.
fn single_precision(value: f64, scale: f64) -> String {
    if scale == 1.0 && value == f64::from(value as f32) {
        return (value as f32).to_string();
    }
    let decimals = (8.0 - scale.log10().floor()).clamp(0.0, 300.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// csv's own conversion hides the kind of an error, and a closed pipe is told by its kind.
fn into_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("{kind:?}")),
    }
}
