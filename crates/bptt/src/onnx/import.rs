//! From an ONNX file to a model: what the graph says becomes parameters, what the properties say becomes metadata.

use super::array::Array;
use super::network::{Layer, Meaning, Network};
use super::node::Direction;
use super::{OnnxError, export, read, reader};
use crate::cell::Layout;
use crate::dim::Dyn;
use crate::file::entries::{self, Entries};
use crate::file::tensor::{Element, check_finite};
use crate::file::{AnyModel, FORMAT, FORMAT_VERSION, Metadata, ModelFile, Task};
use crate::{Architecture, DynRnn, Loss, Model, Normalization, Normalizer};

pub(super) fn import(bytes: &[u8]) -> Result<ModelFile, OnnxError> {
    let file = read::Model::read(bytes)?;
    if file.opset < 7 {
        let (expected, found) = ("operator set 7 or newer".to_owned(), file.opset.to_string());
        return Err(OnnxError::Graph { expected, found });
    }
    let signal = reader::output(&file.graph, file.opset, bytes.len())?;
    let network = &signal.network;
    let properties: Entries<'_> = file.properties.iter().copied().collect();
    let ours = properties.get("format") == Some(&FORMAT);
    let mut architecture = architecture(network);
    if ours {
        entries::check_format(&properties, FORMAT, FORMAT_VERSION)?;
        let dropout = entries::Architecture::read(&properties)?.network.dropout;
        if architecture.num_layers > 1 {
            architecture.dropout = dropout;
        }
    }
    let double = network.layers.iter().any(|layer| layer.w.double);
    let model: AnyModel = match double {
        true => model::<f64>(network, architecture)?.into(),
        false => model::<f32>(network, architecture)?.into(),
    };
    let found = metadata(network)?;
    if !ours {
        return Ok(ModelFile { model, metadata: found });
    }
    let metadata = entries::read_metadata(&properties, &model)?;
    agree(&metadata, &found)?;
    Ok(ModelFile { model, metadata })
}

/// The architecture that has all of the graph's layers. One that goes backwards only is half of one that goes both ways.
fn architecture(network: &Network) -> Architecture {
    let layers = &network.layers;
    let both = layers.iter().any(|layer| layer.direction != Direction::Forward);
    // There is one, or there were no readout of it.
    let cell = layers.first().map_or(crate::Cell::Gru, |layer| layer.cell);
    Architecture::new(cell).num_layers(layers.len()).bidirectional(both)
}

fn model<T: Element>(network: &Network, architecture: Architecture) -> Result<DynRnn<T>, OnnxError> {
    let (inputs, hidden) = network.layers.first().map_or((0, 0), |layer| (layer.inputs, layer.hidden));
    let outputs = network.readout.as_ref().and_then(|weight| weight.shape.get(1)).copied().unwrap_or(0);
    let layout = Layout { input: Dyn(inputs), hidden: Dyn(hidden), output: Dyn(outputs) };
    let mut model = Model::zeroed(layout, architecture)?;
    let mut below = None;
    for (number, layer) in network.layers.iter().enumerate() {
        for (place, direction) in [Direction::Forward, Direction::Reverse].into_iter().enumerate() {
            let Some(at) = which(layer.direction, direction) else { continue };
            let suffix = ["", "_reverse"][place];
            for (kind, values) in parameters(layer, at, below, architecture.directions()) {
                set(&mut model, &format!("{kind}_l{number}{suffix}"), &values)?;
            }
        }
        below = Some(layer.direction);
    }
    if let Some(weight) = &network.readout {
        let turned = weight.transposed(&[1, 0]).unwrap_or_else(|| weight.clone());
        let columns = spread(&turned.values, hidden, below, architecture.directions());
        set(&mut model, "fc.weight", &columns)?;
    }
    if let Some(bias) = &network.bias {
        set(&mut model, "fc.bias", &bias.values)?;
    }
    Ok(model)
}

/// Which of a layer's directions this one is.
fn which(layer: Direction, direction: Direction) -> Option<usize> {
    match layer {
        Direction::Bidirectional => Some(usize::from(direction == Direction::Reverse)),
        other => (other == direction).then_some(0),
    }
}

