//! `bptt bench`: sizes, settings and how to measure.

use std::path::PathBuf;

use clap::Args;

use super::{Activation, Cell, Dtype, Level, Preset};

/// Arguments of `bptt bench`. Sizes and settings are optional so that a preset can fill in its own.
#[derive(Debug, Default, Args)]
pub struct BenchArgs {
    /// Take sizes and settings from a known task; flags win
    #[arg(long, value_name = "NAME", help_heading = "Task")]
    pub preset: Option<Preset>,
    /// Time the preset on a CSV file instead of its own data: creditcard.csv for fraud, the columns name, t,
    /// x1, x2, x3 and y for small. The first 80 % of the sequences train
    #[arg(long, value_name = "FILE", help_heading = "Task")]
    pub data: Option<PathBuf>,
    /// Time predictions instead of training
    #[arg(long, help_heading = "Task")]
    pub inference: bool,

    /// Kind of recurrent layer [default: elman]
    #[arg(long, value_name = "NAME", help_heading = "Network")]
    pub cell: Option<Cell>,
    /// Inputs per timestep [default: 8]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Network")]
    pub input_size: Option<usize>,
    /// Hidden units [default: 32]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Network")]
    pub hidden_size: Option<usize>,
    /// Outputs per timestep [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Network")]
    pub output_size: Option<usize>,
    /// Hidden activation [default: tanh]
    #[arg(long, value_name = "NAME", help_heading = "Network")]
    pub activation: Option<Activation>,
    /// Number type [default: f32]
    #[arg(long, value_name = "TYPE", help_heading = "Network")]
    pub dtype: Option<Dtype>,

    /// Timesteps per sequence [default: 32]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Training")]
    pub seq_len: Option<usize>,
    /// Sequences to train on or to predict [default: 256, and at least four batches]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Training")]
    pub sequences: Option<usize>,
    /// Sequences per update [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Training")]
    pub batch_size: Option<usize>,
    /// Step size of SGD [default: falls with the sizes, so that the loss falls too]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Training")]
    pub learning_rate: Option<f64>,
    /// Seed of weights and generated data [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Training")]
    pub seed: Option<u64>,

    /// Instruction set [default: the best that the machine has]
    #[arg(long, value_name = "NAME", help_heading = "Measurement")]
    pub level: Option<Level>,
    /// Threads at most [default: the process's share of the cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Measurement")]
    pub threads: Option<usize>,
    /// How long to measure; five repetitions are made in any case [default: 2]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Measurement")]
    pub seconds: Option<f64>,
    /// Print the report as one JSON object
    #[arg(long)]
    pub json: bool,
}
