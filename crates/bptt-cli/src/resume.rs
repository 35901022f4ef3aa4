//! Going on from a checkpoint: what it says about settings and data, and what may change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bptt::file::{AnyState, Checkpoint};
use bptt::{Dataset, EpochStats, Error, Float, Level, Schedule};

use crate::args::TrainFlags;
use crate::checkpoint::Said;
use crate::config::{from_note, merge, note};
use crate::failure::Failure;
use crate::plan::Plan;
use crate::settings::Settings;

/// The note that holds the flags of the training, as JSON.
const FLAGS: &str = "flags";

/// A checkpoint that a training goes on from.
pub struct Resumed {
    pub path: PathBuf,
    checkpoint: Checkpoint,
    flags: TrainFlags,
}

impl Resumed {
    /// Reads the checkpoint at `path`.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let wrong = |found: String| Failure::input(format!("{}: {found}", path.display()));
        let bytes = std::fs::read(path)
            .map_err(|error| wrong(format!("expected a checkpoint that can be read, found: {error}")))?;
        let checkpoint = Checkpoint::from_bytes(&bytes).map_err(|error| wrong(error.to_string()))?;
        let flags = checkpoint.notes.get(FLAGS).and_then(|flags| from_note(flags).ok());
        let expected = "expected a checkpoint of this tool, found one without its flags";
        let flags = flags.ok_or_else(|| wrong(expected.into()))?;
        Ok(Self { path: path.to_owned(), checkpoint, flags })
    }

    /// The flags to go on with: those of the training, but for what was given anew.
    pub fn flags(&self, given: TrainFlags) -> TrainFlags {
        let mut flags = merge(given, self.flags.clone());
        // It goes on being kept where it was read.
        flags.checkpoint.get_or_insert_with(|| self.path.clone());
        flags
    }

    /// Refuses other settings and other data than the training began with.
    pub fn check(&self, said: &Said) -> Result<(), Failure> {
        let shown = self.path.display();
        self.checkpoint.check(&said.settings, &said.data).map_err(|error| {
            let hint = match &error {
                Error::Changed { name, .. } if name.starts_with("--") => {
                    "; --epochs may change, and where files go"
                }
                _ => "",
            };
            Failure::input(format!("{shown}: {error}{hint}"))
        })
    }

    /// The state of the trainer.
    pub fn state(&self) -> &AnyState {
        &self.checkpoint.state
    }

    /// The epochs so far, with the seconds that they took.
    pub fn history(&self) -> &[(EpochStats, f64)] {
        &self.checkpoint.history
    }

    /// The level to go on with: that of the checkpoint where this machine has it. On another one the bits are others.
    pub fn level(&self) -> Level {
        let name = match &self.checkpoint.state {
            AnyState::F32(state) => state.level(),
            AnyState::F64(state) => state.level(),
        };
        if let Some(level) = Level::available().into_iter().find(|level| level.name() == name) {
            return level;
        }
        let best = Level::best();
        eprintln!(
            "bptt: {}: the training began with {name} instructions, which this machine does not have; it goes on with \
             {best}, whose last bits differ",
            self.path.display()
        );
        best
    }
}

impl Plan {
    /// What a checkpoint says about this training and its data (training, validation and test part).
    pub fn said<T: Float>(&self, parts: [&Dataset<T>; 3]) -> Result<Said, Failure> {
        let names = ["training part of the data", "validation part of the data", "test part of the data"];
        let told = |set: &Dataset<T>| {
            let (sequences, rows, digest) = (set.len(), set.rows(), set.view().digest());
            format!("{sequences} sequences of {rows} rows, digest {digest:016x}")
        };
        let data = names.into_iter().zip(parts).map(|(name, set)| (name.to_owned(), told(set))).collect();
        let json = note(&pinned(&self.settings)).map_err(|error| {
            Failure::input(format!("--checkpoint: expected names and paths in UTF-8, found: {error}"))
        })?;
        let notes = BTreeMap::from([(FLAGS.to_owned(), json)]);
        Ok(Said { settings: self.named(), data, notes })
    }

