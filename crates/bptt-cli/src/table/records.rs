//! CSV records with the lines they start on.
//!
//! The `csv` crate's own position of a record is where the record before it ended. That is too early by
//! every blank line in between, and in a file with CRLF by the line feed, which `csv` consumes only with
//! the next record. Its count of lines at the *end* of a record is exact, so the start is found from
//! there: minus the line breaks inside quoted fields, minus the one that ended the record.

use std::io::{self, Read};

use csv::ByteRecord;

/// Bytes read from the file at a time.
const CHUNK: usize = 1 << 17;

/// A file's records, blank lines left out. Lines are counted as line feeds.
pub(super) struct Records<'a> {
    reader: csv::Reader<Chunks<'a>>,
    record: ByteRecord,
    /// See [`Records::line`].
    line: u64,
    /// See [`Records::last_line`].
    last_line: u64,
}

impl<'a> Records<'a> {
    /// Starts before the first record, which is the header.
    pub(super) fn new(inner: &'a mut dyn Read) -> Self {
        Self::with_least(inner, usize::MAX)
    }

    /// Like [`Records::new`], for records that come one by one: each is there as soon as its end was read.
    pub(super) fn live(inner: &'a mut dyn Read) -> Self {
        // A byte order mark, and one byte more.
        Self::with_least(inner, 4)
    }

    fn with_least(inner: &'a mut dyn Read, least: usize) -> Self {
        let chunks = Chunks { inner, least, last: Vec::new(), start: 0, ended: false };
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(CHUNK)
            .from_reader(chunks);
        Self { reader, record: ByteRecord::new(), line: 1, last_line: 1 }
    }

    /// Goes to the next record; `false` after the last.
    ///
    /// # Errors
    ///
    /// What `csv` says; with these settings only that the file could not be read any further.
    pub(super) fn advance(&mut self) -> Result<bool, csv::Error> {
        while self.reader.read_byte_record(&mut self.record)? {
            // A line of nothing but blanks looks empty and is treated like an empty one, which `csv`
            // skips by itself. (That a lone field of blanks was quoted cannot be seen here.)
            let blank = self.record.len() == 1
                && !self.record.as_slice().is_empty()
                && self.record.as_slice().iter().all(|byte| matches!(byte, b' ' | b'\t'));
            if !blank {
                self.locate();
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Finds the lines of the record that was just read.
    fn locate(&mut self) {
        let end = self.reader.position();
        let broken = self.reader.get_ref().line_feed_before(end.byte());
        self.last_line = end.line() - u64::from(broken);
        self.line = self.last_line;
        // Only where lines were passed can the record hold any.
        if self.record.position().is_none_or(|start| start.line() < self.last_line) {
            let inside = self.record.as_slice().iter().filter(|&&byte| byte == b'\n').count();
            self.line = self.last_line.saturating_sub(inside as u64);
        }
    }

    /// The current record; empty before the first.
    pub(super) fn record(&self) -> &ByteRecord {
        &self.record
    }

    /// The line on which the current record starts, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The line on which the current record ends: another one than [`Records::line`] where a quoted
    /// field holds line breaks.
    pub(super) fn last_line(&self) -> u64 {
        self.last_line
    }
}

/// A reader that remembers what it read last, so that the byte that ended a record can be looked at.
struct Chunks<'a> {
    inner: &'a mut dyn Read,
    /// Bytes that the first chunk should have before it is handed on.
    least: usize,
    /// The last chunk that was not empty. The `csv` reader asks for the next one only when this one is
    /// used up, so the last byte it consumed is always in here.
    last: Vec<u8>,
    /// The position of that chunk in the file.
    start: u64,
    /// Whether the end of the file was seen.
    ended: bool,
}

impl Chunks<'_> {
    /// Whether the record that ends before the byte `position` was ended by a line feed, and not by a
    /// carriage return or by the end of the file.
    fn line_feed_before(&self, position: u64) -> bool {
        if self.ended {
            return false;
        }
        let index = position.checked_sub(self.start + 1).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.last.get(index)) == Some(&b'\n')
    }
}

