//! [`Plan`]: a training whose settings and data fit each other, and its [`Outcome`].

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bptt::file::AnyModel;
use bptt::{Dataset, DynRnn, Error, Float, Normalization, Normalizer, Trainer};

use crate::args::{Dtype, Task};
use crate::commands::evaluate::check_binary;
use crate::data::{self, Part, Scaling, Source};
use crate::failure::Failure;
use crate::model::{Measure, predict};
use crate::progress::Progress;
use crate::report::{Measured, count};
use crate::settings::Settings;
use crate::table::LabelUse;

/// A training that is ready to start: settings and data fit each other.
pub struct Plan {
    pub settings: Settings,
    pub source: Source,
    pub task: Task,
    /// The input column that is the naive forecast.
    pub naive: Option<usize>,
    pub train: Part,
    /// Held out; may be empty.
    pub test: Part,
    pub scaling: Scaling,
}

/// A finished training.
pub struct Outcome {
    pub model: AnyModel,
    /// Epochs run; fewer than asked for where Ctrl-C stopped them.
    pub epochs: usize,
    pub first_loss: f64,
    pub last_loss: f64,
    pub seconds: f64,
    pub interrupted: bool,
    pub measured: Vec<Measured>,
}

impl Plan {
    /// Reads the data, splits them, and fits the scaling on the training part.
    pub fn new(settings: Settings) -> Result<Self, Failure> {
        let source = data::load(settings.data.as_deref(), &settings.columns, LabelUse::Required)?;
        let table = &source.table;
        let binary = table.labels.iter().all(|label| *label == 0.0 || *label == 1.0);
        let task = settings.task.unwrap_or(if binary { Task::Binary } else { Task::Regression });
        if task == Task::Binary {
            check_binary(&source.name, table)?;
        }
        let naive = naive_column(&settings, &table.columns.inputs)?;
        let split = bptt::split(table.sequences(), settings.train_ratio, settings.split_seed()).map_err(|_| {
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
        let (train, test) = (Part::of(table, &split.train), Part::of(table, &split.test));
        let fit = |kind, values: &[f64], columns: &[String]| {
            Normalizer::fit(kind, values, columns.len()).map_err(|error| locate(error, &source.name, columns))
        };
        // 0 and 1 are already what a binary task's predictions are compared with.
        let label_kind = if task == Task::Binary { Normalization::None } else { settings.normalization };
        let scaling = Scaling {
            inputs: fit(settings.normalization, &train.inputs, &table.columns.inputs)?,
            labels: fit(label_kind, &train.labels, &table.columns.labels)?,
        };
        Ok(Self { settings, source, task, naive, train, test, scaling })
    }

    /// Trains, then measures both parts.
    pub fn run(&self) -> Result<Outcome, Failure> {
        match self.settings.dtype {
            Dtype::F32 => self.train_as(AnyModel::F32),
            Dtype::F64 => self.train_as(AnyModel::F64),
        }
    }

    fn train_as<T: Float>(&self, wrap: fn(DynRnn<T>) -> AnyModel) -> Result<Outcome, Failure> {
        let Self { settings, source, train, test, scaling, .. } = self;
        let columns = &source.table.columns;
        let train_set = scaling.dataset::<T>(source, train)?;
        let test_set = scaling.dataset::<T>(source, test)?;
        let (input_size, output_size) = (columns.inputs.len(), columns.labels.len());
        let model = DynRnn::<T>::new(
            input_size,
            settings.hidden_size,
            output_size,
            settings.activation,
            settings.seed,
        )
        .map_err(Failure::input)?;
        let mut trainer = Trainer::new(model, settings.train_config()).map_err(Failure::input)?;
        let interrupt = interrupt_flag();
        let mut progress = Progress::new(settings.epochs);
        let (mut first_loss, mut failed) = (None, None);
        let started = Instant::now();
        let last = trainer.fit(&train_set, settings.epochs, |stats, model| {
            first_loss.get_or_insert(stats.loss);
            let due = settings.eval_every > 0 && stats.epoch.is_multiple_of(settings.eval_every);
            let score = if due { self.headline(model, &test_set) } else { Ok(None) };
            match score {
                Ok(score) => progress.epoch(stats.epoch, stats.loss, score),
                Err(error) => failed = Some(error),
            }
            let stop = interrupt.load(Ordering::Relaxed) || failed.is_some();
            if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let seconds = started.elapsed().as_secs_f64();
        progress.finish();
        if let Some(failure) = failed {
            return Err(failure);
        }
        let last = last.map_err(diverged)?;
        let (epochs, last_loss) = last.map_or((0, f64::NAN), |stats| (stats.epoch, stats.loss));
        let model = trainer.into_model();
        let measured = self.measure(&model, [&train_set, &test_set])?;
        let interrupted = interrupt.load(Ordering::Relaxed) && epochs < settings.epochs;
        let first_loss = first_loss.unwrap_or(last_loss);
        Ok(Outcome { model: wrap(model), epochs, first_loss, last_loss, seconds, interrupted, measured })
    }

    fn measure_with(&self) -> Measure<'_> {
        let (task, threshold, naive) = (self.task, self.settings.threshold, self.naive);
        Measure { task, threshold, columns: &self.source.table.columns, naive }
    }

    /// The held-out part's score for a progress line; empty where nothing is held out.
    fn headline<T: Float>(&self, model: &DynRnn<T>, test: &Dataset<T>) -> Result<Option<String>, Failure> {
        if test.is_empty() {
            return Ok(Some(String::new()));
        }
        let predictions = predict(model, &self.scaling, test.features(), test.offsets())?;
        if predictions.iter().any(|value| !value.is_finite()) {
            return Ok(Some("test not finite".into()));
        }
        let measured = self.measure_with().part("test", &self.test, &predictions)?;
        Ok(Some(format!("test {}", measured.scores[0].headline())))
    }

    fn measure<T: Float>(&self, model: &DynRnn<T>, sets: [&Dataset<T>; 2]) -> Result<Vec<Measured>, Failure> {
        let mut measured = Vec::new();
        for ((name, part), set) in [("train", &self.train), ("test", &self.test)].into_iter().zip(sets) {
            if !set.is_empty() {
                let predictions = predict(model, &self.scaling, set.features(), set.offsets())?;
                if predictions.iter().any(|value| !value.is_finite()) {
                    let message = format!(
                        "the model's predictions on the {name} part are not finite; nothing was saved"
                    );
                    return Err(Failure::Diverged(message));
                }
                measured.push(self.measure_with().part(name, part, &predictions)?);
            }
        }
        Ok(measured)
    }
}

/// The input column named by `--naive`, or the bundled data's.
fn naive_column(settings: &Settings, inputs: &[String]) -> Result<Option<usize>, Failure> {
    let bundled = settings.data.is_none().then_some(data::WEATHER_NAIVE);
    let position = |name: &str| inputs.iter().position(|input| input == name);
    match (&settings.naive, bundled) {
        (Some(name), _) => match position(name) {
            Some(column) => Ok(Some(column)),
            None => Err(Failure::input(format!(
                "--naive: expected one of the input columns ({}), found `{name}`",
                inputs.join(", ")
            ))),
        },
        (None, Some(name)) => Ok(position(name)),
        (None, None) => Ok(None),
    }
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

/// A diverged training is not bad input.
fn diverged(error: Error) -> Failure {
    match error {
        Error::NonFiniteLoss { .. } => Failure::Diverged(format!("{error}; nothing was saved")),
        error => Failure::input(error),
    }
}

/// Set by the first Ctrl-C (or SIGTERM); the second ends the program at once.
fn interrupt_flag() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&flag);
    // Where no handler can be set, Ctrl-C simply ends the program.
    let _ = ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    flag
}