    /// Every setting that decides how the training goes, by its flag.
    fn named(&self) -> BTreeMap<String, String> {
        // No `..`: whoever adds a setting decides here whether it may change.
        let Settings {
            flags: _,
            data: _,
            example: _,
            columns,
            naive: _,
            washout,
            architecture,
            hidden_size,
            dtype,
            epochs: _,
            batch_size,
            loss: _,
            huber_delta: _,
            class_weights: _,
            reduction,
            learning,
            normalization,
            train_ratio,
            validation_ratio,
            patience,
            min_delta,
            shuffle,
            seed,
            task: _,
            threshold,
            eval_every: _,
            out: _,
            history: _,
            report: _,
            checkpoint: _,
            checkpoint_every: _,
            threads: _,
        } = &self.settings;
        let read = &self.source.table.columns;
        let text = |name: &Option<String>| name.clone().unwrap_or_else(|| "none".into());
        let number = |value: Option<String>| value.unwrap_or_else(|| "none".into());
        let activation = architecture.cell.activation().map(|activation| activation.name().to_owned());
        let pairs = [
            ("--sequence", text(&read.sequence)),
            ("--time", text(&read.time)),
            ("--inputs", read.inputs.join(",")),
            ("--labels", read.labels.join(",")),
            ("--window", number(read.window.map(|rows| rows.to_string()))),
            ("--weight", text(&columns.weight)),
            ("--split", text(&columns.split)),
            ("--washout", washout.to_string()),
            ("--cell", architecture.cell.name().to_owned()),
            ("--activation", number(activation)),
            ("--num-layers", architecture.num_layers.to_string()),
            ("--bidirectional", architecture.bidirectional.to_string()),
            ("--dropout", architecture.dropout.to_string()),
            ("--hidden-size", hidden_size.to_string()),
            ("--dtype", format!("{dtype:?}").to_lowercase()),
            ("--batch-size", batch_size.to_string()),
            ("--loss", format!("{:?}", self.loss)),
            ("--class-weights", number(self.class_weights.as_ref().map(|weights| format!("{weights:?}")))),
            ("--reduction", format!("{reduction:?}").to_lowercase()),
            ("--normalize", normalization.name().to_owned()),
            ("--train-ratio", train_ratio.to_string()),
            ("--validation-ratio", validation_ratio.to_string()),
            ("--patience", patience.to_string()),
            ("--min-delta", min_delta.to_string()),
            ("--shuffle", shuffle.name().to_owned()),
            ("--seed", seed.to_string()),
            ("--task", self.task.name().to_owned()),
            ("--threshold", threshold.to_string()),
            ("--optimizer", format!("{:?}", learning.optimizer)),
            ("--learning-rate", learning.learning_rate.to_string()),
            ("--clip-norm", number(learning.clip_norm.map(|norm| norm.to_string()))),
            ("--clip-value", number(learning.clip_value.map(|value| value.to_string()))),
            ("--schedule", format!("{:?}", learning.schedule)),
            ("--warmup-epochs", learning.warmup_epochs.to_string()),
            ("--truncate", number(learning.truncate.map(|steps| steps.to_string()))),
            ("--accumulate", learning.accumulate.to_string()),
        ];
        pairs.into_iter().map(|(flag, value)| (flag.to_owned(), value)).collect()
    }
}

/// The flags of a training, with those defaults filled in that follow from the number of epochs, which may change.
fn pinned(settings: &Settings) -> TrainFlags {
    let mut flags = settings.flags.clone();
    match settings.learning.schedule {
        Schedule::Step { step_size, .. } => flags.step_size = Some(step_size),
        Schedule::Cosine { t_max, .. } => flags.t_max = Some(t_max),
        _ => {}
    }
    flags
}
