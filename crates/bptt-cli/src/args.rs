//! The command line, as clap reads it. Values are checked in [`crate::settings`], where a configuration file's
//! values are checked as well.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::live_args::{FollowArgs, ServeArgs};

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

/// Arguments of `bptt train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Settings that a configuration file can hold too.
    #[command(flatten)]
    pub settings: TrainFlags,
    /// Read settings from a TOML file with the same names; flags win
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Go on where a checkpoint was made, to the same model bit for bit. Its settings need not be repeated, and cannot be
    /// changed but for the epochs and where files go
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,
    /// Print the report as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Everything that can be set for a training, each optional: in flags, and under the same names in a
/// configuration file.
#[derive(Debug, Default, Clone, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TrainFlags {
    /// CSV file with a header line, `-` for standard input [default: bundled Seattle weather 2012–2015]
    #[arg(value_name = "DATA.csv")]
    pub data: Option<PathBuf>,
    /// Train on a bundled data set; `bptt example` lists them
    #[arg(long, value_name = "NAME", conflicts_with = "data")]
    pub example: Option<String>,

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
    /// Column that says what a row counts for in the loss: numbers from 0 on
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    pub weight: Option<String>,
    /// Column that says which part a sequence belongs to: train, validation or test
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    pub split: Option<String>,
    /// The first N rows of each sequence have no labels: the network only reads them
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Columns")]
    pub washout: Option<usize>,

    /// Kind of recurrent layer [default: gru; elman where there is an activation]
    #[arg(long, value_name = "NAME", help_heading = "Network")]
    pub cell: Option<Cell>,
    /// Hidden units of each layer and direction [default: 32]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Network")]
    pub hidden_size: Option<usize>,
    /// Layers [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Network")]
    pub num_layers: Option<usize>,
    /// Run through each sequence in both directions, so that every row knows what comes after it: not for forecasts
    /// [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Network")]
    pub bidirectional: Option<bool>,
    /// Share of the units between layers that are dropped in training [default: 0]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Network")]
    pub dropout: Option<f64>,
    /// Hidden activation of Elman cells [default: tanh]
    #[arg(long, value_name = "NAME", help_heading = "Network")]
    pub activation: Option<Activation>,
    /// Number type [default: f32]
    #[arg(long, value_name = "TYPE", help_heading = "Network")]
    pub dtype: Option<Dtype>,

    /// Passes over the training part, at most [default: 200]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Training")]
    pub epochs: Option<usize>,
    /// Sequences per update [default: 16]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Training")]
    pub batch_size: Option<usize>,
    /// Step size of the optimizer [default: 0.01; 0.001 for rmsprop]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Training")]
    pub learning_rate: Option<f64>,
    /// What is made small [default: mse; bce for labels of 0 and 1; cross-entropy for classes]
    #[arg(long, value_name = "NAME", help_heading = "Training")]
    pub loss: Option<Loss>,
    /// Where Huber's loss turns from a parabola into a line, on the scaled labels [default: 1]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Training")]
    pub huber_delta: Option<f64>,
    /// What each class counts for: balanced, one number per class, or CLASS=NUMBER for some [default: 1 each]
    #[arg(long, value_name = "WEIGHTS", value_delimiter = ',', help_heading = "Training")]
    #[serde(deserialize_with = "crate::config::columns")]
    pub class_weights: Option<Vec<String>>,
    /// How the losses of a batch's elements become its loss [default: mean]
    #[arg(long, value_name = "NAME", help_heading = "Training")]
    pub reduction: Option<Reduction>,
    /// Backpropagate through N timesteps at a time, an update after each [default: whole sequences]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Training")]
    pub truncate: Option<usize>,
    /// Batches per update [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Training")]
    pub accumulate: Option<usize>,
    /// Share of the training sequences that decide when to stop, and which epoch's weights are kept; 0: none
    /// [default: 0.2]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Training")]
    pub validation_ratio: Option<f64>,
    /// Stop after N epochs without a better validation loss; 0: never [default: 25]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Training")]
    pub patience: Option<usize>,
    /// How much smaller a validation loss has to be to count as better [default: 0]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Training")]
    pub min_delta: Option<f64>,
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

    /// What makes an update of a gradient; options have PyTorch's names and defaults [default: adamw with a
    /// weight decay of 0.3]
    #[arg(long, value_name = "NAME", help_heading = "Optimizer")]
    pub optimizer: Option<Optimizer>,
    /// Momentum of sgd and rmsprop
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Optimizer")]
    pub momentum: Option<f64>,
    /// Dampening of sgd's momentum
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Optimizer")]
    pub dampening: Option<f64>,
    /// Nesterov's momentum, of sgd
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Optimizer")]
    pub nesterov: Option<bool>,
    /// Weight decay
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Optimizer")]
    pub weight_decay: Option<f64>,
    /// The two betas of adam and adamw, comma-separated
    #[arg(
        long,
        value_name = "X,X",
        value_delimiter = ',',
        allow_negative_numbers = true,
        help_heading = "Optimizer"
    )]
    pub betas: Option<Vec<f64>>,
    /// What keeps a divisor from 0, of all but sgd
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Optimizer")]
    pub eps: Option<f64>,
    /// AMSGrad, of adam and adamw
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Optimizer")]
    pub amsgrad: Option<bool>,
    /// Smoothing of rmsprop
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Optimizer")]
    pub alpha: Option<f64>,
    /// Centred rmsprop
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Optimizer")]
    pub centered: Option<bool>,
    /// How adagrad's learning rate falls
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Optimizer")]
    pub lr_decay: Option<f64>,
    /// Scale gradients down to this norm [default: 1, none with sgd]; 0: no clipping
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Optimizer")]
    pub clip_norm: Option<f64>,
    /// Limit each element of a gradient to ± this [default: none]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Optimizer")]
    pub clip_value: Option<f64>,

    /// How the learning rate changes [default: constant]
    #[arg(long, value_name = "NAME", help_heading = "Schedule")]
    pub schedule: Option<Schedule>,
    /// Epochs of linear warm-up [default: 0]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Schedule")]
    pub warmup_epochs: Option<usize>,
    /// Epochs between the changes of step [default: a third of the epochs]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Schedule")]
    pub step_size: Option<usize>,
    /// Factor of step and exponential [default: 0.1 and 0.99]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Schedule")]
    pub gamma: Option<f64>,
    /// Epochs of cosine's descent [default: all epochs]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Schedule")]
    pub t_max: Option<usize>,
    /// Where cosine ends [default: 0]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Schedule")]
    pub eta_min: Option<f64>,
    /// Factor of plateau [default: 0.5]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Schedule")]
    pub plateau_factor: Option<f64>,
    /// Epochs without a better loss that plateau puts up with [default: 10]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Schedule")]
    pub plateau_patience: Option<usize>,

    /// Kind of label [default: what the labels look like: 0 and 1, a few names or whole numbers, any number]
    #[arg(long, value_name = "NAME", help_heading = "Evaluation")]
    pub task: Option<Task>,
    /// Predictions from here on are class 1 [default: 0.5]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Evaluation")]
    pub threshold: Option<f64>,
    /// Measure the validation part (the test part, without one) every N epochs; 0: only at the end [default: a tenth
    /// of the epochs]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Evaluation")]
    pub eval_every: Option<usize>,

    /// Threads at most; the results are the same with any number [default: the process's share of the cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub threads: Option<usize>,
    /// Where the model is saved [default: model.safetensors]
    #[arg(long, short, value_name = "MODEL")]
    pub out: Option<PathBuf>,
    /// Write every epoch's losses: JSON lines where the name ends in .jsonl, else CSV
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
    /// Write a report to open in a browser
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// Keep here what `--resume FILE` needs to go on after an interruption [default: the file that it goes on from]
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// How often: N for epochs, Nb for batches, Ns or Nm for seconds or minutes [default: 1m]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[serde(deserialize_with = "crate::config::text_or_number")]
    pub checkpoint_every: Option<String>,
}

