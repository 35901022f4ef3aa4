//! What can be wrong with a table. Every message is one line that says where, what was expected and
//! what was found; text from the file is shortened and its control characters are escaped.

use std::fmt;
use std::io;

use thiserror::Error;

/// Why a file could not be read as a table.
#[derive(Debug, Error)]
pub enum TableError {
    /// The file cannot be opened.
    #[error("{file}: expected a file that can be read, found: {cause}")]
    Open {
        /// The file.
        file: String,
        /// What the operating system said. Not a `source`, because the message already has it.
        cause: io::Error,
    },
    /// The path is a directory.
    #[error("{file}: expected a CSV file, found a directory")]
    Directory {
        /// The path.
        file: String,
    },
    /// The file has no bytes, or nothing but blank lines.
    #[error("{file}: expected a header line and at least one row, found an empty file")]
    Empty {
        /// The file.
        file: String,
    },
    /// There is a header and nothing after it.
    #[error("{file}, line {line}: expected at least one row after the header, found none")]
    NoRows {
        /// The file.
        file: String,
        /// The header's line.
        line: u64,
    },
    /// The CSV reader gave up, for example because the disk could not be read any further.
    #[error("{file}, line {line}: expected CSV text, found: {cause}")]
    Csv {
        /// The file.
        file: String,
        /// The line after which reading failed.
        line: u64,
        /// What the CSV reader said. Not a `source`, because the message already has it.
        cause: csv::Error,
    },
    /// The header is one field that holds tabs or semicolons.
    #[error(
        "{file}, line {line}: expected columns separated by commas, found a line with {found} and no comma"
    )]
    Separator {
        /// The file.
        file: String,
        /// The header's line.
        line: u64,
        /// `tabs` or `semicolons`.
        found: &'static str,
    },
    /// A column name is not UTF-8.
    #[error(
        "{file}, line {line}: expected column names in UTF-8, found the byte {byte:#04x} in column {position}"
    )]
    HeaderNotUtf8 {
        /// The file.
        file: String,
        /// The header's line.
        line: u64,
        /// Which column, from 1.
        position: usize,
        /// The first byte that does not fit.
        byte: u8,
    },
    /// A column that is needed is not there.
    #[error("{file}, line {line}: expected {role} column `{}`, found {found}{hint}", shown(.name))]
    MissingColumn {
        /// The file.
        file: String,
        /// The header's line.
        line: u64,
        /// What the column was wanted for.
        role: Role,
        /// The column that was expected.
        name: String,
        /// The columns that are there, as a list to read.
        found: String,
        /// What to do about it; empty, or starting with `; `.
        hint: String,
    },
    /// No column is an input, or none is a label.
    #[error(
        "{file}, line {line}: expected at least one {role} column (a name that starts with `{prefix}`, or one \
         named with {flag}), found {found}"
    )]
    NoColumns {
        /// The file.
        file: String,
        /// The header's line.
        line: u64,
        /// Input or label.
        role: Role,
        /// What such a column's name starts with by convention.
        prefix: char,
        /// The flag that names such columns.
        flag: &'static str,
        /// The columns that are there, as a list to read.
        found: String,
    },
    /// A range of columns runs backwards.
    #[error("{file}, line {line}: expected a range of {role} columns in ascending order, found `{}`", shown(.range))]
    BadRange {
        /// The file.
        file: String,
        /// The header's line.
        line: u64,
        /// What the columns were wanted for.
        role: Role,
        /// The range as it was written.
        range: String,
    },
    /// One column was asked for twice.
    #[error("{file}, line {line}, column `{}`: expected one use of the column, found {}", shown(.column), uses(*.first, *.second))]
    ColumnReused {
        /// The file.
        file: String,
        /// The header's line.
        line: u64,
        /// The column.
        column: String,
        /// Its one role.
        first: Role,
        /// Its other role, possibly the same.
        second: Role,
    },
    /// Two columns have the name of a column that is used.
    #[error(
        "{file}, line {line}, column `{}`: expected one column of this name, found it as columns {first} and {second}",
        shown(.column)
    )]
    DuplicateHeader {
        /// The file.
        file: String,
        /// The header's line.
        line: u64,
        /// The name.
        column: String,
        /// Where it is first, from 1.
        first: usize,
        /// Where it is next, from 1.
        second: usize,
    },
    /// The window has no rows.
    #[error("--window: expected at least 1 row, found 0")]
    WindowZero,
    /// Both a window and a sequence column were asked for.
    #[error("expected either --sequence or --window, found both")]
    WindowAndSequence,
    /// A row has more or fewer fields than the header.
    #[error(
        "{file}, line {line}: expected {expected} fields, found {found}{}",
        running_on(*.line, *.last_line)
    )]
    FieldCount {
        /// The file.
        file: String,
        /// The line on which the row starts.
        line: u64,
        /// Fields in the header.
        expected: usize,
        /// Fields in the row.
        found: usize,
        /// The line on which the row ends; another one than `line` only where a quoted field has line
        /// breaks, and then often because a quote was never closed.
        last_line: u64,
    },
    /// A label column without a single label.
    #[error("{file}, column `{}`: expected a label in at least one row, found only empty cells", shown(.column))]
    NoLabel {
        /// The file.
        file: String,
        /// The column.
        column: String,
    },
    /// A cell does not hold what its column needs.
    #[error("{place}: {problem}")]
    Cell {
        /// The cell.
        place: Place,
        /// What is wrong with it.
        problem: CellProblem,
    },
}

