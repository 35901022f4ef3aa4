//! The checksum of a model file; its definition is in the [module's documentation](super).

use std::collections::BTreeMap;

use super::tensor::Tensor;

/// The key of the checksum itself.
pub(super) const KEY: &str = "crc32";

/// The checksum over `entries`, but for the checksum among them, and over `tensors`, which come in the order
/// of their names.
///
/// It is taken over contents, not over the file's bytes: another tool may order or space the header
/// otherwise without changing what is in it. Lengths keep neighbours apart.
pub(super) fn checksum<V: AsRef<str>>(entries: &BTreeMap<&str, V>, tensors: &[Tensor<'_>]) -> String {
    let mut hasher = crc32fast::Hasher::new();
    let covered = || entries.iter().filter(|(key, _)| **key != KEY);
    number(&mut hasher, covered().count());
    for (key, value) in covered() {
        bytes(&mut hasher, key.as_bytes());
        bytes(&mut hasher, value.as_ref().as_bytes());
    }
    number(&mut hasher, tensors.len());
    for tensor in tensors {
        bytes(&mut hasher, tensor.name.as_bytes());
        bytes(&mut hasher, tensor.tag.as_bytes());
        number(&mut hasher, tensor.shape.len());
        tensor.shape.iter().for_each(|&size| number(&mut hasher, size));
        bytes(&mut hasher, &tensor.data);
    }
    format!("{:08x}", hasher.finalize())
}

fn number(hasher: &mut crc32fast::Hasher, number: usize) {
    hasher.update(&(number as u64).to_le_bytes());
}

fn bytes(hasher: &mut crc32fast::Hasher, bytes: &[u8]) {
    number(hasher, bytes.len());
    hasher.update(bytes);
}
