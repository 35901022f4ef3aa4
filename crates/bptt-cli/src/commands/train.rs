//! `bptt train`: from a CSV file to a saved model and a report.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use bptt::Level;
use bptt::file::{Metadata, ModelFile};
use serde_json::{Value, json};

use crate::args::{Task, TrainArgs};
use crate::config;
use crate::failure::Failure;
use crate::output::Output;
use crate::plan::{Outcome, Plan};
use crate::report::{count, model_line, scores_json, write_scores};
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
    let outcome = plan.run()?;
    let bytes = plan.model_file(&outcome).to_bytes().map_err(Failure::input)?;
    output.write(|writer| writer.write_all(&bytes))?;
    let reported = report(&plan, &outcome, json);
    let saved = plan.settings.out.display();
    if outcome.interrupted {
        let message = format!("interrupted after epoch {}; the model is saved in {saved}", outcome.epochs);
        return Err(Failure::Interrupted(message));
    }
    match reported {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::input(format!("standard output: {error}; the model is saved in {saved}")))
        }
        _ => Ok(()),
    }
}

fn report(plan: &Plan, outcome: &Outcome, json: bool) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    if json {
        writeln!(out, "{}", plan.json(outcome))?;
    } else {
        plan.write_report(&mut out, outcome)?;
    }
    out.flush()
}

impl Plan {
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
        writeln!(out, "model: {}", model_line(&outcome.model))?;
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
