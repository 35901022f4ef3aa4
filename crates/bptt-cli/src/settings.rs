//! [`Settings`]: flags and configuration file with the defaults filled in, all checked.

use std::path::PathBuf;

use bptt::{Activation, Normalization, Reduction, TrainConfig};

use crate::args::{self, Dtype, Shuffle, Task, TrainFlags};
use crate::failure::Failure;
use crate::table::ColumnRequest;

/// A training, with nothing left open but what only the data can say.
#[derive(Debug)]
pub struct Settings {
    /// The bundled data where `None`.
    pub data: Option<PathBuf>,
    pub columns: ColumnRequest,
    /// The input column that is the naive forecast.
    pub naive: Option<String>,
    pub hidden_size: usize,
    pub activation: Activation,
    pub dtype: Dtype,
    pub epochs: usize,
    pub batch_size: usize,
    pub learning_rate: f64,
    pub reduction: Reduction,
    pub normalization: Normalization,
    pub train_ratio: f64,
    pub shuffle: Shuffle,
    pub seed: u64,
    /// Inferred from the labels where `None`.
    pub task: Option<Task>,
    pub threshold: f64,
    /// 0: only at the end.
    pub eval_every: usize,
    pub out: PathBuf,
}

impl Settings {
    /// Fills in the defaults and checks every value.
    pub fn resolve(flags: TrainFlags) -> Result<Self, Failure> {
        let TrainFlags { sequence, time, inputs, labels, window, .. } = flags;
        let epochs = flags.epochs.unwrap_or(100);
        let settings = Self {
            data: flags.data,
            columns: ColumnRequest { sequence, time, file_order: false, inputs, labels, window },
            naive: flags.naive,
            hidden_size: flags.hidden_size.unwrap_or(32),
            activation: flags.activation.unwrap_or(args::Activation::Tanh).into(),
            dtype: flags.dtype.unwrap_or(Dtype::F32),
            epochs,
            batch_size: flags.batch_size.unwrap_or(1),
            learning_rate: flags.learning_rate.unwrap_or(0.01),
            reduction: match flags.reduction.unwrap_or(args::Reduction::Mean) {
                args::Reduction::Mean => Reduction::Mean,
                args::Reduction::Sum => Reduction::Sum,
            },
            normalization: match flags.normalize.unwrap_or(args::Normalize::Zscore) {
                args::Normalize::None => Normalization::None,
                args::Normalize::Minmax => Normalization::MinMax,
                args::Normalize::Zscore => Normalization::ZScore,
            },
            train_ratio: flags.train_ratio.unwrap_or(0.8),
            shuffle: flags.shuffle.unwrap_or(Shuffle::Both),
            seed: flags.seed.unwrap_or(1),
            task: flags.task,
            threshold: flags.threshold.unwrap_or(0.5),
            eval_every: flags.eval_every.unwrap_or(epochs.div_ceil(10)),
            out: flags.out.unwrap_or_else(|| "model.safetensors".into()),
        };
        settings.check()?;
        settings.check_names()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), Failure> {
        let wrong = |name, expected, found: String| {
            Err(Failure::input(format!("--{name}: expected {expected}, found {found}")))
        };
        let counts =
            [("hidden-size", self.hidden_size), ("epochs", self.epochs), ("batch-size", self.batch_size)];
        if let Some((name, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return wrong(name, "at least 1", "0".into());
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return wrong("learning-rate", "a positive number", self.learning_rate.to_string());
        }
        if !(self.train_ratio > 0.0 && self.train_ratio <= 1.0) {
            return wrong("train-ratio", "a number above 0, at most 1", self.train_ratio.to_string());
        }
        check_threshold(self.threshold)
    }

    /// Empty names come from a stray comma or from an empty text in a configuration file.
    fn check_names(&self) -> Result<(), Failure> {
        let empty =
            |flag, expected| Err(Failure::input(format!("{flag}: expected {expected}, found an empty text")));
        for (flag, names) in [("--inputs", &self.columns.inputs), ("--labels", &self.columns.labels)] {
            if names.iter().flatten().any(|name| name.trim().is_empty()) {
                return empty(flag, "column names");
            }
        }
        if self.data.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            return empty("data", "the name of a CSV file");
        }
        if self.out.as_os_str().is_empty() {
            return empty("--out", "the name of a file to write");
        }
        Ok(())
    }

    /// The library's part of the settings.
    pub fn train_config(&self) -> TrainConfig {
        TrainConfig {
            learning_rate: self.learning_rate,
            batch_size: self.batch_size,
            reduction: self.reduction,
            shuffle: matches!(self.shuffle, Shuffle::Epoch | Shuffle::Both).then(|| self.derived_seed(2)),
        }
    }

    /// The seed of the split; `None` where the first sequences train.
    pub fn split_seed(&self) -> Option<u64> {
        matches!(self.shuffle, Shuffle::Split | Shuffle::Both).then(|| self.derived_seed(1))
    }

    /// Seeds for different purposes, so that the same draws do not decide two things.
    fn derived_seed(&self, purpose: u64) -> u64 {
        self.seed ^ (purpose << 56)
    }
}

/// Refuses a threshold that nothing can be compared with.
pub fn check_threshold(threshold: f64) -> Result<(), Failure> {
    if threshold.is_finite() {
        return Ok(());
    }
    Err(Failure::input(format!("--threshold: expected a finite number, found {threshold}")))
}

impl From<args::Activation> for Activation {
    fn from(activation: args::Activation) -> Self {
        match activation {
            args::Activation::Tanh => Self::Tanh,
            args::Activation::Relu => Self::Relu,
            args::Activation::Sigmoid => Self::Sigmoid,
        }
    }
}

impl Task {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Regression => "regression",
            Self::Binary => "binary",
        }
    }
}

impl Shuffle {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Split => "split",
            Self::Epoch => "epoch",
            Self::Both => "both",
        }
    }
}
