//! `bptt evaluate`: a saved model's metrics on a labelled file.

use std::io::{self, BufWriter, Write};

use serde_json::json;

use crate::args::{EvaluateArgs, Task};
use crate::data::{self, Part};
use crate::failure::Failure;
use crate::model::{Measure, Saved};
use crate::report::{count, scores_json, write_scores};
use crate::settings::{check_threshold, threads};
use crate::table::{LabelUse, Table};

/// Runs the command.
pub fn run(args: &EvaluateArgs) -> Result<(), Failure> {
    let saved = Saved::read(&args.model)?;
    let threshold = args.threshold.unwrap_or(saved.threshold);
    check_threshold(threshold)?;
    let threads = threads(args.threads)?;
    let mut source = data::load(&args.data, &saved.request(), LabelUse::Required)?;
    if saved.task == Task::Classification {
        source.table = source.table.with_classes(saved.classes(), &source.name).map_err(Failure::input)?;
    }
    let (table, part) = (&source.table, Part::whole(&source.table));
    if saved.task == Task::Binary {
        check_binary(&source.name, table)?;
    }
    let (predictions, threads) = saved.predict(&source, &part, threads)?;
    let (task, naive) = (saved.task, saved.naive());
    let (columns, classes, scaling) = (&table.columns, saved.classes(), &saved.scaling);
    let measure = Measure { task, threshold, columns, naive, classes, scaling };
    let Some(measured) = measure.part("data", &part, &predictions)? else {
        return Err(Failure::input(format!("{}: expected labels to measure, found none", source.name)));
    };
    let measured = [measured];
    let labels = &table.columns.labels;
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        let report = json!({
            "model": args.model.display().to_string(),
            "data": source.name,
            "task": task.name(),
            "threads": threads,
            "metrics": scores_json(labels, &measured),
        });
        writeln!(out, "{report}")?;
    } else {
        let sizes = format!("{}, {}", count(part.sequences(), "sequence"), count(part.rows(), "row"));
        writeln!(out, "{}: {sizes}", source.name)?;
        write_scores(&mut out, labels, &measured)?;
    }
    Ok(out.flush()?)
}

/// Refuses labels other than 0 and 1, by line and column.
pub fn check_binary(file: &str, table: &Table) -> Result<(), Failure> {
    let labels = table.columns.labels.len();
    let Some(at) = table.labels.iter().position(|label| *label != 0.0 && *label != 1.0 && !label.is_nan())
    else {
        return Ok(());
    };
    let (line, column, found) =
        (table.line(at / labels), &table.columns.labels[at % labels], table.labels[at]);
    let message =
        format!("{file}, line {line}, column `{column}`: expected 0 or 1 for a binary task, found {found}");
    Err(Failure::input(message))
}
