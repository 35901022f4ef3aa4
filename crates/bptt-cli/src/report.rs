//! The report of a training or evaluation: [`Measured`] parts, as a table and as JSON.

use std::io::{self, Write};

use bptt::file::AnyModel;
use bptt::{Architecture, Cell};
use serde_json::{Map, Value, json};

use crate::baseline::Baseline;
use crate::scores::Scores;

/// A part of the data with the model's scores on it, one per label column.
pub struct Measured {
    /// `"train"`, `"validation"`, `"test"` or `"data"`.
    pub name: &'static str,
    pub sequences: usize,
    pub rows: usize,
    /// The names of a classification's classes.
    pub classes: Vec<String>,
    pub scores: Vec<Scores>,
    pub baselines: Vec<Option<Baseline>>,
}

/// Writes one block per label column, with the parts side by side and the last part's baseline below.
pub fn write_scores(out: &mut dyn Write, labels: &[String], parts: &[Measured]) -> io::Result<()> {
    for (index, label) in labels.iter().enumerate() {
        write!(out, "\n{label:<18}")?;
        for part in parts {
            write!(out, "{:>14}", part.name)?;
        }
        writeln!(out)?;
        let columns: Vec<_> = parts.iter().map(|part| part.scores[index].rows()).collect();
        for (row, (name, _)) in columns[0].iter().enumerate() {
            write!(out, "  {name:<16}")?;
            for column in &columns {
                write!(out, "{:>14}", column[row].1)?;
            }
            writeln!(out)?;
        }
        if let Some(part) = parts.last() {
            write_classes(out, &part.classes, &part.scores[index])?;
        }
        if let Some(baseline) = parts.last().and_then(|part| part.baselines[index].as_ref()) {
            writeln!(out, "  {}", baseline.line())?;
        }
    }
    Ok(())
}

/// A classification's classes one by one, on the last part, and what was taken for what.
fn write_classes(out: &mut dyn Write, classes: &[String], scores: &Scores) -> io::Result<()> {
    let Scores::Classification(scores) = scores else { return Ok(()) };
    if classes.len() > 24 {
        return Ok(());
    }
    let width = classes.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(5);
    let digits = scores.confusion.iter().max().map_or(1, |most| most.to_string().len()).max(2) + 1;
    let place = |class: usize| format!("{:>digits$}", class + 1);
    let head: String = (0..classes.len()).map(place).collect();
    writeln!(out, "\n  {:<width$}  precision  recall      F1   rows   said:{head}", "class")?;
    for (class, (name, row)) in classes.iter().zip(&scores.classes).enumerate() {
        let counts = &scores.confusion[class * classes.len()..(class + 1) * classes.len()];
        let counts: String = counts
            .iter()
            .map(|count| format!("{:>digits$}", if *count == 0 { "·".into() } else { count.to_string() }))
            .collect();
        writeln!(
            out,
            "  {name:<width$}  {:>9.3}  {:>6.3}  {:>6.3}  {:>5}  {:>4}:{counts}",
            row.precision,
            row.recall,
            row.f1,
            row.support,
            class + 1
        )?;
    }
    Ok(())
}

/// `{ "train": { "sequences": …, "rows": …, "labels": { "y": { "rmse": …, "baseline": … } } }, … }`
pub fn scores_json(labels: &[String], parts: &[Measured]) -> Value {
    let part = |part: &Measured| {
        let mut by_label = Map::new();
        for ((label, scores), baseline) in labels.iter().zip(&part.scores).zip(&part.baselines) {
            let mut scores = scores.json(&part.classes);
            scores["baseline"] = baseline.as_ref().map_or(Value::Null, Baseline::json);
            by_label.insert(label.clone(), scores);
        }
        json!({ "sequences": part.sequences, "rows": part.rows, "labels": by_label })
    };
    parts.iter().map(|measured| (measured.name.to_owned(), part(measured))).collect::<Map<_, _>>().into()
}

/// Cell, sizes, activation, type and number of parameters.
pub fn model_line(model: &AnyModel) -> String {
    let Architecture { cell, num_layers, bidirectional, dropout } = model.architecture();
    let name = match cell {
        Cell::Elman(_) => "Elman",
        Cell::Gru => "GRU",
        Cell::Lstm => "LSTM",
        Cell::GruResetBefore => "GRU (reset before the product)",
    };
    let mut line =
        format!("{name} {} → {} → {}", model.input_size(), model.hidden_size(), model.output_size());
    if num_layers > 1 {
        line += &format!(", {num_layers} layers");
    }
    if bidirectional {
        line += ", both directions";
    }
    if dropout > 0.0 {
        line += &format!(", dropout {dropout}");
    }
    if let Some(activation) = cell.activation() {
        line += &format!(", {activation}");
    }
    format!("{line}, {}, {} parameters", model.dtype(), thousands(model.parameter_count()))
}

/// The same for a program.
pub fn model_json(model: &AnyModel) -> Value {
    let architecture = model.architecture();
    json!({
        "cell": architecture.cell.name(),
        "num_layers": architecture.num_layers,
        "bidirectional": architecture.bidirectional,
        "dropout": architecture.dropout,
        "input_size": model.input_size(),
        "hidden_size": model.hidden_size(),
        "output_size": model.output_size(),
        "activation": architecture.cell.activation().map(bptt::Activation::name),
        "dtype": model.dtype(),
        "parameters": model.parameter_count(),
    })
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 sequence`, `2 sequences`.
pub fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_read_well() {
        assert_eq!([0, 12, 999, 1000, 1_234_567].map(thousands), ["0", "12", "999", "1,000", "1,234,567"]);
        assert_eq!((count(1, "row"), count(2, "row")), ("1 row".into(), "2 rows".into()));
    }
}