/// Arguments of `bptt example`.
#[derive(Debug, Args)]
pub struct ExampleArgs {
    /// Which data set [default: lists them]
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Where it goes [default: standard output]
    #[arg(long, short, value_name = "OUT.csv")]
    pub out: Option<PathBuf>,
}

/// Arguments of `bptt sweep`.
#[derive(Debug, Args)]
pub struct SweepArgs {
    /// CSV file with a header line [default: the grid's, or the bundled weather]
    #[arg(value_name = "DATA.csv")]
    pub data: Option<PathBuf>,
    /// TOML file with the settings of `bptt train`; a list of values is tried one by one, every one with every other
    #[arg(long, value_name = "FILE")]
    pub grid: PathBuf,
    /// Where the results are kept; settings that are in it already are not trained again [default: sweep.csv]
    #[arg(long, short, value_name = "OUT.csv")]
    pub out: Option<PathBuf>,
    /// Trainings at a time, one thread each [default: the machine's cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub jobs: Option<usize>,
    /// Print the table as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `bptt predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// Model file from `bptt train`
    pub model: PathBuf,
    /// CSV file with the model's columns, `-` for standard input; labels are not needed
    #[arg(value_name = "DATA.csv")]
    pub data: PathBuf,
    /// Where the predictions go [default: standard output]
    #[arg(long, short, value_name = "OUT.csv")]
    pub out: Option<PathBuf>,
    /// Predictions from here on are class 1 [default: the model's]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub threshold: Option<f64>,
    /// Threads at most; the predictions are the same with any number [default: the process's share of the cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub threads: Option<usize>,
    /// Rows that come as they please.
    #[command(flatten)]
    pub follow: FollowArgs,
}

