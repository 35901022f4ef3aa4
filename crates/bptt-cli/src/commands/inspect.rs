//! `bptt inspect`: what a model file holds.

use std::io::{self, BufWriter, Write};

use bptt::Normalizer;
use serde_json::{Value, json};

use crate::args::{InspectArgs, Task};
use crate::failure::Failure;
use crate::model::Saved;
use crate::report::{model_json, model_line};
use crate::scores::number;

/// Runs the command.
pub fn run(args: &InspectArgs) -> Result<(), Failure> {
    let saved = Saved::read(&args.model)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        writeln!(out, "{}", to_json(&saved))?;
    } else {
        writeln!(out, "{}", args.model.display())?;
        write_text(&mut out, &saved)?;
    }
    Ok(out.flush()?)
}

fn to_json(saved: &Saved) -> Value {
    let model = &saved.file.model;
    let columns = &saved.columns;
    let scaling = |normalizer: &Normalizer| json!({ "kind": normalizer.kind().name(), "offset": normalizer.offset(), "scale": normalizer.scale() });
    json!({
        "model": model_json(model),
        "classes": saved.classes(),
        "loss": saved.loss.name(),
        "columns": {
            "sequence": columns.sequence,
            "time": columns.time,
            "inputs": columns.inputs,
            "labels": columns.labels,
            "window": columns.window,
        },
        "task": saved.task.name(),
        "threshold": saved.threshold,
        "normalization": { "inputs": scaling(&saved.scaling.inputs), "labels": scaling(&saved.scaling.labels) },
        "training": saved.file.metadata.training,
    })
}

fn write_text(out: &mut dyn Write, saved: &Saved) -> io::Result<()> {
    let model = &saved.file.model;
    let columns = &saved.columns;
    writeln!(out, "{}", model_line(model))?;
    match saved.task {
        Task::Binary => writeln!(out, "task: binary, threshold {}, loss {}", saved.threshold, saved.loss)?,
        task => writeln!(out, "task: {}, loss {}", task.name(), saved.loss)?,
    }
    if !saved.classes().is_empty() {
        writeln!(out, "classes: {}", saved.classes().join(", "))?;
    }
    match (&columns.sequence, columns.window) {
        (Some(column), _) => writeln!(out, "sequences: column `{column}`")?,
        (None, Some(rows)) => writeln!(out, "sequences: every {rows} rows")?,
        (None, None) => {}
    }
    let time =
        columns.time.as_ref().map_or("the file's order".to_owned(), |column| format!("column `{column}`"));
    writeln!(out, "time: {time}")?;
    for (role, names, normalizer) in [
        ("inputs", &columns.inputs, &saved.scaling.inputs),
        ("labels", &columns.labels, &saved.scaling.labels),
    ] {
        writeln!(out, "\n{role} ({}): (value − offset) / scale", normalizer.kind().name())?;
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        for ((name, offset), scale) in names.iter().zip(normalizer.offset()).zip(normalizer.scale()) {
            writeln!(out, "  {name:<width$}  offset {:>12}  scale {:>12}", number(*offset), number(*scale))?;
        }
    }
    writeln!(out, "\nparameters")?;
    let shapes = model.shapes();
    let width = shapes.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, shape) in shapes {
        writeln!(out, "  {name:<width$} {shape:?}")?;
    }
    writeln!(out, "\ntraining")?;
    for (name, value) in &saved.file.metadata.training {
        writeln!(out, "  {name:<20} {value}")?;
    }
    Ok(())
}
