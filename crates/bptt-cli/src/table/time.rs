//! The time column: numbers, or ISO dates and timestamps, and the key that orders either.

use super::cell;
use super::error::{CellProblem, shown};

/// Orders the rows of one file. Keys of different [`TimeKind`]s must not be compared.
///
/// For a number it is the nearest `f64`, in an integer of the same order, then the exact value where the
/// number is a whole one: nanoseconds since 1970 differ only beyond the precision of an `f64`. For a date
/// it is seconds since 1970 and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TimeKey(i64, i64);

/// What a file's time column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeKind {
    /// Numbers.
    Number,
    /// `2012-01-31`, `2012-01-31T10:00`, `2012-01-31 10:00:00.25Z` and the like.
    Iso,
}

/// The key of a cell, and what the column therefore holds. `kind` is what the first row decided; `None`
/// in the first row.
///
/// # Errors
///
/// [`CellProblem::Empty`], [`CellProblem::NotFinite`], [`CellProblem::NotUtf8`], and
/// [`CellProblem::NotTime`] where the cell is neither kind or not the first row's kind.
pub(super) fn key(cell: &str, kind: Option<TimeKind>) -> Result<(TimeKey, TimeKind), CellProblem> {
    let text = cell.trim_ascii();
    let expected = match kind {
        None => "a number or an ISO date such as 2012-01-31",
        Some(TimeKind::Number) => "a number as in the first row",
        Some(TimeKind::Iso) => "an ISO date as in the first row",
    };
    if text.is_empty() {
        return Err(CellProblem::Empty { expected });
    }
    if kind != Some(TimeKind::Iso) {
        match cell::number(text.as_bytes()) {
            Ok(value) => return Ok((number_key(text, value), TimeKind::Number)),
            Err(problem @ CellProblem::NotFinite { .. }) => return Err(problem),
            Err(_) => {}
        }
    }
    if kind != Some(TimeKind::Number)
        && let Some(key) = iso_key(text)
    {
        return Ok((key, TimeKind::Iso));
    }
    Err(CellProblem::NotTime { expected, found: shown(text) })
}

/// The key of the finite number `value`, which `text` spells.
fn number_key(text: &str, value: f64) -> TimeKey {
    // Adding 0 makes -0 and 0 one time. Flipping the other bits of the negative numbers makes the order
    // of the bits, read as an integer, that of the numbers (as `f64::total_cmp` does).
    let bits = (value + 0.0).to_bits() as i64;
    let ordered = bits ^ (((bits >> 63) as u64) >> 1) as i64;
    TimeKey(ordered, text.parse().unwrap_or(value as i64))
}

/// The key of an ISO date or timestamp, `None` where `text` is none. A time without a zone is taken as
/// UTC, so that the rows of a file without zones keep the order of their clock.
fn iso_key(text: &str) -> Option<TimeKey> {
    let mut rest = Scan(text.as_bytes());
    let year = rest.number(4)?;
    rest.expect(b"-")?;
    let month = rest.number(2)?;
    rest.expect(b"-")?;
    let day = rest.number(2)?;
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let midnight = days_since_1970(year, month, day) * 86_400;
    if rest.0.is_empty() {
        return Some(TimeKey(midnight, 0));
    }

    rest.expect(b"Tt ")?;
    let hour = rest.number(2)?;
    rest.expect(b":")?;
    let minute = rest.number(2)?;
    let (mut second, mut nanos) = (0, 0);
    if rest.expect(b":").is_some() {
        second = rest.number(2)?;
        if rest.expect(b".").is_some() {
            nanos = rest.fraction()?;
        }
    }
    // 60 is a leap second.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let offset = rest.zone()?;
    let clock = hour * 3600 + minute * 60 + second;
    rest.0.is_empty().then_some(TimeKey(midnight + clock - offset, nanos))
}

/// What is left of a timestamp.
struct Scan<'a>(&'a [u8]);

