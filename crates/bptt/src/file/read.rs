//! Reading model files. Nothing is allocated for the model before its sizes agree with tensors that are there.

use safetensors::tensor::Metadata as Header;

use super::entries::{self, Architecture, Entries};
use super::error::shown;
use super::tensor::{self, Element, Tensor};
use super::write::LARGEST_HEADER;
use super::{AnyModel, FORMAT, FORMAT_VERSION, FileError, ModelFile, checksum};
use crate::stack::Stack;
use crate::{DynRnn, Model};

/// Reads a model file.
pub(super) fn read(bytes: &[u8]) -> Result<ModelFile, FileError> {
    let (header, data) = open(bytes)?;
    let pairs = header.metadata().iter().flatten();
    let entries: Entries<'_> = pairs.map(|(key, value)| (key.as_str(), value.as_str())).collect();
    entries::check_format(&entries, FORMAT, FORMAT_VERSION)?;
    let architecture = Architecture::read(&entries)?;
    let model = if architecture.double {
        AnyModel::F64(read_model(architecture, &header, &entries, data)?)
    } else {
        AnyModel::F32(read_model(architecture, &header, &entries, data)?)
    };
    let metadata = entries::read_metadata(&entries, &model)?;
    Ok(ModelFile { model, metadata })
}

/// Splits a safetensors file into its header, checked, and its data.
///
/// The crate parses the header and checks that the tensors lie one after the other and fill their shapes.
/// The file's length is compared here, with checked arithmetic: `SafeTensors::deserialize` adds offsets from
/// the file and panics, or accepts a file with too little data, where the sum overflows.
pub(super) fn open(bytes: &[u8]) -> Result<(Header, &[u8]), FileError> {
    let refuse = |reason: String| Err(FileError::NotSafetensors { reason });
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return refuse(format!("expected at least 8 bytes, found {}", bytes.len()));
    };
    let length = u64::from_le_bytes(*length);
    if length > LARGEST_HEADER as u64 {
        return refuse(format!("expected a header of at most {LARGEST_HEADER} bytes, found {length}"));
    }
    let found = bytes.len() as u64;
    let Some((header, data)) = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length))
    else {
        return Err(FileError::FileLength { expected: length + 8, found });
    };
    let header: Header = match serde_json::from_slice(header) {
        Ok(header) => header,
        Err(error) => return refuse(shown_reason(&error.to_string())),
    };
    let expected = (header.data_len() as u64).saturating_add(length + 8);
    if expected == found { Ok((header, data)) } else { Err(FileError::FileLength { expected, found }) }
}

/// The crate's reason may quote the file; keep it to one line.
fn shown_reason(reason: &str) -> String {
    reason.chars().take(200).flat_map(char::escape_debug).collect()
}

fn read_model<T: Element>(
    architecture: Architecture,
    header: &Header,
    entries: &Entries<'_>,
    data: &[u8],
) -> Result<DynRnn<T>, FileError> {
    let expected = parameters::<T>(architecture, header, "")?;
    let tensors = tensors(expected, header, data)?;
    check_sum(entries, &tensors)?;
    let mut model = Model::zeroed(architecture.layout(), architecture.network)?;
    tensor::into_model(&mut model, &tensors)?;
    Ok(model)
}

/// What a tensor has to be.
pub(super) struct Expected {
    pub name: String,
    pub shape: Vec<usize>,
    pub tag: &'static str,
}

/// The parameters of a network, each name after `prefix`.
pub(super) fn parameters<T: Element>(
    architecture: Architecture,
    header: &Header,
    prefix: &str,
) -> Result<Vec<Expected>, FileError> {
    // Before names are made for layers that a file only claims to have.
    let (layers, found) = (architecture.network.num_layers, header.offset_keys().len());
    if layers > found {
        let expected = format!("no more layers than there are tensors, {found}");
        return Err(FileError::Entry { key: "num_layers", expected, found: format!("`{layers}`") });
    }
    let table = Stack::new(architecture.layout(), architecture.network).table::<T>();
    let expected = |entry: crate::params::Entry| {
        let name = if prefix.is_empty() { entry.name } else { format!("{prefix}{}", entry.name) };
        Expected { name, shape: entry.shape, tag: T::TAG }
    };
    Ok(table.entries.into_iter().map(expected).collect())
}

/// The tensors that are expected, in the order of their names: all there, of their shapes and types, and no others.
pub(super) fn tensors<'a>(
    mut expected: Vec<Expected>,
    header: &Header,
    data: &'a [u8],
) -> Result<Vec<Tensor<'a>>, FileError> {
    expected.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(tensor) = expected.iter().find(|tensor| header.info(&tensor.name).is_none()) {
        return Err(FileError::MissingTensor { name: tensor.name.clone() });
    }
    let known =
        |name: &String| expected.binary_search_by(|tensor| tensor.name.as_str().cmp(name.as_str())).is_ok();
    if let Some(name) = header.offset_keys().iter().find(|name| !known(name)) {
        return Err(FileError::UnknownTensor { name: shown(name) });
    }
    let read = |Expected { name, shape, tag }: Expected| {
        let Some(info) = header.info(&name) else { return Err(FileError::MissingTensor { name }) };
        if info.shape != shape {
            return Err(FileError::Shape { name, expected: shape, found: info.shape.clone() });
        }
        let found = info.dtype.to_string();
        if found != tag {
            return Err(FileError::Dtype { name, expected: tag, found });
        }
        let (start, end) = info.data_offsets;
        let Some(data) = data.get(start..end) else {
            return Err(FileError::FileLength { expected: end as u64, found: data.len() as u64 });
        };
        Ok(Tensor { name, tag, shape, data: data.into() })
    };
    expected.into_iter().map(read).collect()
}

pub(super) fn check_sum(entries: &Entries<'_>, tensors: &[Tensor<'_>]) -> Result<(), FileError> {
    let found = *entries.get(checksum::KEY).ok_or(FileError::MissingEntry { key: checksum::KEY })?;
    let expected = checksum::checksum(entries, tensors);
    if found == expected { Ok(()) } else { Err(FileError::Checksum { expected, found: shown(found) }) }
}
