//! What is refused before it becomes data.

use crate::dim::{Dim, Dyn};
use crate::loss::is_nan;
use crate::{Error, Float, Result};

/// Timesteps of the longest sequence in a table of offsets.
pub(crate) fn longest(offsets: &[usize]) -> usize {
    offsets.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
}

pub(super) fn check_flat<T: Float>(
    (input_size, output_size): (usize, usize),
    features: &[T],
    labels: &[T],
    offsets: &[usize],
    partial: bool,
) -> Result<()> {
    check_sizes(input_size, output_size)?;
    let rows = check_offsets(offsets)?;
    check_lengths(Dyn(input_size), Dyn(output_size), features, labels, rows)?;
    check_finite("feature", features, offsets, input_size, 0)?;
    check_labels(labels, offsets, output_size, 0, partial)
}

/// [`check_finite`] for labels, of which some may be missing.
pub(super) fn check_labels<T: Float>(
    labels: &[T],
    offsets: &[usize],
    columns: usize,
    first: usize,
    partial: bool,
) -> Result<()> {
    let known = |label: T| label.is_finite() || partial && is_nan(label);
    check_values("label", labels, offsets, columns, first, known)
}

pub(super) fn check_sizes(input_size: usize, output_size: usize) -> Result<()> {
    match (input_size, output_size) {
        (0, _) => Err(Error::ZeroSize { what: "input_size" }),
        (_, 0) => Err(Error::ZeroSize { what: "output_size" }),
        _ => Ok(()),
    }
}

/// Checks that offsets start with 0 and rise; returns the number of rows.
pub(crate) fn check_offsets(offsets: &[usize]) -> Result<usize> {
    let wrong = |found: String| Error::Setting {
        name: "offsets",
        expected: "row numbers that start with 0 and rise",
        found,
    };
    match offsets {
        [0, ..] => {}
        [] => return Err(wrong("none".into())),
        [first, ..] => return Err(wrong(format!("{first} first"))),
    }
    match offsets.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => Err(wrong(format!("{} after {}", pair[1], pair[0]))),
        None => Ok(offsets[offsets.len() - 1]),
    }
}

pub(super) fn check_lengths<T, I: Dim, O: Dim>(
    input: I,
    output: O,
    features: &[T],
    labels: &[T],
    rows: usize,
) -> Result<()> {
    for (what, size, found) in
        [("features", input.size(), features.len()), ("labels", output.size(), labels.len())]
    {
        let expected = rows.saturating_mul(size);
        if found != expected {
            return Err(Error::Length { what: what.to_owned(), expected, found });
        }
    }
    Ok(())
}

/// Names the first NaN or infinity; `first` is the index of the first sequence of `offsets`.
pub(super) fn check_finite<T: Float>(
    what: &'static str,
    values: &[T],
    offsets: &[usize],
    columns: usize,
    first: usize,
) -> Result<()> {
    check_values(what, values, offsets, columns, first, T::is_finite)
}

/// Names the first value that is not `good`.
fn check_values<T: Float>(
    what: &'static str,
    values: &[T],
    offsets: &[usize],
    columns: usize,
    first: usize,
    good: impl Fn(T) -> bool,
) -> Result<()> {
    let Some(at) = values.iter().position(|value| !good(*value)) else { return Ok(()) };
    let row = at / columns;
    let sequence = offsets.partition_point(|&offset| offset <= row) - 1;
    let timestep = row - offsets[sequence];
    Err(Error::NotFinite { what, sequence: first + sequence, timestep, column: at % columns })
}
