//! What kind of labels there are, and what follows: the loss, and what classes count for.

use bptt::Loss;

use crate::args::{self, Task};
use crate::commands::evaluate::check_binary;
use crate::data::{self, Part, Source};
use crate::failure::Failure;
use crate::settings::{ClassWeights, Settings};
use crate::table::{LabelUse, Table};

/// Whole numbers are taken as classes only where there are no more of them than this.
const MOST_NUMBERED: usize = 20;
/// … and where each of them is the label of as many rows.
const LEAST_ROWS: usize = 5;

/// Reads the data, and decides on the task where the user did not.
pub fn load(settings: &Settings) -> Result<(Source, Task), Failure> {
    let mut source = match &settings.data {
        Some(path) => data::load(path, &settings.columns, LabelUse::Required)?,
        None => data::load_bundled(settings.example, &settings.columns)?,
    };
    let task = settings.task.unwrap_or_else(|| guess(&source.table));
    if task == Task::Binary {
        check_binary(&source.name, &source.table)?;
    }
    if task == Task::Classification {
        if source.table.columns.labels.len() != 1 {
            return Err(Failure::input(format!(
                "{}: expected one label column for a classification, found {}",
                source.name,
                source.table.columns.labels.len()
            )));
        }
        if source.table.classes.is_none() {
            source.table = source.table.numbers_as_classes();
        }
    }
    Ok((source, task))
}

/// Names are classes, 0 and 1 a yes or no. Whole numbers are classes where there are two of them, or a few without gaps
/// that begin with 0 or 1, and each is there often enough to be learned: counts of something have rare large ones.
fn guess(table: &Table) -> Task {
    if table.classes.is_some() {
        return Task::Classification;
    }
    let labelled = || table.labels.iter().filter(|label| !label.is_nan());
    if labelled().all(|label| *label == 0.0 || *label == 1.0) {
        return Task::Binary;
    }
    let mut values: Vec<(f64, usize)> = Vec::new();
    for label in labelled() {
        if label.fract() != 0.0 || values.len() > MOST_NUMBERED {
            return Task::Regression;
        }
        match values.iter_mut().find(|(value, _)| value == label) {
            Some((_, rows)) => *rows += 1,
            None => values.push((*label, 1)),
        }
    }
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let gapless = values.windows(2).all(|pair| pair[1].0 - pair[0].0 == 1.0);
    let numbered =
        gapless && (3..=MOST_NUMBERED).contains(&values.len()) && values[0].0 >= 0.0 && values[0].0 <= 1.0;
    let often = values.iter().all(|(_, rows)| *rows >= LEAST_ROWS);
    if table.columns.labels.len() == 1 && often && (numbered || values.len() == 2) {
        Task::Classification
    } else {
        Task::Regression
    }
}

/// The loss that was asked for, or the task's.
pub fn loss(settings: &Settings, task: Task) -> Result<Loss, Failure> {
    let asked = settings.loss.map(|loss| match loss {
        args::Loss::Mse => Loss::Mse,
        args::Loss::Mae => Loss::Mae,
        args::Loss::Huber => Loss::Huber { delta: settings.huber_delta.unwrap_or(1.0) },
        args::Loss::Bce => Loss::Bce,
        args::Loss::CrossEntropy => Loss::CrossEntropy,
    });
    let (default, fits): (_, &[&str]) = match task {
        Task::Regression => (Loss::Mse, &["mse", "mae", "huber"]),
        // Squared errors on 0 and 1 are what the blog post's experiment has.
        Task::Binary => (Loss::Bce, &["bce", "mse", "mae", "huber"]),
        Task::Classification => (Loss::CrossEntropy, &["cross-entropy"]),
    };
    let loss = asked.unwrap_or(default);
    if fits.contains(&loss.name()) {
        return Ok(loss);
    }
    let (fits, task) = (fits.join(", "), task.name());
    Err(Failure::input(format!("--loss: expected one that fits a {task} task ({fits}), found {loss}")))
}

/// The weight of each class, in the order of the outputs.
pub fn class_weights(
    settings: &Settings,
    loss: Loss,
    classes: &[String],
    train: &Part,
) -> Result<Option<Vec<f64>>, Failure> {
    let Some(asked) = &settings.class_weights else { return Ok(None) };
    let wrong = |expected: &str, found: &str| {
        Err(Failure::input(format!("--class-weights: expected {expected}, found {found}")))
    };
    let names: Vec<String> = match loss {
        Loss::Bce => vec!["0".into(), "1".into()],
        Loss::CrossEntropy => classes.to_vec(),
        loss => return wrong("a loss with classes, bce or cross-entropy", loss.name()),
    };
    match asked {
        ClassWeights::Each(weights) if weights.len() == names.len() => Ok(Some(weights.clone())),
        ClassWeights::Each(weights) => {
            let expected = format!("{} numbers, one per class ({})", names.len(), names.join(", "));
            wrong(&expected, &weights.len().to_string())
        }
        ClassWeights::Named(pairs) => {
            let mut weights = vec![1.0; names.len()];
            for (class, weight) in pairs {
                match names.iter().position(|name| name == class) {
                    Some(place) => weights[place] = *weight,
                    None => {
                        return wrong(
                            &format!("classes of the labels ({})", names.join(", ")),
                            &format!("`{class}`"),
                        );
                    }
                }
            }
            Ok(Some(weights))
        }
        ClassWeights::Balanced => {
            let labelled: Vec<f64> = train.labels.iter().copied().filter(|label| !label.is_nan()).collect();
            let weight = |class: usize| {
                let rows = labelled.iter().filter(|label| **label == class as f64).count();
                labelled.len() as f64 / (names.len() * rows.max(1)) as f64
            };
            Ok(Some((0..names.len()).map(weight).collect()))
        }
    }
}
