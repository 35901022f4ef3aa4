//! What the fuzz targets share: the modules of the tool that read what comes from outside, and how to sign a file.
//!
//! The tool is a program and no library; its modules are included here as they are.
#![allow(dead_code, unused_imports, missing_docs)]

#[path = "../../crates/bptt-cli/src/args/mod.rs"]
pub mod args;
#[path = "../../crates/bptt-cli/src/config.rs"]
pub mod config;
#[path = "../../crates/bptt-cli/src/failure.rs"]
pub mod failure;
#[path = "../../crates/bptt-cli/src/serve/json.rs"]
pub mod json;
#[path = "../../crates/bptt-cli/src/live_args.rs"]
pub mod live_args;
#[path = "../../crates/bptt-cli/src/serve/refused.rs"]
pub mod refused;
#[path = "../../crates/bptt-cli/src/table/mod.rs"]
pub mod table;

use std::collections::BTreeMap;

use bptt::{Optimizer, Schedule, TrainConfig};
use serde_json::Value;

/// The settings of the seeds' trainings; see `crates/bptt/tests/releases.rs`.
pub fn configs() -> [TrainConfig; 3] {
    let plain = TrainConfig { shuffle: Some(1), learning_rate: 0.05, ..Default::default() };
    let adam = Optimizer::AdamW { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.01, amsgrad: true };
    let schedule = Schedule::Plateau { factor: 0.5, patience: 1, threshold: 1e-4, min_lr: 0.0 };
    let learner = TrainConfig {
        optimizer: adam,
        schedule,
        batch_size: 2,
        truncate: Some(3),
        accumulate: 2,
        dropout_seed: 9,
        clip_norm: Some(1.0),
        ..plain.clone()
    };
    let rmsprop =
        TrainConfig { optimizer: Optimizer::rmsprop(), warmup_epochs: 2, batch_size: 2, ..plain.clone() };
    [plain, learner, rmsprop]
}

/// The same safetensors file with the right checksum, so that the fuzzer gets past it; the bytes as they are where they are
/// none.
pub fn signed(bytes: &[u8]) -> Vec<u8> {
    try_signed(bytes).unwrap_or_else(|| bytes.to_vec())
}

fn try_signed(bytes: &[u8]) -> Option<Vec<u8>> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (header, data) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let mut header: Value = serde_json::from_slice(header).ok()?;
    let mut covered = Vec::new();
    let number = |covered: &mut Vec<u8>, number: usize| covered.extend((number as u64).to_le_bytes());
    let text = |covered: &mut Vec<u8>, text: &[u8]| {
        number(covered, text.len());
        covered.extend(text);
    };
    let mut tensors: BTreeMap<String, Value> = serde_json::from_value(header.clone()).ok()?;
    let mut entries: BTreeMap<String, String> =
        serde_json::from_value(tensors.remove("__metadata__")?).ok()?;
    entries.remove("crc32");
    number(&mut covered, entries.len());
    for (key, value) in &entries {
        text(&mut covered, key.as_bytes());
        text(&mut covered, value.as_bytes());
    }
    number(&mut covered, tensors.len());
    for (name, tensor) in &tensors {
        text(&mut covered, name.as_bytes());
        text(&mut covered, tensor["dtype"].as_str()?.as_bytes());
        let shape: Vec<usize> = serde_json::from_value(tensor["shape"].clone()).ok()?;
        number(&mut covered, shape.len());
        shape.into_iter().for_each(|size| number(&mut covered, size));
        let [start, end]: [usize; 2] = serde_json::from_value(tensor["data_offsets"].clone()).ok()?;
        text(&mut covered, data.get(start..end)?);
    }
    header["__metadata__"]["crc32"] = format!("{:08x}", crc32(&covered)).into();
    let header = serde_json::to_vec(&header).ok()?;
    Some([&(header.len() as u64).to_le_bytes()[..], &header, data].concat())
}

/// zlib's, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    };
    !bytes.iter().fold(!0, step)
}
