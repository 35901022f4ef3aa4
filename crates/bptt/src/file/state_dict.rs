//! A PyTorch state dict, saved by `safetensors.torch.save_file`: an `nn.RNN`, `nn.GRU` or `nn.LSTM` and an `nn.Linear`.
//!
//! The architecture is read off names and shapes. What cannot be read off: the activation of an `nn.RNN`, and whether a
//! module was made with `batch_first`, which changes no parameter.

use safetensors::tensor::Metadata as Header;

use super::error::shown;
use super::tensor::{Element, check_finite};
use super::{AnyModel, FORMAT, FileError};
use crate::cell::Layout;
use crate::dim::Dyn;
use crate::stack::Stack;
use crate::{Activation, Architecture, Cell, DynRnn, Model};

/// What a recurrent module and a linear one are called in the state dict.
struct Modules<'a> {
    /// `"rnn."`, say, or nothing.
    recurrent: &'a str,
    linear: &'a str,
    layers: usize,
    bidirectional: bool,
    /// Whether the recurrent module has biases, and the linear one.
    biases: [bool; 2],
}

/// A parameter of a recurrent module: its kind, layer and direction.
fn recurrent(leaf: &str) -> Option<(&str, usize, bool)> {
    let (kind, rest) = leaf.split_once("_l")?;
    let known = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].contains(&kind);
    let (layer, reverse) = match rest.strip_suffix("_reverse") {
        Some(layer) => (layer, true),
        None => (rest, false),
    };
    let layer: usize = layer.parse().ok().filter(|number: &usize| number.to_string() == layer)?;
    known.then_some((kind, layer, reverse))
}

pub(super) fn read(bytes: &[u8], activation: Activation) -> Result<AnyModel, FileError> {
    let (header, data) = super::read::open(bytes)?;
    refuse_without_module(&header)?;
    let names = header.offset_keys();
    let modules = Modules::find(&names)?;
    let first = format!("{}weight_ih_l0", modules.recurrent);
    let Some(info) = header.info(&first) else { return Err(FileError::MissingTensor { name: first }) };
    match info.dtype.to_string().as_str() {
        f32::TAG => Ok(model::<f32>(&modules, &header, data, activation)?.into()),
        f64::TAG => Ok(model::<f64>(&modules, &header, data, activation)?.into()),
        other => Err(FileError::Dtype { name: first, expected: "F32 or F64", found: other.to_owned() }),
    }
}

/// Refuses a model file of ours whose cell PyTorch does not have: by its names and shapes it would be another one.
fn refuse_without_module(header: &Header) -> Result<(), FileError> {
    let cell = Cell::GruResetBefore.name();
    let entry = |key: &str| header.metadata().as_ref().and_then(|entries| entries.get(key));
    if entry("format").is_some_and(|format| format == FORMAT)
        && entry("cell").is_some_and(|found| found == cell)
    {
        let found = format!("a model file of bptt with the cell {cell}");
        return Err(FileError::Modules { expected: "a module of PyTorch".to_owned(), found });
    }
    Ok(())
}

impl<'a> Modules<'a> {
    fn find(names: &'a [String]) -> Result<Self, FileError> {
        let mut modules =
            Self { recurrent: "", linear: "", layers: 0, bidirectional: false, biases: [false; 2] };
        let (mut recurrents, mut linears) = (None, None);
        for name in names {
            let (prefix, leaf) = name.split_at(name.rfind('.').map_or(0, |dot| dot + 1));
            let (found, what) = if let Some((kind, layer, reverse)) = recurrent(leaf) {
                if layer >= names.len() {
                    return Err(FileError::UnknownTensor { name: shown(name) });
                }
                modules.layers = modules.layers.max(layer + 1);
                modules.bidirectional |= reverse;
                modules.biases[0] |= kind.starts_with("bias");
                (&mut recurrents, "recurrent")
            } else if ["weight", "bias"].contains(&leaf) {
                modules.biases[1] |= leaf == "bias";
                (&mut linears, "linear")
            } else {
                return Err(FileError::UnknownTensor { name: shown(name) });
            };
            let before = *found.get_or_insert(prefix);
            if before != prefix {
                let found = format!("`{}` and `{}`", shown(before), shown(prefix));
                return Err(FileError::Modules { expected: format!("one {what} module"), found });
            }
        }
        let missing = |what: &str| FileError::Modules {
            expected: format!("the tensors of a {what}"),
            found: "none".to_owned(),
        };
        modules.recurrent = recurrents.ok_or_else(|| missing("recurrent module (weight_ih_l0, …)"))?;
        modules.linear = linears.ok_or_else(|| missing("linear module (weight, bias)"))?;
        Ok(modules)
    }

