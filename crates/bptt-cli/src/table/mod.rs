//! Reads a CSV file into sequences: which columns play which role, what each cell holds, which rows
//! belong together and in what order.
//!
//! [`read()`] is the way in. A [`ColumnRequest`] says what the user asked for, the [`Columns`] of the
//! returned [`Table`] say what that came to in this file, and [`TableError`] says, in one line, what was
//! expected and what was found where. Nothing here panics on any file.

mod cell;
mod columns;
mod error;
mod header;
mod labels;
mod live;
mod read;
mod records;
mod roles;
mod sequences;
mod time;

#[cfg(test)]
mod properties;

pub use columns::{ColumnRequest, Columns, LabelUse};
pub use error::{CellProblem, TableError};
pub use labels::LabelKind;
pub use live::{LiveRow, LiveTable, Moment};
pub use read::{read, read_from};
pub use sequences::{SplitPart, Table};
