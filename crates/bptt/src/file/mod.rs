//! Model files: a model together with what is needed to use it, as [safetensors] bytes.
//!
//! [`ModelFile::to_bytes`] and [`ModelFile::from_bytes`] are the whole of it; reading and writing files is the
//! caller's. The tensors carry PyTorch's names and shapes, so that `safetensors.torch.load_file` reads them:
//!
//! | tensor | shape |
//! |---|---|
//! | `weight_ih_l0` | `[gates · hidden_size, input_size]` |
//! | `weight_hh_l0` | `[gates · hidden_size, hidden_size]` |
//! | `bias_ih_l0`, `bias_hh_l0` | `[gates · hidden_size]` |
//! | the same with `_l0_reverse`, `_l1`, … | for the other directions and layers, whose input is `directions · hidden_size` |
//! | `fc.weight` | `[output_size, directions · hidden_size]` |
//! | `fc.bias` | `[output_size]` |
//!
//! all row-major and all `F32` or all `F64`; an Elman cell has 1 gate, either GRU 3 (r, z, n) and LSTM 4 (i, f, g, o). Of
//! [`Cell::GruResetBefore`](crate::Cell::GruResetBefore), a module of PyTorch would load them and compute something else. The
//! `__metadata__` of the header holds these texts:
//!
//! | entry | meaning |
//! |---|---|
//! | `format`, `format_version` | `bptt` and [`FORMAT_VERSION`] |
//! | `cell` | `elman`, `gru`, `lstm` or `gru-reset-before` |
//! | `activation` | of an Elman cell: a name of [`Activation`] |
//! | `num_layers`, `bidirectional`, `dropout` | see [`Architecture`]; the last two are new in version 2 |
//! | `dtype` | `float32` or `float64` |
//! | `input_size`, `hidden_size`, `output_size` | the sizes |
//! | `columns` | JSON: `inputs`, `labels`, `sequence`, `time` |
//! | `input_normalization`, `label_normalization` | JSON: `kind`, `offset`, `scale`; absent where there is none |
//! | `task`, `threshold`, `window`, `loss`, `classes` (JSON) | see [`Metadata`]; absent where not set |
//! | `training` | JSON: a map of texts |
//! | `crc32` | a checksum over everything above, eight hexadecimal digits |
//!
//! The CRC-32 (that of zlib) is taken over: the number of entries other than `crc32`; each of these in the
//! order of their keys, as key and value; the number of tensors; and each tensor in the order of their names,
//! as name, `F32` or `F64`, number of dimensions, dimensions, and data. Numbers are little-endian `u64`; texts
//! and data follow their length in bytes.
//!
//! The same [`ModelFile`] always gives the same bytes. Entries of other names are ignored.
//!
//! A training that is to go on later is a [`Checkpoint`], a file of the same make.
//!
//! [safetensors]: https://github.com/huggingface/safetensors

mod checkpoint;
mod checksum;
pub(crate) mod entries;
mod error;
mod metadata;
mod read;
mod state_dict;
pub(crate) mod tensor;
mod write;

pub use checkpoint::{AnyState, CHECKPOINT_VERSION, Checkpoint};
pub use error::FileError;
#[cfg(feature = "onnx")]
pub(crate) use error::shown;
pub use metadata::{Metadata, Task};

use crate::{Activation, Architecture, DynRnn, Float};

/// The version of the format that this release writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 2;

/// The value of the entry `format`.
pub(crate) const FORMAT: &str = "bptt";

/// A model of either element type.
#[derive(Debug, Clone, PartialEq)]
pub enum AnyModel {
    /// A model in `f32`.
    F32(DynRnn<f32>),
    /// A model in `f64`.
    F64(DynRnn<f64>),
}

/// Runs the same expression on a model of either type.
macro_rules! either {
    ($any:expr, $model:ident => $value:expr) => {
        match $any {
            $crate::file::AnyModel::F32($model) => $value,
            $crate::file::AnyModel::F64($model) => $value,
        }
    };
}
pub(crate) use either;

