//! Tensors as they are read: constants of a graph, or files of their own.

use super::OnnxError;
use super::fields::{Field, Fields};
use super::proto::{data_type, tensor};
use super::read::{bytes, int, ints, single, text, wrong};

/// A tensor whose numbers are still bytes.
#[derive(Debug, Default)]
pub(super) struct Tensor<'a> {
    pub name: &'a str,
    pub shape: Vec<usize>,
    pub data_type: i64,
    raw: Option<&'a [u8]>,
    /// Of the fields for the types: numbers of four bytes, of eight, and whole ones.
    fours: Vec<&'a [u8]>,
    eights: Vec<&'a [u8]>,
    wholes: Vec<i64>,
    external: bool,
}

/// The numbers of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Numbers {
    Single(Vec<f64>),
    Double(Vec<f64>),
    Whole(Vec<i64>),
}

fn double(bytes: &[u8]) -> f64 {
    bytes.try_into().map_or(0.0, f64::from_le_bytes)
}

impl<'a> Tensor<'a> {
    pub fn read(message: &'a [u8]) -> Result<Self, OnnxError> {
        let (mut found, mut shape, mut fields) = (Self::default(), Vec::new(), Fields::of(message));
        let what = "a tensor";
        while let Some((number, field)) = fields.next()? {
            match number {
                tensor::DIMS => ints("the shape of a tensor", field, &mut shape)?,
                tensor::DATA_TYPE => found.data_type = int("the type of a tensor", field)?,
                tensor::NAME => found.name = text("the name of a tensor", field)?,
                tensor::RAW_DATA => found.raw = Some(bytes(what, field)?),
                tensor::FLOAT_DATA => found.fours.push(packed(field)?),
                tensor::DOUBLE_DATA => found.eights.push(packed(field)?),
                tensor::INT32_DATA | tensor::INT64_DATA => ints(what, field, &mut found.wholes)?,
                tensor::DATA_LOCATION => found.external = int("the place of a tensor", field)? != 0,
                _ => {}
            }
        }
        for size in shape {
            match usize::try_from(size) {
                Ok(size) => found.shape.push(size),
                Err(_) => return wrong("a size of a tensor", "a number from 0 on", size),
            }
        }
        Ok(found)
    }

    /// The numbers of the tensor, as many as its shape says.
    pub fn numbers(&self) -> Result<Numbers, OnnxError> {
        let wrong = |expected: String, found: String| {
            Err(OnnxError::Tensor { name: crate::file::shown(self.name), expected, found })
        };
        if self.external {
            return wrong("numbers in the file itself".into(), "a reference to another file".into());
        }
        let wide = |chunk: &[u8]| chunk.try_into().map_or(0, i64::from_le_bytes);
        let narrow = |chunk: &[u8]| chunk.try_into().map_or(0, |chunk| i64::from(i32::from_le_bytes(chunk)));
        let (numbers, found) = match self.data_type {
            data_type::FLOAT => {
                let values: Vec<f64> = self.chunks(&self.fours, 4).map(single).collect();
                let count = values.len();
                (Numbers::Single(values), count)
            }
            data_type::DOUBLE => {
                let values: Vec<f64> = self.chunks(&self.eights, 8).map(double).collect();
                let count = values.len();
                (Numbers::Double(values), count)
            }
            data_type::INT32 | data_type::INT64 => {
                let size = if self.data_type == data_type::INT32 { 4 } else { 8 };
                let values: Vec<i64> = match self.raw {
                    Some(raw) if size == 4 => raw.chunks_exact(size).map(narrow).collect(),
                    Some(raw) => raw.chunks_exact(size).map(wide).collect(),
                    None => self.wholes.clone(),
                };
                let count = values.len();
                (Numbers::Whole(values), count)
            }
            other => {
                let expected = "the type float (1), double (11), int32 (6) or int64 (7)";
                return wrong(expected.into(), other.to_string());
            }
        };
        let expected = self.shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
        if expected == Some(found) {
            return Ok(numbers);
        }
        wrong(format!("the numbers of shape {:?}", self.shape), format!("{found} of them"))
    }

    /// The numbers' bytes: raw, or those of the type's own field.
    fn chunks<'s>(&'s self, typed: &'s [&'a [u8]], size: usize) -> impl Iterator<Item = &'a [u8]> + 's {
        let raw = self.raw.into_iter();
        let typed = typed.iter().copied().filter(|_| self.raw.is_none());
        raw.chain(typed).flat_map(move |bytes| bytes.chunks_exact(size))
    }
}

/// A packed row of numbers.
///
/// Of numbers one by one, which ONNX's own writers do not make, nothing is taken.
fn packed(field: Field<'_>) -> Result<&[u8], OnnxError> {
    bytes("the numbers of a tensor", field)
}
