//! Writing model files.

use std::collections::BTreeMap;

use serde::Serialize;

use super::tensor::{self, Tensor};
use super::{FileError, ModelFile, checksum, either, entries};

/// Bytes that readers of safetensors accept as a header.
pub(super) const LARGEST_HEADER: usize = 100_000_000;

/// One value of the safetensors header.
#[derive(Serialize)]
#[serde(untagged)]
enum Item<'a> {
    Metadata(BTreeMap<&'a str, String>),
    Tensor { dtype: &'a str, shape: &'a [usize], data_offsets: [usize; 2] },
}

/// The bytes of `file`.
///
/// The container is written here and not by `safetensors::serialize`, which takes the metadata as a
/// `HashMap` and writes it in that map's random order: the same model would give another file every time.
/// Here everything lies in the order of names.
pub(super) fn write(file: &ModelFile) -> Result<Vec<u8>, FileError> {
    file.metadata.check(&file.model)?;
    let tensors = either!(&file.model, model => tensor::from_model(model))?;
    container(entries::write(file), &tensors)
}

/// A safetensors file of `entries` and a checksum, and of `tensors`, which come in the order of their names.
pub(super) fn container(
    mut entries: BTreeMap<&'static str, String>,
    tensors: &[Tensor<'_>],
) -> Result<Vec<u8>, FileError> {
    entries.insert(checksum::KEY, checksum::checksum(&entries, tensors));
    let header = header(entries, tensors)?;

    let data: usize = tensors.iter().map(|tensor| tensor.data.len()).sum();
    let mut bytes = Vec::with_capacity(8 + header.len() + data);
    bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&header);
    tensors.iter().for_each(|tensor| bytes.extend_from_slice(&tensor.data));
    Ok(bytes)
}

fn header(entries: BTreeMap<&'static str, String>, tensors: &[Tensor<'_>]) -> Result<Vec<u8>, FileError> {
    let mut items = BTreeMap::from([("__metadata__", Item::Metadata(entries))]);
    let mut start = 0;
    for tensor in tensors {
        let end = start + tensor.data.len();
        let data_offsets = [start, end];
        items
            .insert(&tensor.name[..], Item::Tensor { dtype: tensor.tag, shape: &tensor.shape, data_offsets });
        start = end;
    }
    // Texts and whole numbers only, so that this does not fail.
    let mut header = serde_json::to_vec(&items)
        .map_err(|error| FileError::NotSafetensors { reason: error.to_string() })?;
    // The data starts at a multiple of 8 bytes, so that readers can map it.
    header.resize(header.len().next_multiple_of(8), b' ');
    if header.len() > LARGEST_HEADER {
        return Err(FileError::HeaderTooLarge { limit: LARGEST_HEADER, found: header.len() });
    }
    Ok(header)
}