    /// What a parameter of ours is called here.
    fn name(&self, ours: &str) -> String {
        match ours.strip_prefix("fc.") {
            Some(leaf) => format!("{}{leaf}", self.linear),
            None => format!("{}{ours}", self.recurrent),
        }
    }

    /// Whether a parameter may be absent: of a module without biases.
    fn optional(&self, ours: &str) -> bool {
        match ours.strip_prefix("fc.") {
            Some(leaf) => leaf == "bias" && !self.biases[1],
            None => ours.starts_with("bias") && !self.biases[0],
        }
    }

    /// The sizes and the architecture, from the shapes of the first layer and of the readout.
    fn stack(
        &self,
        header: &Header,
        activation: Activation,
    ) -> Result<(Layout<Dyn, Dyn, Dyn>, Architecture), FileError> {
        let matrix = |ours: &str| {
            let name = self.name(ours);
            let Some(info) = header.info(&name) else { return Err(FileError::MissingTensor { name }) };
            match info.shape[..] {
                [rows, columns] if rows > 0 && columns > 0 => Ok((rows, columns)),
                _ => {
                    let (expected, found) = ("a matrix".to_owned(), format!("shape {:?}", info.shape));
                    Err(FileError::Modules { expected: format!("{expected} as `{}`", shown(&name)), found })
                }
            }
        };
        let (_, input) = matrix("weight_ih_l0")?;
        let (rows, hidden) = matrix("weight_hh_l0")?;
        let (output, _) = matrix("fc.weight")?;
        let cell = match (rows % hidden, rows / hidden) {
            (0, 1) => Cell::Elman(activation),
            (0, 3) => Cell::Gru,
            (0, 4) => Cell::Lstm,
            _ => {
                let name = shown(&self.name("weight_hh_l0"));
                let expected =
                    format!("1, 3 or 4 times as many rows as columns in `{name}` (RNN, GRU, LSTM)");
                return Err(FileError::Modules { expected, found: format!("shape {:?}", [rows, hidden]) });
            }
        };
        let architecture = Architecture::new(cell).num_layers(self.layers).bidirectional(self.bidirectional);
        Ok((Layout { input: Dyn(input), hidden: Dyn(hidden), output: Dyn(output) }, architecture))
    }
}

/// The model; all tensors are checked before it is made.
fn model<T: Element>(
    modules: &Modules<'_>,
    header: &Header,
    data: &[u8],
    activation: Activation,
) -> Result<DynRnn<T>, FileError> {
    let (layout, architecture) = modules.stack(header, activation)?;
    let table = Stack::new(layout, architecture).table::<T>().entries;
    let mut found = Vec::new();
    for entry in &table {
        let name = modules.name(&entry.name);
        let Some(info) = header.info(&name) else {
            if modules.optional(&entry.name) {
                continue;
            }
            return Err(FileError::MissingTensor { name: shown(&name) });
        };
        let name = shown(&name);
        if info.shape != entry.shape {
            let (expected, found) = (entry.shape.clone(), info.shape.clone());
            return Err(FileError::Shape { name, expected, found });
        }
        let dtype = info.dtype.to_string();
        if dtype != T::TAG {
            return Err(FileError::Dtype { name, expected: T::TAG, found: dtype });
        }
        let (start, end) = info.data_offsets;
        let Some(bytes) = data.get(start..end) else {
            return Err(FileError::FileLength { expected: end as u64, found: data.len() as u64 });
        };
        found.push((&entry.name, name, bytes));
    }
    let known = |name: &String| table.iter().any(|entry| modules.name(&entry.name) == *name);
    if let Some(name) = header.offset_keys().iter().find(|name| !known(name)) {
        return Err(FileError::UnknownTensor { name: shown(name) });
    }
    let mut model = Model::zeroed(layout, architecture)?;
    for (ours, name, bytes) in found {
        let values: Vec<T> = bytes.chunks_exact(T::SIZE).map(T::parse).collect();
        check_finite(&name, &values)?;
        model.params_mut().set(ours, &values)?;
    }
    Ok(model)
}
