//! From a model to an ONNX file. What the graph looks like is in the [module's documentation](super).

use super::OnnxError;
use super::graph::{Attribute, Graph, Size, data_type};
use super::proto::{data_type, entry, model, opset};
use super::wire::Message;
use crate::file::tensor::{Element, check_finite};
use crate::file::{Metadata, ModelFile, either, entries};
use crate::{Activation, Cell, DynRnn, Loss, Normalization, Normalizer};

/// The operator set that is written: the first with today's `RNN`, `GRU` and `LSTM`.
const OPSET: i64 = 14;
/// The version of the file format that came with it.
const IR_VERSION: i64 = 7;
/// Protocol buffers end here.
const LARGEST: usize = i32::MAX as usize;

pub(super) fn export(file: &ModelFile) -> Result<Vec<u8>, OnnxError> {
    file.metadata.check(&file.model)?;
    let bytes =
        file.model.parameter_count().saturating_mul(if file.model.dtype() == "float32" { 4 } else { 8 });
    if bytes > LARGEST {
        let expected = format!("at most {LARGEST} bytes of parameters, which is what an ONNX file holds");
        return Err(OnnxError::Graph { expected, found: bytes.to_string() });
    }
    let graph = either!(&file.model, model => graph(model, &file.metadata))?;
    let operators = Message::new().int(opset::VERSION, OPSET);
    let properties: Vec<Message> = entries::write(file)
        .iter()
        .map(|(key, value)| Message::new().text(entry::KEY, key).text(entry::VALUE, value))
        .collect();
    let message = Message::new().int(model::IR_VERSION, IR_VERSION).text(model::PRODUCER_NAME, "bptt");
    let message = message.text(model::PRODUCER_VERSION, env!("CARGO_PKG_VERSION"));
    let message = message.message(model::GRAPH, &graph.into_message("bptt"));
    let message =
        message.message(model::OPSET_IMPORT, &operators).messages(model::METADATA_PROPS, &properties);
    Ok(message.into_bytes())
}

/// The operator of a cell.
pub(super) fn operator(cell: Cell) -> &'static str {
    match cell {
        Cell::Elman(_) => "RNN",
        Cell::Gru | Cell::GruResetBefore => "GRU",
        Cell::Lstm => "LSTM",
    }
}

/// Which of PyTorch's gates is at each place of ONNX's: z, r, h of r, z, n; i, o, f, c of i, f, g, o.
pub(super) fn gates(cell: Cell) -> &'static [usize] {
    match cell {
        Cell::Elman(_) => &[0],
        Cell::Gru | Cell::GruResetBefore => &[1, 0, 2],
        Cell::Lstm => &[0, 3, 1, 2],
    }
}

fn graph<T: Element>(model: &DynRnn<T>, metadata: &Metadata) -> Result<Graph, OnnxError> {
    let mut graph = Graph::default();
    let (parts, hidden) = (model.stack().parts(), model.hidden_size());
    let [batch, time] = ["batch", "time"].map(Size::Named);
    graph.input::<T>("input", &[batch, time, Size::Known(model.input_size())]);
    graph.output::<T>("output", &[batch, time, Size::Known(model.output_size())]);
    let states: &[&str] = if model.architecture().cell.has_memory() { &["h", "c"] } else { &["h"] };
    for state in states {
        let size = |batch| [Size::Known(parts), batch, Size::Known(hidden)];
        graph.input::<T>(&format!("{state}_0"), &size(Size::Named("state_batch")));
        graph.output::<T>(&format!("{state}_n"), &size(batch));
    }
    let input = normalize::<T>(&mut graph, metadata.input_normalizer.as_ref());
    initial_states(&mut graph, model, states);
    graph.node("Transpose", &[input], &["input_l0"], &[("perm", Attribute::Ints(&[1, 0, 2]))]);
    for layer in 0..model.architecture().num_layers {
        self::layer(&mut graph, model, layer, states)?;
    }
    final_states(&mut graph, model.architecture().num_layers, states);
    readout(&mut graph, model, metadata)?;
    Ok(graph)
}

/// The scaling of the inputs, in double precision as everywhere in bptt. Returns the name of what comes out.
fn normalize<T: Element>(graph: &mut Graph, normalizer: Option<&Normalizer>) -> &'static str {
    let Some(normalizer) = scales(normalizer) else { return "input" };
    graph.numbers("input_offset", &[normalizer.columns()], normalizer.offset());
    graph.numbers("input_scale", &[normalizer.columns()], normalizer.scale());
    let wide = widen::<T>(graph, "input", "input_double");
    graph.node("Sub", &[wide, "input_offset"], &["input_shifted"], &[]);
    graph.node("Div", &["input_shifted", "input_scale"], &["input_scaled"], &[]);
    if T::SIZE == 8 {
        return "input_scaled";
    }
    graph.node("Cast", &["input_scaled"], &["input_normalized"], &[("to", Attribute::Int(data_type::<T>()))]);
    "input_normalized"
}

