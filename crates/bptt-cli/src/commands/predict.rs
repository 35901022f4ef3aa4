//! `bptt predict`: a prediction for every row of a file, in the file's order.

use std::io::{self, BufWriter, Write};

use crate::args::PredictArgs;
use crate::commands::follow;
use crate::data::{self, Part};
use crate::failure::Failure;
use crate::model::Saved;
use crate::output::Output;
use crate::predictions::Format;
use crate::settings::{check_threshold, threads};
use crate::table::{LabelUse, Table};

/// Runs the command.
pub fn run(args: &PredictArgs) -> Result<(), Failure> {
    let saved = Saved::read(&args.model)?;
    let threshold = args.threshold.unwrap_or(saved.threshold);
    check_threshold(threshold)?;
    let format = Format::new(&saved, threshold);
    let threads = threads(args.threads)?;
    if args.follow.follow {
        return follow::run(args, &saved, format, threads);
    }
    let output = match &args.out {
        Some(path) => Some(Output::check(path, &[&args.model, &args.data])?),
        None => None,
    };
    let source = data::load(&args.data, &saved.request(), LabelUse::Ignored)?;
    let (predictions, _) = saved.predict(&source, &Part::whole(&source.table), threads)?;
    let columns = saved.file.model.output_size();
    let write = |out: &mut dyn Write| write_rows(out, format, &source.table, &predictions, columns);
    match output {
        Some(output) => output.write(write),
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            write(&mut out)?;
            Ok(out.flush()?)
        }
    }
}

/// The predictions (rows, columns) of a table, in the order in which its file has the rows.
pub fn write_rows(
    out: &mut dyn Write,
    format: Format<'_>,
    table: &Table,
    predictions: &[f64],
    columns: usize,
) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    format.write_header(&mut csv, &table.columns)?;
    for (sequence, row) in file_order(table) {
        let values = &predictions[row * columns..(row + 1) * columns];
        format.write_row(&mut csv, table.name(sequence), &table.time(sequence, row), values)?;
    }
    csv.flush()
}

/// (sequence, row of the table) of every row, in the order in which the file has them.
pub fn file_order(table: &Table) -> Vec<(usize, usize)> {
    let mut order = vec![(0, 0); table.rows];
    for sequence in 0..table.sequences() {
        for row in table.offsets[sequence]..table.offsets[sequence + 1] {
            order[table.file_rows[row]] = (sequence, row);
        }
    }
    order
}
