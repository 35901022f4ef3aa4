//! `bptt train`: its flags, which a configuration file holds too.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{Activation, Cell, Dtype, Loss, Normalize, Optimizer, Reduction, Schedule, Shuffle, Task};

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