impl AnyModel {
    /// PyTorch's name of the element type: `"float32"` or `"float64"`.
    pub fn dtype(&self) -> &'static str {
        match self {
            Self::F32(_) => <f32 as crate::Float>::DTYPE,
            Self::F64(_) => <f64 as crate::Float>::DTYPE,
        }
    }

    /// Features per timestep.
    pub fn input_size(&self) -> usize {
        either!(self, model => model.input_size())
    }

    /// Hidden units.
    pub fn hidden_size(&self) -> usize {
        either!(self, model => model.hidden_size())
    }

    /// Outputs per timestep.
    pub fn output_size(&self) -> usize {
        either!(self, model => model.output_size())
    }

    /// Cell, layers and directions.
    pub fn architecture(&self) -> Architecture {
        either!(self, model => model.architecture())
    }

    /// How many parameters there are.
    pub fn parameter_count(&self) -> usize {
        either!(self, model => model.params().count())
    }

    /// Sets the dropout of a model with several layers: it has none else.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) outside of 0 to 1, or with a single layer.
    pub fn set_dropout(&mut self, dropout: f64) -> crate::Result<()> {
        either!(self, model => {
            let architecture = model.architecture.dropout(dropout);
            architecture.check()?;
            model.architecture = architecture;
            Ok(())
        })
    }

    /// The same model in `f32`, each parameter rounded to the nearest number; one too large becomes infinite.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn to_f32(&self) -> crate::Result<DynRnn<f32>> {
        either!(self, model => {
            let mut narrow = DynRnn::zeroed(model.layout, model.architecture())?;
            for (name, _) in model.params().shapes() {
                let values = model.params().get(name)?;
                let values: Vec<f32> = values.into_iter().map(|value| Float::to_f64(value) as f32).collect();
                narrow.params_mut().set(name, &values)?;
            }
            Ok(narrow)
        })
    }

    /// The parameters' names and PyTorch shapes.
    pub fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        either!(self, model => {
            model.params().shapes().map(|(name, shape)| (name.to_owned(), shape.to_vec())).collect()
        })
    }
}

impl From<DynRnn<f32>> for AnyModel {
    fn from(model: DynRnn<f32>) -> Self {
        Self::F32(model)
    }
}

impl From<DynRnn<f64>> for AnyModel {
    fn from(model: DynRnn<f64>) -> Self {
        Self::F64(model)
    }
}

/// A model and what is needed to use it: the contents of a model file.
///
/// ```
/// use bptt::file::{Metadata, ModelFile};
/// use bptt::{Activation, DynRnn};
/// let model = DynRnn::<f32>::new(2, 8, 1, Activation::Tanh, 42)?;
/// let input_columns = vec!["temperature".to_owned(), "humidity".to_owned()];
/// let file = ModelFile { model: model.into(), metadata: Metadata { input_columns, ..Default::default() } };
/// let bytes = file.to_bytes()?;
/// assert_eq!(ModelFile::from_bytes(&bytes)?, file);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFile {
    /// The model.
    pub model: AnyModel,
    /// What its inputs and outputs mean, and how it was trained.
    pub metadata: Metadata,
}

impl ModelFile {
    /// The bytes of the model file.
    ///
    /// # Errors
    /// What [`ModelFile::from_bytes`] would refuse: [`FileError::NonFinite`], [`FileError::Columns`],
    /// [`FileError::Entry`], and [`FileError::HeaderTooLarge`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, FileError> {
        write::write(self)
    }

    /// Reads the bytes of a model file. Whatever the bytes are, it does not panic.
    ///
    /// # Errors
    /// A [`FileError`] that says what was expected and what was found. Where several things are wrong, it is
    /// the format first, then the version, the architecture, the tensors' names, shapes and types, the
    /// checksum, and last the values.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FileError> {
        read::read(bytes)
    }
}

/// A model from the state dict of a PyTorch module that `safetensors.torch.save_file` has written: one `nn.RNN`, `nn.GRU` or
/// `nn.LSTM` and one `nn.Linear`, by whatever names a module has them (`rnn.weight_ih_l0`, `head.bias`), or none.
///
/// Cell, layers, directions, sizes and element type are read off names and shapes; `activation` is that of an `nn.RNN`, which
/// they do not tell. Modules without biases get biases of 0. Whatever the bytes are, it does not panic; there is no checksum,
/// so that damage to a weight is not noticed.
///
/// # Errors
/// A [`FileError`] that names a tensor that is missing, does not belong to such a module, or has another shape or type than
/// the others ask for.
pub fn from_state_dict(bytes: &[u8], activation: Activation) -> Result<AnyModel, FileError> {
    state_dict::read(bytes, activation)
}
