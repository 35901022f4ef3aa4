//! The names in a file's first record: finding a name, and suggesting one for a name that is not there.

use std::collections::HashMap;

use super::error::{Role, TableError, shown};

/// Names that a message lists before it only counts.
const LISTED: usize = 6;

/// Longer names are compared by case only: the edit distance takes the product of two lengths.
const COMPARED: usize = 64;

/// A file's column names, blanks around them removed.
pub(super) struct Header {
    /// The file, for messages.
    pub file: String,
    /// The line the header is on, from 1.
    pub line: u64,
    /// The names in the file's order.
    pub names: Vec<String>,
    /// Where each name is first, and where next if it is there again.
    positions: HashMap<String, (usize, Option<usize>)>,
}

impl Header {
    /// The header of the first record's fields.
    ///
    /// # Errors
    ///
    /// [`TableError::HeaderNotUtf8`].
    pub(super) fn new<'a>(
        file: &str,
        line: u64,
        fields: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Self, TableError> {
        let mut header = Self { file: file.to_owned(), line, names: Vec::new(), positions: HashMap::new() };
        for (index, field) in fields.enumerate() {
            let name = str::from_utf8(field).map_err(|error| TableError::HeaderNotUtf8 {
                file: file.to_owned(),
                line,
                position: index + 1,
                // There is always a byte at `valid_up_to`; the fallback only avoids a panic.
                byte: field.get(error.valid_up_to()).copied().unwrap_or_default(),
            })?;
            let name = name.trim_ascii().to_owned();
            header
                .positions
                .entry(name.clone())
                .and_modify(|(_, second)| {
                    second.get_or_insert(index);
                })
                .or_insert((index, None));
            header.names.push(name);
        }
        Ok(header)
    }

    /// The first column of this name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.positions.get(name).map(|&(first, _)| first)
    }

    /// The first two columns of this name, where there are two.
    pub(super) fn duplicates(&self, name: &str) -> Option<(usize, usize)> {
        let &(first, second) = self.positions.get(name)?;
        Some((first, second?))
    }

    /// The error for a name that is not there. `advice` is what else to do about it, or empty.
    pub(super) fn missing(&self, role: Role, name: &str, advice: &str) -> TableError {
        let mut hint = String::new();
        if let Some(other) = self.closest(name) {
            hint = format!("; did you mean `{}`?", shown(other));
        }
        if !advice.is_empty() {
            hint = format!("{hint}; {advice}");
        }
        TableError::MissingColumn {
            file: self.file.clone(),
            line: self.line,
            role,
            name: name.to_owned(),
            found: self.listed(),
            hint,
        }
    }

    /// The columns as a list to read, cut after a few.
    pub(super) fn listed(&self) -> String {
        let names: Vec<_> = self.names.iter().take(LISTED).map(|name| format!("`{}`", shown(name))).collect();
        let mut list = names.join(", ");
        if self.names.len() > LISTED {
            list += &format!(" and {} more", self.names.len() - LISTED);
        }
        list
    }

    /// The name that `name` was probably meant to be.
    fn closest(&self, name: &str) -> Option<&str> {
        let lower = name.to_lowercase();
        if let Some(other) = self.names.iter().find(|other| other.to_lowercase() == lower) {
            return Some(other);
        }
        if name.len() > COMPARED {
            return None;
        }
        // Half of the letters may differ; a name further away would not help.
        let most = lower.chars().count().div_ceil(2);
        self.names
            .iter()
            .filter(|other| other.len() <= COMPARED)
            .map(|other| (distance(&lower, &other.to_lowercase()), other.as_str()))
            .filter(|&(distance, _)| distance <= most)
            .min_by_key(|&(distance, _)| distance)
            .map(|(_, other)| other)
    }
}

/// The least number of characters to insert, remove or replace to get from `a` to `b` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    // `row[j]`: the distance of the part of `a` so far to the first `j` characters of `b`.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, one) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (j, &other) in b.iter().enumerate() {
            let best = (diagonal + usize::from(one != other)).min(left + 1).min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j] = left;
            left = best;
        }
        row[b.len()] = left;
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &[&str]) -> Header {
        Header::new("a.csv", 1, names.iter().map(|name| name.as_bytes())).unwrap()
    }

    #[test]
    fn names_are_found_where_they_are_first() {
        let header = header(&["a", " b\t", "", "a", "a"]);
        assert_eq!(header.find("b"), Some(1));
        assert_eq!(header.find("a"), Some(0));
        assert_eq!(header.find("A"), None);
        assert_eq!(header.duplicates("a"), Some((0, 3)));
        assert_eq!(header.duplicates("b"), None);
    }

    #[test]
    fn a_name_that_is_not_utf_8_is_an_error() {
        let error = Header::new("a.csv", 2, [&b"a"[..], b"b\xff"].into_iter()).err().unwrap();
        assert_eq!(
            error.to_string(),
            "a.csv, line 2: expected column names in UTF-8, found the byte 0xff in column 2"
        );
    }

    #[test]
    fn a_missing_name_comes_with_the_closest() {
        let header = header(&["Name", "seqence", "amount", "x1", "x2", "x3", "x4"]);
        let message = |name, advice| header.missing(Role::Sequence, name, advice).to_string();
        assert_eq!(
            message("name", "try again"),
            "a.csv, line 1: expected sequence column `name`, found `Name`, `seqence`, `amount`, `x1`, `x2`, \
             `x3` and 1 more; did you mean `Name`?; try again"
        );
        assert!(message("sequence", "").ends_with("; did you mean `seqence`?"));
        assert!(message("Amuont", "").ends_with("; did you mean `amount`?"));
        assert!(message("y1", "").ends_with("; did you mean `x1`?"));
        assert!(message("t", "").ends_with("and 1 more"));
        assert!(message(&"x".repeat(1000), "").ends_with("and 1 more"));
    }

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
            ("é", "e", 1),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }
}
