//! The label cells of a file: numbers, or the names of classes; an empty cell is no label.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::cell;
use super::error::{CellProblem, shown};

/// What label cells hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LabelKind {
    /// What the first cell says: a number, or with a single label column a name.
    #[default]
    Auto,
    /// Numbers.
    Numbers,
    /// Names of classes, in a single column; a number is the name that it has when it is printed.
    Names,
}

/// The labels so far, in the file's order.
#[derive(Debug, Default)]
pub(super) struct Labels {
    /// What the cells hold; [`LabelKind::Auto`] until one says.
    kind: LabelKind,
    /// Whether a cell decided, and not the user.
    decided: bool,
    /// Numbers, or numbers of classes in the order in which they came; NaN where there is no label.
    values: Vec<f64>,
    classes: HashMap<String, usize>,
}

impl Labels {
    /// Names need a single column.
    pub(super) fn new(kind: LabelKind, columns: usize) -> Self {
        let kind = if columns == 1 { kind } else { LabelKind::Numbers };
        Self { kind, ..Self::default() }
    }

    /// Adds the next cell.
    pub(super) fn push(&mut self, cell: &[u8]) -> Result<(), CellProblem> {
        let cell = cell.trim_ascii();
        if cell.is_empty() {
            self.values.push(f64::NAN);
            return Ok(());
        }
        if self.kind == LabelKind::Auto {
            let names = matches!(cell::number(cell), Err(CellProblem::NotNumber { .. }));
            self.kind = if names { LabelKind::Names } else { LabelKind::Numbers };
            self.decided = true;
        }
        if self.kind == LabelKind::Numbers {
            let number = cell::number(cell).map_err(|problem| match problem {
                CellProblem::NotNumber { found } if self.decided => CellProblem::MixedLabel { found },
                problem => problem,
            });
            self.values.push(number?);
            return Ok(());
        }
        let text = cell::text(cell)?;
        let number = cell::number(cell).ok();
        // A file that begins with `n/a` is not one of a thousand classes.
        if self.decided && number.is_some() {
            return Err(CellProblem::MixedName { found: shown(text) });
        }
        let name = number.map_or_else(|| text.to_owned(), canonical);
        let next = self.classes.len();
        self.values.push(*self.classes.entry(name).or_insert(next) as f64);
        Ok(())
    }

    /// The values, and the names of the classes that they are the numbers of, in natural order.
    pub(super) fn finish(self) -> (Vec<f64>, Option<Vec<String>>) {
        if self.kind != LabelKind::Names {
            return (self.values, None);
        }
        let mut names: Vec<(String, usize)> = self.classes.into_iter().collect();
        names.sort_by(|(a, _), (b, _)| natural(a, b));
        let mut places = vec![0.0; names.len()];
        for (place, (_, first)) in names.iter().enumerate() {
            places[*first] = place as f64;
        }
        let place = |value: f64| if value.is_nan() { value } else { places[value as usize] };
        (
            self.values.into_iter().map(place).collect(),
            Some(names.into_iter().map(|(name, _)| name).collect()),
        )
    }
}

/// The name of a number: `1`, `1.0` and `01` are one class.
pub(super) fn canonical(number: f64) -> String {
    // Adding 0 makes −0 a 0.
    (number + 0.0).to_string()
}

/// Finite numbers by value, then texts; equal only where the names are.
fn natural(a: &str, b: &str) -> Ordering {
    let number = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
    match (number(a), number(b)) {
        (Some(x), Some(y)) => x.total_cmp(&y).then_with(|| a.cmp(b)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: LabelKind, cells: &[&str]) -> Result<(String, Option<Vec<String>>), String> {
        let mut labels = Labels::new(kind, 1);
        for cell in cells {
            labels.push(cell.as_bytes()).map_err(|problem| problem.to_string())?;
        }
        let (values, classes) = labels.finish();
        Ok((format!("{values:?}"), classes))
    }

    #[test]
    fn the_first_label_decides() {
        assert_eq!(read(LabelKind::Auto, &["", "1", " 2 "]), Ok(("[NaN, 1.0, 2.0]".into(), None)));
        let (values, classes) = read(LabelKind::Auto, &["b", "", "a", "b "]).unwrap();
        assert_eq!(
            (values.as_str(), classes.unwrap()),
            ("[1.0, NaN, 0.0, 1.0]", vec!["a".into(), "b".to_owned()])
        );
        let mixed = read(LabelKind::Auto, &["1", "1O"]).unwrap_err();
        assert!(
            mixed.starts_with("expected a number, found `1O`") && mixed.contains("--task classification"),
            "{mixed}"
        );
        let mixed = read(LabelKind::Auto, &["n/a", "1.5"]).unwrap_err();
        assert!(
            mixed.starts_with("expected the name of a class, as in the first label, found `1.5`"),
            "{mixed}"
        );
        assert_eq!(read(LabelKind::Numbers, &["a"]).unwrap_err(), "expected a number, found `a`");
    }

    #[test]
    fn names_are_in_natural_order() {
        let (values, classes) =
            read(LabelKind::Names, &["10", "9", "x", "9.0", "-0", "0", "nan", "inf"]).unwrap();
        assert_eq!(classes.unwrap(), ["0", "9", "10", "inf", "nan", "x"]);
        assert_eq!(values, "[2.0, 1.0, 5.0, 1.0, 0.0, 0.0, 4.0, 3.0]");
    }
}
