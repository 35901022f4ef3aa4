//! `bptt train`: from a CSV file to a saved model and a report.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bptt::file::{AnyModel, Metadata, ModelFile};
use bptt::{DynRnn, Error, Float, Level, Normalization, Normalizer, Trainer};
use serde_json::{Value, json};

use crate::args::{Dtype, Task, TrainArgs};
use crate::commands::evaluate::check_binary;
use crate::config;
use crate::data::{self, Part, Scaling, Source};
use crate::failure::Failure;
use crate::model::{Measure, predict};
use crate::output::Output;
use crate::progress::Progress;
use crate::report::{Measured, count, scores_json, thousands, write_scores};
use crate::settings::Settings;

/// Runs the command.
pub fn run(args: Box<TrainArgs>) -> Result<(), Failure> {
    let TrainArgs { settings: flags, config: config_path, json } = *args;
    let flags = match &config_path {
        Some(path) => config::merge(flags, config::read(path)?),
        None => flags,
    };
    let settings = Settings::resolve(flags)?;
    let inputs: Vec<&Path> = settings.data.iter().chain(&config_path).map(AsRef::as_ref).collect();
    let output = Output::check(&settings.out, &inputs)?;
    let plan = Plan::new(settings)?;
    let outcome = match plan.settings.dtype {
        Dtype::F32 => plan.train(AnyModel::F32)?,
        Dtype::F64 => plan.train(AnyModel::F64)?,
    };
    let bytes = plan.model_file(&outcome).to_bytes().map_err(Failure::input)?;
    output.write(|writer| writer.write_all(&bytes))?;
    let mut out = BufWriter::new(io::stdout().lock());
    if json {
        writeln!(out, "{}", plan.json(&outcome))?;
    } else {
        plan.write_report(&mut out, &outcome)?;
    }
    out.flush()?;
    if outcome.interrupted {
        let (epochs, out) = (outcome.epochs, plan.settings.out.display());
        return Err(Failure::Interrupted(format!(
            "interrupted after epoch {epochs}; the model is saved in {out}"
        )));
    }
    Ok(())
}

/// A training that is ready to start: settings and data fit each other.
struct Plan {
    settings: Settings,
    source: Source,
    task: Task,
    naive: Option<usize>,
    train: Part,
    test: Part,
    scaling: Scaling,
}

/// A finished training.
struct Outcome {
    model: AnyModel,
    epochs: usize,
    first_loss: f64,
    last_loss: f64,
    seconds: f64,
    interrupted: bool,
    measured: Vec<Measured>,
}

