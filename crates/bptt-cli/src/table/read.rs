//! The reader: from a file's bytes to a [`Table`].

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use csv::ByteRecord;

use super::cell;
use super::columns::{ColumnRequest, Columns, LabelUse, Positions, resolve};
use super::error::{CellProblem, Place, TableError, escaped};
use super::header::Header;
use super::labels::{LabelKind, Labels};
use super::records::Records;
use super::sequences::{Grouping, SplitPart, Table, Texts};
use super::time::{self, TimeKey, TimeKind};

/// Reads a CSV file with a header line into sequences.
///
/// Only the columns that are used are looked at; the others may hold anything. Numbers are decimal and
/// finite, blanks around them do not matter. Times are numbers or ISO dates, one kind in all rows; dates
/// with a zone are ordered as instants, those without are taken as UTC. Names are kept as they are. Blank
/// lines are skipped.
///
/// # Errors
///
/// A [`TableError`] for the first thing in the file that is not as it should be.
pub fn read(path: &Path, request: &ColumnRequest, labels: LabelUse) -> Result<Table, TableError> {
    let name = || escaped(path.to_string_lossy().chars());
    // Linux opens a directory and fails to read it, Windows fails to open it.
    if path.is_dir() {
        return Err(TableError::Directory { file: name() });
    }
    let file = File::open(path).map_err(|cause| TableError::Open { file: name(), cause })?;
    read_from(file, &name(), request, labels)
}

/// Like [`read()`], from any reader. `source` stands for the file's name in messages.
///
/// # Errors
///
/// As [`read()`].
pub fn read_from(
    mut reader: impl Read,
    source: &str,
    request: &ColumnRequest,
    labels: LabelUse,
) -> Result<Table, TableError> {
    let mut records = Records::new(&mut reader);
    if !advance(&mut records, source)? {
        return Err(TableError::Empty { file: source.to_owned() });
    }
    let header = Header::new(source, records.line(), records.record().iter())?;
    let (columns, positions) = resolve(&header, request, labels)?;
    let mut rows = Rows::new(&header, &positions, request.labels_as);
    while advance(&mut records, source)? {
        rows.push(&records)?;
    }
    if rows.lines.is_empty() {
        return Err(TableError::NoRows { file: source.to_owned(), line: header.line });
    }
    rows.into_table(columns)
}

/// The next record, with the error that says where it failed.
pub(super) fn advance(records: &mut Records<'_>, file: &str) -> Result<bool, TableError> {
    let line = records.last_line();
    records.advance().map_err(|cause| TableError::Csv { file: file.to_owned(), line, cause })
}

/// The rows so far, in the file's order.
struct Rows<'a> {
    header: &'a Header,
    positions: &'a Positions,
    /// What the first row's time is.
    kind: Option<TimeKind>,
    /// The time of each row; both empty without a time column.
    keys: Vec<TimeKey>,
    times: Texts,
    /// The sequence of each row; empty without a sequence column.
    ids: Vec<usize>,
    names: Names,
    inputs: Vec<f64>,
    labels: Labels,
    weights: Vec<f64>,
    parts: Vec<SplitPart>,
    lines: Vec<u64>,
}

