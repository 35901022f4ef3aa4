//! [`Settings`]: flags and configuration file with the defaults filled in, all checked.

use std::path::PathBuf;

use bptt::{Activation, Architecture, Cell, Normalization, Reduction};

use crate::args::{self, Dtype, Loss, Shuffle, Task, TrainFlags};
use crate::bundled::{self, Bundled};
use crate::checkpoint::Every;
use crate::failure::Failure;
use crate::learning::Learning;
use crate::table::{ColumnRequest, LabelKind};

/// A training, with nothing left open but what only the data can say.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What all of this follows from.
    pub flags: TrainFlags,
    /// A bundled data set where `None`.
    pub data: Option<PathBuf>,
    /// The bundled data set, without `data`.
    pub example: &'static Bundled,
    pub columns: ColumnRequest,
    /// The input column that is the naive forecast.
    pub naive: Option<String>,
    /// Rows of each sequence without labels.
    pub washout: usize,
    pub architecture: Architecture,
    pub hidden_size: usize,
    pub dtype: Dtype,
    pub epochs: usize,
    pub batch_size: usize,
    /// From the task where `None`.
    pub loss: Option<Loss>,
    pub huber_delta: Option<f64>,
    pub class_weights: Option<ClassWeights>,
    pub reduction: Reduction,
    pub learning: Learning,
    pub normalization: Normalization,
    pub train_ratio: f64,
    /// Of the training part.
    pub validation_ratio: f64,
    /// 0: never.
    pub patience: usize,
    pub min_delta: f64,
    pub shuffle: Shuffle,
    pub seed: u64,
    /// Inferred from the labels where `None`.
    pub task: Option<Task>,
    pub threshold: f64,
    /// 0: only at the end.
    pub eval_every: usize,
    /// At most; 0: as many as there are.
    pub threads: usize,
    pub out: PathBuf,
    pub history: Option<PathBuf>,
    pub report: Option<PathBuf>,
    pub checkpoint: Option<PathBuf>,
    pub checkpoint_every: Every,
}

/// What classes count for.
#[derive(Debug, Clone, PartialEq)]
pub enum ClassWeights {
    /// `rows / (classes · rows of the class)`, over the labelled rows of the training part.
    Balanced,
    /// One for each class, in their order.
    Each(Vec<f64>),
    /// By the classes' names; the others count 1.
    Named(Vec<(String, f64)>),
}

impl Settings {
    /// Fills in the defaults and checks every value.
    pub fn resolve(flags: TrainFlags) -> Result<Self, Failure> {
        let example = match &flags.example {
            Some(name) => bundled::find(name)?,
            None => &bundled::WEATHER,
        };
        let epochs = flags.epochs.unwrap_or(200);
        let learning = Learning::resolve(&flags, epochs)?;
        let settings = Self {
            flags: flags.clone(),
            columns: columns(&flags, example),
            example,
            architecture: architecture(&flags)?,
            hidden_size: flags.hidden_size.unwrap_or(32),
            dtype: flags.dtype.unwrap_or(Dtype::F32),
            epochs,
            batch_size: flags.batch_size.unwrap_or(16),
            loss: flags.loss,
            huber_delta: flags.huber_delta,
            class_weights: flags.class_weights.as_deref().map(class_weights).transpose()?,
            reduction: match flags.reduction.unwrap_or(args::Reduction::Mean) {
                args::Reduction::Mean => Reduction::Mean,
                args::Reduction::Sum => Reduction::Sum,
            },
            learning,
            normalization: match flags.normalize.unwrap_or(args::Normalize::Zscore) {
                args::Normalize::None => Normalization::None,
                args::Normalize::Minmax => Normalization::MinMax,
                args::Normalize::Zscore => Normalization::ZScore,
            },
            train_ratio: flags.train_ratio.unwrap_or(0.8),
            validation_ratio: flags.validation_ratio.unwrap_or(0.2),
            patience: flags.patience.unwrap_or(25),
            min_delta: flags.min_delta.unwrap_or(0.0),
            shuffle: flags.shuffle.unwrap_or(Shuffle::Both),
            seed: flags.seed.unwrap_or(1),
            task: flags.task,
            threshold: flags.threshold.unwrap_or(0.5),
            threads: threads(flags.threads)?,
            eval_every: flags.eval_every.unwrap_or(epochs.div_ceil(10)),
            washout: flags.washout.unwrap_or(0),
            naive: flags.naive,
            data: flags.data,
            out: flags.out.unwrap_or_else(|| "model.safetensors".into()),
            history: flags.history,
            report: flags.report,
            checkpoint_every: Every::resolve(flags.checkpoint_every.as_deref(), flags.checkpoint.is_some())?,
            checkpoint: flags.checkpoint,
        };
        settings.check()?;
        settings.check_stopping(flags.patience, flags.min_delta)?;
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
        if !(self.train_ratio > 0.0 && self.train_ratio <= 1.0) {
            return wrong("train-ratio", "a number above 0, at most 1", self.train_ratio.to_string());
        }
        if !(0.0..1.0).contains(&self.validation_ratio) {
            return wrong(
                "validation-ratio",
                "a number from 0 on, below 1",
                self.validation_ratio.to_string(),
            );
        }
        if !(self.min_delta >= 0.0 && self.min_delta.is_finite()) {
            return wrong("min-delta", "a number from 0 on", self.min_delta.to_string());
        }
        match (self.huber_delta, self.loss) {
            (Some(delta), _) if !(delta > 0.0 && delta.is_finite()) => {
                return wrong("huber-delta", "a positive number", delta.to_string());
            }
            (Some(delta), loss) if loss != Some(Loss::Huber) => {
                return wrong("huber-delta", "none without --loss huber", delta.to_string());
            }
            _ => {}
        }
        check_threshold(self.threshold)
    }

