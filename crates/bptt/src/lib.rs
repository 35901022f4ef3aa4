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
//! - `std`, on by default. Without it, and without an allocator, there is inference on small devices: [`device`].
//! - `safetensors`: model files and checkpoints ([`file`](https://docs.rs/bptt/latest/bptt/file)), off by default.
//! - `onnx`: ONNX files ([`onnx`](https://docs.rs/bptt/latest/bptt/onnx)), off by default.

#![cfg_attr(not(feature = "std"), no_std, allow(dead_code))]

// Paths of `std` are those of `core` where there is nothing else.
#[cfg(not(feature = "std"))]
extern crate core as std;

#[cfg(feature = "std")]
mod abreast;
mod architecture;
#[cfg(feature = "std")]
mod buffer;
#[cfg(feature = "std")]
mod cell;
/// What inference needs of the cells.
#[cfg(not(feature = "std"))]
mod cell {
    pub(crate) mod gru;
    pub(crate) mod gru_reset_before;
    pub(crate) mod lstm;
    pub(crate) mod recurrence;
}
#[cfg(feature = "std")]
mod clip;
#[cfg(feature = "std")]
mod config;
#[cfg(feature = "std")]
mod dataset;
pub mod device;
#[cfg(feature = "std")]
mod dim;
#[cfg(feature = "std")]
mod epoch;
#[cfg(feature = "std")]
mod error;
#[cfg(feature = "safetensors")]
pub mod file;
mod float;
#[cfg(feature = "std")]
mod gradient;
#[cfg(feature = "std")]
mod gradients;
#[cfg(feature = "std")]
mod group;
#[cfg(feature = "std")]
mod kernel;
/// What inference needs of the kernels: one lane, in plain Rust.
#[cfg(not(feature = "std"))]
mod kernel {
    pub(crate) mod activation;
    pub(crate) mod elementary;
    #[cfg(target_arch = "x86_64")]
    pub(crate) mod tanh_table;
    pub(crate) mod vector;
    pub(crate) mod level {
        /// The only level.
        pub trait Isa: Copy + 'static {
            type F32: super::vector::Vector<f32>;
            type F64: super::vector::Vector<f64>;
        }
    }
}
#[cfg(feature = "std")]
mod loss;
#[cfg(feature = "std")]
pub mod metrics;
#[cfg(feature = "std")]
mod model;
#[cfg(feature = "std")]
mod normalize;
#[cfg(feature = "onnx")]
pub mod onnx;
#[cfg(feature = "std")]
mod optim;
#[cfg(feature = "std")]
mod params;
#[cfg(feature = "std")]
mod predict;
#[cfg(feature = "std")]
mod readout;
#[cfg(feature = "std")]
mod rng;
#[cfg(feature = "std")]
mod schedule;
#[cfg(feature = "std")]
mod stack;
#[cfg(feature = "std")]
mod stream;
#[cfg(feature = "std")]
mod threads;
#[cfg(feature = "std")]
mod train;
#[cfg(feature = "std")]
mod workspace;

pub use architecture::{Architecture, Cell};
#[cfg(feature = "std")]
pub use config::{EarlyStopping, TrainConfig};
#[cfg(feature = "std")]
pub use dataset::{Dataset, DatasetView, Split, TypedDataset, split};
#[cfg(feature = "std")]
pub use dim::{Const, Dim, Dyn, PROMOTED, Visitor};
#[cfg(feature = "std")]
pub use error::{Error, Result};
pub use float::Float;
#[cfg(feature = "std")]
pub use gradients::Gradients;
pub use kernel::activation::Activation;
#[cfg(feature = "std")]
pub use kernel::level::Level;
#[cfg(feature = "std")]
pub use loss::{Loss, Reduction};
#[cfg(feature = "std")]
pub use model::{DynRnn, Model, Rnn};
#[cfg(feature = "std")]
pub use normalize::{Normalization, Normalizer};
#[cfg(feature = "std")]
pub use optim::Optimizer;
#[cfg(feature = "std")]
pub use params::Params;
#[cfg(feature = "std")]
pub use predict::Predictor;
#[cfg(feature = "std")]
pub use rng::Rng;
#[cfg(feature = "std")]
pub use schedule::Schedule;
#[cfg(feature = "std")]
pub use stack::state::State;
#[cfg(feature = "std")]
pub use stream::{Stepper, Stream, StreamState, Workers};
#[cfg(feature = "std")]
pub use train::{EpochStats, Moment, Run, Trainer, TrainerState};
