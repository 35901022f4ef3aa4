//! **bptt** trains recurrent neural networks on a CPU with backpropagation through time, without dependencies.
//!
//! ```
//! use bptt::{Activation, Rnn, TrainConfig, Trainer, TypedDataset};
//! use std::ops::ControlFlow;
//!
//! // Sequences of any length: here the label is the input of the step before.
//! let mut data = TypedDataset::<1, 1>::typed();
//! data.push(&[[0.3], [0.9], [0.1]], &[[0.0], [0.3], [0.9]])?;
//! data.push(&[[0.7], [0.2]], &[[0.0], [0.7]])?;
//!
//! // 1 input, 8 hidden units, 1 output; sizes that do not fit do not compile.
//! let model = Rnn::<1, 8, 1>::new(Activation::Tanh, 42)?;
//! let mut trainer = Trainer::new(model, TrainConfig { learning_rate: 0.1, ..Default::default() })?;
//! trainer.fit(&data, 1000, |_epoch, _model| ControlFlow::Continue(()))?;
//!
//! let outputs = trainer.model().predict(&[[0.3], [0.9], [0.1]])?;
//! assert!((outputs[1][0] - 0.3).abs() < 0.1);
//! # Ok::<(), bptt::Error>(())
//! ```
//!
//! [`Rnn`] has its sizes in the type, [`DynRnn`] at run time; both are a [`Model`] on the same kernels. An
//! [`Architecture`] says which cell, how many layers and directions; a [`TrainConfig`] says which [`Loss`], [`Optimizer`] and
//! [`Schedule`]. A [`Trainer`] runs epochs over a [`Dataset`]; after the first one it allocates nothing. Names, shapes,
//! initialisation, losses and optimizers are PyTorch's, and so are the numbers.
//!
//! # Memory layouts
//!
//! Everything is a flat, row-major slice. Features are `(rows, input_size)`, labels and outputs
//! `(rows, output_size)`, where the rows are the timesteps of all sequences one after the other and a table of offsets
//! says where each sequence starts. Parameters lie in one buffer ([`Params`]), seen through PyTorch's names and shapes.
//!
//! # Levels
//!
//! Kernels exist for several instruction sets; the best one that the machine has is chosen at run time ([`Level`]).
//!
//! # Threads
//!
//! Batches, predictions and evaluations that are large enough take as many threads as the process has a share of
//! ([`TrainConfig::threads`], [`Predictor::threads`]). The number of threads changes no bit of any result. A trainer or
//! predictor makes its threads when it first needs them; they sleep when there is nothing to do.
//!
//! # Features
//!
//! - `safetensors`: model files and checkpoints ([`file`](https://docs.rs/bptt/latest/bptt/file)), off by default.
//! - `onnx`: ONNX files ([`onnx`](https://docs.rs/bptt/latest/bptt/onnx)), off by default.

mod abreast;
mod architecture;
mod buffer;
mod cell;
mod clip;
mod config;
mod dataset;
mod dim;
mod epoch;
mod error;
#[cfg(feature = "safetensors")]
pub mod file;
mod float;
mod gradient;
mod gradients;
mod group;
mod kernel;
mod loss;
pub mod metrics;
mod model;
mod normalize;
#[cfg(feature = "onnx")]
pub mod onnx;
mod optim;
mod params;
mod predict;
mod readout;
mod rng;
mod schedule;
mod stack;
mod stream;
mod threads;
mod train;
mod workspace;

pub use architecture::{Architecture, Cell};
pub use config::{EarlyStopping, TrainConfig};
pub use dataset::{Dataset, DatasetView, Split, TypedDataset, split};
pub use dim::{Const, Dim, Dyn, PROMOTED, Visitor};
pub use error::{Error, Result};
pub use float::Float;
pub use gradients::Gradients;
pub use kernel::activation::Activation;
pub use kernel::level::Level;
pub use loss::{Loss, Reduction};
pub use model::{DynRnn, Model, Rnn};
pub use normalize::{Normalization, Normalizer};
pub use optim::Optimizer;
pub use params::Params;
pub use predict::Predictor;
pub use rng::Rng;
pub use schedule::Schedule;
pub use stack::state::State;
pub use stream::{Stepper, Stream, StreamState};
pub use train::{EpochStats, Moment, Run, Trainer, TrainerState};
