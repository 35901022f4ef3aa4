//! The table as it is handed on: rows grouped into sequences and ordered by time.

use std::borrow::Cow;

use super::columns::Columns;
use super::error::{CellProblem, Place, TableError, shown};
use super::labels::canonical;
use super::time::TimeKey;

/// The used cells of a file.
///
/// The rows of a sequence are adjacent and in the order of time, rows of one time in the file's order. The
/// sequences are in the order in which the file first has them.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The columns that were read.
    pub columns: Columns,
    /// Rows in all; at least 1.
    pub rows: usize,
    /// Input values, finite: (rows, input columns), row by row.
    pub inputs: Vec<f64>,
    /// Label values: (rows, label columns), row by row; numbers of classes where there are [`Table::classes`], NaN where
    /// there is no label. Empty where labels were ignored.
    pub labels: Vec<f64>,
    /// The names of the classes in natural order, where the labels are names.
    pub classes: Option<Vec<String>>,
    /// What each row counts for, from 0 on: (rows), where there is a weight column.
    pub weights: Option<Vec<f64>>,
    /// The part of each sequence: (sequences), where there is a split column.
    pub parts: Option<Vec<SplitPart>>,
    /// Sequence `s` has the rows `offsets[s]..offsets[s + 1]`. It is never empty, so there is one more
    /// offset than there are sequences and the last one is the number of rows.
    pub offsets: Vec<usize>,
    /// For each row its place in the file, from 0, blank lines not counted: predictions are written in
    /// the file's order.
    pub file_rows: Vec<usize>,
    /// One name per sequence.
    pub(super) names: Texts,
    /// One time per row in the file's order; `None` without a time column.
    pub(super) times: Option<Texts>,
    /// The line each row starts on, in the file's order.
    pub(super) lines: Vec<u64>,
}

impl Table {
    /// How many sequences there are; at least 1.
    pub fn sequences(&self) -> usize {
        self.names.len()
    }

    /// The name of sequence `sequence`: the cell as it is, or with a window the sequence's number from 1.
    /// Empty where there is no such sequence.
    pub fn name(&self, sequence: usize) -> &str {
        self.names.get(sequence)
    }

    /// The time of row `row`, which is in sequence `sequence`: the cell as it is, or without a time column
    /// the row's number in the sequence from 1. Empty where there is no such row.
    pub fn time(&self, sequence: usize, row: usize) -> Cow<'_, str> {
        match &self.times {
            Some(times) => Cow::Borrowed(self.file_rows.get(row).map_or("", |&row| times.get(row))),
            None => {
                let start = self.offsets.get(sequence).copied();
                let number = start.and_then(|start| row.checked_sub(start));
                Cow::Owned(number.map_or_else(String::new, |number| (number + 1).to_string()))
            }
        }
    }

    /// The line of the file on which row `row` starts, from 1; 0 where there is no such row.
    pub fn line(&self, row: usize) -> u64 {
        self.file_rows.get(row).and_then(|&row| self.lines.get(row)).copied().unwrap_or_default()
    }
}

impl Table {
    /// Takes numbers, those of a single column, as names of classes. Where the labels are names already, nothing changes.
    pub fn numbers_as_classes(mut self) -> Self {
        if self.classes.is_some() {
            return self;
        }
        let mut values: Vec<f64> = self.labels.iter().copied().filter(|label| !label.is_nan()).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        for label in self.labels.iter_mut().filter(|label| !label.is_nan()) {
            *label = values.partition_point(|value| *value < *label) as f64;
        }
        self.classes = Some(values.into_iter().map(canonical).collect());
        self
    }

    /// The same table with its class labels as numbers of `classes`, a model's.
    ///
    /// # Errors
    ///
    /// A class that is not one of them, by line and column.
    pub fn with_classes(mut self, classes: &[String], file: &str) -> Result<Self, TableError> {
        let Some(own) = self.classes.replace(classes.to_vec()) else { return Ok(self) };
        let places: Vec<Option<usize>> =
            own.iter().map(|name| classes.iter().position(|class| class == name)).collect();
        for row in 0..self.labels.len() {
            if self.labels[row].is_nan() {
                continue;
            }
            let class = self.labels[row] as usize;
            let Some(place) = places.get(class).copied().flatten() else {
                let column = self.columns.labels.first().cloned().unwrap_or_default();
                let place = Place { file: file.to_owned(), line: self.line(row), column };
                let mut known: Vec<String> =
                    classes.iter().take(6).map(|class| format!("`{}`", shown(class))).collect();
                if classes.len() > known.len() {
                    known.push(format!("{} more", classes.len() - known.len()));
                }
                let found = own.get(class).map_or_else(String::new, |name| shown(name));
                let problem = CellProblem::UnknownClass { known: known.join(", "), found };
                return Err(TableError::Cell { place, problem });
            };
            self.labels[row] = place as f64;
        }
        Ok(self)
    }
}

/// A part of the data that a split column names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitPart {
    Train,
    Validation,
    Test,
}

impl SplitPart {
    /// The part that a cell names, in any case.
    pub(super) fn from_cell(cell: &[u8]) -> Result<Self, CellProblem> {
        let text = super::cell::text(cell.trim_ascii())?;
        match text.to_ascii_lowercase().as_str() {
            "train" | "training" => Ok(Self::Train),
            "validation" | "valid" | "val" | "dev" => Ok(Self::Validation),
            "test" => Ok(Self::Test),
            "" => Err(CellProblem::Empty { expected: "`train`, `validation` or `test`" }),
            _ => Err(CellProblem::NotPart { found: shown(text) }),
        }
    }

