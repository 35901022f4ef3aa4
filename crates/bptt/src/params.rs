//! [`Params`]: all parameters of a model in one flat buffer, with a table of names and shapes.
//!
//! Optimizers, clipping, norms and saving are single loops over [`Params::flat`]. Names, shapes and the order of
//! elements seen through [`Params::get`] and [`Params::set`] are PyTorch's; inside, a matrix may be stored
//! input-major, and its rows are padded to cache lines (see [`crate::stack`]).

use crate::buffer::Buffer;
use crate::{Error, Float, Result};

/// Where one parameter lies in the flat buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub name: String,
    /// PyTorch's shape: `[out, in]`, or `[out]` for a bias.
    pub shape: Vec<usize>,
    /// Pieces that a stored row consists of (gates, or directions), each padded to whole cache lines.
    pub pieces: usize,
    /// Stored with inputs as rows and outputs as columns, against PyTorch's order.
    pub input_major: bool,
    pub offset: usize,
    /// Distance between stored rows.
    pub stride: usize,
}

impl Entry {
    /// Stored rows and columns (columns without padding).
    fn stored(&self) -> (usize, usize) {
        match (&self.shape[..], self.input_major) {
            (&[out, input], true) => (input, out),
            (&[out, input], false) => (out, input),
            (shape, _) => (1, shape.iter().product()),
        }
    }

    /// The flat index of each element, in PyTorch's order.
    fn indices(&self) -> impl Iterator<Item = usize> + '_ {
        let (rows, columns) = self.stored();
        let (piece, distance) = (columns / self.pieces, self.stride / self.pieces);
        let (outer, inner) = if self.input_major { (columns, rows) } else { (rows, columns) };
        (0..outer).flat_map(move |a| {
            (0..inner).map(move |b| {
                let (row, column) = if self.input_major { (b, a) } else { (a, b) };
                self.offset + row * self.stride + column / piece * distance + column % piece
            })
        })
    }
}

/// Collects the entries of a table one after the other.
pub(crate) struct Table<T> {
    pub entries: Vec<Entry>,
    end: usize,
    element: std::marker::PhantomData<T>,
}

impl<T: Float> Table<T> {
    pub fn new() -> Self {
        Self { entries: Vec::new(), end: 0, element: std::marker::PhantomData }
    }

    /// Appends a parameter whose stored rows have `pieces` pieces. Sizes that a file claims may be anything: what would
    /// overflow saturates.
    pub fn add(&mut self, name: impl Into<String>, shape: &[usize], input_major: bool, pieces: usize) {
        let (name, shape) = (name.into(), shape.to_vec());
        let mut entry = Entry { name, shape, pieces, input_major, offset: 0, stride: 0 };
        let (rows, columns) = entry.stored();
        entry.offset = self.end;
        let piece = (columns / pieces).checked_next_multiple_of(T::LINE).unwrap_or(usize::MAX);
        entry.stride = piece.saturating_mul(pieces);
        self.end = self.end.saturating_add(rows.saturating_mul(entry.stride));
        self.entries.push(entry);
    }
}

/// Named parameters, or gradients of the same shapes, in one flat buffer.
#[derive(Debug, Clone, PartialEq)]
pub struct Params<T = f32> {
    flat: Buffer<T>,
    entries: Vec<Entry>,
}

impl<T: Float> Params<T> {
    /// A buffer with the table of what lies in it.
    pub(crate) fn over(flat: Buffer<T>, table: Table<T>) -> Self {
        debug_assert_eq!(flat.len(), table.end);
        Self { flat, entries: table.entries }
    }

    /// Zeros with the same table.
    pub(crate) fn zeros_like(&self) -> Result<Self> {
        Ok(Self { flat: Buffer::zeroed(self.flat.len())?, entries: self.entries.clone() })
    }

    /// A copy of `flat` with the same table.
    pub(crate) fn like(&self, flat: &[T]) -> Result<Self> {
        let mut copy = self.zeros_like()?;
        copy.flat.copy_from_slice(flat);
        Ok(copy)
    }