/// A normalisation that changes something.
fn scales(normalizer: Option<&Normalizer>) -> Option<&Normalizer> {
    normalizer.filter(|normalizer| normalizer.kind() != Normalization::None)
}

/// `name` in double precision; returns the name of that.
fn widen<'a, T: Element>(graph: &mut Graph, name: &'a str, wide: &'a str) -> &'a str {
    if T::SIZE == 8 {
        return name;
    }
    graph.node("Cast", &[name], &[wide], &[("to", Attribute::Int(data_type::DOUBLE))]);
    wide
}

/// The initial states: inputs with a default, zeros for one sequence, that are stretched to the batch and cut up.
fn initial_states<T: Element>(graph: &mut Graph, model: &DynRnn<T>, states: &[&str]) {
    let (parts, hidden) = (model.stack().parts(), model.hidden_size());
    graph.sizes("first", &[0]);
    graph.sizes("parts", &[parts as i64]);
    graph.sizes("hidden", &[hidden as i64]);
    graph.node("Shape", &["input"], &["input_shape"], &[]);
    graph.node("Gather", &["input_shape", "first"], &["batch_size"], &[("axis", Attribute::Int(0))]);
    let shape = ["parts", "batch_size", "hidden"];
    graph.node("Concat", &shape, &["state_shape"], &[("axis", Attribute::Int(0))]);
    let layers = model.architecture().num_layers;
    if layers > 1 {
        graph.sizes("directions", &vec![model.architecture().directions() as i64; layers]);
    }
    for state in states {
        graph.numbers(&format!("{state}_0"), &[parts, 1, hidden], &vec![T::ZERO; parts * hidden]);
        let names: Vec<String> = (0..layers).map(|layer| format!("{state}_0_l{layer}")).collect();
        let (initial, all) = (format!("{state}_0"), format!("{state}_0_all"));
        let stretched = if layers > 1 { &all } else { &names[0] };
        graph.node("Expand", &[&initial[..], "state_shape"], &[stretched], &[]);
        if layers > 1 {
            graph.node("Split", &[&all[..], "directions"], &names, &[("axis", Attribute::Int(0))]);
        }
    }
}

/// One layer: its weights, its node, and its outputs as the next layer's inputs.
fn layer<T: Element>(
    graph: &mut Graph,
    model: &DynRnn<T>,
    layer: usize,
    states: &[&str],
) -> Result<(), OnnxError> {
    let (architecture, hidden) = (model.architecture(), model.hidden_size());
    let (cell, directions) = (architecture.cell, architecture.directions());
    let (rows, inputs) = (gates(cell).len() * hidden, model.stack().inputs(layer));
    let name = |name: &str| format!("{name}_l{layer}");
    graph.numbers(&name("W"), &[directions, rows, inputs], &gated(model, layer, &["weight_ih"])?);
    graph.numbers(&name("R"), &[directions, rows, hidden], &gated(model, layer, &["weight_hh"])?);
    graph.numbers(&name("B"), &[directions, 2 * rows], &gated(model, layer, &["bias_ih", "bias_hh"])?);

    let direction = if architecture.bidirectional { "bidirectional" } else { "forward" };
    let mut attributes =
        vec![("direction", Attribute::Text(direction)), ("hidden_size", Attribute::Int(hidden as i64))];
    let activations = vec![cell.activation().map_or("", activation); directions];
    match cell {
        Cell::Elman(_) => attributes.push(("activations", Attribute::Texts(&activations))),
        // Whether the reset gate acts after the product with the recurrent weights.
        Cell::Gru => attributes.push(("linear_before_reset", Attribute::Int(1))),
        Cell::GruResetBefore => attributes.push(("linear_before_reset", Attribute::Int(0))),
        Cell::Lstm => {}
    }
    let mut inputs = ["input", "W", "R", "B"].map(name).to_vec();
    // No lengths: all sequences are as long as the input.
    inputs.push(String::new());
    inputs.extend(states.iter().map(|state| format!("{state}_0_l{layer}")));
    let mut outputs = vec![name("Y")];
    outputs.extend(states.iter().map(|state| final_state(state, layer, architecture.num_layers)));
    graph.node(operator(cell), &inputs, &outputs, &attributes);
    join_directions(graph, directions, hidden, layer);
    Ok(())
}

/// ONNX's name of an activation.
pub(super) fn activation(activation: Activation) -> &'static str {
    match activation {
        Activation::Tanh => "Tanh",
        Activation::Relu => "Relu",
        Activation::Sigmoid => "Sigmoid",
    }
}

