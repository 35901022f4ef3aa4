//! Parameters as little-endian bytes, and back.

use std::borrow::Cow;

use super::FileError;
use crate::{DynRnn, Float};

/// An element type of safetensors.
pub(crate) trait Element: Float {
    /// The type's name in a safetensors header.
    const TAG: &'static str;
    /// Bytes per element.
    const SIZE: usize;
    /// Appends the element.
    fn append(self, bytes: &mut Vec<u8>);
    /// The element of `SIZE` bytes; 0 for any other number of bytes.
    fn parse(bytes: &[u8]) -> Self;
}

macro_rules! element {
    ($type:ident, $tag:literal) => {
        impl Element for $type {
            const TAG: &'static str = $tag;
            const SIZE: usize = size_of::<$type>();

            fn append(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }

            fn parse(bytes: &[u8]) -> Self {
                bytes.try_into().map_or(0.0, $type::from_le_bytes)
            }
        }
    };
}
element!(f32, "F32");
element!(f64, "F64");

/// A tensor that belongs to the model, with its row-major data.
pub(crate) struct Tensor<'a> {
    pub name: String,
    pub tag: &'static str,
    pub shape: Vec<usize>,
    pub data: Cow<'a, [u8]>,
}

/// The tensors of `model` in the order of their names.
pub(super) fn from_model<T: Element>(model: &DynRnn<T>) -> Result<Vec<Tensor<'static>>, FileError> {
    let mut tensors = Vec::new();
    for (name, shape) in model.params().shapes() {
        let values = model.params().get(name)?;
        check_finite(name, &values)?;
        let mut data = Vec::with_capacity(values.len() * T::SIZE);
        values.into_iter().for_each(|value| value.append(&mut data));
        tensors.push(Tensor { name: name.to_owned(), tag: T::TAG, shape: shape.to_vec(), data: data.into() });
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tensors)
}

/// Sets the parameters of `model`, whose shapes are those of `tensors`.
pub(super) fn into_model<T: Element>(model: &mut DynRnn<T>, tensors: &[Tensor<'_>]) -> Result<(), FileError> {
    for tensor in tensors {
        let values: Vec<T> = tensor.data.chunks_exact(T::SIZE).map(T::parse).collect();
        check_finite(&tensor.name, &values)?;
        model.params_mut().set(&tensor.name, &values)?;
    }
    Ok(())
}

/// Refuses NaN and infinity.
pub(crate) fn check_finite<T: Float>(name: &str, values: &[T]) -> Result<(), FileError> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(FileError::NonFinite { name: name.to_owned(), index }),
        None => Ok(()),
    }
}
