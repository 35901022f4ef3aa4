//! The library's one error type. Every variant says what was expected, what was found and where.

use std::fmt;

/// What can go wrong when data, sizes or settings reach the library.
///
/// The library never panics on user data; whatever does not fit comes back as one of these.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// A size that must be at least 1 is 0 (`input_size`, `hidden_size`, `batch_size`, ...).
    ZeroSize {
        /// The size's name.
        what: &'static str,
    },
    /// A buffer or tensor has another number of elements than its shape asks for.
    Length {
        /// What was being read or written, for example `"labels"`.
        what: String,
        /// Elements that the shape asks for.
        expected: usize,
        /// Elements that were there.
        found: usize,
    },
    /// Two sizes that must agree do not (a dataset's and a model's, for example).
    Size {
        /// Which size, for example `"input_size"`.
        what: &'static str,
        /// The size that was asked for.
        expected: usize,
        /// The size that was there.
        found: usize,
    },
    /// A setting is outside its range.
    Setting {
        /// The setting's name, for example `"learning_rate"`.
        name: &'static str,
        /// What the setting may be, in words.
        expected: &'static str,
        /// What it was.
        found: String,
    },
    /// There is no sequence, or no timestep, where at least one is needed.
    Empty {
        /// What is empty, for example `"the training data"`.
        what: &'static str,
    },
    /// No label of the data counts in the loss: each is missing or has a weight of 0.
    Unlabelled,
    /// There is no parameter of this name.
    UnknownParameter {
        /// The name that was asked for.
        name: String,
    },
    /// A buffer of this size could not be allocated.
    OutOfMemory {
        /// The buffer's size in elements; `usize::MAX` where the size itself overflowed.
        elements: usize,
    },
    /// A value in the data is NaN or infinite, or not representable in the element type.
    NotFinite {
        /// `"feature"` or `"label"`.
        what: &'static str,
        /// Which sequence, from 0.
        sequence: usize,
        /// Which timestep of it, from 0.
        timestep: usize,
        /// Which column, from 0.
        column: usize,
    },
    /// A column cannot be scaled, or a value of it.
    Unscalable {
        /// Which column, from 0.
        column: usize,
        /// Which row, from 0; `None` where the column as a whole is meant.
        row: Option<usize>,
        /// What was expected, in words.
        expected: &'static str,
        /// What was there.
        found: String,
    },
    /// A training that goes on has another setting than before.
    Changed {
        /// The setting's name.
        name: String,
        /// What it was.
        expected: String,
        /// What it is now.
        found: String,
    },
    /// The loss became NaN or infinite; the parameters are those before the failing batch's update. (That may be one
    /// update too late for finite parameters: an update can overflow while its own loss is still finite.)
    NonFiniteLoss {
        /// Epoch, counted from 1.
        epoch: usize,
        /// Batch within the epoch, counted from 1.
        batch: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroSize { what } => write!(f, "{what} is 0; expected at least 1"),
            Self::Length { what, expected, found } => {
                write!(f, "{what}: expected {expected} elements, found {found}")
            }
            Self::Size { what, expected, found } => {
                write!(f, "{what}: expected {expected}, found {found}")
            }
            Self::Setting { name, expected, found } => {
                write!(f, "{name}: expected {expected}, found {found}")
            }
            Self::Empty { what } => write!(f, "{what} is empty; expected at least one sequence"),
            Self::Unlabelled => f.write_str(
                "no label of the data counts in the loss: each is missing or has a weight of 0; expected at least one that \
                 does",
            ),
            Self::UnknownParameter { name } => write!(f, "there is no parameter `{name}`"),
            Self::OutOfMemory { elements } => {
                write!(f, "a buffer of {elements} elements does not fit in memory")
            }
            Self::NotFinite { what, sequence, timestep, column } => write!(
                f,
                "{what} column {column} is not a finite number at timestep {timestep} of sequence {sequence}"
            ),
            Self::Unscalable { column, row, expected, found } => {
                let row = row.map_or(String::new(), |row| format!(", row {row}"));
                write!(f, "column {column}{row} (counted from 0): expected {expected}, found {found}")
            }
            Self::Changed { name, expected, found } => {
                write!(f, "{name}: the training began with {expected}, and cannot go on with {found}")
            }
            Self::NonFiniteLoss { epoch, batch } => write!(
                f,
                "the loss is not finite in epoch {epoch}, batch {batch}: expected a number; \
                 a smaller learning rate or normalised data usually helps"
            ),
        }
    }
}

impl std::error::Error for Error {}

/// Shorthand for results of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;
