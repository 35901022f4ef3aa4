//! The metadata entries of a checkpoint, as JSON. Floating-point numbers are texts: JSON knows neither infinity nor NaN.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::EpochStats;
use crate::schedule::ScheduleState;
use crate::stack::learner::Totals;
use crate::train::Position;

/// Beyond this a count is damage; below it, counting on cannot overflow.
const MOST: u64 = 1 << 53;

/// A number as the shortest text that reads back to it.
#[derive(Debug, Clone, Copy)]
pub struct Number(pub f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| serde::de::Error::custom("expected a number"))
    }
}

/// A count that can be counted on.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Count(pub u64);

impl Count {
    pub fn size(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX >> 1)
    }
}

impl From<usize> for Count {
    fn from(count: usize) -> Self {
        Self(count as u64)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            count if count <= MOST => Ok(Self(count)),
            _ => Err(serde::de::Error::custom("expected a count")),
        }
    }
}

/// The entry `position`.
#[derive(Serialize, Deserialize)]
pub struct PositionEntry {
    batches: Count,
    learning_rate: Number,
    loss: Number,
    weight: Number,
    updates: Count,
    passes: Count,
}

impl From<Position> for PositionEntry {
    fn from(Position { batches, learning_rate, totals }: Position) -> Self {
        let Totals { loss, weight, updates, passes } = totals;
        Self {
            batches: batches.into(),
            learning_rate: Number(learning_rate),
            loss: Number(loss),
            weight: Number(weight),
            updates: updates.into(),
            passes: passes.into(),
        }
    }
}

impl From<PositionEntry> for Position {
    fn from(entry: PositionEntry) -> Self {
        let totals = Totals {
            loss: entry.loss.0,
            weight: entry.weight.0,
            updates: entry.updates.size(),
            passes: entry.passes.size(),
        };
        Self { batches: entry.batches.size(), learning_rate: entry.learning_rate.0, totals }
    }
}

/// The entry `schedule`.
#[derive(Serialize, Deserialize)]
pub struct ScheduleEntry {
    reduced: Option<Number>,
    best: Number,
    waited: Count,
}

impl From<&ScheduleState> for ScheduleEntry {
    fn from(state: &ScheduleState) -> Self {
        let ScheduleState { reduced, best, waited } = *state;
        Self { reduced: reduced.map(Number), best: Number(best), waited: waited.into() }
    }
}

impl From<ScheduleEntry> for ScheduleState {
    fn from(entry: ScheduleEntry) -> Self {
        let reduced = entry.reduced.map(|number| number.0);
        Self { reduced, best: entry.best.0, waited: entry.waited.size() }
    }
}

/// The entry `learner`.
#[derive(Serialize, Deserialize)]
pub struct LearnerEntry {
    pub steps: Count,
    pub passes: Count,
    pub pending: Count,
    /// Those of [`BUFFERS`](super::tensors::BUFFERS) that there are.
    pub buffers: Vec<String>,
}

/// The entry `memory`.
#[derive(Serialize, Deserialize)]
pub struct MemoryEntry {
    pub waited: Count,
    pub best: Option<StatsEntry>,
}

/// The statistics of an epoch.
#[derive(Serialize, Deserialize)]
pub struct StatsEntry {
    epoch: Count,
    loss: Number,
    batches: Count,
    timesteps: Count,
    learning_rate: Number,
    validation_loss: Option<Number>,
    best: bool,
}

impl From<EpochStats> for StatsEntry {
    fn from(stats: EpochStats) -> Self {
        Self {
            epoch: stats.epoch.into(),
            loss: Number(stats.loss),
            batches: stats.batches.into(),
            timesteps: stats.timesteps.into(),
            learning_rate: Number(stats.learning_rate),
            validation_loss: stats.validation_loss.map(Number),
            best: stats.best,
        }
    }
}

impl From<StatsEntry> for EpochStats {
    fn from(entry: StatsEntry) -> Self {
        Self {
            epoch: entry.epoch.size(),
            loss: entry.loss.0,
            batches: entry.batches.size(),
            timesteps: entry.timesteps.size(),
            learning_rate: entry.learning_rate.0,
            validation_loss: entry.validation_loss.map(|number| number.0),
            best: entry.best,
        }
    }
}
