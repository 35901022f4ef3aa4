//! Settings in order: the mean over their seeds, and its spread.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::results::Row;
use crate::scores::number;

/// What came of one choice of settings.
#[derive(Debug, PartialEq)]
pub struct Ranked {
    pub choice: String,
    /// Seeds that were trained, and those that diverged.
    pub seeds: usize,
    pub diverged: usize,
    /// Mean and standard deviation over the seeds, which one seed does not have.
    pub validation: Option<Spread>,
    pub test: Option<Spread>,
    pub parameters: usize,
    pub seconds: f64,
}

/// The mean of some numbers and, from two on, their standard deviation.
pub type Spread = (f64, Option<f64>);

/// Whether less is better.
pub fn lower_is_better(metric: &str) -> bool {
    metric == "rmse"
}

/// The best first; without a validation part by the test part, and what diverged for every seed last.
pub fn rank(rows: &[Row], metric: &str) -> Vec<Ranked> {
    let mut choices: Vec<&str> = Vec::new();
    for row in rows {
        if !choices.contains(&row.choice.as_str()) {
            choices.push(&row.choice);
        }
    }
    let mut ranked: Vec<Ranked> = choices.into_iter().map(|choice| collect(rows, choice)).collect();
    let key = |ranked: &Ranked| {
        let (mean, _) = ranked.validation.or(ranked.test).unwrap_or((f64::NAN, None));
        if mean.is_nan() {
            f64::INFINITY
        } else if lower_is_better(metric) {
            mean
        } else {
            -mean
        }
    };
    ranked.sort_by(|a, b| key(a).total_cmp(&key(b)));
    ranked
}

fn collect(rows: &[Row], choice: &str) -> Ranked {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.choice == choice).collect();
    let spread = |values: Vec<f64>| {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        // Of a sample: the seeds stand for all others.
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (!values.is_empty()).then(|| (mean, (count > 1.0).then(|| (squares / (count - 1.0)).sqrt())))
    };
    Ranked {
        choice: choice.to_owned(),
        seeds: rows.len(),
        diverged: rows.iter().filter(|row| row.status != "ok").count(),
        validation: spread(rows.iter().filter_map(|row| row.validation).collect()),
        test: spread(rows.iter().filter_map(|row| row.test).collect()),
        parameters: rows.iter().map(|row| row.parameters).max().unwrap_or(0),
        seconds: rows.iter().map(|row| row.seconds).sum::<f64>() / rows.len().max(1) as f64,
    }
}

/// The table.
pub fn write(out: &mut dyn Write, ranked: &[Ranked], metric: &str) -> io::Result<()> {
    let shown = |value: Option<Spread>| match value {
        None => "–".to_owned(),
        Some((mean, None)) => number(mean),
        Some((mean, Some(spread))) => format!("{} ± {}", number(mean), number(spread)),
    };
    let width = ranked.iter().map(|row| row.choice.chars().count()).max().unwrap_or(0).max(8);
    let (validation, test) = (format!("validation {metric}"), format!("test {metric}"));
    writeln!(out, "  #  {:<width$}  {validation:>22}  {test:>22}  seeds  parameters  seconds", "settings")?;
    for (place, row) in ranked.iter().enumerate() {
        let Ranked { choice, seeds, diverged, parameters, seconds, .. } = row;
        let note = if *diverged > 0 { format!("  {diverged} diverged") } else { String::new() };
        writeln!(
            out,
            "{:>3}  {choice:<width$}  {:>22}  {:>22}  {seeds:>5}  {parameters:>10}  {seconds:>7.2}{note}",
            place + 1,
            shown(row.validation),
            shown(row.test)
        )?;
    }
    Ok(())
}

/// The same for a program.
pub fn json(ranked: &[Ranked], metric: &str) -> Value {
    let part = |value: Option<Spread>| value.map(|(mean, spread)| json!({ "mean": mean, "std": spread }));
    let row = |row: &Ranked| {
        json!({
            "settings": row.choice,
            "seeds": row.seeds,
            "diverged": row.diverged,
            "validation": part(row.validation),
            "test": part(row.test),
            "parameters": row.parameters,
            "seconds": row.seconds,
        })
    };
    json!({ "metric": metric, "ranking": ranked.iter().map(row).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(choice: &str, seed: u64, validation: Option<f64>) -> Row {
        let status = if validation.is_some() { "ok" } else { "diverged" };
        Row {
            data: "a.csv".into(),
            choice: choice.into(),
            fixed: String::new(),
            seed,
            status: status.into(),
            metric: "rmse".into(),
            train: None,
            validation,
            test: None,
            epochs: 1,
            best_epoch: None,
            parameters: 3,
            seconds: 1.0,
        }
    }

    #[test]
    fn the_mean_over_seeds_decides() {
        let rows = [
            row("a", 1, Some(1.0)),
            row("b", 1, Some(0.5)),
            row("a", 2, Some(3.0)),
            row("c", 1, None),
            row("b", 2, None),
        ];
        let ranked = rank(&rows, "rmse");
        let order: Vec<_> = ranked.iter().map(|row| row.choice.as_str()).collect();
        assert_eq!(order, ["b", "a", "c"]);
        assert_eq!(ranked[1].validation, Some((2.0, Some(2.0_f64.sqrt()))));
        assert_eq!(ranked[0].validation, Some((0.5, None)));
        assert_eq!((ranked[0].diverged, ranked[0].seeds, ranked[2].validation), (1, 2, None));
        assert_eq!(rank(&rows, "accuracy")[0].choice, "a");
    }
}