    /// What stops a training early needs a validation part, drawn or named.
    fn check_stopping(&self, patience: Option<usize>, min_delta: Option<f64>) -> Result<(), Failure> {
        if self.validation_ratio > 0.0 || self.columns.split.is_some() {
            return Ok(());
        }
        let given = [
            ("patience", patience.filter(|patience| *patience > 0).map(|patience| patience.to_string())),
            ("min-delta", min_delta.filter(|delta| *delta > 0.0).map(|delta| delta.to_string())),
        ];
        match given.into_iter().find_map(|(name, found)| Some((name, found?))) {
            Some((name, found)) => Err(Failure::input(format!(
                "--{name}: expected a validation part to go by, found --validation-ratio 0 and {found}"
            ))),
            None => Ok(()),
        }
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
        let files = [
            ("data", self.data.as_ref(), "the name of a CSV file"),
            ("--out", Some(&self.out), "the name of a file to write"),
            ("--history", self.history.as_ref(), "the name of a file to write"),
            ("--report", self.report.as_ref(), "the name of a file to write"),
            ("--checkpoint", self.checkpoint.as_ref(), "the name of a file to write"),
        ];
        for (flag, path, expected) in files {
            if path.is_some_and(|path| path.as_os_str().is_empty()) {
                return empty(flag, expected);
            }
        }
        Ok(())
    }

    /// The seed of the order of the sequences; `None` where it is that of the file.
    pub fn epoch_seed(&self) -> Option<u64> {
        matches!(self.shuffle, Shuffle::Epoch | Shuffle::Both).then(|| self.derived_seed(2))
    }

    /// The seed of the split; `None` where the first sequences train.
    pub fn split_seed(&self) -> Option<u64> {
        matches!(self.shuffle, Shuffle::Split | Shuffle::Both).then(|| self.derived_seed(1))
    }

    /// Seeds for different purposes, so that the same draws do not decide two things.
    pub fn derived_seed(&self, purpose: u64) -> u64 {
        self.seed ^ (purpose << 56)
    }
}

fn columns(flags: &TrainFlags, example: &Bundled) -> ColumnRequest {
    let own = flags.data.is_none();
    ColumnRequest {
        sequence: flags.sequence.clone(),
        time: flags.time.clone(),
        file_order: false,
        inputs: flags.inputs.clone(),
        labels: flags.labels.clone(),
        labels_as: match flags.task {
            None => LabelKind::Auto,
            Some(Task::Regression | Task::Binary) => LabelKind::Numbers,
            Some(Task::Classification) => LabelKind::Names,
        },
        weight: flags.weight.clone(),
        split: flags.split.clone().or_else(|| example.split.filter(|_| own).map(str::to_owned)),
        window: flags.window,
    }
}