/// PyTorch's four parameters of one direction of a layer.
fn parameters(
    layer: &Layer,
    at: usize,
    below: Option<Direction>,
    directions: usize,
) -> [(&'static str, Vec<f64>); 4] {
    let order = export::gates(layer.cell);
    // Back to PyTorch's order: gate `order[k]` is block `k` here.
    let gates = |values: &[f64]| -> Vec<f64> {
        let block = values.len() / order.len();
        let find = |gate| order.iter().position(|&other| other == gate).unwrap_or(0);
        (0..order.len()).flat_map(|gate| &values[find(gate) * block..][..block]).copied().collect()
    };
    let part = |array: &Array, parts: usize, part: usize| {
        let len = array.values.len() / parts;
        gates(&array.values[part * len..][..len])
    };
    let sides = layer.direction.count();
    let zeros = || vec![0.0; order.len() * layer.hidden];
    let bias = |which| layer.b.as_ref().map_or_else(zeros, |b| part(b, 2 * sides, 2 * at + which));
    let weight_ih = part(&layer.w, sides, at);
    let weight_ih = match below {
        Some(_) => spread(&weight_ih, layer.hidden, below, directions),
        None => weight_ih,
    };
    [
        ("weight_ih", weight_ih),
        ("weight_hh", part(&layer.r, sides, at)),
        ("bias_ih", bias(0)),
        ("bias_hh", bias(1)),
    ]
}

/// Weights of the states of the layer below, with zeros for a direction that it does not have.
fn spread(weights: &[f64], hidden: usize, below: Option<Direction>, directions: usize) -> Vec<f64> {
    if directions == 1 || below == Some(Direction::Bidirectional) {
        return weights.to_vec();
    }
    let shift = if below == Some(Direction::Reverse) { hidden } else { 0 };
    let mut wide = vec![0.0; 2 * weights.len()];
    for (row, wide) in weights.chunks_exact(hidden).zip(wide.chunks_exact_mut(2 * hidden)) {
        wide[shift..shift + hidden].copy_from_slice(row);
    }
    wide
}

fn set<T: Element>(model: &mut DynRnn<T>, name: &str, values: &[f64]) -> Result<(), OnnxError> {
    let values: Vec<T> = values.iter().map(|&value| T::from_f64(value)).collect();
    check_finite(name, &values)?;
    Ok(model.params_mut().set(name, &values)?)
}

/// What the graph itself says about inputs and outputs.
fn metadata(network: &Network) -> Result<Metadata, OnnxError> {
    let (task, loss) = match network.meaning {
        None => (Task::Regression, Loss::Mse),
        Some(Meaning::Sigmoid) => (Task::Binary, Loss::Bce),
        Some(Meaning::Softmax) => (Task::Classification, Loss::CrossEntropy),
    };
    Ok(Metadata {
        task: Some(task),
        loss: Some(loss),
        input_normalizer: normalizer(network.input_offset.as_ref(), network.input_scale.as_ref(), "inputs")?,
        label_normalizer: normalizer(network.label_offset.as_ref(), network.label_scale.as_ref(), "outputs")?,
        ..Metadata::default()
    })
}

fn normalizer(
    offset: Option<&Array>,
    scale: Option<&Array>,
    what: &str,
) -> Result<Option<Normalizer>, OnnxError> {
    let Some(columns) = offset.or(scale).map(|array| array.values.len()) else { return Ok(None) };
    let numbers =
        |array: Option<&Array>, default| array.map_or(vec![default; columns], |a| a.values.to_vec());
    match Normalizer::from_parts(Normalization::ZScore, numbers(offset, 0.0), numbers(scale, 1.0)) {
        Ok(normalizer) => Ok(Some(normalizer)),
        Err(error) => {
            let expected = format!("a scaling of the {what} by finite numbers, scales above 0");
            Err(OnnxError::Graph { expected, found: error.to_string() })
        }
    }
}

/// Refuses properties that say something else than the graph does.
fn agree(metadata: &Metadata, found: &Metadata) -> Result<(), OnnxError> {
    let numbers = |normalizer: &Option<Normalizer>| {
        let changes = normalizer.as_ref().filter(|normalizer| normalizer.kind() != Normalization::None);
        changes.map(|normalizer| (normalizer.offset().to_vec(), normalizer.scale().to_vec()))
    };
    let meaning = |loss: Option<Loss>| loss.filter(|loss| matches!(loss, Loss::Bce | Loss::CrossEntropy));
    let pairs = [
        ("input_normalization", numbers(&metadata.input_normalizer) == numbers(&found.input_normalizer)),
        ("label_normalization", numbers(&metadata.label_normalizer) == numbers(&found.label_normalizer)),
        ("loss", meaning(metadata.loss) == meaning(found.loss)),
    ];
    match pairs.into_iter().find(|(_, same)| !same) {
        Some((key, _)) => Err(OnnxError::Graph {
            expected: format!("a graph that does what its property `{key}` says"),
            found: "one that does something else".to_owned(),
        }),
        None => Ok(()),
    }
}
