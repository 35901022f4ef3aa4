//! Reading checkpoints. Nothing is allocated for the parameters before their sizes agree with tensors that are there.

use safetensors::tensor::Metadata as Header;

use super::entries::{Count, LearnerEntry, MemoryEntry, PositionEntry, ScheduleEntry};
use super::tensors::{self, BEST, BUFFERS, COLUMNS, GRADIENT, HISTORY, HISTORY_TAG, ORDER, ORDER_TAG};
use super::{AnyState, CHECKPOINT_VERSION, Checkpoint, FORMAT, History};
use crate::TrainerState;
use crate::file::FileError;
use crate::file::entries::{self, Architecture, Entries, invalid, parse_json};
use crate::file::error::shown;
use crate::file::read::{self, Expected};
use crate::file::tensor::Element;
use crate::model::Model;
use crate::params::Params;
use crate::rng::Rng;
use crate::train::{LearnerState, Memory};

/// Reads a checkpoint.
pub(super) fn read(bytes: &[u8]) -> Result<Checkpoint, FileError> {
    let (header, data) = read::open(bytes)?;
    let pairs = header.metadata().iter().flatten();
    let entries: Entries<'_> = pairs.map(|(key, value)| (key.as_str(), value.as_str())).collect();
    entries::check_format(&entries, FORMAT, CHECKPOINT_VERSION)?;
    let architecture = Architecture::read(&entries)?;
    let (state, history) = if architecture.double {
        let (state, history) = read_state(architecture, &header, &entries, data)?;
        (AnyState::F64(state), history)
    } else {
        let (state, history) = read_state(architecture, &header, &entries, data)?;
        (AnyState::F32(state), history)
    };
    let texts = "JSON with texts";
    Ok(Checkpoint {
        state,
        settings: parse_json(&entries, "settings", texts)?,
        data: parse_json(&entries, "data", texts)?,
        notes: parse_json(&entries, "notes", texts)?,
        history,
    })
}

/// The entries that say which tensors there are.
struct Groups {
    learner: Option<LearnerEntry>,
    memory: Option<MemoryEntry>,
}

impl Groups {
    fn read(entries: &Entries<'_>) -> Result<Self, FileError> {
        let there = |key| entries.contains_key(key);
        let learner: Option<LearnerEntry> = there("learner")
            .then(|| parse_json(entries, "learner", "JSON of an optimizer's state"))
            .transpose()?;
        let memory =
            there("memory").then(|| parse_json(entries, "memory", "JSON of the best epoch")).transpose()?;
        Ok(Self { learner, memory })
    }

    /// The prefixes of the parameters' names.
    fn prefixes(&self) -> Vec<String> {
        let mut prefixes = vec![String::new()];
        if self.memory.as_ref().is_some_and(|memory| memory.best.is_some()) {
            prefixes.push(BEST.into());
        }
        if let Some(learner) = &self.learner {
            let there = BUFFERS.iter().filter(|name| learner.buffers.iter().any(|buffer| buffer == *name));
            prefixes.extend(there.map(|name| tensors::buffer(name)));
            if learner.pending.0 > 0 {
                prefixes.push(GRADIENT.into());
            }
        }
        prefixes
    }
}

fn read_state<T: Element>(
    architecture: Architecture,
    header: &Header,
    entries: &Entries<'_>,
    data: &[u8],
) -> Result<(TrainerState<T>, History), FileError> {
    let groups = Groups::read(entries)?;
    let mut expected = Vec::new();
    for prefix in groups.prefixes() {
        expected.extend(read::parameters::<T>(architecture, header, &prefix)?);
    }
    // Their lengths are their own; the header's reader has compared them with the file's.
    let len = |name: &str| header.info(name).and_then(|info| info.shape.first().copied()).unwrap_or(0);
    expected.push(Expected { name: ORDER.into(), shape: vec![len(ORDER)], tag: ORDER_TAG });
    expected.push(Expected { name: HISTORY.into(), shape: vec![len(HISTORY), COLUMNS], tag: HISTORY_TAG });
    let tensors = read::tensors(expected, header, data)?;
    read::check_sum(entries, &tensors)?;

    let mut model = Model::zeroed(architecture.layout(), architecture.network)?;
    tensors::set(&mut model.params, "", &tensors)?;
    let group = |prefix: &str| -> Result<Params<T>, FileError> {
        let mut params = model.params.zeros_like()?;
        tensors::set(&mut params, prefix, &tensors)?;
        Ok(params)
    };
    let memory = match groups.memory {
        Some(MemoryEntry { waited, best }) => {
            let weights = if best.is_some() { group(BEST)? } else { model.params.zeros_like()? };
            Some(Memory { best: best.map(Into::into), weights, waited: waited.size() })
        }
        None => None,
    };
    let learner = groups.learner.map(|entry| read_learner(&entry, group)).transpose()?;
    let find = |name: &str| tensors.iter().find(|tensor| tensor.name == name);
    let missing = |name: &str| FileError::MissingTensor { name: name.into() };
    let order = find(ORDER).ok_or_else(|| missing(ORDER))?;
    let order = tensors::parse_order(order)
        .ok_or_else(|| invalid(ORDER, "every sequence once, counted from 0", "another order"))?;
    let history = find(HISTORY).map(tensors::parse_history).unwrap_or_default();
    let state = TrainerState {
        config: parse_json(entries, "config", "JSON with texts")?,
        level: entries::text(entries, "level")?.to_owned(),
        epoch: parse_json::<Count>(entries, "epoch", "a count")?.size(),
        position: read_position(entries)?.map(Into::into),
        order,
        rng: read_rng(entries)?,
        schedule: parse_json::<ScheduleEntry>(entries, "schedule", "JSON of a schedule's state")?.into(),
        learner,
        memory,
        model,
    };
    if state.position.is_some() && state.epoch == 0 {
        return Err(invalid("epoch", "at least 1 within an epoch", "0"));
    }
    Ok((state, history))
}

fn read_position(entries: &Entries<'_>) -> Result<Option<PositionEntry>, FileError> {
    let there = entries.contains_key("position");
    there.then(|| parse_json(entries, "position", "JSON of a place in an epoch")).transpose()
}

fn read_learner<T: Element>(
    entry: &LearnerEntry,
    group: impl Fn(&str) -> Result<Params<T>, FileError>,
) -> Result<LearnerState<T>, FileError> {
    let mut buffers = [None, None, None];
    for (buffer, name) in buffers.iter_mut().zip(BUFFERS) {
        if entry.buffers.iter().any(|there| there == name) {
            *buffer = Some(group(&tensors::buffer(name))?);
        }
    }
    let pending = entry.pending.size();
    let gradient = if pending > 0 { Some(group(GRADIENT)?) } else { None };
    Ok(LearnerState { buffers, steps: entry.steps.0, passes: entry.passes.0, pending, gradient })
}

fn read_rng(entries: &Entries<'_>) -> Result<Rng, FileError> {
    let text = entries::text(entries, "rng")?;
    let words: Vec<u64> = text.split(' ').filter_map(|word| u64::from_str_radix(word, 16).ok()).collect();
    let state = <[u64; 4]>::try_from(words).ok().and_then(Rng::from_state);
    state.ok_or_else(|| invalid("rng", "four hexadecimal numbers, not all 0", &shown(text)))
}
