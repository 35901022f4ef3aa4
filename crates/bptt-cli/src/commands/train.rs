//! `bptt train`: from a CSV file to a saved model and a report.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use bptt::Level;
use bptt::file::{Metadata, ModelFile};
use serde_json::{Value, json};

use crate::args::{Task, TrainArgs};
use crate::config;
use crate::data::is_standard_input;
use crate::failure::Failure;
use crate::history;
use crate::html;
use crate::html_report;
use crate::output::Output;
use crate::plan::{Failed, Outcome, Plan};
use crate::report::{count, model_json, model_line, scores_json, write_scores};
use crate::resume::Resumed;
use crate::settings::Settings;

/// Runs the command.
pub fn run(args: Box<TrainArgs>) -> Result<(), Failure> {
    let TrainArgs { settings: flags, config: config_path, resume, json } = *args;
    let mut flags = match &config_path {
        Some(path) => config::merge(flags, config::read(path)?),
        None => flags,
    };
    let resumed = resume.as_deref().map(Resumed::read).transpose()?;
    if let Some(resumed) = &resumed {
        flags = resumed.flags(flags);
    }
    let settings = Settings::resolve(flags)?;
    if let (Some(resume), Some(data)) = (&resume, &settings.data)
        && is_standard_input(data)
    {
        // On a terminal, nothing else would tell what is waited for.
        let again = "the training read its data from standard input, where they have to come again";
        let _ = writeln!(io::stderr(), "bptt: {}: {again}", resume.display());
    }
    let inputs: Vec<&Path> = settings.data.iter().chain(&config_path).map(AsRef::as_ref).collect();
    let outputs = Outputs::check(&settings, &inputs, resume.as_deref())?;
    let plan = Plan::new(settings)?;
    if let (Some(_), Some(output)) = (&resumed, &outputs.checkpoint) {
        output.tidy();
    }
    let outcome = match plan.run_with(false, resumed.as_ref(), outputs.checkpoint.as_ref()) {
        Ok(outcome) => outcome,
        Err(Failed { failure, history }) => {
            // How it came to diverge is what one wants to see then.
            if let Some(output) = outputs.history.filter(|_| !history.is_empty()) {
                history::write(&output, plan.settings.history.as_deref(), &history)?;
            }
            return Err(failure);
        }
    };
    let bytes = plan.model_file(&outcome).to_bytes().map_err(Failure::input)?;
    outputs.model.write(|writer| writer.write_all(&bytes))?;
    if let Some(output) = &outputs.history {
        history::write(output, plan.settings.history.as_deref(), &outcome.history)?;
    }
    if let Some(output) = &outputs.report {
        let page = html::render(&html_report::report(&plan, &outcome, &plan.training_settings(&outcome)));
        output.write(|writer| writer.write_all(page.as_bytes()))?;
    }
    let reported = report(&plan, &outcome, json);
    let saved = plan.settings.out.display();
    if let Some(failure) = outcome.unkept {
        return Err(Failure::input(format!("{failure}; the model is saved in {saved}")));
    }
    if outcome.interrupted {
        let after = outcome.epochs;
        let kept = plan
            .settings
            .checkpoint
            .as_ref()
            .map_or_else(String::new, |path| format!("; bptt train --resume {} goes on", path.display()));
        let message = format!("interrupted after epoch {after}; the model is saved in {saved}{kept}");
        return Err(Failure::Interrupted(message));
    }
    match reported {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::input(format!("standard output: {error}; the model is saved in {saved}")))
        }
        _ => Ok(()),
    }
}

/// The files that a training writes, checked before it begins.
struct Outputs {
    model: Output,
    history: Option<Output>,
    report: Option<Output>,
    checkpoint: Option<Output>,
}

