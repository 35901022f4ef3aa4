//! From an `RNN`, `GRU` or `LSTM` node of a graph to a [`Layer`] of a model, or why that cannot be.

use std::rc::Rc;

use super::axes::{Atom, Axes, Size};
use super::network::{Layer, Signal};
use super::node::{self, Direction, Operator};
use super::reader::{Reader, Value, wrong};
use super::{OnnxError, read};
use crate::file::shown;
use crate::{Activation, Cell};

/// More layers than any sane model has, and a bound on the work.
const MOST_LAYERS: usize = 1000;

/// The values of the node's outputs.
pub(super) fn recurrent<'a>(
    reader: &mut Reader<'a>,
    node: &read::Node<'a>,
    operator: Operator,
) -> Result<Vec<Value>, OnnxError> {
    let parsed = node::Node::of_graph(node, operator)?;
    let cell = cell(node, &parsed)?;
    let signal = reader.signal(node, 0)?;
    let layer = layer(reader, node, &parsed, cell)?;
    let fits = "the features or the states of the layer below, as (steps, sequences, features)";
    let Some((time, batch)) = outer_axes(&signal, &layer, parsed.batch_first) else {
        return Err(wrong(
            node,
            &format!("{fits} with {} of them", layer.inputs),
            "another order of axes or another size",
        ));
    };
    let mut network = signal.network.clone();
    if network.readout.is_some() {
        return Err(wrong(node, fits, network.describe()));
    }
    check_below(node, &network.layers, &layer)?;
    if network.time.is_some_and(|before| [before] != time[..]) {
        return Err(wrong(
            node,
            "the same axis for the steps as in the layer below",
            "the axis of the sequences",
        ));
    }
    check_inputs(reader, node, &signal, &time)?;
    network.time = time.first().copied();
    reader.spend(node, layer.w.values.len() + layer.r.values.len())?;

    let directions =
        if parsed.direction == Direction::Bidirectional { vec![Atom::Directions] } else { vec![] };
    let units = vec![Atom::Features(layer.hidden)];
    network.layers.push(Rc::new(layer));
    let axes: Axes = if parsed.batch_first {
        vec![batch, time, directions, units]
    } else {
        vec![time, directions, batch, units]
    };
    Ok(vec![Value::Signal(Rc::new(Signal { axes, network })), Value::State, Value::State])
}

/// Our cell, where the node computes one.
fn cell(node: &read::Node<'_>, parsed: &node::Node) -> Result<Cell, OnnxError> {
    let defaults = parsed.operator.activations();
    let names: Vec<String> = match parsed.activations.is_empty() {
        true => defaults.iter().map(|&name| name.to_owned()).collect(),
        false => parsed.activations.clone(),
    };
    let each = defaults.len();
    if !names.len().is_multiple_of(each)
        || names.chunks(each).any(|direction| !equal(direction, &names[..each]))
    {
        return Err(wrong(node, "the same activations in both directions", shown(&names.join(", "))));
    }
    let refuse = |expected: &str, found: &str| Err(wrong(node, expected, found));
    if parsed.clip.is_some() {
        return refuse("no clip", "one");
    }
    if parsed.input_forget {
        return refuse("input_forget 0", "1");
    }
    match parsed.operator {
        Operator::Rnn => match Activation::ALL.into_iter().find(|f| f.name().eq_ignore_ascii_case(&names[0]))
        {
            Some(activation) => Ok(Cell::Elman(activation)),
            None => refuse("the activation Tanh, Relu or Sigmoid", &format!("`{}`", shown(&names[0]))),
        },
        operator if !equal(&names[..each], defaults) => refuse(
            &format!("the activations {}", operator.activations().join(", ")),
            &names[..each].join(", "),
        ),
        Operator::Gru if parsed.linear_before_reset => Ok(Cell::Gru),
        Operator::Gru => Ok(Cell::GruResetBefore),
        Operator::Lstm => Ok(Cell::Lstm),
    }
}

fn equal<A: AsRef<str>, B: AsRef<str>>(a: &[A], b: &[B]) -> bool {
    let mut pairs = a.iter().zip(b);
    a.len() == b.len() && pairs.all(|(a, b)| a.as_ref().eq_ignore_ascii_case(b.as_ref()))
}

/// The layer with its weights, their shapes checked.
fn layer<'a>(
    reader: &mut Reader<'a>,
    node: &read::Node<'a>,
    parsed: &node::Node,
    cell: Cell,
) -> Result<Layer, OnnxError> {
    let directions = parsed.direction.count();
    let (w, r) = (reader.constant(node, 1)?, reader.constant(node, 2)?);
    let b = node.input(3).map(|_| reader.constant(node, 3)).transpose()?;
    let (&[_, _, inputs], &[_, _, hidden]) = (&w.shape[..], &r.shape[..]) else {
        let found = format!("{:?} and {:?}", w.shape, r.shape);
        return Err(wrong(node, "W and R of three axes", found));
    };
    let rows = hidden.saturating_mul(parsed.operator.gates());
    let mut shapes =
        vec![("W", &w, vec![directions, rows, inputs]), ("R", &r, vec![directions, rows, hidden])];
    shapes.extend(b.as_ref().map(|b| ("B", b, vec![directions, rows.saturating_mul(2)])));
    for (name, tensor, expected) in shapes {
        if tensor.shape != expected {
            return Err(wrong(node, &format!("{name} of shape {expected:?}"), format!("{:?}", tensor.shape)));
        }
        if tensor.double != w.double {
            return Err(wrong(node, "weights of one element type", "float and double"));
        }
    }
    if parsed.hidden_size.is_some_and(|size| size != hidden) {
        return Err(wrong(node, &format!("hidden_size {hidden}, which is what R has"), "another"));
    }
    Ok(Layer { cell, direction: parsed.direction, inputs, hidden, w, r, b })
}