/// The parameters of `kinds`, one after the other, of each direction of a layer, their gates in ONNX's order.
fn gated<T: Element>(model: &DynRnn<T>, layer: usize, kinds: &[&str]) -> Result<Vec<T>, OnnxError> {
    let order = gates(model.architecture().cell);
    let mut all = Vec::new();
    for suffix in ["", "_reverse"].into_iter().take(model.architecture().directions()) {
        for kind in kinds {
            let values = parameter(model, &format!("{kind}_l{layer}{suffix}"))?;
            let gate = values.len() / order.len();
            order.iter().for_each(|place| all.extend_from_slice(&values[place * gate..][..gate]));
        }
    }
    Ok(all)
}

/// A parameter, all of it finite.
fn parameter<T: Element>(model: &DynRnn<T>, name: &str) -> Result<Vec<T>, OnnxError> {
    let values = model.params().get(name)?;
    check_finite(name, &values)?;
    Ok(values)
}

/// From `Y` (T, D, B, H) to the next layer's input (T, B, D·H).
fn join_directions(graph: &mut Graph, directions: usize, hidden: usize, layer: usize) {
    let (from, to) = (format!("Y_l{layer}"), format!("input_l{}", layer + 1));
    if directions == 1 {
        if layer == 0 {
            graph.sizes("direction_axis", &[1]);
        }
        return graph.node("Squeeze", &[&from[..], "direction_axis"], &[&to], &[]);
    }
    if layer == 0 {
        // 0: as it is.
        graph.sizes("joined", &[0, 0, (directions * hidden) as i64]);
    }
    let turned = format!("Y_turned_l{layer}");
    graph.node("Transpose", &[&from], &[&turned], &[("perm", Attribute::Ints(&[0, 2, 1, 3]))]);
    graph.node("Reshape", &[&turned[..], "joined"], &[&to], &[]);
}

/// The name of a layer's final state: an output of the graph where there is no other layer.
fn final_state(state: &str, layer: usize, layers: usize) -> String {
    if layers == 1 { format!("{state}_n") } else { format!("{state}_n_l{layer}") }
}

/// The final states of all layers, one after the other.
fn final_states(graph: &mut Graph, layers: usize, states: &[&str]) {
    for state in states.iter().filter(|_| layers > 1) {
        let names: Vec<String> = (0..layers).map(|layer| final_state(state, layer, layers)).collect();
        graph.node("Concat", &names, &[format!("{state}_n")], &[("axis", Attribute::Int(0))]);
    }
}

/// The readout (T, B, D·H) to (B, T, O), what its numbers mean, and back to the labels' scale.
fn readout<T: Element>(graph: &mut Graph, model: &DynRnn<T>, metadata: &Metadata) -> Result<(), OnnxError> {
    let outputs = model.output_size();
    let (weight, bias) = (parameter(model, "fc.weight")?, parameter(model, "fc.bias")?);
    let inputs = weight.len() / outputs;
    let turned: Vec<T> = (0..inputs).flat_map(|k| weight.iter().skip(k).step_by(inputs).copied()).collect();
    graph.numbers("fc_weight", &[inputs, outputs], &turned);
    graph.numbers("fc_bias", &[outputs], &bias);

    let hidden = format!("input_l{}", model.architecture().num_layers);
    graph.node("Transpose", &[hidden], &["hidden_states"], &[("perm", Attribute::Ints(&[1, 0, 2]))]);
    graph.node("MatMul", &["hidden_states", "fc_weight"], &["fc_product"], &[]);
    let scale = scales(metadata.label_normalizer.as_ref());
    let meaning = match metadata.loss {
        Some(Loss::Bce) => Some(("Sigmoid", None)),
        Some(Loss::CrossEntropy) => Some(("Softmax", Some(("axis", Attribute::Int(-1))))),
        Some(Loss::Mse | Loss::Mae | Loss::Huber { .. }) | None => None,
    };
    let last = if scale.is_some() { "output_scaled" } else { "output" };
    match meaning {
        Some((operator, attribute)) => {
            graph.node("Add", &["fc_product", "fc_bias"], &["logits"], &[]);
            graph.node(operator, &["logits"], &[last], attribute.as_slice());
        }
        None => graph.node("Add", &["fc_product", "fc_bias"], &[last], &[]),
    }
    if let Some(normalizer) = scale {
        unscale::<T>(graph, last, normalizer);
    }
    Ok(())
}

/// Back to the labels' scale, in double precision as everywhere in bptt.
fn unscale<T: Element>(graph: &mut Graph, scaled: &str, normalizer: &Normalizer) {
    graph.numbers("label_offset", &[normalizer.columns()], normalizer.offset());
    graph.numbers("label_scale", &[normalizer.columns()], normalizer.scale());
    let wide = widen::<T>(graph, scaled, "output_double");
    graph.node("Mul", &[wide, "label_scale"], &["output_stretched"], &[]);
    if T::SIZE == 8 {
        return graph.node("Add", &["output_stretched", "label_offset"], &["output"], &[]);
    }
    graph.node("Add", &["output_stretched", "label_offset"], &["output_shifted"], &[]);
    graph.node("Cast", &["output_shifted"], &["output"], &[("to", Attribute::Int(data_type::<T>()))]);
}
