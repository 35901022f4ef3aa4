//! `bptt sweep`: trains every point of a grid, on all cores, one thread each, and ranks the settings.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::args::{SweepArgs, Task};
use crate::data::Source;
use crate::failure::Failure;
use crate::interrupt;
use crate::output::Output;
use crate::plan::{Failed, Outcome, Plan};
use crate::scores::Scores;
use crate::settings::Settings;
use crate::sweep::grid::{self, Point};
use crate::sweep::ranking::{json, rank, write};
use crate::sweep::results::{self, Row};
use crate::task;

/// A training of the grid, ready to start.
struct Job {
    choice: String,
    fixed: String,
    seed: u64,
    plan: Plan,
}

impl Job {
    /// Whether `row` is what came of it.
    fn made(&self, row: &Row) -> bool {
        row.is(&self.plan.source.name, (&self.choice, &self.fixed, self.seed))
    }
}

/// Runs the command.
pub fn run(args: &SweepArgs) -> Result<(), Failure> {
    let jobs = args.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    if jobs == 0 {
        return Err(Failure::input("--jobs: expected at least 1, found 0"));
    }
    let path = args.out.clone().unwrap_or_else(|| PathBuf::from("sweep.csv"));
    let points = grid::read(&args.grid)?;
    let plans = plans(points, args.data.as_ref())?;
    let output = Output::check(&path, &[&args.grid])?;
    let mut rows = results::read(&path)?;
    let done = |job: &Job| rows.iter().any(|row| job.made(row));
    let (kept, open): (Vec<Job>, Vec<Job>) = plans.into_iter().partition(done);
    if !kept.is_empty() {
        eprintln!(
            "{} of {} trainings are in {} already",
            kept.len(),
            kept.len() + open.len(),
            path.display()
        );
    }
    train(&open, jobs, &mut rows, &output)?;
    let wanted: Vec<Row> =
        rows.into_iter().filter(|row| kept.iter().chain(&open).any(|job| job.made(row))).collect();
    let metric = wanted.first().map_or("rmse", |row| row.metric.as_str()).to_owned();
    let ranked = rank(&wanted, &metric);
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        writeln!(out, "{}", json(&ranked, &metric))?;
    } else {
        write(&mut out, &ranked, &metric)?;
        writeln!(out, "\nevery training is in {}", path.display())?;
    }
    out.flush()?;
    if interrupt::requested() {
        let message = format!("interrupted; the same command goes on where {} ends", path.display());
        return Err(Failure::Interrupted(message));
    }
    Ok(())
}

/// Settings and data of every point, all checked before the first one trains. A file is read once.
fn plans(points: Vec<Point>, data: Option<&PathBuf>) -> Result<Vec<Job>, Failure> {
    let mut read: Vec<(Settings, Arc<Source>, Task)> = Vec::new();
    let mut plans = Vec::new();
    for Point { choice, fixed, seed, mut flags } in points {
        if let Some(data) = data {
            flags.data = Some(data.clone());
        }
        flags.eval_every = Some(0);
        // The trainings run side by side.
        flags.threads = Some(1);
        let named = |failure: Failure| Failure::input(format!("{choice}: {failure}"));
        let settings = Settings::resolve(flags).map_err(named)?;
        let same = |other: &Settings| {
            other.data == settings.data
                && other.example == settings.example
                && other.columns == settings.columns
                && other.task == settings.task
        };
        let (source, task) = match read.iter().find(|(other, ..)| same(other)) {
            Some((_, source, task)) => (Arc::clone(source), *task),
            None => {
                let (source, task) = task::load(&settings)?;
                let source = Arc::new(source);
                read.push((settings.clone(), Arc::clone(&source), task));
                (source, task)
            }
        };
        let plan = Plan::on(settings, source, task).map_err(named)?;
        plans.push(Job { choice, fixed, seed, plan });
    }
    Ok(plans)
}

/// Trains all of `jobs`; after each one, the file has its row.
fn train(open: &[Job], jobs: usize, rows: &mut Vec<Row>, output: &Output) -> Result<(), Failure> {
    interrupt::listen();
    let next = AtomicUsize::new(0);
    let shared = Mutex::new((rows, Ok(())));
    thread::scope(|scope| {
        for _ in 0..jobs.min(open.len()) {
            scope.spawn(|| {
                while let Some(job) = open.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if interrupt::requested() {
                        break;
                    }
                    let outcome = job.plan.run(true);
                    // A panic elsewhere leaves rows that are whole.
                    let mut shared = shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    let (rows, written) = &mut *shared;
                    if written.is_err() {
                        break;
                    }
                    match row(job, outcome) {
                        Ok(None) => break,
                        Ok(Some(row)) => {
                            rows.push(row);
                            *written = results::write(output, rows);
                        }
                        Err(failure) => *written = Err(failure),
                    }
                }
            });
        }
    });
    shared.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).1
}

/// The row of a training; `None` where it was interrupted.
fn row(job: &Job, outcome: Result<Outcome, Failed>) -> Result<Option<Row>, Failure> {
    let metric = match job.plan.task {
        Task::Regression => "rmse",
        Task::Binary => "pr_auc",
        Task::Classification => "accuracy",
    };
    let mut row = Row {
        data: job.plan.source.name.clone(),
        choice: job.choice.clone(),
        fixed: job.fixed.clone(),
        seed: job.seed,
        status: "ok".into(),
        metric: metric.into(),
        train: None,
        validation: None,
        test: None,
        epochs: 0,
        best_epoch: None,
        parameters: 0,
        seconds: 0.0,
    };
    let outcome = match outcome {
        Ok(outcome) if outcome.interrupted => return Ok(None),
        Ok(outcome) => outcome,
        Err(Failed { failure: Failure::Diverged(_), .. }) => {
            row.status = "diverged".into();
            return Ok(Some(row));
        }
        Err(Failed { failure, .. }) => return Err(failure),
    };
    for measured in &outcome.measured {
        let values: Vec<f64> = measured.scores.iter().filter_map(headline).collect();
        let mean = (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
        match measured.name {
            "train" => row.train = mean,
            "validation" => row.validation = mean,
            _ => row.test = mean,
        }
    }
    row.epochs = outcome.epochs;
    row.best_epoch = outcome.best_epoch;
    row.parameters = outcome.model.parameter_count();
    row.seconds = outcome.seconds;
    Ok(Some(row))
}

/// The number that ranks.
fn headline(scores: &Scores) -> Option<f64> {
    match scores {
        Scores::Regression(scores) => Some(scores.rmse),
        Scores::Binary(scores) => scores.pr_auc,
        Scores::Classification(scores) => Some(scores.accuracy),
    }
}
