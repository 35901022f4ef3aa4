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
    pub activation: String,
    pub learning_rate: f64,
    /// bptt's instruction-set level; its own choice if absent.
    #[serde(default)]
    pub level: Option<String>,
}

/// Data and initial weights in element type `T`.
#[derive(Debug)]
pub struct Task<T> {
    pub setup: Setup,
    /// (sequences, steps, input)
    pub features: Vec<T>,
    /// (sequences, steps, output)
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
element!(f32 f64);

impl<T: Element> Task<T> {
    /// Reads the files that `setup` names and checks their lengths.
    pub fn read(setup: Setup) -> Outcome<Self> {
        let Setup { input: i, hidden: h, output: o, steps, sequences, .. } = setup;
        let rows = sequences * steps;
        let features = read_file(&setup, "features.bin", rows * i)?;
        let labels = read_file(&setup, "labels.bin", rows * o)?;
        let sizes = [h * i, h * h, h, h, o * h, o];
        let mut rest = read_file(&setup, "weights.bin", sizes.iter().sum())?.into_iter();
        let weights = sizes.map(|size| rest.by_ref().take(size).collect());
        Ok(Self { setup, features, labels, weights })
    }
}

fn read_file<T: Element>(setup: &Setup, name: &str, expected: usize) -> Outcome<Vec<T>> {
    let path = setup.directory.join(name);
    let values = T::read(&std::fs::read(&path)?);
    if values.len() != expected {
        return Err(format!("{name}: expected {expected} numbers, found {}", values.len()).into());
    }
    Ok(values)
}