    /// `"train"`, `"validation"` or `"test"`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// Many short texts in one piece of memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Texts {
    text: String,
    /// Where each text ends.
    ends: Vec<usize>,
}

impl Texts {
    /// Appends a text.
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    /// How many texts there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Text `index`; empty where there is none.
    fn get(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied());
        let range = start.zip(self.ends.get(index));
        range.and_then(|(start, &end)| self.text.get(start..end)).unwrap_or_default()
    }
}

/// Which rows of the file belong together, and in what order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Grouping {
    /// The rows of the file, sequence by sequence: (rows).
    pub order: Vec<usize>,
    /// Sequence `s` is `order[offsets[s]..offsets[s + 1]]`: (sequences + 1).
    pub offsets: Vec<usize>,
}

impl Grouping {
    /// Groups rows by the sequence they name, and orders each sequence by time.
    ///
    /// `ids` has the sequence of each row, below `sequences`; every sequence has a row. `keys` has the
    /// time of each row; it is empty where the file's order is the order.
    pub(super) fn by_sequence(ids: &[usize], sequences: usize, keys: &[TimeKey]) -> Self {
        // A counting sort, which keeps the file's order within a sequence. First `offsets[s + 1]` counts
        // the rows of `s`, then it is where they start, and placing them moves it to where they end.
        let mut offsets = vec![0; sequences + 1];
        for &id in ids {
            offsets[id + 1] += 1;
        }
        let mut start = 0;
        for offset in &mut offsets[1..] {
            start += std::mem::replace(offset, start);
        }
        let mut order = vec![0; ids.len()];
        for (row, &id) in ids.iter().enumerate() {
            order[offsets[id + 1]] = row;
            offsets[id + 1] += 1;
        }
        if !keys.is_empty() {
            for ends in offsets.windows(2) {
                order[ends[0]..ends[1]].sort_by_key(|&row| keys[row]);
            }
        }
        Self { order, offsets }
    }

    /// Orders all rows by time, and cuts them into sequences of `window` rows; the last may be shorter.
    /// `window` is at least 1, and `keys` as for [`Grouping::by_sequence`].
    pub(super) fn by_window(rows: usize, window: usize, keys: &[TimeKey]) -> Self {
        let mut order: Vec<usize> = (0..rows).collect();
        if !keys.is_empty() {
            order.sort_by_key(|&row| keys[row]);
        }
        let mut offsets: Vec<usize> = (0..rows).step_by(window.max(1)).collect();
        offsets.push(rows);
        Self { order, offsets }
    }

    /// Brings `values`, (rows, width) in the file's order, into the order of the grouping.
    pub(super) fn gather(&self, values: Vec<f64>, width: usize) -> Vec<f64> {
        // Most files are in order already, and need no second copy of all their numbers.
        if self.order.is_sorted() {
            return values;
        }
        let mut gathered = Vec::with_capacity(values.len());
        for &row in &self.order {
            gathered.extend_from_slice(&values[row * width..(row + 1) * width]);
        }
        gathered
    }
}

#[cfg(test)]
mod tests {
    use super::super::time;
    use super::*;

    fn keys(times: &[&str]) -> Vec<TimeKey> {
        times.iter().map(|text| time::key(text, None).unwrap().0).collect()
    }

    #[test]
    fn rows_of_a_sequence_come_together_in_the_order_of_time() {
        let ids = [0, 1, 0, 2, 1, 0];
        let grouping = Grouping::by_sequence(&ids, 3, &[]);
        assert_eq!(grouping.order, [0, 2, 5, 1, 4, 3]);
        assert_eq!(grouping.offsets, [0, 3, 5, 6]);
        let grouping = Grouping::by_sequence(&ids, 3, &keys(&["3", "9", "1", "0", "8", "1"]));
        assert_eq!(grouping.order, [2, 5, 0, 4, 1, 3]);
        assert_eq!(grouping.offsets, [0, 3, 5, 6]);
    }

    #[test]
    fn windows_cut_after_sorting() {
        let grouping = Grouping::by_window(5, 2, &keys(&["5", "4", "1", "4", "0"]));
        assert_eq!(grouping.order, [4, 2, 1, 3, 0]);
        assert_eq!(grouping.offsets, [0, 2, 4, 5]);
        assert_eq!(Grouping::by_window(4, 2, &[]).offsets, [0, 2, 4]);
        assert_eq!(Grouping::by_window(2, usize::MAX, &[]).offsets, [0, 2]);
    }

    #[test]
    fn values_follow_their_rows() {
        let grouping = Grouping { order: vec![2, 0, 1], offsets: vec![0, 3] };
        assert_eq!(grouping.gather(vec![0.0, 0.5, 1.0, 1.5, 2.0, 2.5], 2), [2.0, 2.5, 0.0, 0.5, 1.0, 1.5]);
        assert_eq!(grouping.gather(vec![], 0), [] as [f64; 0]);
    }

    #[test]
    fn texts_keep_their_bounds() {
        let mut texts = Texts::default();
        for text in ["a", "", "ö,\n", "b"] {
            texts.push(text);
        }
        assert_eq!((0..5).map(|index| texts.get(index)).collect::<Vec<_>>(), ["a", "", "ö,\n", "b", ""]);
        assert_eq!(texts.get(usize::MAX), "");
    }
}