    /// The names and PyTorch shapes, in storage order.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.entries.iter().map(|entry| (&entry.name[..], &entry.shape[..]))
    }

    /// How many parameters there are, padding not counted.
    pub fn count(&self) -> usize {
        self.shapes().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }

    /// The values of parameter `name`, row-major in PyTorch's shape.
    ///
    /// # Errors
    /// [`Error::UnknownParameter`].
    pub fn get(&self, name: &str) -> Result<Vec<T>> {
        let entry = self.entry(name)?;
        Ok(entry.indices().map(|index| self.flat[index]).collect())
    }

    /// Sets parameter `name` from `values`, row-major in PyTorch's shape.
    ///
    /// # Errors
    /// [`Error::UnknownParameter`], or [`Error::Length`] where the number of values is another than the shape's.
    pub fn set(&mut self, name: &str, values: &[T]) -> Result<()> {
        let entry = self.entry(name)?.clone();
        let expected = entry.shape.iter().product();
        if values.len() != expected {
            return Err(Error::Length { what: name.to_owned(), expected, found: values.len() });
        }
        for (index, value) in entry.indices().zip(values) {
            self.flat[index] = *value;
        }
        Ok(())
    }

    /// Sets every parameter, in storage order and each row-major in PyTorch's shape, to what `draw` returns for its name.
    pub(crate) fn fill(&mut self, mut draw: impl FnMut(&str) -> T) {
        for entry in &self.entries {
            for index in entry.indices() {
                self.flat[index] = draw(&entry.name);
            }
        }
    }

    /// The flat buffer, padding included; the padding is zero and must stay so.
    pub fn flat(&self) -> &[T] {
        &self.flat
    }

    /// The flat buffer for writing; see [`Params::flat`].
    pub fn flat_mut(&mut self) -> &mut [T] {
        &mut self.flat
    }

    fn entry(&self, name: &str) -> Result<&Entry> {
        let found = self.entries.iter().find(|entry| entry.name == name);
        found.ok_or_else(|| Error::UnknownParameter { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> Params<f64> {
        let mut table = Table::new();
        table.add("a", &[2, 3], true, 1);
        table.add("b", &[2, 3], false, 1);
        table.add("c", &[2], false, 1);
        Params::over(Buffer::zeroed(table.end).unwrap(), table)
    }

    #[test]
    fn values_come_back_in_pytorch_order_and_padding_stays_zero() {
        let mut params = params();
        for name in ["a", "b"] {
            params.set(name, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
            assert_eq!(params.get(name).unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        }
        params.set("c", &[7.0, 8.0]).unwrap();
        // `a` is stored input-major: three rows of two.
        assert_eq!(params.flat()[..10], [1.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 5.0]);
        assert_eq!(params.flat().iter().filter(|x| **x != 0.0).count(), 14);
        assert_eq!((params.count(), params.flat().len()), (14, 3 * 8 + 2 * 8 + 8));
    }

    #[test]
    fn pieces_are_padded_each() {
        let mut table = Table::<f64>::new();
        table.add("gates", &[4, 2], true, 2);
        let mut params = Params::over(Buffer::zeroed(table.end).unwrap(), table);
        params.set("gates", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]).unwrap();
        assert_eq!(params.get("gates").unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        // Two rows (inputs) of two pieces (gates) of two units.
        let at = |row: usize, gate: usize| &params.flat()[16 * row + 8 * gate..][..3];
        assert_eq!([at(0, 0), at(0, 1)], [[1.0, 3.0, 0.0], [5.0, 7.0, 0.0]]);
        assert_eq!([at(1, 0), at(1, 1)], [[2.0, 4.0, 0.0], [6.0, 8.0, 0.0]]);
    }

    #[test]
    fn unknown_names_and_wrong_lengths_are_errors() {
        let mut params = params();
        assert_eq!(params.get("d").unwrap_err(), Error::UnknownParameter { name: "d".into() });
        let wrong = Error::Length { what: "c".into(), expected: 2, found: 3 };
        assert_eq!(params.set("c", &[0.0; 3]).unwrap_err(), wrong);
    }
}