impl Scan<'_> {
    /// Takes one byte if it is among `any`.
    fn expect(&mut self, any: &[u8]) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        any.contains(&first).then(|| {
            self.0 = rest;
            first
        })
    }

    /// Takes exactly `digits` decimal digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (head, rest) = self.0.split_at_checked(digits)?;
        let value = head.iter().try_fold(0, |value, digit| {
            digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'))
        })?;
        self.0 = rest;
        Some(value)
    }

    /// Takes 1 to 9 digits after the point: nanoseconds.
    fn fraction(&mut self) -> Option<i64> {
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=9).contains(&digits) {
            return None;
        }
        Some((digits..9).fold(self.number(digits)?, |value, _| value * 10))
    }

    /// Takes nothing, `Z`, `+01:00`, `+0100` or `+01`: seconds ahead of UTC.
    fn zone(&mut self) -> Option<i64> {
        if self.0.is_empty() || self.expect(b"Zz").is_some() {
            return Some(0);
        }
        let sign = if self.expect(b"+-")? == b'-' { -1 } else { 1 };
        let hours = self.number(2)?;
        let colon = self.expect(b":").is_some();
        let minutes = if self.0.is_empty() && !colon { 0 } else { self.number(2)? };
        (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
    }
}

/// Days in a month of the Gregorian calendar; `month` is 1 to 12.
fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, for years from 0.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years that start in March have the leap day last, so that the lengths of the months before a month
    // follow one formula.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str) -> (TimeKey, TimeKind) {
        key(text, None).unwrap_or_else(|problem| panic!("{text}: {problem}"))
    }

    #[test]
    fn numbers_are_ordered_as_numbers() {
        let ascending = [
            "-1e300",
            "-9223372036854775808",
            "-2",
            "-1.5",
            "-1e-300",
            "0",
            "1e-300",
            " 7 ",
            "10",
            "1e+05",
            "9007199254740992",
            "9007199254740993",
            "1620000000000000001",
            "1620000000000000002",
            "1e19",
            "1e300",
        ];
        for pair in ascending.windows(2) {
            assert!(first(pair[0]).0 < first(pair[1]).0, "{pair:?}");
        }
        for (one, other) in [("-0.0", "0"), ("1", "1.0"), ("007", "7"), ("1e2", "+100")] {
            assert_eq!(first(one), first(other));
        }
    }

    #[test]
    fn dates_are_ordered_as_instants() {
        let ascending = [
            "0000-01-01",
            "1969-12-31",
            "1970-01-01",
            "2012-01-31",
            "2012-01-31T00:00:00.000000001",
            "2012-01-31 10:00",
            "2012-01-31T10:01",
            "2012-01-31T10:01:00.25Z",
            "2012-01-31T10:01:00.3",
            "2012-01-31T10:00:00-01:00",
            "2012-02-29",
            "2012-12-31T23:59:60",
            "9999-12-31T23:59:59Z",
        ];
        for pair in ascending.windows(2) {
            assert!(first(pair[0]).0 < first(pair[1]).0, "{pair:?}");
        }
        assert_eq!(first("1970-01-02").0, TimeKey(86_400, 0));
        assert_eq!(first("2000-03-01T00:00Z").0, TimeKey(951_868_800, 0));
        for same in ["2012-01-31T11:00+01:00", "2012-01-31 11:00+0100", "2012-01-31T11:00:00.0+01"] {
            assert_eq!(first(same), first("2012-01-31T10:00"));
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "2012-1-31",
            "2012-02-30",
            "2011-02-29",
            "1900-02-29",
            "2012-00-01",
            "2012-13-01",
            "2012-01-00",
            "31.01.2012",
            "2012-01-31T",
            "2012-01-31T10",
            "2012-01-31T24:00",
            "2012-01-31T10:60",
            "2012-01-31T10:00:00.",
            "2012-01-31T10:00:00.1234567890",
            "2012-01-31T10:00+1",
            "2012-01-31T10:00+01:",
            "2012-01-31T10:00ZZ",
            "2012-01-31x",
            "monday",
            "é",
        ] {
            assert!(matches!(key(text, None), Err(CellProblem::NotTime { .. })), "{text}");
        }
        assert!(matches!(key(" ", None), Err(CellProblem::Empty { .. })));
        assert!(matches!(key("inf", None), Err(CellProblem::NotFinite { .. })));
    }

    #[test]
    fn the_first_row_decides_the_kind() {
        assert_eq!(first("2012").1, TimeKind::Number);
        assert_eq!(first("2012-01-31").1, TimeKind::Iso);
        assert!(matches!(key("2012", Some(TimeKind::Iso)), Err(CellProblem::NotTime { .. })));
        assert!(matches!(key("2012-01-31", Some(TimeKind::Number)), Err(CellProblem::NotTime { .. })));
        assert!(matches!(key("NaN", Some(TimeKind::Iso)), Err(CellProblem::NotTime { .. })));
    }
}