/// Where a cell is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: String,
    /// The line on which the cell's row starts, from 1.
    pub line: u64,
    /// The column's name.
    pub column: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}, column `{}`", self.file, self.line, shown(&self.column))
    }
}

/// What is wrong with a cell. `found` is the cell as [`shown`] prints it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CellProblem {
    /// Nothing is in it.
    #[error("expected {expected}, found an empty cell")]
    Empty {
        /// What should be in it.
        expected: &'static str,
    },
    /// It is not decimal number syntax.
    #[error("expected a number, found `{found}`")]
    NotNumber {
        /// The cell.
        found: String,
    },
    /// A label that is no number, where the first one was.
    #[error("expected a number, found `{found}`; where labels are names, --task classification says so")]
    MixedLabel {
        /// The cell.
        found: String,
    },
    /// A label that is a number, where the first one was not.
    #[error(
        "expected the name of a class, as in the first label, found `{found}`; where labels are names, \
         --task classification says so, where they are numbers, --task regression"
    )]
    MixedName {
        /// The cell.
        found: String,
    },
    /// A class that the model does not know.
    #[error("expected one of the model's classes ({known}), found `{found}`")]
    UnknownClass {
        /// The classes, as a list to read.
        known: String,
        /// The cell.
        found: String,
    },
    /// A weight below 0.
    #[error("expected a weight from 0 on, found `{found}`")]
    NegativeWeight {
        /// The cell.
        found: String,
    },
    /// A cell of the split column that names no part.
    #[error("expected `train`, `validation` or `test`, found `{found}`")]
    NotPart {
        /// The cell.
        found: String,
    },
    /// A row that is in another part than the sequence's first.
    #[error("expected `{expected}` as in line {line} of the same sequence, found `{found}`")]
    OtherPart {
        /// The part of the first row.
        expected: &'static str,
        /// Its line.
        line: u64,
        /// The part of this row.
        found: &'static str,
    },
    /// It is NaN, infinite or larger than the largest number.
    #[error("expected a finite number, found `{found}`")]
    NotFinite {
        /// The cell.
        found: String,
    },
    /// It is neither a number nor an ISO date, or not the one that the first row has.
    #[error("expected {expected}, found `{found}`")]
    NotTime {
        /// What should be in it.
        expected: &'static str,
        /// The cell.
        found: String,
    },
    /// It is before the time of an earlier row, where rows must come in their order.
    #[error("expected a time not before that of line {line} of the same sequence, found `{found}`")]
    Backwards {
        /// The line of the earlier row.
        line: u64,
        /// The cell.
        found: String,
    },
    /// It is not UTF-8.
    #[error("expected text in UTF-8, found the byte {byte:#04x} as byte {position} of the cell")]
    NotUtf8 {
        /// The first byte that does not fit.
        byte: u8,
        /// Where it is in the cell, from 1.
        position: usize,
    },
}

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It says which sequence a row belongs to.
    Sequence,
    /// It orders the rows of a sequence.
    Time,
    /// It is a feature.
    Input,
    /// It is to be predicted.
    Label,
    /// It says what a row counts for in the loss.
    Weight,
    /// It says which part of the data a sequence belongs to.
    Split,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sequence => "sequence",
            Self::Time => "time",
            Self::Input => "input",
            Self::Label => "label",
            Self::Weight => "weight",
            Self::Split => "split",
        })
    }
}

