//! The command line, as clap reads it. Values are checked in [`crate::settings`], where a configuration file's
//! values are checked as well.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Deserialize;

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
    /// Predict every row of a CSV file with a saved model
    Predict(PredictArgs),
    /// Measure a saved model on a CSV file with labels
    Evaluate(EvaluateArgs),
    /// Show what a model file holds
    Inspect(InspectArgs),
    /// Time training or inference of any shape on this machine
    Bench(Box<BenchArgs>),
}

/// Arguments of `bptt train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Settings that a configuration file can hold too.
    #[command(flatten)]
    pub settings: TrainFlags,
    /// Read settings from a TOML file with the same names; flags win
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the report as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Everything that can be set for a training, each optional: in flags, and under the same names in a
/// configuration file.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TrainFlags {
    /// CSV file with a header line [default: bundled Seattle weather 2012–2015]
    #[arg(value_name = "DATA.csv")]
    pub data: Option<PathBuf>,

    /// Column that says which sequence a row belongs to [default: name]
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    pub sequence: Option<String>,
    /// Column that orders the rows of a sequence: numbers, or ISO dates [default: t, else the file's order]
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    pub time: Option<String>,
    /// Input columns, comma-separated; V1..V28 is a range [default: all that start with x]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', help_heading = "Columns")]
    #[serde(deserialize_with = "crate::config::columns")]
    pub inputs: Option<Vec<String>>,
    /// Label columns, like the inputs [default: all that start with y]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', help_heading = "Columns")]
    #[serde(deserialize_with = "crate::config::columns")]
    pub labels: Option<Vec<String>>,
    /// Cut a file without a sequence column into sequences of N rows
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Columns")]
    pub window: Option<usize>,
    /// Input column that is the naive forecast of the label [default: the label of the row before]
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    pub naive: Option<String>,

    /// Hidden units [default: 32]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Network")]
    pub hidden_size: Option<usize>,
    /// Hidden activation [default: tanh]
    #[arg(long, value_name = "NAME", help_heading = "Network")]
    pub activation: Option<Activation>,
    /// Number type [default: f32]
    #[arg(long, value_name = "TYPE", help_heading = "Network")]
    pub dtype: Option<Dtype>,

    /// Passes over the training part [default: 100]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Training")]
    pub epochs: Option<usize>,
    /// Sequences per update [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Training")]
    pub batch_size: Option<usize>,
    /// Step size of SGD [default: 0.01]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Training")]
    pub learning_rate: Option<f64>,
    /// How a batch's squared errors become its loss [default: mean]
    #[arg(long, value_name = "NAME", help_heading = "Training")]
    pub reduction: Option<Reduction>,
    /// Scaling of inputs and, for regression, labels, fitted on the training part [default: zscore]
    #[arg(long, value_name = "NAME", help_heading = "Training")]
    pub normalize: Option<Normalize>,
    /// Share of the sequences that train; the rest is held out [default: 0.8]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Training")]
    pub train_ratio: Option<f64>,
    /// What the seed shuffles: which sequences train (split), their order in each epoch (epoch), both or
    /// none [default: both]
    #[arg(long, value_name = "WHAT", num_args = 0..=1, default_missing_value = "both", help_heading = "Training")]
    pub shuffle: Option<Shuffle>,
    /// Seed of weights, split and shuffling [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Training")]
    pub seed: Option<u64>,

    /// Kind of label [default: binary if all labels are 0 or 1, else regression]
    #[arg(long, value_name = "NAME", help_heading = "Evaluation")]
    pub task: Option<Task>,
    /// Predictions from here on are class 1 [default: 0.5]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Evaluation")]
    pub threshold: Option<f64>,
    /// Measure the held-out part every N epochs; 0: only at the end [default: a tenth of the epochs]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Evaluation")]
    pub eval_every: Option<usize>,

    /// Where the model is saved [default: model.safetensors]
    #[arg(long, short, value_name = "MODEL")]
    pub out: Option<PathBuf>,
}

/// Arguments of `bptt predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// Model file from `bptt train`
    pub model: PathBuf,
    /// CSV file with the model's columns; labels are not needed
    #[arg(value_name = "DATA.csv")]
    pub data: PathBuf,
    /// Where the predictions go [default: standard output]
    #[arg(long, short, value_name = "OUT.csv")]
    pub out: Option<PathBuf>,
    /// Predictions from here on are class 1 [default: the model's]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub threshold: Option<f64>,
}

/// Arguments of `bptt evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// Model file from `bptt train`
    pub model: PathBuf,
    /// CSV file with the model's columns and labels
    #[arg(value_name = "DATA.csv")]
    pub data: PathBuf,
    /// Predictions from here on are class 1 [default: the model's]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub threshold: Option<f64>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `bptt inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Model file from `bptt train`
    pub model: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

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
    /// Threads; 1 is all there is so far [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Measurement")]
    pub threads: Option<usize>,
    /// How long to measure; five repetitions are made in any case [default: 2]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Measurement")]
    pub seconds: Option<f64>,
    /// Print the report as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Declares an enum of the command line and its lower-case names in a configuration file.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$variant_doc])* $variant),* }
    };
}
choice! {
    /// Hidden activation.
    Activation {
        /// Hyperbolic tangent
        Tanh,
        /// max(x, 0)
        Relu,
        /// Logistic function
        Sigmoid,
    }
}
choice! {
    /// Number type.
    Dtype {
        /// Single precision
        F32,
        /// Double precision
        F64,
    }
}
choice! {
    /// How a batch's squared errors become its loss.
    Reduction {
        /// Mean over all elements of the batch
        Mean,
        /// Sum over all elements of the batch
        Sum,
    }
}
choice! {
    /// Scaling of columns.
    Normalize {
        /// As they are
        None,
        /// The training part's smallest value becomes 0, its largest 1
        Minmax,
        /// The training part gets mean 0 and standard deviation 1
        Zscore,
    }
}
choice! {
    /// What the seed shuffles.
    Shuffle {
        /// The first sequences train, always in the file's order
        None,
        /// Which sequences train
        Split,
        /// The order of the sequences, anew in each epoch
        Epoch,
        /// Split and epoch
        Both,
    }
}
choice! {
    /// Kind of label.
    Task {
        /// Any number
        Regression,
        /// 0 or 1
        Binary,
    }
}
choice! {
    /// Kind of recurrent layer.
    Cell {
        /// h = f(W_ih·x + b_ih + W_hh·h + b_hh)
        Elman,
    }
}
choice! {
    /// Instruction set.
    Level {
        /// Every machine has it (SSE2 on x86-64)
        Baseline,
        /// AVX2 and FMA
        Avx2,
        /// AVX-512
        Avx512,
    }
}
choice! {
    /// A task of the documentation.
    Preset {
        /// 12 sequences of 5 rows, 3 → 5 → 1, ReLU, f64, learning rate 1e-6
        Small,
        /// 45,569 sequences of 5 rows, 29 → 10 → 1, tanh, f32, learning rate 0.001
        Fraud,
    }
}
