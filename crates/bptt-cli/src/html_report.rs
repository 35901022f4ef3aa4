//! The page of `--report`: what a training came to, as [`crate::html`] draws it.

use bptt::Level;
use bptt::metrics::{largest, precision_recall_curve, roc_curve};
use serde_json::Value;

use crate::args::Task;
use crate::data::Part;
use crate::html::{
    ClassChart, ClassRow, EpochPoint, Fact, MetricTable, Plot, Report, SequenceChart, TargetReport,
};
use crate::plan::{Outcome, Plan};
use crate::report::{Measured, count, model_line};
use crate::scores::{Scores, number, pick};

/// Sequences that are drawn.
const DRAWN: usize = 6;
/// Classes whose probabilities are drawn.
const CLASSES: usize = 4;

/// The page. `settings` is what the model file says about the training.
pub fn report(plan: &Plan, outcome: &Outcome, settings: &Value) -> Report {
    let table = &plan.source.table;
    let text = |value: &Value| match (value.as_str(), value.as_f64()) {
        (Some(text), _) => text.to_owned(),
        // Settings are short; what was measured has more digits than anyone reads.
        (None, Some(measured)) if value.to_string().len() > 8 => number(measured),
        _ => value.to_string(),
    };
    Report {
        title: format!("{} from {}", table.columns.labels.join(", "), plan.source.name),
        command: command(),
        summary: summary(plan, outcome),
        history: outcome
            .history
            .iter()
            .map(|(stats, _)| EpochPoint {
                epoch: stats.epoch,
                loss: stats.loss,
                validation: stats.validation_loss,
                learning_rate: stats.learning_rate,
                best: outcome.best_epoch == Some(stats.epoch),
            })
            .collect(),
        targets: (0..table.columns.labels.len()).map(|column| target(plan, outcome, column)).collect(),
        settings: std::iter::once(("model".to_owned(), model_line(&outcome.model)))
            .chain(
                settings
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, value)| (name.replace('_', " "), text(value))),
            )
            .collect(),
        footer: format!(
            "bptt {}, {}, {:.3} s of training at {}",
            env!("CARGO_PKG_VERSION"),
            count(outcome.epochs, "epoch"),
            outcome.seconds,
            Level::best()
        ),
    }
}

/// The command line, with quotes where a shell wants them.
fn command() -> String {
    let quoted = |argument: String| {
        let plain = |c: char| c.is_alphanumeric() || "-_./=,:+@%".contains(c);
        if !argument.is_empty() && argument.chars().all(plain) {
            argument
        } else {
            format!("'{}'", argument.replace('\'', "'\\''"))
        }
    };
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|argument| quoted(argument.to_string_lossy().into_owned())).collect();
    format!("bptt {}", arguments.join(" "))
}

fn summary(plan: &Plan, outcome: &Outcome) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(measured) = outcome.measured.last() {
        for (label, value) in measured.scores[0].rows().into_iter().take(3) {
            facts.push(Fact { label: format!("{label}, {}", measured.name), value, note: None });
        }
        if let (Some(fact), Some(baseline)) = (facts.first_mut(), &measured.baselines[0]) {
            fact.note = Some(baseline.line());
        }
    }
    let note = outcome.best_epoch.map(|epoch| format!("weights of epoch {epoch}"));
    facts.push(Fact { label: "epochs".into(), value: outcome.epochs.to_string(), note });
    let rows = format!("{} train", count(plan.train.sequences(), "sequence"));
    facts.push(Fact { label: "seconds".into(), value: format!("{:.3}", outcome.seconds), note: Some(rows) });
    facts
}

fn target(plan: &Plan, outcome: &Outcome, column: usize) -> TargetReport {
    let name = plan.source.table.columns.labels[column].clone();
    let parts: Vec<&Measured> = outcome.measured.iter().collect();
    let all: Vec<_> = parts.iter().map(|part| part.scores[column].rows()).collect();
    let rows = all.first().map_or(0, Vec::len);
    let table = MetricTable {
        parts: parts.iter().map(|part| part.name.to_owned()).collect(),
        rows: (0..rows)
            .map(|row| (all[0][row].0.to_owned(), all.iter().map(|part| part[row].1.clone()).collect()))
            .collect(),
        note: parts
            .last()
            .and_then(|part| part.baselines[column].as_ref())
            .map(crate::baseline::Baseline::line),
    };
    let plots = match parts.last() {
        Some(measured) => plots(plan, outcome, measured, column),
        None => Vec::new(),
    };
    TargetReport { name, tables: vec![table], plots }
}