/// The axes of steps and of sequences of `X`.
fn outer_axes(signal: &Signal, layer: &Layer, batch_first: bool) -> Option<(Vec<Atom>, Vec<Atom>)> {
    let [first, second, features] = &signal.axes[..] else { return None };
    // An input whose number of features is not in the file has as many as the weights take.
    let open = matches!(features[..], [Atom::Outer { size: None, .. }]);
    if signal.features() != Some(layer.inputs) && !open {
        return None;
    }
    let outer = |axis: &[Atom]| axis.len() <= 1 && axis.iter().all(|atom| matches!(atom, Atom::Outer { .. }));
    if !outer(first) || !outer(second) {
        return None;
    }
    let (time, batch) = if batch_first { (second, first) } else { (first, second) };
    Some((time.clone(), batch.clone()))
}

/// All layers have one cell and one size.
fn check_below(node: &read::Node<'_>, layers: &[Rc<Layer>], layer: &Layer) -> Result<(), OnnxError> {
    let Some(below) = layers.last() else { return Ok(()) };
    if layers.len() == MOST_LAYERS {
        return Err(wrong(node, &format!("at most {MOST_LAYERS} layers"), "more"));
    }
    let describe = |layer: &Layer| {
        let form = match layer.cell {
            Cell::Elman(activation) => format!(", {activation}"),
            Cell::Gru => ", linear_before_reset 1".to_owned(),
            Cell::GruResetBefore => ", linear_before_reset 0".to_owned(),
            Cell::Lstm => String::new(),
        };
        format!("{}{form}, {} hidden units", super::export::operator(layer.cell), layer.hidden)
    };
    if (below.cell, below.hidden) != (layer.cell, layer.hidden) {
        return Err(wrong(
            node,
            &format!("the layer below once more ({})", describe(below)),
            describe(layer),
        ));
    }
    if below.w.double != layer.w.double {
        return Err(wrong(node, "the element type of the layer below", "another"));
    }
    Ok(())
}

/// Lengths, initial states and peepholes: what a caller gives, zeros, or nothing.
fn check_inputs<'a>(
    reader: &Reader<'a>,
    node: &read::Node<'a>,
    signal: &Signal,
    time: &[Atom],
) -> Result<(), OnnxError> {
    let given = |value: &Value| match value {
        Value::Signal(other) => other.network.is_raw() && other.network.input != signal.network.input,
        Value::Given { input, .. } => *input != signal.network.input,
        _ => false,
    };
    let zeros = |value: &Value| match value {
        Value::Zeros => true,
        Value::Constant(array) => array.is_zero(),
        _ => false,
    };
    let whole = |size: &Size| match (size, time) {
        (Size::Known(length), [Atom::Outer { size: Some(steps), .. }]) => {
            usize::try_from(*length) == Ok(*steps)
        }
        (Size::Of(atoms), time) => atoms == time,
        _ => false,
    };
    if let Some(value) = reader.optional(node, 4)? {
        let every = matches!(value, Value::Sizes { sizes, .. } if sizes.iter().all(whole));
        if !every && !given(value) {
            return Err(wrong(node, "sequence_lens from the caller, or whole sequences", "other lengths"));
        }
    }
    for (at, name) in [(5, "initial_h"), (6, "initial_c")] {
        if let Some(value) = reader.optional(node, at)?
            && !zeros(value)
            && !given(value)
        {
            let found = "other numbers: a model begins at zeros";
            return Err(wrong(node, &format!("{name} of zeros, or from the caller"), found));
        }
    }
    match reader.optional(node, 7)? {
        Some(value) if !zeros(value) => Err(wrong(node, "no peepholes (input P)", "some")),
        _ => Ok(()),
    }
}

impl node::Node {
    /// The operator and attributes of a node of a graph.
    pub(super) fn of_graph(node: &read::Node<'_>, operator: Operator) -> Result<Self, OnnxError> {
        let mut parsed = Self::new(operator);
        if let Some(direction) = node.text("direction") {
            parsed.direction = match Direction::from_name(&direction) {
                Some(direction) => direction,
                None => {
                    let found = format!("`{}`", shown(&direction));
                    return Err(wrong(node, "direction forward, reverse or bidirectional", found));
                }
            };
        }
        parsed.hidden_size = match node.int("hidden_size").map(usize::try_from) {
            Some(Ok(size)) => Some(size),
            None => None,
            Some(Err(_)) => return Err(wrong(node, "hidden_size from 1 on", "a negative one")),
        };
        parsed.activations = node.texts("activations");
        parsed.activation_alpha = node.floats("activation_alpha").to_vec();
        parsed.activation_beta = node.floats("activation_beta").to_vec();
        parsed.clip = node.float("clip");
        parsed.linear_before_reset = node.int("linear_before_reset").unwrap_or(0) != 0;
        parsed.input_forget = node.int("input_forget").unwrap_or(0) != 0;
        parsed.batch_first = match node.int("layout").unwrap_or(0) {
            0 => false,
            1 => true,
            other => return Err(wrong(node, "layout 0 or 1", other.to_string())),
        };
        if parsed.clip.is_some_and(|clip| clip < 0.0 || clip.is_nan()) {
            return Err(wrong(node, "clip from 0 on", "another number"));
        }
        Ok(parsed)
    }
}
