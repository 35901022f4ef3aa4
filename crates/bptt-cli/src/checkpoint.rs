//! [`Keeper`]: writes a training's checkpoint every now and then.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use bptt::file::{AnyState, Checkpoint};
use bptt::{Dyn, EpochStats, Float, Moment, Trainer, TrainerState};

use crate::failure::Failure;
use crate::output::Output;

/// How often a checkpoint is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Every {
    Epochs(usize),
    Batches(usize),
    Time(Duration),
}

/// Batches between looks at the clock and at Ctrl-C.
const LOOK: usize = 16;

impl Every {
    /// Reads `--checkpoint-every`; without `--checkpoint` it has to be absent.
    pub fn resolve(text: Option<&str>, wanted: bool) -> Result<Self, Failure> {
        let Some(text) = text else { return Ok(Self::Time(Duration::from_secs(60))) };
        let wrong = |expected, found: &str| {
            Err(Failure::input(format!("--checkpoint-every: expected {expected}, found {found}")))
        };
        if !wanted {
            return wrong("--checkpoint FILE beside it", "none");
        }
        let text = text.trim();
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let seconds = |factor: u64| move |n: u64| Duration::from_secs(n.saturating_mul(factor));
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        match (digits.parse::<u64>(), &text[digits.len()..]) {
            (Ok(n @ 1..), "") => Ok(Self::Epochs(count(n))),
            (Ok(n @ 1..), "b") => Ok(Self::Batches(count(n))),
            (Ok(n @ 1..), "s") => Ok(Self::Time(seconds(1)(n))),
            (Ok(n @ 1..), "m") => Ok(Self::Time(seconds(60)(n))),
            _ => {
                let expected =
                    "a whole number from 1 on, of epochs, or with b, s or m of batches, seconds or minutes";
                wrong(expected, &format!("`{text}`"))
            }
        }
    }

    /// Batches between two calls of [`Keeper::observe`] within an epoch.
    pub fn batches(self) -> usize {
        match self {
            Self::Batches(batches) => batches.min(LOOK),
            _ => LOOK,
        }
    }
}

/// What every checkpoint of a training says.
#[derive(Debug, Clone, Default)]
pub struct Said {
    pub settings: BTreeMap<String, String>,
    pub data: BTreeMap<String, String>,
    pub notes: BTreeMap<String, String>,
}

/// Writes a training's checkpoint whenever it is due.
pub struct Keeper<'p> {
    output: &'p Output,
    every: Every,
    said: Said,
    /// Batches in an epoch.
    per_epoch: usize,
    written: Instant,
    /// Batches since.
    since: usize,
    /// Of those, the ones of the running epoch were counted up to here.
    counted: usize,
    /// Why the last one could not be written.
    pub failed: Option<Failure>,
}

impl<'p> Keeper<'p> {
    pub fn new(output: &'p Output, every: Every, said: Said, per_epoch: usize) -> Self {
        let written = Instant::now();
        Self { output, every, said, per_epoch, written, since: 0, counted: 0, failed: None }
    }

    /// Writes where it is due at this moment, or `now`.
    pub fn observe<T: Float>(
        &mut self,
        moment: Moment,
        trainer: &Trainer<Dyn, Dyn, Dyn, T>,
        history: &[(EpochStats, f64)],
        now: bool,
    ) where
        AnyState: From<TrainerState<T>>,
    {
        let (done, ended) = match moment {
            Moment::Batches(done) => (done, None),
            Moment::Epoch(stats) => (self.per_epoch, Some(stats.epoch)),
        };
        self.since = self.since.saturating_add(done.saturating_sub(self.counted));
        self.counted = if ended.is_some() { 0 } else { done };
        let due = match self.every {
            Every::Epochs(epochs) => ended.is_some_and(|epoch| epoch.is_multiple_of(epochs)),
            Every::Batches(batches) => self.since >= batches,
            Every::Time(time) => self.written.elapsed() >= time,
        };
        if due || now {
            (self.since, self.written) = (0, Instant::now());
            self.failed = self.write(trainer, history).err();
            if let Some(failure) = &self.failed {
                // A full disk need not be the end of a training: the checkpoint before is still there.
                let _ = writeln!(std::io::stderr(), "bptt: {failure}; the training goes on");
            }
        }
    }

    fn write<T: Float>(
        &self,
        trainer: &Trainer<Dyn, Dyn, Dyn, T>,
        history: &[(EpochStats, f64)],
    ) -> Result<(), Failure>
    where
        AnyState: From<TrainerState<T>>,
    {
        let Said { settings, data, notes } = self.said.clone();
        let state = trainer.state().map_err(Failure::input)?.into();
        let checkpoint = Checkpoint { state, settings, data, notes, history: history.to_vec() };
        let bytes = checkpoint.to_bytes().map_err(Failure::input)?;
        self.output.write(|writer| writer.write_all(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read() {
        let read = |text| Every::resolve(Some(text), true).map_err(|error| error.to_string());
        assert_eq!(read("5"), Ok(Every::Epochs(5)));
        assert_eq!(read("100b"), Ok(Every::Batches(100)));
        assert_eq!(read("30s"), Ok(Every::Time(Duration::from_secs(30))));
        assert_eq!(read("2m"), Ok(Every::Time(Duration::from_secs(120))));
        for wrong in ["0", "0b", "-1", "b", "5x", "", "1.5m", "99999999999999999999"] {
            assert!(read(wrong).unwrap_err().starts_with("--checkpoint-every: expected a whole number"));
        }
        assert!(Every::resolve(Some("5"), false).unwrap_err().to_string().contains("--checkpoint FILE"));
    }
}