fn architecture(flags: &TrainFlags) -> Result<Architecture, Failure> {
    // Only Elman cells have a choice of activation.
    let default = if flags.activation.is_some() { args::Cell::Elman } else { args::Cell::Gru };
    let kind = flags.cell.unwrap_or(default);
    let cell = match kind {
        args::Cell::Elman => Cell::Elman(flags.activation.unwrap_or(args::Activation::Tanh).into()),
        args::Cell::Gru => Cell::Gru,
        args::Cell::Lstm => Cell::Lstm,
        args::Cell::GruResetBefore => Cell::GruResetBefore,
    };
    if let Some(activation) = flags.activation.filter(|_| kind != args::Cell::Elman) {
        let found = Activation::from(activation).name();
        let message = format!(
            "--activation: expected none for {}, which has its own (--cell elman), found {found}",
            cell.name()
        );
        return Err(Failure::input(message));
    }
    let (layers, dropout) = (flags.num_layers.unwrap_or(1), flags.dropout.unwrap_or(0.0));
    let wrong = |name, expected, found: String| {
        Err(Failure::input(format!("--{name}: expected {expected}, found {found}")))
    };
    if layers == 0 {
        return wrong("num-layers", "at least 1", "0".into());
    }
    if !(0.0..1.0).contains(&dropout) {
        return wrong("dropout", "a number from 0 on, below 1", dropout.to_string());
    }
    if dropout > 0.0 && layers == 1 {
        return wrong("dropout", "0 with a single layer, as it acts between layers", dropout.to_string());
    }
    let both = flags.bidirectional.unwrap_or(false);
    Ok(Architecture::new(cell).num_layers(layers).bidirectional(both).dropout(dropout))
}

/// `balanced`, numbers, or `CLASS=NUMBER`s.
fn class_weights(items: &[String]) -> Result<ClassWeights, Failure> {
    let items: Vec<&str> = items.iter().map(|item| item.trim()).collect();
    if items == ["balanced"] {
        return Ok(ClassWeights::Balanced);
    }
    let number = |text: &str| match text.trim().parse::<f64>() {
        Ok(weight) if weight >= 0.0 && weight.is_finite() => Ok(weight),
        _ => {
            let expected = "`balanced`, numbers from 0 on, or CLASS=NUMBER";
            Err(Failure::input(format!("--class-weights: expected {expected}, found `{text}`")))
        }
    };
    if items.iter().any(|item| item.contains('=')) {
        let pair = |item: &&str| match item.rsplit_once('=') {
            Some((class, weight)) => Ok((class.trim().to_owned(), number(weight)?)),
            None => {
                let expected = "CLASS=NUMBER, as in the others";
                Err(Failure::input(format!("--class-weights: expected {expected}, found `{item}`")))
            }
        };
        return Ok(ClassWeights::Named(items.iter().map(pair).collect::<Result<_, _>>()?));
    }
    Ok(ClassWeights::Each(items.into_iter().map(number).collect::<Result<_, _>>()?))
}

/// The number of `--threads`, for which the library takes 0 where there is none.
pub fn threads(asked: Option<usize>) -> Result<usize, Failure> {
    match asked {
        Some(0) => Err(Failure::input("--threads: expected at least 1, found 0")),
        asked => Ok(asked.unwrap_or(0)),
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
        bptt::file::Task::from(self).name()
    }
}

impl From<Task> for bptt::file::Task {
    fn from(task: Task) -> Self {
        match task {
            Task::Regression => Self::Regression,
            Task::Binary => Self::Binary,
            Task::Classification => Self::Classification,
        }
    }
}

impl From<bptt::file::Task> for Task {
    fn from(task: bptt::file::Task) -> Self {
        match task {
            bptt::file::Task::Regression => Self::Regression,
            bptt::file::Task::Binary => Self::Binary,
            bptt::file::Task::Classification => Self::Classification,
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
