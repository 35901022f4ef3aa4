//! bptt
mod buffer;
mod cell;
mod dataset;
mod dim;
mod epoch;
mod error;
#[cfg(feature = "safetensors")]
pub mod file;
mod float;
mod kernel;
mod loss;
pub mod metrics;
mod model;
mod normalize;
mod optim;
mod params;
mod predict;
mod readout;
mod rng;
mod train;
mod workspace;

pub use dataset::{Dataset, DatasetView, Split, TypedDataset, split};
pub use dim::{Const, Dim, Dyn, PROMOTED, Visitor};
pub use error::{Error, Result};
pub use float::Float;
pub use kernel::activation::Activation;
pub use kernel::level::Level;
pub use loss::Reduction;
pub use model::{DynRnn, Model, Rnn};
pub use normalize::{Normalization, Normalizer};
pub use params::Params;
pub use predict::Predictor;
pub use rng::Rng;
pub use train::{EpochStats, Gradients, TrainConfig, Trainer};