/// Characters of a cell or name that a message shows.
const SHOWN: usize = 40;

/// `text` for a one-line message: control characters escaped, cut after 40 characters.
pub(super) fn shown(text: &str) -> String {
    let mut out = escaped(text.chars().take(SHOWN));
    if text.chars().nth(SHOWN).is_some() {
        out.push_str("...");
    }
    out
}

/// `text` with its control characters escaped.
pub(super) fn escaped(text: impl Iterator<Item = char>) -> String {
    let mut out = String::new();
    for c in text {
        // The two separators are no control characters, but a line break to many programs.
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// The two roles of a column in words.
fn uses(first: Role, second: Role) -> String {
    if first == second {
        format!("it twice as {first}")
    } else {
        format!("it both as {first} and as {second}")
    }
}

/// The hint for a row that spans lines; empty where it does not.
fn running_on(line: u64, last_line: u64) -> String {
    if line == last_line {
        return String::new();
    }
    format!(" in a row that runs to line {last_line}; is a quote not closed?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_where_what_was_expected_and_what_was_found() {
        let place = Place { file: "a.csv".into(), line: 3, column: "x\n1".into() };
        let problem = CellProblem::NotNumber { found: shown("abc\r") };
        let error = TableError::Cell { place, problem };
        assert_eq!(error.to_string(), "a.csv, line 3, column `x\\n1`: expected a number, found `abc\\r`");

        let reused = |second| TableError::ColumnReused {
            file: "a.csv".into(),
            line: 1,
            column: "x1".into(),
            first: Role::Input,
            second,
        };
        assert_eq!(
            reused(Role::Input).to_string(),
            "a.csv, line 1, column `x1`: expected one use of the column, found it twice as input"
        );
        assert!(reused(Role::Label).to_string().ends_with("found it both as input and as label"));

        let byte = CellProblem::NotUtf8 { byte: 0xe9, position: 2 };
        assert_eq!(byte.to_string(), "expected text in UTF-8, found the byte 0xe9 as byte 2 of the cell");
    }

    #[test]
    fn a_row_that_spans_lines_gets_a_hint() {
        let count = |last_line| TableError::FieldCount {
            file: "a.csv".into(),
            line: 2,
            expected: 3,
            found: 1,
            last_line,
        };
        assert_eq!(count(2).to_string(), "a.csv, line 2: expected 3 fields, found 1");
        assert!(count(9).to_string().ends_with("in a row that runs to line 9; is a quote not closed?"));
    }

    #[test]
    fn shown_text_is_short_and_on_one_line() {
        assert_eq!(shown("é\u{2028}\0"), "é\\u{2028}\\u{0}");
        assert_eq!(shown(&"é".repeat(40)), "é".repeat(40));
        assert_eq!(shown(&"é".repeat(41)), "é".repeat(40) + "...");
    }
}
