//! The line protocol: a request and an answer per line, both JSON. `bench/README.md` describes it.

use std::error::Error;
use std::fmt::{Display, Formatter};
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::task::Setup;

pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// An epoch that takes so long need not be run once untimed: cold caches are nothing beside it.
const WARM: Duration = Duration::from_millis(100);

/// The task is fine, but this contestant has no code for its shape.
#[derive(Debug)]
pub struct NotCompiled(pub String);

impl Display for NotCompiled {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is not compiled in", self.0)
    }
}

impl Error for NotCompiled {}

/// A program that does the work it was set up with.
pub trait Run {
    /// Back to the initial weights.
    fn reset(&mut self) -> Outcome<()>;

    /// Goes `epochs` times over the first `sequences` sequences; returns the last epoch's loss.
    fn pass(&mut self, sequences: usize, epochs: usize) -> Outcome<f64>;

    /// How long [`Run::pass`] takes, after an untimed epoch where `warm` asks for one: it makes room for the data and
    /// brings the code into the caches.
    fn timed(&mut self, sequences: usize, epochs: usize, warm: bool) -> Outcome<Duration> {
        if warm {
            self.pass(sequences, 1)?;
        }
        let start = Instant::now();
        self.pass(sequences, epochs)?;
        Ok(start.elapsed())
    }

    /// What is compared with others: the loss of each of `epochs` epochs.
    fn losses(&mut self, sequences: usize, epochs: usize) -> Outcome<Vec<f64>> {
        (0..epochs).map(|_| self.pass(sequences, 1)).collect()
    }
}

/// A program ready to run, and what it has to say about itself.
pub struct Entry {
    pub run: Box<dyn Run>,
    /// Where sequences begin, in rows.
    pub offsets: Vec<usize>,
    pub about: Value,
}

#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "lowercase")]
enum Request {
    Setup(Setup),
    /// The loss of each of `epochs` epochs of `updates` updates, from the initial weights.
    Losses {
        updates: usize,
        epochs: usize,
    },
    /// The time of at least `min_ms` of epochs of `updates` updates, from the initial weights.
    Time {
        updates: usize,
        min_ms: u64,
    },
}

/// Answers requests until stdin ends.
pub fn serve(enter: fn(Setup) -> Outcome<Entry>) -> Outcome<()> {
    let mut session = Session { enter, running: None };
    for line in std::io::stdin().lock().lines() {
        let answer = session.answer(&line?).unwrap_or_else(|error| {
            let key = if error.is::<NotCompiled>() { "skip" } else { "error" };
            json!({ key: error.to_string() })
        });
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

struct Session {
    enter: fn(Setup) -> Outcome<Entry>,
    running: Option<Running>,
}

struct Running {
    run: Box<dyn Run>,
    batch_size: usize,
    offsets: Vec<usize>,
    /// How long an epoch took when it was last timed.
    epoch: Duration,
    /// Epochs in a timed piece, as the last one needed.
    epochs: usize,
}

impl Session {
    fn answer(&mut self, line: &str) -> Outcome<Value> {
        match serde_json::from_str(line)? {
            Request::Setup(setup) => {
                let batch_size = setup.batch_size;
                // The one before goes first, and its memory with it.
                self.running = None;
                let Entry { run, offsets, about } = (self.enter)(setup)?;
                let epoch = Duration::ZERO;
                self.running = Some(Running { run, batch_size, offsets, epoch, epochs: 1 });
                Ok(about)
            }
            Request::Losses { updates, epochs } => self.running()?.losses(updates, epochs),
            Request::Time { updates, min_ms } => self.running()?.time(updates, Duration::from_millis(min_ms)),
        }
    }

    fn running(&mut self) -> Outcome<&mut Running> {
        self.running.as_mut().ok_or_else(|| "`setup` comes first".into())
    }
}

impl Running {
    fn losses(&mut self, updates: usize, epochs: usize) -> Outcome<Value> {
        self.run.reset()?;
        Ok(json!({ "losses": self.run.losses(updates * self.batch_size, epochs)? }))
    }

    /// One piece between two looks at the clock, with as many epochs as `at_least` needs.
    fn time(&mut self, updates: usize, at_least: Duration) -> Outcome<Value> {
        let sequences = updates * self.batch_size;
        loop {
            self.run.reset()?;
            let elapsed = self.run.timed(sequences, self.epochs, self.epoch < WARM)?;
            self.epoch = elapsed / self.epochs as u32;
            if elapsed >= at_least {
                let timesteps = (self.epochs * self.offsets[sequences]) as f64;
                return Ok(json!({ "ns_per_timestep": elapsed.as_nanos() as f64 / timesteps }));
            }
            let missing = at_least.as_secs_f64() / elapsed.as_secs_f64().max(1e-9);
            self.epochs *= ((missing * 1.2).ceil() as usize).clamp(2, 1000);
        }
    }
}