impl Outputs {
    /// Only a checkpoint may be written where one was read: `resume`.
    fn check(settings: &Settings, inputs: &[&Path], resume: Option<&Path>) -> Result<Self, Failure> {
        let read: Vec<&Path> = inputs.iter().copied().chain(resume).collect();
        let other = |path: &Option<PathBuf>, inputs: &[&Path]| {
            path.as_deref().map(|path| Output::check(path, inputs)).transpose()
        };
        let Settings { out, history, report, checkpoint, .. } = settings;
        let named = [Some(out), history.as_ref(), report.as_ref(), checkpoint.as_ref()];
        let named: Vec<&PathBuf> = named.into_iter().flatten().collect();
        for (number, path) in named.iter().enumerate() {
            if named[..number].contains(path) {
                let message = format!(
                    "{}: expected different files for model, history, report and checkpoint",
                    path.display()
                );
                return Err(Failure::input(message));
            }
        }
        Ok(Self {
            model: Output::check(out, &read)?,
            history: other(history, &read)?,
            report: other(report, &read)?,
            checkpoint: other(checkpoint, inputs)?,
        })
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
            task: Some(self.task.into()),
            loss: Some(self.loss),
            classes: self.classes.clone(),
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
        let Settings { batch_size, reduction, train_ratio, shuffle, seed, learning, .. } = &self.settings;
        let mut settings = json!({
            "optimizer": learning.optimizer.name(),
            "optimizer_options": learning.optimizer_options(),
            "loss": self.loss.name(),
            "class_weights": self.class_weights,
            "reduction": reduction.name(),
            "learning_rate": learning.learning_rate,
            "clip_norm": learning.clip_norm,
            "clip_value": learning.clip_value,
            "schedule": learning.schedule_line(),
            "warmup_epochs": learning.warmup_epochs,
            "truncate": learning.truncate,
            "accumulate": learning.accumulate,
            "washout": self.settings.washout,
            "normalize": self.settings.normalization.name(),
            "batch_size": batch_size,
            "epochs": outcome.epochs,
            "best_epoch": outcome.best_epoch,
            "validation_ratio": self.settings.validation_ratio,
            "patience": self.settings.patience,
            "train_ratio": train_ratio,
            "train_sequences": self.train.sequences(),
            "validation_sequences": self.validation.sequences(),
            "test_sequences": self.test.sequences(),
            "shuffle": shuffle.name(),
            "seed": seed,
            "first_loss": outcome.first_loss,
            "last_loss": outcome.last_loss,
            "best_validation_loss": outcome.best_validation,
            "data": self.source.name,
            "bptt_version": env!("CARGO_PKG_VERSION"),
        });
        if let Some(settings) = settings.as_object_mut() {
            settings.retain(|_, value| !value.is_null());
        }
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
            "model": model_json(&outcome.model),
            "classes": self.classes,
            "task": self.task.name(),
            "normalize": self.settings.normalization.name(),
            "training": self.training_settings(outcome),
            "seconds": outcome.seconds,
            "level": Level::best().name(),
            "threads": outcome.threads,
            "interrupted": outcome.interrupted,
            "metrics": scores_json(&columns.labels, &outcome.measured),
            "saved": self.settings.out.display().to_string(),
        })
    }

    fn write_report(&self, out: &mut dyn Write, outcome: &Outcome) -> io::Result<()> {
        let table = &self.source.table;
        let sizes = |sequences, rows| format!("{}, {}", count(sequences, "sequence"), count(rows, "row"));
        writeln!(out, "{}: {}", self.source.name, sizes(table.sequences(), table.rows))?;
        for (name, part) in self.parts() {
            if name != "validation" || part.sequences() > 0 {
                writeln!(out, "{:<11} {}", format!("{name}:"), sizes(part.sequences(), part.rows()))?;
            }
        }
        writeln!(out, "model:      {}", model_line(&outcome.model))?;
        let learning = &self.settings.learning;
        let classes = match (self.task, self.classes.len()) {
            (Task::Classification, classes) => format!("classification, {classes} classes"),
            (task, _) => task.name().to_owned(),
        };
        let (optimizer, rate) = (learning.optimizer.name(), learning.learning_rate);
        writeln!(
            out,
            "task:       {classes}; loss {}, {optimizer} {rate}, batches of {}",
            self.loss, self.settings.batch_size
        )?;
        let timesteps = (self.train.rows() * outcome.epochs).max(1);
        write!(
            out,
            "{} in {:.3} s ({:.0} ns per timestep, {}, {}), loss {:.6} → {:.6}",
            count(outcome.epochs, "epoch"),
            outcome.seconds,
            1e9 * outcome.seconds / timesteps as f64,
            Level::best(),
            count(outcome.threads, "thread"),
            outcome.first_loss,
            outcome.last_loss
        )?;
        match outcome.best_epoch {
            Some(epoch) => writeln!(out, "; best on validation: epoch {epoch}, kept")?,
            None => writeln!(out)?,
        }
        write_scores(out, &table.columns.labels, &outcome.measured)?;
        if self.task == Task::Binary {
            let note = "where one class is rare, accuracy says little: read PR-AUC, precision and recall";
            writeln!(out, "  {note}")?;
        }
        write!(out, "\nsaved {}", self.settings.out.display())?;
        let Settings { history, report, checkpoint, .. } = &self.settings;
        for (what, path) in [("history", history), ("report", report), ("checkpoint", checkpoint)] {
            if let Some(path) = path {
                write!(out, ", {what} {}", path.display())?;
            }
        }
        writeln!(out)
    }
}
