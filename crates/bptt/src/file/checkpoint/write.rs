//! Writing checkpoints.

use std::collections::BTreeMap;

use super::entries::{LearnerEntry, MemoryEntry, PositionEntry, ScheduleEntry};
use super::tensors::{self, BEST, BUFFERS, GRADIENT};
use super::{AnyState, CHECKPOINT_VERSION, Checkpoint, FORMAT};
use crate::TrainerState;
use crate::file::entries::{architecture, json};
use crate::file::tensor::{Element, Tensor};
use crate::file::{FileError, write};

/// The bytes of `checkpoint`.
pub(super) fn write(checkpoint: &Checkpoint) -> Result<Vec<u8>, FileError> {
    let (mut entries, mut tensors) = match &checkpoint.state {
        AnyState::F32(state) => (entries(state), tensors(state)?),
        AnyState::F64(state) => (entries(state), tensors(state)?),
    };
    entries.insert("settings", json(&checkpoint.settings));
    entries.insert("data", json(&checkpoint.data));
    entries.insert("notes", json(&checkpoint.notes));
    tensors.push(tensors::history(&checkpoint.history));
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    write::container(entries, &tensors)
}

fn entries<T: Element>(state: &TrainerState<T>) -> BTreeMap<&'static str, String> {
    let TrainerState { model, config, level, epoch, position, rng, schedule, learner, memory, .. } = state;
    let mut entries = architecture(model);
    entries.insert("format", FORMAT.to_owned());
    entries.insert("format_version", CHECKPOINT_VERSION.to_string());
    entries.insert("config", json(config));
    entries.insert("level", level.clone());
    entries.insert("epoch", epoch.to_string());
    entries.insert("rng", rng.state().map(|word| format!("{word:016x}")).join(" "));
    entries.insert("schedule", json(&ScheduleEntry::from(schedule)));
    if let Some(position) = position {
        entries.insert("position", json(&PositionEntry::from(*position)));
    }
    if let Some(learner) = learner {
        let there = BUFFERS.iter().zip(&learner.buffers).filter(|(_, buffer)| buffer.is_some());
        let entry = LearnerEntry {
            steps: super::entries::Count(learner.steps),
            passes: super::entries::Count(learner.passes),
            pending: learner.pending.into(),
            buffers: there.map(|(name, _)| (*name).to_owned()).collect(),
        };
        entries.insert("learner", json(&entry));
    }
    if let Some(memory) = memory {
        let entry = MemoryEntry { waited: memory.waited.into(), best: memory.best.map(Into::into) };
        entries.insert("memory", json(&entry));
    }
    entries
}

fn tensors<T: Element>(state: &TrainerState<T>) -> Result<Vec<Tensor<'static>>, FileError> {
    let mut tensors = vec![tensors::order(&state.order)];
    tensors::append(&mut tensors, "", &state.model.params)?;
    if let Some(memory) = state.memory.as_ref().filter(|memory| memory.best.is_some()) {
        tensors::append(&mut tensors, BEST, &memory.weights)?;
    }
    if let Some(learner) = &state.learner {
        for (name, buffer) in BUFFERS.iter().zip(&learner.buffers) {
            if let Some(buffer) = buffer {
                tensors::append(&mut tensors, &tensors::buffer(name), buffer)?;
            }
        }
        if let Some(gradient) = &learner.gradient {
            tensors::append(&mut tensors, GRADIENT, gradient)?;
        }
    }
    Ok(tensors)
}