impl Plan {
    fn new(settings: Settings) -> Result<Self, Failure> {
        let source = data::load(settings.data.as_deref(), &settings.columns)?;
        let table = &source.table;
        let binary = table.labels.iter().all(|label| *label == 0.0 || *label == 1.0);
        let task = settings.task.unwrap_or(if binary { Task::Binary } else { Task::Regression });
        if task == Task::Binary {
            check_binary(&source.name, table)?;
        }
        let naive = naive_column(&settings, &table.columns.inputs)?;
        let split = bptt::split(table.sequences(), settings.train_ratio, settings.split_seed()).map_err(|_| {
            Failure::input(format!(
                "{}: expected at least one sequence in the training part, found {} and a train ratio of {}; \
                 --window N cuts a long sequence into several",
                source.name,
                count(table.sequences(), "sequence"),
                settings.train_ratio
            ))
        })?;
        let (train, test) = (Part::of(table, &split.train), Part::of(table, &split.test));
        let fit = |kind, values: &[f64], columns: &[String]| {
            Normalizer::fit(kind, values, columns.len()).map_err(|error| locate(error, columns))
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
    fn train<T: Float>(&self, wrap: fn(DynRnn<T>) -> AnyModel) -> Result<Outcome, Failure> {
        let Self { settings, source, train, test, scaling, .. } = self;
        let columns = &source.table.columns;
        let dataset = scaling.dataset::<T>(&source.table, train)?;
        // Found now and not after the training, when a held-out value cannot be represented.
        scaling.dataset::<T>(&source.table, test)?;
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
        let last = trainer.fit(&dataset, settings.epochs, |stats, model| {
            first_loss.get_or_insert(stats.loss);
            let due = settings.eval_every > 0 && stats.epoch.is_multiple_of(settings.eval_every);
            let score = if due { self.headline(model) } else { Ok(None) };
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
        let measured = self.measure(&model)?;
        let interrupted = interrupt.load(Ordering::Relaxed) && epochs < settings.epochs;
        let first_loss = first_loss.unwrap_or(last_loss);
        Ok(Outcome { model: wrap(model), epochs, first_loss, last_loss, seconds, interrupted, measured })
    }

    fn measure_with(&self) -> Measure<'_> {
        let (task, threshold, naive) = (self.task, self.settings.threshold, self.naive);
        Measure { task, threshold, columns: &self.source.table.columns, naive }
    }

    /// The held-out part's score for a progress line; empty where nothing is held out.
    fn headline<T: Float>(&self, model: &DynRnn<T>) -> Result<Option<String>, Failure> {
        if self.test.rows() == 0 {
            return Ok(Some(String::new()));
        }
        let predictions = predict(model, &self.scaling, &self.test.inputs, &self.test.offsets)?;
        if predictions.iter().any(|value| !value.is_finite()) {
            return Ok(Some("test not finite".into()));
        }
        let measured = self.measure_with().part("test", &self.test, &predictions)?;
        Ok(Some(format!("test {}", measured.scores[0].headline())))
    }

    fn measure<T: Float>(&self, model: &DynRnn<T>) -> Result<Vec<Measured>, Failure> {
        let mut measured = Vec::new();
        for (name, part) in [("train", &self.train), ("test", &self.test)] {
            if part.rows() > 0 {
                let predictions = predict(model, &self.scaling, &part.inputs, &part.offsets)?;
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

    fn model_file(&self, outcome: &Outcome) -> ModelFile {
        let columns = self.source.table.columns.clone();
        let settings = self.training_settings(outcome);
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let metadata = Metadata {
            input_columns: columns.inputs,
            label_columns: columns.labels,
            sequence_column: columns.sequence,
            time_column: columns.time,
            window: columns.window,
            task: Some(match self.task {
                Task::Regression => bptt::file::Task::Regression,
                Task::Binary => bptt::file::Task::Binary,
            }),
            threshold: Some(self.settings.threshold),
            input_normalizer: Some(self.scaling.inputs.clone()),
            label_normalizer: Some(self.scaling.labels.clone()),
            training: settings
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, value)| (name.clone(), text(value)))
                .collect(),
        };
        ModelFile { model: outcome.model.clone(), metadata }
    }

    /// What the training was, for the model file and the report.
    fn training_settings(&self, outcome: &Outcome) -> Value {
        let Settings { batch_size, learning_rate, reduction, train_ratio, shuffle, seed, .. } =
            &self.settings;
        let mut settings = json!({
            "optimizer": "sgd",
            "loss": "mse",
            "reduction": reduction.name(),
            "learning_rate": learning_rate,
            "batch_size": batch_size,
            "epochs": outcome.epochs,
            "train_ratio": train_ratio,
            "train_sequences": self.train.sequences(),
            "test_sequences": self.test.sequences(),
            "shuffle": shuffle.name(),
            "seed": seed,
            "first_loss": outcome.first_loss,
            "last_loss": outcome.last_loss,
            "data": self.source.name,
            "bptt_version": env!("CARGO_PKG_VERSION"),
        });
        if let Some(column) = self.naive {
            settings["naive"] = self.source.table.columns.inputs[column].clone().into();
        }
        settings
    }

    fn json(&self, outcome: &Outcome) -> Value {
        let columns = &self.source.table.columns;
        json!({
            "data": {
                "name": self.source.name,
                "sequences": self.source.table.sequences(),
                "rows": self.source.table.rows,
                "inputs": columns.inputs,
                "labels": columns.labels,
            },
            "model": {
                "cell": "elman",
                "input_size": outcome.model.input_size(),
                "hidden_size": outcome.model.hidden_size(),
                "output_size": outcome.model.output_size(),
                "activation": outcome.model.activation().name(),
                "dtype": outcome.model.dtype(),
                "parameters": outcome.model.parameter_count(),
            },
            "task": self.task.name(),
            "normalize": self.settings.normalization.name(),
            "training": self.training_settings(outcome),
            "seconds": outcome.seconds,
            "level": Level::best().name(),
            "interrupted": outcome.interrupted,
            "metrics": scores_json(&columns.labels, &outcome.measured),
            "saved": self.settings.out.display().to_string(),
        })
    }

    fn write_report(&self, out: &mut dyn Write, outcome: &Outcome) -> io::Result<()> {
        let table = &self.source.table;
        let sizes = |sequences, rows| format!("{}, {}", count(sequences, "sequence"), count(rows, "row"));
        writeln!(out, "{}: {}", self.source.name, sizes(table.sequences(), table.rows))?;
        let (train, test) = (&self.train, &self.test);
        writeln!(out, "train: {}", sizes(train.sequences(), train.rows()))?;
        writeln!(out, "test:  {}", sizes(test.sequences(), test.rows()))?;
        let model = &outcome.model;
        writeln!(
            out,
            "model: Elman {} → {} → {}, {}, {}, {} parameters",
            model.input_size(),
            model.hidden_size(),
            model.output_size(),
            model.activation(),
            model.dtype(),
            thousands(model.parameter_count())
        )?;
        let timesteps = (train.rows() * outcome.epochs).max(1);
        writeln!(
            out,
            "{} in {:.3} s ({:.0} ns per timestep, {}), loss {:.6} → {:.6}",
            count(outcome.epochs, "epoch"),
            outcome.seconds,
            1e9 * outcome.seconds / timesteps as f64,
            Level::best(),
            outcome.first_loss,
            outcome.last_loss
        )?;
        write_scores(out, &table.columns.labels, &outcome.measured)?;
        if self.task == Task::Binary {
            let note = "where one class is rare, accuracy says little: read PR-AUC, precision and recall";
            writeln!(out, "  {note}")?;
        }
        writeln!(out, "\nsaved {}", self.settings.out.display())
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
fn locate(error: Error, columns: &[String]) -> Failure {
    match error {
        Error::NotFinite { column, .. } if column < columns.len() => Failure::input(format!(
            "column `{}`: expected a range that double precision can scale, found values too far apart",
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
