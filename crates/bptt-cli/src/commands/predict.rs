//! `bptt predict`: a prediction for every row of a file, in the file's order.

use std::io::{self, BufWriter, Write};

use bptt::file::AnyModel;

use crate::args::{PredictArgs, Task};
use crate::failure::Failure;
use crate::model::Saved;
use crate::output::Output;
use crate::settings::check_threshold;
use crate::table::{self, LabelUse, Table};

/// Runs the command.
pub fn run(args: &PredictArgs) -> Result<(), Failure> {
    let saved = Saved::read(&args.model)?;
    let threshold = args.threshold.unwrap_or(saved.threshold);
    check_threshold(threshold)?;
    let output = match &args.out {
        Some(path) => Some(Output::check(path, &[&args.model, &args.data])?),
        None => None,
    };
    let table = table::read(&args.data, &saved.request(), LabelUse::Ignored).map_err(Failure::input)?;
    let predictions = saved.predict(&table.inputs, &table.offsets)?;
    check_finite(&table, &predictions, args)?;
    let write = |out: &mut dyn Write| write_rows(out, &saved, &table, &predictions, threshold);
    match output {
        Some(output) => output.write(write),
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            write(&mut out)?;
            Ok(out.flush()?)
        }
    }
}

/// Inputs far beyond the training's can overflow; say which row instead of writing NaN.
fn check_finite(table: &Table, predictions: &[f64], args: &PredictArgs) -> Result<(), Failure> {
    let Some(at) = predictions.iter().position(|value| !value.is_finite()) else { return Ok(()) };
    let outputs = predictions.len() / table.rows;
    let (line, shown) = (table.line(at / outputs), args.data.display());
    let message = format!(
        "{shown}, line {line}: expected inputs in a range that the model can compute with, found ones whose \
         prediction is not finite"
    );
    Err(Failure::input(message))
}

/// Name, time, one prediction per label column, and for binary tasks one class each.
fn write_rows(
    out: &mut dyn Write,
    saved: &Saved,
    table: &Table,
    predictions: &[f64],
    threshold: f64,
) -> io::Result<()> {
    let labels = &saved.columns.labels;
    let titled = |what: &str, label: &String| {
        if labels.len() == 1 { what.to_owned() } else { format!("{what}_{label}") }
    };
    let binary = saved.task == Task::Binary;
    let mut header = vec![
        table.columns.sequence.clone().unwrap_or_else(|| "sequence".into()),
        table.columns.time.clone().unwrap_or_else(|| "t".into()),
    ];
    header.extend(labels.iter().map(|label| titled("prediction", label)));
    if binary {
        header.extend(labels.iter().map(|label| titled("class", label)));
    }
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(&header).map_err(into_io)?;
    let single = matches!(saved.file.model, AnyModel::F32(_));
    for (sequence, row) in file_order(table) {
        csv.write_field(table.name(sequence)).map_err(into_io)?;
        csv.write_field(&*table.time(sequence, row)).map_err(into_io)?;
        let values = &predictions[row * labels.len()..(row + 1) * labels.len()];
        for value in values {
            // A single-precision network has no more digits than these.
            let text = if single { (*value as f32).to_string() } else { value.to_string() };
            csv.write_field(text).map_err(into_io)?;
        }
        for value in values.iter().filter(|_| binary) {
            csv.write_field(if *value >= threshold { "1" } else { "0" }).map_err(into_io)?;
        }
        csv.write_record(None::<&[u8]>).map_err(into_io)?;
    }
    csv.flush()
}

/// csv's own conversion hides the kind of an error, and a closed pipe is told by its kind.
fn into_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("{kind:?}")),
    }
}

/// (sequence, row of the table) of every row, in the order in which the file has them.
fn file_order(table: &Table) -> Vec<(usize, usize)> {
    let mut order = vec![(0, 0); table.rows];
    for sequence in 0..table.sequences() {
        for row in table.offsets[sequence]..table.offsets[sequence + 1] {
            order[table.file_rows[row]] = (sequence, row);
        }
    }
    order
}
