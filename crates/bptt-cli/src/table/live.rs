//! Rows one by one, as they come: nothing is gathered, grouped or ordered.

use std::io::Read;

use super::cell;
use super::columns::{ColumnRequest, Columns, LabelUse, Positions, resolve};
use super::error::{CellProblem, TableError, shown};
use super::header::Header;
use super::read::{advance, cell_error, check_fields, field};
use super::records::Records;
use super::time::{self, TimeKey, TimeKind};

/// A table of which one row is known at a time.
pub struct LiveTable<'a> {
    /// The columns that are read. Labels are not.
    pub columns: Columns,
    header: Header,
    positions: Positions,
    records: Records<'a>,
    /// What the first row's time is.
    kind: Option<TimeKind>,
}

/// What is in a row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveRow {
    /// The cell of the sequence column; empty without one.
    pub name: String,
    /// The cell of the time column; empty without one.
    pub time: String,
    /// (input columns), finite
    pub inputs: Vec<f64>,
    /// The line on which the row starts.
    pub line: u64,
    /// The order of its time, where there is a time column.
    key: Option<TimeKey>,
}

/// The time of a row that was taken, which no later row of its sequence may come before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    key: Option<TimeKey>,
    line: u64,
}

impl LiveRow {
    /// Its time, for the rows that come after it.
    pub fn moment(&self) -> Moment {
        Moment { key: self.key, line: self.line }
    }
}

impl<'a> LiveTable<'a> {
    /// Reads the header. `source` stands for the file's name in messages.
    ///
    /// # Errors
    ///
    /// As [`read_from`](super::read_from) for a header.
    pub fn new(reader: &'a mut dyn Read, source: &str, request: &ColumnRequest) -> Result<Self, TableError> {
        let mut records = Records::live(reader);
        if !advance(&mut records, source)? {
            return Err(TableError::Empty { file: source.to_owned() });
        }
        let header = Header::new(source, records.line(), records.record().iter())?;
        let (columns, positions) = resolve(&header, request, LabelUse::Ignored)?;
        Ok(Self { columns, header, positions, records, kind: None })
    }

    /// Waits for the next row; `false` after the last. Then [`LiveTable::read`] has it.
    ///
    /// # Errors
    ///
    /// [`TableError::Csv`], after which there are no more rows.
    pub fn advance(&mut self) -> Result<bool, TableError> {
        advance(&mut self.records, &self.header.file)
    }

    /// What is in the present row.
    ///
    /// # Errors
    ///
    /// As [`read_from`](super::read_from) for a row. The next one may be better.
    pub fn read(&mut self, row: &mut LiveRow) -> Result<(), TableError> {
        let (header, record, line) = (&self.header, self.records.record(), self.records.line());
        check_fields(header, &self.records)?;
        let at = |column: usize| move |problem| cell_error(header, line, column, problem);
        row.line = line;
        row.name.clear();
        if let Some(column) = self.positions.sequence {
            let name = cell::text(field(record, column)).map_err(at(column))?;
            if name.is_empty() {
                return Err(at(column)(CellProblem::Empty { expected: "the name of a sequence" }));
            }
            row.name.push_str(name);
        }
        row.inputs.clear();
        for &column in &self.positions.inputs {
            row.inputs.push(cell::number(field(record, column)).map_err(at(column))?);
        }
        row.key = None;
        row.time.clear();
        if let Some(column) = self.positions.time {
            let text = cell::text(field(record, column)).map_err(at(column))?;
            let (key, kind) = time::key(text, self.kind).map_err(at(column))?;
            // Only a row that is good in all its cells says what times are.
            (row.key, self.kind) = (Some(key), Some(kind));
            row.time.push_str(text);
        }
        Ok(())
    }

    /// Refuses the present row where its time is before `last`, an earlier row's of the same sequence.
    ///
    /// # Errors
    ///
    /// [`CellProblem::Backwards`].
    pub fn check_order(&self, row: &LiveRow, last: Moment) -> Result<(), TableError> {
        match (self.positions.time, row.key < last.key) {
            (Some(column), true) => {
                let problem = CellProblem::Backwards { line: last.line, found: shown(&row.time) };
                Err(cell_error(&self.header, row.line, column, problem))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_good_or_says_where_it_is_not() {
        let mut text = &b"t,name,x\nlate,a,1\n3,a,1\n2,b,1e999\n2,a,2\n1,,4\n1,a\n1,a,4\n"[..];
        let mut table = LiveTable::new(&mut text, "-", &ColumnRequest::default()).unwrap();
        let mut row = LiveRow::default();
        let (mut found, mut last) = (Vec::new(), None);
        while table.advance().unwrap() {
            let read = table.read(&mut row).and_then(|()| match last {
                Some(last) => table.check_order(&row, last),
                None => Ok(()),
            });
            if read.is_ok() {
                last = Some(row.moment());
            }
            found.push(
                read.map_or_else(|error| error.to_string(), |()| format!("{} {:?}", row.time, row.inputs)),
            );
        }
        assert_eq!(
            found,
            [
                "-, line 2, column `t`: expected a number or an ISO date such as 2012-01-31, found `late`",
                "3 [1.0]",
                "-, line 4, column `x`: expected a finite number, found `1e999`",
                "-, line 5, column `t`: expected a time not before that of line 3 of the same sequence, found `2`",
                "-, line 6, column `name`: expected the name of a sequence, found an empty cell",
                "-, line 7: expected 3 fields, found 2",
                "-, line 8, column `t`: expected a time not before that of line 3 of the same sequence, found `1`",
            ]
        );
    }
}
