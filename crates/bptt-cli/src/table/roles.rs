//! Gives the columns of a header their roles, each column at most one: by name, by list with ranges, by
//! convention.

use super::error::{Role, TableError};
use super::header::Header;

/// The role of every column so far.
pub(super) struct Roles<'a> {
    header: &'a Header,
    roles: Vec<Option<Role>>,
}

impl<'a> Roles<'a> {
    /// No column has a role yet.
    pub(super) fn new(header: &'a Header) -> Self {
        Self { header, roles: vec![None; header.names.len()] }
    }

    /// Gives a column its role.
    fn claim(&mut self, role: Role, position: usize) -> Result<usize, TableError> {
        let Header { file, line, names, .. } = self.header;
        let name = &names[position];
        if let Some((first, second)) = self.header.duplicates(name) {
            return Err(TableError::DuplicateHeader {
                file: file.clone(),
                line: *line,
                column: name.clone(),
                first: first + 1,
                second: second + 1,
            });
        }
        match self.roles[position].replace(role) {
            None => Ok(position),
            Some(first) => Err(TableError::ColumnReused {
                file: file.clone(),
                line: *line,
                column: name.clone(),
                first,
                second: role,
            }),
        }
    }

    /// The column that the user named, if any.
    pub(super) fn named(&mut self, role: Role, name: Option<&str>) -> Result<Option<usize>, TableError> {
        name.map(|name| self.claim(role, self.position(role, name.trim_ascii())?)).transpose()
    }

    /// The column of a conventional name, if it is there and nothing else yet.
    pub(super) fn conventional(&mut self, role: Role, name: &str) -> Result<Option<usize>, TableError> {
        let free = self.header.find(name).filter(|&position| self.roles[position].is_none());
        free.map(|position| self.claim(role, position)).transpose()
    }

    /// All columns whose names start with `prefix` and that are nothing else yet.
    pub(super) fn prefixed(&mut self, role: Role, prefix: char) -> Result<Vec<usize>, TableError> {
        let free: Vec<usize> = (0..self.roles.len())
            .filter(|&position| {
                self.roles[position].is_none() && self.header.names[position].starts_with(prefix)
            })
            .collect();
        free.into_iter().map(|position| self.claim(role, position)).collect()
    }

    /// The columns of a list of names and ranges.
    pub(super) fn list(&mut self, role: Role, items: &[String]) -> Result<Vec<usize>, TableError> {
        let mut columns = Vec::new();
        for item in items {
            for position in self.item(role, item.trim_ascii())? {
                columns.push(self.claim(role, position)?);
            }
        }
        Ok(columns)
    }

    /// The columns of one item of a list.
    fn item(&self, role: Role, item: &str) -> Result<Vec<usize>, TableError> {
        let (first, last) = match (self.header.find(item), item.split_once("..")) {
            (Some(position), _) => return Ok(vec![position]),
            (None, None) => return Err(self.header.missing(role, item, "")),
            (None, Some((first, last))) => (first.trim_ascii(), last.trim_ascii()),
        };
        let backwards = || TableError::BadRange {
            file: self.header.file.clone(),
            line: self.header.line,
            role,
            range: item.to_owned(),
        };
        if let Some((prefix, from, to, width)) = numbered(first, last) {
            if from > to {
                return Err(backwards());
            }
            // Ends at the first number that is no column, so a huge range costs nothing.
            return (from..=to).map(|n| self.position(role, &format!("{prefix}{n:0width$}"))).collect();
        }
        let (from, to) = (self.position(role, first)?, self.position(role, last)?);
        if from > to { Err(backwards()) } else { Ok((from..=to).collect()) }
    }

    /// The column of this name.
    fn position(&self, role: Role, name: &str) -> Result<usize, TableError> {
        self.header.find(name).ok_or_else(|| self.header.missing(role, name, ""))
    }
}

/// The range's prefix, its two numbers and their least number of digits, where both ends are the same
/// prefix and a number: `V1..V28`, `x01..x12`.
fn numbered<'a>(first: &'a str, last: &str) -> Option<(&'a str, u64, u64, usize)> {
    let prefix = first.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &first[prefix.len()..];
    let last_digits = last.strip_prefix(prefix)?;
    if !last_digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Without digits this is where parsing fails.
    let (from, to) = (digits.parse().ok()?, last_digits.parse().ok()?);
    // `V1..V028` and `V07..V9` are no numbering that one format can spell. A range that runs backwards
    // is spelled by its shorter end.
    let width = if from <= to { digits.len() } else { last_digits.len() };
    let spelled = |n: u64, text: &str| format!("{n:0width$}") == text;
    (spelled(from, digits) && spelled(to, last_digits)).then_some((prefix, from, to, width))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The columns of a list of inputs.
    fn inputs(names: &str, list: &str) -> Result<Vec<usize>, String> {
        let header = Header::new("a.csv", 1, names.split(',').map(str::as_bytes)).unwrap();
        let items: Vec<String> = list.split(',').map(str::to_owned).collect();
        Roles::new(&header).list(Role::Input, &items).map_err(|error| error.to_string())
    }

    #[test]
    fn ranges_are_of_numbers_or_of_positions() {
        assert_eq!(inputs("V3,V1,other,V2", "V1..V3"), Ok(vec![1, 3, 0]));
        assert_eq!(inputs("V9,V10,V11", "V9..V10,V11"), Ok(vec![0, 1, 2]));
        assert_eq!(inputs("x08,x09,x10", "x08..x10"), Ok(vec![0, 1, 2]));
        assert_eq!(inputs("1,2,3", "1..3"), Ok(vec![0, 1, 2]));
        assert_eq!(inputs("V1", " V1 .. V1 "), Ok(vec![0]));
        assert_eq!(inputs("open,high,low,close", "high..close"), Ok(vec![1, 2, 3]));
        assert_eq!(inputs("V1,W,V028", "V1..V028"), Ok(vec![0, 1, 2]));
        assert_eq!(inputs("a1,b,a", "a1..a"), Ok(vec![0, 1, 2]));
        assert_eq!(inputs("a,a..b,b", "a..b"), Ok(vec![1]));
    }

    #[test]
    fn bad_ranges_are_errors() {
        for (names, list) in
            [("V1,V2", "V2..V1"), ("x08,x10", "x10..x08"), ("V9,V10", "V10..V9"), ("a,b", "b..a")]
        {
            let message = inputs(names, list).unwrap_err();
            let expected = format!("expected a range of input columns in ascending order, found `{list}`");
            assert!(message.ends_with(&expected), "{message}");
        }
        for (list, missing) in [
            ("V1..V3", "V2"),
            ("V1..V18446744073709551615", "V2"),
            ("V1..V99999999999999999999", "V99999999999999999999"),
            ("..V1", ""),
            ("V1..", ""),
            ("V1..V3..V4", "V3..V4"),
        ] {
            let message = inputs("V1,V3", list).unwrap_err();
            assert!(message.contains(&format!("expected input column `{missing}`, found")), "{message}");
        }
    }
}
