//! `bptt predict`: a prediction for every row of a file, in the file's order.

use std::io::{self, BufWriter, Write};

use bptt::file::AnyModel;
use bptt::metrics::largest;

use crate::args::{PredictArgs, Task};
use crate::data::{self, Part};
use crate::failure::Failure;
use crate::model::Saved;
use crate::output::Output;
use crate::settings::{check_threshold, threads};
use crate::table::{LabelUse, Table};

/// Runs the command.
pub fn run(args: &PredictArgs) -> Result<(), Failure> {
    let saved = Saved::read(&args.model)?;
    let threshold = args.threshold.unwrap_or(saved.threshold);
    check_threshold(threshold)?;
    let threads = threads(args.threads)?;
    let output = match &args.out {
        Some(path) => Some(Output::check(path, &[&args.model, &args.data])?),
        None => None,
    };
    let source = data::load(&args.data, &saved.request(), LabelUse::Ignored)?;
    let (predictions, _) = saved.predict(&source, &Part::whole(&source.table), threads)?;
    let write = |out: &mut dyn Write| write_rows(out, &saved, &source.table, &predictions, threshold);
    match output {
        Some(output) => output.write(write),
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            write(&mut out)?;
            Ok(out.flush()?)
        }
    }
}

/// Name, time, and one prediction per label column; for binary tasks one class each as well, for a classification the class
/// and the probability of each.
fn write_rows(
    out: &mut dyn Write,
    saved: &Saved,
    table: &Table,
    predictions: &[f64],
    threshold: f64,
) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(header(saved, table)).map_err(into_io)?;
    let single = matches!(saved.file.model, AnyModel::F32(_));
    let columns = saved.file.model.output_size();
    // Probabilities have no scale of their own.
    let ones = vec![1.0; columns];
    let scales = if saved.classes().is_empty() { saved.scaling.labels.scale() } else { &ones };
    for (sequence, row) in file_order(table) {
        csv.write_field(table.name(sequence)).map_err(into_io)?;
        csv.write_field(&*table.time(sequence, row)).map_err(into_io)?;
        let values = &predictions[row * columns..(row + 1) * columns];
        if let Some(class) = saved.classes().get(largest(values)) {
            csv.write_field(class).map_err(into_io)?;
        }
        for (value, scale) in values.iter().zip(scales) {
            let text = if single { single_precision(*value, *scale) } else { value.to_string() };
            csv.write_field(text).map_err(into_io)?;
        }
        for value in values.iter().filter(|_| saved.task == Task::Binary) {
            csv.write_field(if *value >= threshold { "1" } else { "0" }).map_err(into_io)?;
        }
        csv.write_record(None::<&[u8]>).map_err(into_io)?;
    }
    csv.flush()
}

fn header(saved: &Saved, table: &Table) -> Vec<String> {
    let labels = &saved.columns.labels;
    let titled = |what: &str, label: &String| {
        if labels.len() == 1 { what.to_owned() } else { format!("{what}_{label}") }
    };
    let mut header = vec![
        table.columns.sequence.clone().unwrap_or_else(|| "sequence".into()),
        table.columns.time.clone().unwrap_or_else(|| "t".into()),
    ];
    if !saved.classes().is_empty() {
        header.push("class".into());
        header.extend(saved.classes().iter().map(|class| format!("p_{class}")));
        return header;
    }
    header.extend(labels.iter().map(|label| titled("prediction", label)));
    if saved.task == Task::Binary {
        header.extend(labels.iter().map(|label| titled("class", label)));
    }
    header
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
