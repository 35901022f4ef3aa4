//! [`Setup`], what the driver asks for, and [`Task`], the same with its numbers read.

use std::path::PathBuf;

use serde::Deserialize;

use crate::protocol::Outcome;

/// The driver's `setup` request.
#[derive(Debug, Clone, Deserialize)]
pub struct Setup {
    /// Where `features.bin`, `labels.bin` and `weights.bin` are.
    pub directory: PathBuf,
    pub input: usize,
    pub hidden: usize,
    pub output: usize,
    pub steps: usize,
    pub sequences: usize,
    pub batch_size: usize,
    pub dtype: String,
    /// `elman`, `gru` or `lstm`.
    #[serde(default = "elman")]
    pub cell: String,
    #[serde(default)]
    pub work: Work,
    /// Whether sequences have lengths of their own, in `lengths.bin`; else all have `steps`.
    #[serde(default)]
    pub ragged: bool,
    pub activation: String,
    pub learning_rate: f64,
    /// Threads to use: 1, or as many as there are cores.
    pub threads: usize,
    /// bptt's instruction-set level; its own choice if absent.
    #[serde(default)]
    pub level: Option<String>,
}

fn elman() -> String {
    "elman".into()
}

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// Optimizer steps.
    #[default]
    Train,
    /// The outputs of whole batches.
    Predict,
    /// The outputs of one timestep at a time, with the state carried on.
    Step,
}

impl Setup {
    /// Whether this is the training of one Elman layer on sequences of equal lengths.
    pub fn is_plain(&self) -> bool {
        self.cell == "elman" && self.work == Work::Train && !self.ragged
    }

    /// bptt's setting: one thread, or as many as it finds good.
    pub fn bptt_threads(&self) -> usize {
        if self.threads == 1 { 1 } else { 0 }
    }

    /// Blocks of `hidden` rows in the weights of the recurrent layer.
    fn gates(&self) -> Outcome<usize> {
        match self.cell.as_str() {
            "elman" => Ok(1),
            "gru" => Ok(3),
            "lstm" => Ok(4),
            other => Err(format!("no cell `{other}`").into()),
        }
    }
}

/// Data and initial weights in element type `T`.
#[derive(Debug)]
pub struct Task<T> {
    pub setup: Setup,
    /// Where each sequence begins, in rows, and where the last one ends.
    pub offsets: Vec<usize>,
    /// (rows, input)
    pub features: Vec<T>,
    /// (rows, output)
    pub labels: Vec<T>,
    /// The six tensors of [`NAMES`], row-major in PyTorch's shapes.
    pub weights: [Vec<T>; 6],
}

/// PyTorch's names of the parameters, in the order of `weights.bin`.
pub const NAMES: [&str; 6] =
    ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "fc.weight", "fc.bias"];

/// An element type that can be read from little-endian bytes.
pub trait Element: Sized {
    fn read(bytes: &[u8]) -> Vec<Self>;
}

macro_rules! element {
    ($($type:ty)*) => {$(
        impl Element for $type {
            fn read(bytes: &[u8]) -> Vec<Self> {
                let (values, _) = bytes.as_chunks();
                values.iter().map(|value| <$type>::from_le_bytes(*value)).collect()
            }
        }
    )*};
}
element!(f32 f64 u64);

impl<T: Element> Task<T> {
    /// Reads the files that `setup` names and checks their lengths.
    pub fn read(setup: Setup) -> Outcome<Self> {
        let Setup { input: i, hidden: h, output: o, .. } = setup;
        let (offsets, g) = (offsets(&setup)?, setup.gates()? * h);
        let rows = offsets[offsets.len() - 1];
        let features = read_file(&setup, "features.bin", rows * i)?;
        let labels = read_file(&setup, "labels.bin", rows * o)?;
        let sizes = [g * i, g * h, g, g, o * h, o];
        let mut rest = read_file(&setup, "weights.bin", sizes.iter().sum())?.into_iter();
        let weights = sizes.map(|size| rest.by_ref().take(size).collect());
        Ok(Self { setup, offsets, features, labels, weights })
    }
}

/// Where sequences begin, by their lengths.
fn offsets(setup: &Setup) -> Outcome<Vec<usize>> {
    let lengths = if setup.ragged {
        read_file(setup, "lengths.bin", setup.sequences)?
    } else {
        vec![setup.steps as u64; setup.sequences]
    };
    let mut offsets = vec![0];
    for length in lengths {
        offsets.push(offsets[offsets.len() - 1] + length as usize);
    }
    Ok(offsets)
}

fn read_file<T: Element>(setup: &Setup, name: &str, expected: usize) -> Outcome<Vec<T>> {
    let path = setup.directory.join(name);
    let values = T::read(&std::fs::read(&path)?);
    if values.len() != expected {
        return Err(format!("{name}: expected {expected} numbers, found {}", values.len()).into());
    }
    Ok(values)
}
