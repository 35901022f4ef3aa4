//! What is done with data, models and other programs' files.

use std::path::PathBuf;

use clap::Args;

use super::{Activation, Dtype, ExportFormat, ImportFormat, Task};
use crate::live_args::FollowArgs;

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