/// The pictures of the last part that was measured, whose predictions are in `outcome.shown`.
fn plots(plan: &Plan, outcome: &Outcome, measured: &Measured, column: usize) -> Vec<Plot> {
    let parts = plan.parts();
    let Some((_, part)) = parts.iter().find(|(name, _)| *name == measured.name) else { return Vec::new() };
    let columns = plan.source.table.columns.labels.len();
    let truth = pick(&part.labels, column, columns);
    if let Scores::Classification(scores) = &measured.scores[column] {
        let classes = plan.classes.clone();
        let rows = classes.iter().zip(&scores.classes).map(|(class, scores)| ClassRow {
            class: class.clone(),
            precision: scores.precision,
            recall: scores.recall,
            f1: scores.f1,
            support: scores.support,
        });
        return vec![
            Plot::Confusion { classes: classes.clone(), counts: scores.confusion.clone() },
            Plot::PerClass { rows: rows.collect() },
            Plot::ClassSequences { charts: class_charts(plan, part, &truth, &outcome.shown) },
        ];
    }
    let predictions = pick(&outcome.shown, column, columns);
    let labelled: Vec<usize> = (0..truth.len()).filter(|&row| !truth[row].is_nan()).collect();
    let known: Vec<f64> = labelled.iter().map(|&row| truth[row]).collect();
    let found: Vec<f64> = labelled.iter().map(|&row| predictions[row]).collect();
    let mut plots = Vec::new();
    if let Scores::Binary(scores) = &measured.scores[column] {
        let positives = known.iter().sum::<f64>() / known.len().max(1) as f64;
        if let Ok(points) = precision_recall_curve(&found, &known) {
            plots.push(Plot::PrecisionRecall { points, average_precision: scores.pr_auc, positives });
        }
        if let Ok(points) = roc_curve(&found, &known) {
            plots.push(Plot::Roc { points, auc: scores.roc_auc });
        }
        let counts = &scores.confusion;
        plots.push(Plot::Confusion {
            classes: vec!["0".into(), "1".into()],
            counts: vec![
                counts.true_negatives,
                counts.false_positives,
                counts.false_negatives,
                counts.true_positives,
            ],
        });
    } else {
        let pairs = found.iter().copied().zip(known.iter().copied()).collect();
        plots.push(Plot::PredictedActual { pairs, unit: String::new() });
    }
    plots.push(Plot::Sequences { charts: charts(plan, part, &truth, &predictions) });
    plots
}

/// The sequences that are worth drawing: of a rare class first those that have it.
fn chosen(task: Task, part: &Part, truth: &[f64]) -> Vec<usize> {
    let rows = |sequence: usize| &truth[part.offsets[sequence]..part.offsets[sequence + 1]];
    let mut sequences: Vec<usize> = (0..part.sequences())
        .filter(|&sequence| rows(sequence).iter().any(|label| !label.is_nan()))
        .collect();
    if task == Task::Binary {
        sequences.sort_by_key(|&sequence| !rows(sequence).contains(&1.0));
    }
    sequences.truncate(DRAWN);
    sequences
}

/// The sequences of a classification that are worth drawing, as pairs of truth and prediction at their last labelled rows:
/// two that were taken for others, then one of each class.
fn chosen_classes(ends: &[Option<(usize, usize)>]) -> Vec<usize> {
    let labelled = || ends.iter().enumerate().filter_map(|(sequence, end)| Some((sequence, (*end)?)));
    let mistaken = labelled().filter(|(_, (truth, found))| truth != found);
    let mut sequences: Vec<usize> = mistaken.map(|(sequence, _)| sequence).take(DRAWN / 3).collect();
    let mut seen = Vec::new();
    let mut rest = Vec::new();
    for (sequence, (truth, _)) in labelled() {
        if sequences.contains(&sequence) {
            continue;
        }
        if seen.contains(&truth) {
            rest.push(sequence);
        } else {
            seen.push(truth);
            sequences.push(sequence);
        }
    }
    sequences.extend(rest);
    sequences.truncate(DRAWN);
    sequences.sort_unstable();
    sequences
}

fn charts(plan: &Plan, part: &Part, truth: &[f64], predictions: &[f64]) -> Vec<SequenceChart> {
    let chart = |sequence: usize| {
        let rows = part.offsets[sequence]..part.offsets[sequence + 1];
        let (name, times) = part.titles(&plan.source.table, sequence);
        SequenceChart {
            name,
            times,
            truth: truth[rows.clone()].iter().map(|label| (!label.is_nan()).then_some(*label)).collect(),
            prediction: predictions[rows].to_vec(),
        }
    };
    chosen(plan.task, part, truth).into_iter().map(chart).collect()
}

fn class_charts(plan: &Plan, part: &Part, truth: &[f64], probabilities: &[f64]) -> Vec<ClassChart> {
    let count = plan.classes.len();
    let chart = |sequence: usize| {
        let rows = part.offsets[sequence]..part.offsets[sequence + 1];
        let (name, times) = part.titles(&plan.source.table, sequence);
        let values = &probabilities[rows.start * count..rows.end * count];
        let last = truth[rows].iter().rev().find(|label| !label.is_nan());
        // The likeliest classes at the end of the sequence.
        let mut rest = values[values.len() - count..].to_vec();
        let mut classes = Vec::new();
        for _ in 0..CLASSES.min(count) {
            let class = largest(&rest);
            rest[class] = -1.0;
            classes.push((plan.classes[class].clone(), pick(values, class, count)));
        }
        let truth = last.map(|label| plan.classes[*label as usize].clone());
        ClassChart { name, times, truth, probabilities: classes }
    };
    let end = |sequence: usize| {
        let row =
            (part.offsets[sequence]..part.offsets[sequence + 1]).rev().find(|&row| !truth[row].is_nan())?;
        Some((truth[row] as usize, largest(&probabilities[row * count..(row + 1) * count])))
    };
    let ends: Vec<_> = (0..part.sequences()).map(end).collect();
    chosen_classes(&ends).into_iter().map(chart).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_and_every_class_are_drawn() {
        let ends = [Some((0, 0)), Some((0, 0)), None, Some((0, 2)), Some((1, 1)), Some((2, 2)), Some((2, 1))];
        assert_eq!(chosen_classes(&ends), [0, 1, 3, 4, 5, 6]);
        let many: Vec<_> = (0..40).map(|sequence| Some((sequence / 10, sequence / 10))).collect();
        assert_eq!(chosen_classes(&many), [0, 1, 2, 10, 20, 30]);
        assert!(chosen_classes(&[None, None]).is_empty());
    }
}
