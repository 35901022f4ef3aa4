//! [`Parts`]: what trains, what decides when to stop, what is held out; and the scaling fitted on the first.

use bptt::{Error, Normalization, Normalizer, Rng};

use crate::args::Task;
use crate::data::{Part, Scaling, Source};
use crate::failure::Failure;
use crate::report::count;
use crate::settings::Settings;
use crate::table::{SplitPart, Table};

/// The parts of the data.
pub struct Parts {
    pub train: Part,
    /// May be empty.
    pub validation: Part,
    /// May be empty.
    pub test: Part,
}

impl Parts {
    /// By the split column, or drawn by the seed.
    pub fn of(settings: &Settings, source: &Source, task: Task) -> Result<Self, Failure> {
        let table = &source.table;
        let (mut train, mut validation, test) = match &table.parts {
            Some(parts) => by_column(parts),
            None => by_ratio(settings, source)?,
        };
        if train.is_empty() {
            let found = "none in the split column";
            return Err(Failure::input(format!(
                "{}: expected a sequence of the part `train`, found {found}",
                source.name
            )));
        }
        if validation.is_empty() {
            // Few sequences are better spent on training.
            let share = (train.len() as f64 * settings.validation_ratio) as usize;
            let mut order = train.clone();
            if settings.split_seed().is_some() {
                Rng::new(settings.derived_seed(4)).shuffle(&mut order);
            }
            validation = order.split_off(order.len() - share);
            validation.sort_unstable();
            order.sort_unstable();
            train = order;
        }
        let part = |sequences: &[usize]| {
            let mut part = Part::of(table, sequences);
            part.washout(settings.washout, table.columns.labels.len());
            part
        };
        let mut parts = Self { train: part(&train), validation: part(&validation), test: part(&test) };
        if parts.train.is_unlabelled() {
            return Err(Failure::input(format!(
                "{}: expected a label in the training part, found none{}",
                source.name,
                if settings.washout > 0 { " after the washout" } else { "" }
            )));
        }
        if parts.validation.is_unlabelled() {
            parts.validation = part(&[]);
        }
        if task != Task::Regression {
            parts.check_classes(source)?;
        }
        Ok(parts)
    }

    /// A class that training never saw cannot be learned, and one alone is no question.
    fn check_classes(&self, source: &Source) -> Result<(), Failure> {
        let (table, columns) = (&source.table, source.table.columns.labels.len());
        let name = |label: f64| match &table.classes {
            Some(classes) => classes.get(label as usize).cloned().unwrap_or_default(),
            None => label.to_string(),
        };
        for (column, title) in table.columns.labels.iter().enumerate() {
            let labels = |part: &Part| -> Vec<(usize, f64)> {
                part.labels
                    .iter()
                    .copied()
                    .enumerate()
                    .skip(column)
                    .step_by(columns)
                    .filter(|l| !l.1.is_nan())
                    .collect()
            };
            let mut seen: Vec<f64> = labels(&self.train).into_iter().map(|(_, label)| label).collect();
            seen.sort_by(f64::total_cmp);
            seen.dedup();
            if let [only] = seen[..] {
                return Err(Failure::input(format!(
                    "{}, column `{title}`: expected at least two classes in the training part, found only `{}`",
                    source.name,
                    name(only)
                )));
            }
            for (part_name, part) in [("validation", &self.validation), ("test", &self.test)] {
                let unseen = labels(part).into_iter().find(|(_, label)| !seen.contains(label));
                if let Some((at, label)) = unseen {
                    let numbers =
                        |classes: &Vec<String>| classes.iter().all(|class| class.parse::<f64>().is_ok());
                    let hint = match &table.classes {
                        Some(classes) if numbers(classes) => {
                            ", --task regression takes the labels as numbers"
                        }
                        _ => "",
                    };
                    return Err(Failure::input(format!(
                        "{}, line {}, column `{title}`: expected a class that the training part has too, found `{}`, \
                         which is only in the {part_name} part; another --seed or --train-ratio splits otherwise{hint}",
                        source.name,
                        part.line(table, at / columns),
                        name(label)
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Numbers of sequences: train, validation, test.
type Sequences = (Vec<usize>, Vec<usize>, Vec<usize>);

fn by_column(parts: &[SplitPart]) -> Sequences {
    let of = |wanted: SplitPart| (0..parts.len()).filter(|&sequence| parts[sequence] == wanted).collect();
    (of(SplitPart::Train), of(SplitPart::Validation), of(SplitPart::Test))
}

fn by_ratio(settings: &Settings, source: &Source) -> Result<Sequences, Failure> {
    let table: &Table = &source.table;
    let split = bptt::split(table.sequences(), settings.train_ratio, settings.split_seed());
    let split = split.map_err(|_| {
        let hint = match settings.columns.window {
            None if table.rows > table.sequences() => "; --window N cuts a long sequence into several",
            _ => "",
        };
        Failure::input(format!(
            "{}: expected at least one sequence in the training part, found {} and a train ratio of {}; \
             --train-ratio 1 holds nothing out{hint}",
            source.name,
            count(table.sequences(), "sequence"),
            settings.train_ratio
        ))
    })?;
    Ok((split.train, Vec::new(), split.test))
}

/// The scaling of inputs and, in a regression, of labels, fitted on the training part.
pub fn scaling(settings: &Settings, source: &Source, task: Task, train: &Part) -> Result<Scaling, Failure> {
    let columns = &source.table.columns;
    let fit = |kind, values: &[f64], columns: &[String]| {
        Normalizer::fit(kind, values, columns.len()).map_err(|error| locate(error, &source.name, columns))
    };
    let kind = settings.normalization;
    // Classes and probabilities are what predictions are compared with.
    let label_kind = if task == Task::Regression { kind } else { Normalization::None };
    let (mut offsets, mut scales) = (Vec::new(), Vec::new());
    for (column, name) in columns.labels.iter().enumerate() {
        let labelled = train.labels.iter().skip(column).step_by(columns.labels.len());
        let labelled: Vec<f64> = labelled.copied().filter(|label| !label.is_nan()).collect();
        let fitted = fit(label_kind, &labelled, std::slice::from_ref(name))?;
        offsets.extend_from_slice(fitted.offset());
        scales.extend_from_slice(fitted.scale());
    }
    let labels = Normalizer::from_parts(label_kind, offsets, scales).map_err(Failure::input)?;
    Ok(Scaling { inputs: fit(kind, &train.inputs, &columns.inputs)?, labels })
}

/// Names the column of a normaliser's error.
pub fn locate(error: Error, file: &str, columns: &[String]) -> Failure {
    match error {
        Error::Unscalable { column, expected, found, .. } => Failure::input(format!(
            "{file}, column `{}`: expected {expected}, found {found}",
            columns[column]
        )),
        error => Failure::input(error),
    }
}
