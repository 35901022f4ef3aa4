//! [`OnnxError`]: why a model cannot go into an ONNX file, or come out of one.

use std::fmt;

use crate::Error;
use crate::file::FileError;

/// Why an ONNX file cannot be read or written.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum OnnxError {
    /// The bytes are not a protocol buffer with the fields of an ONNX model.
    Malformed {
        /// What should have come next, in words.
        expected: String,
        /// What did.
        found: String,
    },
    /// The file as a whole is not what can be read: an old operator set, several inputs.
    Graph {
        /// What was expected, in words.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A tensor of the file cannot be used.
    Tensor {
        /// Its name, and where it comes from.
        name: String,
        /// What was expected, in words.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A node of the graph cannot be taken.
    Node {
        /// Its operator, its name and its place, for example `` LSTM `/rnn/LSTM` (node 12) ``.
        node: String,
        /// What was expected, in words.
        expected: String,
        /// What was found.
        found: String,
    },
    /// The model or its metadata cannot be read or written.
    File(FileError),
}

impl fmt::Display for OnnxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { expected, found } => {
                write!(f, "this is not an ONNX file: expected {expected}, found {found}")
            }
            Self::Graph { expected, found } => write!(f, "expected {expected}, found {found}"),
            Self::Tensor { name, expected, found } => {
                write!(f, "tensor `{name}`: expected {expected}, found {found}")
            }
            Self::Node { node, expected, found } => write!(f, "{node}: expected {expected}, found {found}"),
            Self::File(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OnnxError {}

impl From<FileError> for OnnxError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

impl From<Error> for OnnxError {
    fn from(error: Error) -> Self {
        Self::File(FileError::Model(error))
    }
}