impl<'a> Rows<'a> {
    fn new(header: &'a Header, positions: &'a Positions, labels_as: LabelKind) -> Self {
        Self {
            header,
            positions,
            kind: None,
            keys: Vec::new(),
            times: Texts::default(),
            ids: Vec::new(),
            names: Names::default(),
            inputs: Vec::new(),
            labels: Labels::new(labels_as, positions.labels.len()),
            weights: Vec::new(),
            parts: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// Adds the current record.
    fn push(&mut self, records: &Records<'_>) -> Result<(), TableError> {
        let (record, line) = (records.record(), records.line());
        let (header, positions) = (self.header, self.positions);
        check_fields(header, records)?;
        let at = |column: usize| move |problem| cell_error(header, line, column, problem);
        if let Some(column) = positions.sequence {
            self.ids.push(self.names.id(field(record, column)).map_err(at(column))?);
        }
        if let Some(column) = positions.time {
            let text = cell::text(field(record, column)).map_err(at(column))?;
            let (key, kind) = time::key(text, self.kind).map_err(at(column))?;
            self.kind = Some(kind);
            self.keys.push(key);
            self.times.push(text);
        }
        for &column in &positions.inputs {
            self.inputs.push(cell::number(field(record, column)).map_err(at(column))?);
        }
        for &column in &positions.labels {
            self.labels.push(field(record, column)).map_err(at(column))?;
        }
        if let Some(column) = positions.weight {
            let weight = cell::number(field(record, column)).map_err(at(column))?;
            if weight < 0.0 {
                let problem = CellProblem::NegativeWeight { found: weight.to_string() };
                return Err(at(column)(problem));
            }
            self.weights.push(weight);
        }
        if let Some(column) = positions.split {
            self.parts.push(SplitPart::from_cell(field(record, column)).map_err(at(column))?);
        }
        self.lines.push(line);
        Ok(())
    }

    /// Groups and orders the rows. There is at least one.
    fn into_table(self, columns: Columns) -> Result<Table, TableError> {
        let rows = self.lines.len();
        let mut names = self.names.texts;
        let grouping = match columns.window {
            None => Grouping::by_sequence(&self.ids, names.len(), &self.keys),
            Some(window) => {
                let grouping = Grouping::by_window(rows, window, &self.keys);
                (1..grouping.offsets.len()).for_each(|number| names.push(&number.to_string()));
                grouping
            }
        };
        let (header, positions) = (self.header, self.positions);
        let (labels, classes) = self.labels.finish();
        let width = columns.labels.len();
        for (column, name) in columns.labels.iter().enumerate() {
            if labels.iter().skip(column).step_by(width).all(|label| label.is_nan()) {
                return Err(TableError::NoLabel { file: header.file.clone(), column: name.clone() });
            }
        }
        let parts = match positions.split {
            Some(column) => Some(
                parts_of(&self.parts, &grouping, &self.lines)
                    .map_err(|(row, problem)| cell_error(header, self.lines[row], column, problem))?,
            ),
            None => None,
        };
        Ok(Table {
            rows,
            inputs: grouping.gather(self.inputs, columns.inputs.len()),
            labels: grouping.gather(labels, width),
            classes,
            weights: positions.weight.map(|_| grouping.gather(self.weights, 1)),
            parts,
            offsets: grouping.offsets,
            file_rows: grouping.order,
            names,
            times: columns.time.is_some().then_some(self.times),
            lines: self.lines,
            columns,
        })
    }
}

/// Refuses a record that has other fields than the header.
pub(super) fn check_fields(header: &Header, records: &Records<'_>) -> Result<(), TableError> {
    let (expected, found) = (header.names.len(), records.record().len());
    if found == expected {
        return Ok(());
    }
    let (line, last_line) = (records.line(), records.last_line());
    Err(TableError::FieldCount { file: header.file.clone(), line, expected, found, last_line })
}

/// The part of each sequence, or the row that disagrees with its sequence's first.
fn parts_of(
    parts: &[SplitPart],
    grouping: &Grouping,
    lines: &[u64],
) -> Result<Vec<SplitPart>, (usize, CellProblem)> {
    let sequences = grouping.offsets.windows(2).map(|ends| &grouping.order[ends[0]..ends[1]]);
    let mut found = Vec::new();
    for rows in sequences {
        let first = rows[0];
        if let Some(&row) = rows.iter().find(|&&row| parts[row] != parts[first]) {
            let (expected, other) = (parts[first].name(), parts[row].name());
            return Err((row, CellProblem::OtherPart { expected, line: lines[first], found: other }));
        }
        found.push(parts[first]);
    }
    Ok(found)
}

/// A field of a record whose length was checked; the fallback only avoids a panic.
pub(super) fn field(record: &ByteRecord, column: usize) -> &[u8] {
    record.get(column).unwrap_or_default()
}

/// Puts a place to a cell's problem.
#[cold]
pub(super) fn cell_error(header: &Header, line: u64, column: usize, problem: CellProblem) -> TableError {
    let column = header.names.get(column).cloned().unwrap_or_default();
    TableError::Cell { place: Place { file: header.file.clone(), line, column }, problem }
}

/// The sequences so far.
#[derive(Default)]
struct Names {
    ids: HashMap<Box<[u8]>, usize>,
    texts: Texts,
    /// The last row's name and sequence: mostly also the next row's.
    last: (Vec<u8>, usize),
}

impl Names {
    /// The number of the sequence of this name, a new one if the name is new.
    fn id(&mut self, name: &[u8]) -> Result<usize, CellProblem> {
        // No name is empty, so an empty `last` matches none.
        if name.is_empty() {
            return Err(CellProblem::Empty { expected: "the name of a sequence" });
        }
        if self.last.0 == name {
            return Ok(self.last.1);
        }
        let id = match self.ids.get(name) {
            Some(&id) => id,
            None => {
                let id = self.texts.len();
                self.texts.push(cell::text(name)?);
                self.ids.insert(name.into(), id);
                id
            }
        };
        self.last.0.clear();
        self.last.0.extend_from_slice(name);
        self.last.1 = id;
        Ok(id)
    }
}

#[cfg(test)]
mod tests;