/// Arguments of `bptt evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// Model file from `bptt train`
    pub model: PathBuf,
    /// CSV file with the model's columns and labels, `-` for standard input
    #[arg(value_name = "DATA.csv")]
    pub data: PathBuf,
    /// Predictions from here on are class 1 [default: the model's]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub threshold: Option<f64>,
    /// Threads at most; the predictions are the same with any number [default: the process's share of the cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub threads: Option<usize>,
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

/// Arguments of `bptt export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Model file from `bptt train`
    pub model: PathBuf,
    /// What to write
    #[arg(long, value_name = "FORMAT")]
    pub format: ExportFormat,
    /// Where it goes [default: beside the model, with the format's ending]
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Number type [default: the model's]
    #[arg(long, value_name = "TYPE")]
    pub dtype: Option<Dtype>,
}

/// Arguments of `bptt import`. What a file of bptt's own says about columns and scaling is kept; other programs' files say
/// little, and the flags say the rest.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// What the file is
    #[arg(value_name = "FORMAT")]
    pub format: ImportFormat,
    /// A state dict written by safetensors.torch.save_file, or an ONNX file
    pub file: PathBuf,
    /// Where the model goes [default: model.safetensors]
    #[arg(long, short, value_name = "MODEL")]
    pub out: Option<PathBuf>,
    /// Take columns, scaling, task, activation and dropout from this model file
    #[arg(long, value_name = "MODEL")]
    pub like: Option<PathBuf>,
    /// Hidden activation of an nn.RNN, which a state dict does not tell [default: tanh]
    #[arg(long, value_name = "NAME")]
    pub activation: Option<Activation>,
    /// What the outputs are; those of a binary task and of a classification are logits [default: the file's, else
    /// regression]
    #[arg(long, value_name = "NAME")]
    pub task: Option<Task>,
    /// Names of the input columns, comma-separated [default: the file's, else x1, x2, …]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub inputs: Option<Vec<String>>,
    /// Names of the label columns [default: the file's, else y, or y1, y2, …]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub labels: Option<Vec<String>>,
    /// Names of the classes [default: the file's, else 0, 1, …]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub classes: Option<Vec<String>>,
    /// Column that says which sequence a row belongs to [default: the file's, else name]
    #[arg(long, value_name = "COLUMN")]
    pub sequence: Option<String>,
    /// Column that orders the rows of a sequence [default: the file's, else the rows' order]
    #[arg(long, value_name = "COLUMN")]
    pub time: Option<String>,
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

/// Declares an enum of the command line and its lower-case names in a configuration file.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
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
    /// What a model is imported from.
    ImportFormat {
        /// A state dict of nn.RNN, nn.GRU or nn.LSTM and nn.Linear
        Pytorch,
        /// A graph of recurrent operators and a linear readout
        Onnx,
    }
}
choice! {
    /// What a model is exported to.
    ExportFormat {
        /// A graph for ONNX Runtime and others
        Onnx,
        /// A Rust module that needs nothing but core
        Rust,
        /// A C99 file without dependencies
        C,
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
        /// One of several classes, by name or number
        Classification,
    }
}
choice! {
    /// What is made small.
    Loss {
        /// Squared errors
        Mse,
        /// Absolute errors
        Mae,
        /// Squared errors while they are small, absolute ones beyond
        Huber,
        /// Binary cross-entropy, for labels of 0 and 1
        Bce,
        /// Cross-entropy over classes
        CrossEntropy,
    }
}
choice! {
    /// What makes an update of a gradient.
    Optimizer {
        /// Stochastic gradient descent, with or without momentum
        Sgd,
        /// Adaptive moments
        Adam,
        /// Adam with decoupled weight decay
        Adamw,
        /// Divides by the mean square of gradients
        Rmsprop,
        /// Divides by the sum of squares of gradients
        Adagrad,
    }
}
choice! {
    /// How the learning rate changes.
    Schedule {
        /// Not at all
        Constant,
        /// By a factor every so many epochs
        Step,
        /// By a factor every epoch
        Exponential,
        /// Down along half a cosine
        Cosine,
        /// By a factor where the loss no longer falls
        Plateau,
    }
}
choice! {
    /// Kind of recurrent layer.
    Cell {
        /// h = f(W_ih·x + b_ih + W_hh·h + b_hh)
        Elman,
        /// Gated recurrent unit
        Gru,
        /// Long short-term memory
        Lstm,
        /// Gated recurrent unit whose reset gate acts before the product (Keras' reset_after=False)
        GruResetBefore,
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
