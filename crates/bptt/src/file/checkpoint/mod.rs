//! [`Checkpoint`]: a training that can go on, as safetensors bytes.

mod entries;
mod read;
mod tensors;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use super::FileError;
use crate::{EpochStats, Error, TrainerState};

/// The version of the format that this release writes, and the newest that it reads.
pub const CHECKPOINT_VERSION: u32 = 1;

/// The value of the entry `format`.
pub(super) const FORMAT: &str = "bptt-checkpoint";

/// A [`TrainerState`] of either element type.
#[derive(Debug, Clone, PartialEq)]
pub enum AnyState {
    /// Of a training in `f32`.
    F32(TrainerState<f32>),
    /// Of a training in `f64`.
    F64(TrainerState<f64>),
}

impl From<TrainerState<f32>> for AnyState {
    fn from(state: TrainerState<f32>) -> Self {
        Self::F32(state)
    }
}

impl From<TrainerState<f64>> for AnyState {
    fn from(state: TrainerState<f64>) -> Self {
        Self::F64(state)
    }
}

/// Epochs, each with the seconds since the training began.
type History = Vec<(EpochStats, f64)>;

/// A training that can go on, and what it has to go on with: the contents of a checkpoint file.
///
/// ```
/// use bptt::file::{AnyState, Checkpoint};
/// use bptt::{Activation, Dataset, DynRnn, TrainConfig, Trainer};
///
/// let mut data = Dataset::<f32>::new(1, 1)?;
/// data.push(&[0.0, 1.0, 0.0, 1.0], &[0.0, 0.0, 1.0, 0.0])?;
/// let new = || Trainer::new(DynRnn::new(1, 4, 1, Activation::Tanh, 1)?, TrainConfig::default());
/// let mut trainer = new()?;
/// trainer.epoch(&data)?;
/// let bytes = Checkpoint::new(trainer.state()?.into()).to_bytes()?;
/// trainer.epoch(&data)?;
///
/// let checkpoint = Checkpoint::from_bytes(&bytes)?;
/// let AnyState::F32(state) = checkpoint.state else { return Err("another type".into()) };
/// let mut resumed = new()?;
/// resumed.restore(state)?;
/// resumed.epoch(&data)?;
/// assert_eq!(resumed.model(), trainer.model());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # The format
///
/// A safetensors file as a model file is ([the module](super) defines its checksum), with `format` `bptt-checkpoint` and
/// [`CHECKPOINT_VERSION`]. Tensors, where `NAME` is every parameter's:
///
/// | tensor | what |
/// |---|---|
/// | `NAME` | the parameters as they were |
/// | `best.NAME` | those of the best epoch on the validation data; absent where there is none |
/// | `optimizer.first.NAME` | momentum (SGD, RMSprop) or the mean of gradients (Adam) |
/// | `optimizer.second.NAME` | the mean (Adam, RMSprop) or sum (Adagrad) of squares of gradients |
/// | `optimizer.third.NAME` | the largest mean of squares (AMSGrad) or the mean of gradients (centred RMSprop) |
/// | `gradient.NAME` | gradients of batches whose update is still to come; absent where there are none |
/// | `order` | `I64` `[sequences]`: the order of the sequences |
/// | `history` | `F64` `[epochs, 9]`: epoch, loss, batches, timesteps, learning rate, validation loss and whether there is one, whether it is the best, seconds |
///
/// Entries beside those of the architecture, numbers as decimal text that reads back to the same bits:
///
/// | entry | what |
/// |---|---|
/// | `config`, `level` | the trainer's settings by name, and its instruction-set level |
/// | `epoch` | epochs begun |
/// | `position` | JSON: batches done of an epoch that has not ended, its learning rate, and its sums so far; absent between epochs |
/// | `rng` | the state of xoshiro256++, four hexadecimal numbers |
/// | `schedule` | JSON: what a plateau schedule remembers |
/// | `learner` | JSON: the optimizer's steps and buffers, passes made (dropout draws by them), passes whose update is still to come |
/// | `memory` | JSON: the statistics of the best epoch, and epochs since; absent without validation |
/// | `settings`, `data`, `notes` | JSON: see the fields |
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The state of the trainer.
    pub state: AnyState,
    /// Settings by name; [`Checkpoint::check`] refuses others.
    pub settings: BTreeMap<String, String>,
    /// What tells the data from others, by the name of their part; [`Checkpoint::check`] refuses others.
    /// [`DatasetView::digest`](crate::DatasetView::digest) is for this.
    pub data: BTreeMap<String, String>,
    /// What only the program that wrote it understands.
    pub notes: BTreeMap<String, String>,
    /// The epochs so far, each with the seconds since the training began.
    pub history: Vec<(EpochStats, f64)>,
}

impl Checkpoint {
    /// A checkpoint with nothing but a state.
    pub fn new(state: AnyState) -> Self {
        let (settings, data, notes) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { state, settings, data, notes, history: Vec::new() }
    }

    /// Refuses to go on with other settings or data.
    ///
    /// # Errors
    /// [`Error::Changed`] names the first that is another, and both values.
    pub fn check(
        &self,
        settings: &BTreeMap<String, String>,
        data: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        for (before, now) in [(&self.settings, settings), (&self.data, data)] {
            let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
            for name in names {
                let value =
                    |map: &BTreeMap<String, String>| map.get(name).cloned().unwrap_or_else(|| "none".into());
                let (expected, found) = (value(before), value(now));
                if expected != found {
                    return Err(Error::Changed { name: name.clone(), expected, found });
                }
            }
        }
        Ok(())
    }

    /// The bytes of the checkpoint file. The same checkpoint always gives the same bytes.
    ///
    /// # Errors
    /// [`FileError::HeaderTooLarge`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, FileError> {
        write::write(self)
    }

    /// Reads the bytes of a checkpoint file. Whatever the bytes are, it does not panic.
    ///
    /// # Errors
    /// A [`FileError`] that says what was expected and what was found.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FileError> {
        read::read(bytes)
    }
}
