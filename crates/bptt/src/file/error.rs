//! [`FileError`]: why bytes are not a model file that can be used.

use std::fmt;

use crate::Error;

/// Why a model file cannot be read or written.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum FileError {
    /// The bytes are not a safetensors file.
    NotSafetensors {
        /// What the safetensors reader says.
        reason: String,
    },
    /// The file is shorter or longer than its header says.
    FileLength {
        /// Bytes that the header asks for.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// A safetensors file, but not one of this library.
    Foreign {
        /// Its entry `format`, if it has one.
        format: Option<String>,
    },
    /// A file of this library, but of another kind.
    Kind {
        /// The kind that can be read here.
        expected: &'static str,
        /// The file's.
        found: &'static str,
    },
    /// The file was written by a newer release.
    NewerVersion {
        /// The newest version that this release reads.
        supported: u32,
        /// The file's version.
        found: u64,
    },
    /// The metadata lacks an entry.
    MissingEntry {
        /// The entry's key.
        key: &'static str,
    },
    /// An entry of the metadata has a value that this release does not know or that makes no sense.
    Entry {
        /// The entry's key.
        key: &'static str,
        /// What the value may be, in words.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A tensor is missing.
    MissingTensor {
        /// The tensor's name.
        name: String,
    },
    /// There is a tensor that the model has no use for.
    UnknownTensor {
        /// The tensor's name.
        name: String,
    },
    /// A state dict is not that of one recurrent module and one linear one.
    Modules {
        /// What was expected, in words.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A tensor's shape is not the one that follows from the sizes in the metadata.
    Shape {
        /// The tensor's name.
        name: String,
        /// The shape that follows from the sizes.
        expected: Vec<usize>,
        /// The tensor's shape.
        found: Vec<usize>,
    },
    /// A tensor's element type is not the one in the metadata.
    Dtype {
        /// The tensor's name.
        name: String,
        /// The type in the metadata: `"F32"` or `"F64"`.
        expected: &'static str,
        /// The tensor's type.
        found: String,
    },
    /// The checksum does not match: something else than this library changed the file.
    Checksum {
        /// The checksum of what is in the file.
        expected: String,
        /// The checksum that the file states.
        found: String,
    },
    /// A parameter is NaN or infinite.
    NonFinite {
        /// The tensor's name.
        name: String,
        /// Which element, from 0, row-major.
        index: usize,
    },
    /// The number of columns is not the model's.
    Columns {
        /// Which columns, for example `"input columns"`.
        what: &'static str,
        /// The model's size.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The metadata is larger than a safetensors header may be.
    HeaderTooLarge {
        /// Bytes that a header may have.
        limit: usize,
        /// Bytes that it would have.
        found: usize,
    },
    /// The model could not be made.
    Model(Error),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSafetensors { reason } => write!(f, "this is not a safetensors file: {reason}"),
            Self::FileLength { expected, found } => {
                let how = if found < expected { "is cut off" } else { "has bytes after its end" };
                write!(f, "the file {how}: expected {expected} bytes, found {found}")
            }
            Self::Foreign { format: Some(format) } => {
                write!(
                    f,
                    "this safetensors file is not a bptt model: expected format `bptt`, found `{format}`"
                )
            }
            Self::Foreign { format: None } => {
                write!(f, "this safetensors file is not a bptt model: expected format `bptt`, found none")
            }
            Self::Kind { expected, found } => write!(f, "expected {expected}, found {found}"),
            Self::NewerVersion { supported, found } => write!(
                f,
                "the file was written by a newer release: expected format version {supported} or older, \
                 found {found}"
            ),
            Self::MissingEntry { key } => write!(f, "the metadata has no entry `{key}`"),
            Self::Entry { key, expected, found } => {
                write!(f, "metadata entry `{key}`: expected {expected}, found {found}")
            }
            Self::MissingTensor { name } => write!(f, "the tensor `{name}` is missing"),
            Self::UnknownTensor { name } => write!(f, "the tensor `{name}` does not belong to the model"),
            Self::Modules { expected, found } => write!(f, "expected {expected}, found {found}"),
            Self::Shape { name, expected, found } => {
                write!(f, "tensor `{name}`: expected shape {expected:?}, found {found:?}")
            }
            Self::Dtype { name, expected, found } => {
                write!(f, "tensor `{name}`: expected element type {expected}, found {found}")
            }
            Self::Checksum { expected, found } => {
                write!(f, "the file was altered or damaged: expected checksum {expected}, found {found}")
            }
            Self::NonFinite { name, index } => write!(
                f,
                "tensor `{name}`: expected finite numbers, found NaN or infinity at element {index} \
                 (counted from 0)"
            ),
            Self::Columns { what, expected, found } => {
                write!(f, "{what}: expected {expected}, one for each of the model's, found {found}")
            }
            Self::HeaderTooLarge { limit, found } => {
                write!(f, "the metadata is too large: expected at most {limit} bytes, found {found}")
            }
            Self::Model(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for FileError {}

impl From<Error> for FileError {
    fn from(error: Error) -> Self {
        Self::Model(error)
    }
}

/// Text from a file, fit for a message: no control characters, and not endless.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}