impl Read for Chunks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A full chunk, or of live data at least the first bytes: `csv` recognises a byte order mark only in a
        // first chunk that has it whole and something after it, and pipes come in pieces of any size.
        let least = match self.least {
            usize::MAX => buffer.len(),
            least => {
                least.saturating_sub(self.start as usize + self.last.len()).clamp(1, buffer.len().max(1))
            }
        };
        let mut filled = 0;
        while filled < least.min(buffer.len()) {
            match self.inner.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if filled == 0 {
            self.ended = true;
        } else {
            self.start += self.last.len() as u64;
            self.last.clear();
            self.last.extend_from_slice(&buffer[..filled]);
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first and last line and the fields of every record.
    fn all(mut bytes: &[u8]) -> Vec<(u64, u64, Vec<String>)> {
        let mut records = Records::new(&mut bytes);
        let mut found = Vec::new();
        while records.advance().unwrap() {
            let fields = records.record().iter().map(|cell| String::from_utf8_lossy(cell).into_owned());
            found.push((records.line(), records.last_line(), fields.collect()));
        }
        found
    }

    fn lines(text: &str) -> Vec<u64> {
        all(text.as_bytes()).into_iter().map(|(line, ..)| line).collect()
    }

    #[test]
    fn lines_are_right_with_every_line_ending() {
        assert_eq!(lines("a\nb\nc\n"), [1, 2, 3]);
        assert_eq!(lines("a\nb\nc"), [1, 2, 3]);
        assert_eq!(lines("a\r\nb\r\nc\r\n"), [1, 2, 3]);
        assert_eq!(lines("a\r\nb\r\nc"), [1, 2, 3]);
        assert_eq!(lines("a\r\nb\nc\r\nd\n"), [1, 2, 3, 4]);
    }

    #[test]
    fn blank_lines_are_skipped_and_counted() {
        assert_eq!(lines("\n\na\n\nb\n\n\nc\n\n"), [3, 5, 8]);
        assert_eq!(lines("\r\n\r\na\r\n\r\nb\r\n"), [3, 5]);
        assert_eq!(lines("a\n  \nb\n\t\r\nc"), [1, 3, 5]);
        assert_eq!(lines("\n \r\n\n"), [] as [u64; 0]);
        assert_eq!(lines(""), [] as [u64; 0]);
        assert_eq!(lines("a\n\"\"\n"), [1, 2]);
    }

    #[test]
    fn a_record_starts_where_its_first_line_is() {
        let found = all(b"a,b\r\n\"1\r\n2\n3\",4\r\n\n5,\"6\n\"\n7,8\r\n");
        let spans: Vec<_> = found.iter().map(|(line, last, _)| (*line, *last)).collect();
        assert_eq!(spans, [(1, 1), (2, 4), (6, 7), (8, 8)]);
        assert_eq!(found[1].2, ["1\r\n2\n3", "4"]);
        // A quote that is never closed takes the rest of the file.
        let found = all(b"a,b\n1,\"2\n3,4\n");
        assert_eq!(found[1], (2, 4, vec!["1".into(), "2\n3,4\n".into()]));
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_field() {
        assert_eq!(all(b"\xef\xbb\xbf\"a\",b\n"), [(1, 1, vec!["a".into(), "b".into()])]);
        assert_eq!(all(b"\xef\xbb\xbf"), []);
        /// Gives one byte at a time, and every second time an interruption.
        struct Slow<'a>(&'a [u8], bool);
        impl Read for Slow<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.1 = !self.1;
                if self.1 {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                self.0.read(&mut buffer[..1])
            }
        }
        let mut slow = Slow(b"\xef\xbb\xbfa\n", false);
        let mut records = Records::new(&mut slow);
        assert!(records.advance().unwrap());
        assert_eq!(records.record().as_slice(), b"a");
    }

    #[test]
    fn a_live_record_waits_for_nothing_after_it() {
        /// Gives these pieces, one a call, and fails where more is asked for.
        struct Pieces<'a>(std::slice::Iter<'a, &'a [u8]>);
        impl Read for Pieces<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let piece = self.0.next().ok_or(io::ErrorKind::WouldBlock)?;
                buffer[..piece.len()].copy_from_slice(piece);
                Ok(piece.len())
            }
        }
        let pieces: [&[u8]; 7] =
            [b"\xef", b"\xbb\xbf", b"a,b\r", b"\n1,2\r\n", b"\n3", b",4\n", b"5,6\r\n7,8\n9"];
        let mut pieces = Pieces(pieces.iter());
        let mut records = Records::live(&mut pieces);
        let mut found = Vec::new();
        while records.advance().is_ok() {
            found.push((records.line(), String::from_utf8_lossy(records.record().as_slice()).into_owned()));
        }
        let expected = [(1, "ab"), (2, "12"), (4, "34"), (5, "56"), (6, "78")];
        assert_eq!(found, expected.map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn lines_are_right_across_chunks() {
        // Rows of 9 bytes put the ends of the chunks at every place in a row.
        for ending in ["\n", "\r\n"] {
            let rows = 10 * CHUNK / 9;
            let text: String =
                (0..rows).map(|row| format!("{row:0width$}{ending}", width = 9 - ending.len())).collect();
            assert!(lines(&text).into_iter().eq(1..=rows as u64));
        }
    }
}
