//! `bptt predict --follow`: answers each row of live data at once, from the rows of its sequence so far.

use std::fs::File;
use std::io::{self, Read, Write};

use lru::LruCache;

use crate::args::PredictArgs;
use crate::data::{STANDARD_INPUT, is_standard_input};
use crate::failure::Failure;
use crate::live::{LiveModel, LiveState, Refusal, Scratch};
use crate::model::Saved;
use crate::predictions::Format;
use crate::table::{LiveRow, LiveTable, Moment};

/// Runs the command.
pub fn run(args: &PredictArgs, saved: &Saved, format: Format<'_>, threads: usize) -> Result<(), Failure> {
    let model = LiveModel::new(saved, &args.model.display().to_string())?;
    let (mut reader, source): (Box<dyn Read>, String) = if is_standard_input(&args.data) {
        (Box::new(io::stdin().lock()), STANDARD_INPUT.into())
    } else {
        let name = args.data.display().to_string();
        let file = File::open(&args.data);
        let wrong =
            |error| Failure::input(format!("{name}: expected a file that can be read, found: {error}"));
        (Box::new(file.map_err(wrong)?), name)
    };
    let mut table = LiveTable::new(&mut reader, &source, &saved.request()).map_err(Failure::input)?;
    let mut csv = csv::Writer::from_writer(io::stdout().lock());
    format.write_header(&mut csv, &table.columns)?;
    csv.flush()?;
    let window = table.columns.window;
    let sequences = LruCache::unbounded();
    let mut feed = Feed {
        model,
        window,
        most: args.follow.max_streams,
        sequences,
        forgotten: false,
        scratch: Scratch::new(threads),
    };
    let mut row = LiveRow::default();
    while table.advance().map_err(Failure::input)? {
        match table.read(&mut row).map_err(Failure::input).and_then(|()| feed.answer(&table, &row, &source)) {
            Ok(values) => {
                let (name, number) = feed.place(&row);
                let time = if table.columns.time.is_some() { row.time.clone() } else { number.to_string() };
                format.write_row(&mut csv, &name, &time, &values)?;
                csv.flush()?;
            }
            Err(failure) if args.follow.skip_bad => {
                // Where nobody reads the messages, the predictions go on.
                let _ = writeln!(io::stderr(), "bptt: {failure}; left out");
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// The sequences of a feed.
struct Feed {
    model: LiveModel,
    /// Rows of a sequence, where there is no sequence column.
    window: Option<usize>,
    /// Sequences that are kept.
    most: usize,
    sequences: LruCache<String, Sequence>,
    /// Whether one has been forgotten.
    forgotten: bool,
    scratch: Scratch,
}

/// A sequence so far.
struct Sequence {
    state: LiveState,
    /// Rows since it began; where there are windows, since the feed began.
    rows: usize,
    last: Option<Moment>,
}

impl Feed {
    /// The predictions for a row. A row that is refused changes nothing.
    fn answer(&mut self, table: &LiveTable<'_>, row: &LiveRow, source: &str) -> Result<Vec<f64>, Failure> {
        let refused = |refusal: Refusal| {
            let (column, problem) = refusal.explain(&table.columns.inputs);
            let column = column.map_or_else(String::new, |column| format!(", column `{column}`"));
            Failure::input(format!("{source}, line {}{column}: {problem}", row.line))
        };
        let mut new = None;
        let sequence = match self.sequences.get_mut(row.name.as_str()) {
            Some(sequence) => sequence,
            None => new.insert(Sequence { state: self.model.state().map_err(refused)?, rows: 0, last: None }),
        };
        if let Some(last) = sequence.last {
            table.check_order(row, last).map_err(Failure::input)?;
        }
        let ends =
            self.window.is_some_and(|window| sequence.rows > 0 && sequence.rows.is_multiple_of(window));
        let mut fresh = if ends { Some(self.model.state().map_err(refused)?) } else { None };
        let state = fresh.as_mut().unwrap_or(&mut sequence.state);
        let values = self.model.step(state, &row.inputs, &mut self.scratch).map_err(refused)?;
        if let Some(fresh) = fresh {
            sequence.state = fresh;
        }
        sequence.rows += 1;
        sequence.last = Some(row.moment());
        if let Some(sequence) = new {
            self.keep(&row.name, sequence, source, row.line);
        }
        Ok(values)
    }

    /// Keeps a new sequence, and forgets another where there is no room.
    fn keep(&mut self, name: &str, sequence: Sequence, source: &str, line: u64) {
        if self.sequences.len() >= self.most {
            if !self.forgotten {
                self.forgotten = true;
                // Not a reason to stop where it cannot be said.
                let _ = writeln!(
                    io::stderr(),
                    "bptt: {source}, line {line}: more than {} sequences (--max-streams): from here on, the one without a \
                     row for the longest time is forgotten for each new one",
                    self.most
                );
            }
            self.sequences.pop_lru();
        }
        self.sequences.put(name.to_owned(), sequence);
    }

    /// The name of a row's sequence, and which row of it this is, from 1; the row has been answered.
    fn place(&self, row: &LiveRow) -> (String, usize) {
        let rows = self.sequences.peek(row.name.as_str()).map_or(1, |sequence| sequence.rows.max(1));
        match self.window {
            None => (row.name.clone(), rows),
            Some(window) => (((rows - 1) / window + 1).to_string(), (rows - 1) % window + 1),
        }
    }
}
