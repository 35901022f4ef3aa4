//! The command line, as clap reads it. Values are checked in [`crate::settings`], where a configuration file's
//! values are checked as well.

mod bench;
mod choices;
mod commands;
mod train;

use clap::{Parser, Subcommand};

use crate::live_args::ServeArgs;
pub use bench::BenchArgs;
pub use choices::{
    Activation, Cell, Dtype, ExportFormat, ImportFormat, Level, Loss, Normalize, Optimizer, Preset,
    Reduction, Schedule, Shuffle, Task,
};
pub use commands::{EvaluateArgs, ExampleArgs, ExportArgs, ImportArgs, InspectArgs, PredictArgs, SweepArgs};
pub use train::{TrainArgs, TrainFlags};

/// Train recurrent neural networks on a CPU.
#[derive(Debug, Parser)]
#[command(name = "bptt", version, about, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 success; 1 the training diverged, or in a bench the loss did not fall; 2 bad input (arguments, data, \
model file, or a place that cannot be written); 130 interrupted with Ctrl-C (a training saves its model).
The environment variable BPTT_LEVEL (baseline, avx2, avx512) lowers the instruction set that is used.";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a network from a CSV file, or, without one, on bundled weather data
    Train(Box<TrainArgs>),
    /// Predict every row of a CSV file, or of live data, with a saved model
    Predict(PredictArgs),
    /// Answer requests over HTTP with a saved model
    Serve(ServeArgs),
    /// Measure a saved model on a CSV file with labels
    Evaluate(EvaluateArgs),
    /// Show what a model file holds
    Inspect(InspectArgs),
    /// Write a model for another program
    Export(ExportArgs),
    /// Make a model file of another program's model
    Import(ImportArgs),
    /// Train many settings and seeds on all cores, and rank them
    Sweep(SweepArgs),
    /// Write out a bundled data set
    Example(ExampleArgs),
    /// Time training or inference of any shape on this machine
    Bench(Box<BenchArgs>),
}
