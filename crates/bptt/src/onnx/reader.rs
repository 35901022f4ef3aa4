//! [`Reader`]: goes through the nodes of a graph in their order and keeps what each tensor is.

use std::collections::HashMap;
use std::rc::Rc;

use super::array::Array;
use super::axes::{Atom, Axes, Size};
use super::network::{Network, Signal};
use super::node::Operator;
use super::read::{Graph, Node};
use super::recurrent::recurrent;
use super::tensor::{Numbers, Tensor};
use super::{OnnxError, operators};
use crate::file::shown;

/// Whole numbers in a constant that may be a shape.
const MOST_SIZES: usize = 64;
/// Axes, and factors of a size, that are followed.
pub(super) const MOST_AXES: usize = 16;

/// What a tensor of the graph is.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Numbers that are in the file.
    Constant(Array),
    /// Whole numbers: sizes and places; a single one with or without an axis.
    Sizes { sizes: Vec<Size>, scalar: bool },
    /// Zeros of any shape.
    Zeros,
    /// What is computed from the features.
    Signal(Rc<Signal>),
    /// Final states of a layer.
    State,
    /// A part of an input of the graph that is no longer followed: an initial state, or else the reason why not.
    Given { input: usize, reason: Rc<OnnxError> },
    /// What cannot be taken, and why. It only matters where the outputs need it.
    Refused(Rc<OnnxError>),
}

pub(super) struct Reader<'a> {
    values: HashMap<&'a str, Value>,
    /// How many numbers may still be kept: as many as the file has bytes, and a few times that for rearranged constants.
    budget: usize,
    /// The version of ONNX's own operators.
    pub opset: i64,
}

/// What the first output of the graph that comes from a readout is.
pub(super) fn output(graph: &Graph<'_>, opset: i64, bytes: usize) -> Result<Rc<Signal>, OnnxError> {
    let mut reader = Reader { values: HashMap::new(), budget: bytes.saturating_mul(4), opset };
    for tensor in &graph.constants {
        let value = reader.tensor(tensor);
        reader.values.insert(tensor.name, value);
    }
    for (input, info) in graph.inputs.iter().enumerate() {
        let axes = axes(info.shape.as_deref());
        let signal = Value::Signal(Rc::new(Signal { axes, network: Network::new(input) }));
        // An input with a constant has that for a default.
        reader.values.entry(info.name).or_insert(signal);
    }
    for node in &graph.nodes {
        reader.node(node);
    }
    let values = graph.outputs.iter().map(|output| (output.name, reader.values.get(output.name)));
    let mut reason = None;
    for (name, value) in values {
        match value {
            Some(Value::Signal(signal)) if signal.network.readout.is_some() => return Ok(signal.clone()),
            Some(Value::Refused(error) | Value::Given { reason: error, .. }) => {
                reason.get_or_insert_with(|| OnnxError::clone(error));
            }
            Some(Value::Signal(signal)) => {
                let found = format!("`{}`, {}", shown(name), signal.network.describe());
                let expected = "an output that is a linear readout (MatMul or Gemm) of the states".to_owned();
                reason.get_or_insert(OnnxError::Graph { expected, found });
            }
            _ => {}
        }
    }
    let none = || {
        let expected = "an output that is a linear readout of recurrent layers".to_owned();
        OnnxError::Graph { expected, found: "none".to_owned() }
    };
    Err(reason.unwrap_or_else(none))
}

/// The axes of an input: its last one is the features.
fn axes(shape: Option<&[Option<usize>]>) -> Axes {
    let unknown = [None; 3];
    let shape = shape.unwrap_or(&unknown);
    let axis = |(axis, &size): (usize, &Option<usize>)| match size {
        Some(size) if axis + 1 == shape.len() => vec![Atom::Features(size)],
        size => vec![Atom::Outer { axis, size }],
    };
    shape.iter().take(MOST_AXES).enumerate().map(axis).collect()
}

impl<'a> Reader<'a> {
    fn node(&mut self, node: &Node<'a>) {
        let values = self.outputs(node).unwrap_or_else(|error| {
            let error = Rc::new(error);
            let value = match self.rearranged(node) {
                Some(input) => Value::Given { input, reason: error },
                None => Value::Refused(error),
            };
            vec![value; node.outputs.len()]
        });
        let mut values = values.into_iter();
        for &name in &node.outputs {
            let value = values.next().unwrap_or_else(|| {
                let expected = "an output that is used to be another";
                Value::Refused(Rc::new(wrong(node, expected, format!("`{}`", shown(name)))))
            });
            if !name.is_empty() {
                self.values.insert(name, value);
            }
        }
    }

    /// The values of a node's outputs.
    fn outputs(&mut self, node: &Node<'a>) -> Result<Vec<Value>, OnnxError> {
        if !["", "ai.onnx"].contains(&node.domain) {
            let found = format!("one of `{}`", shown(node.domain));
            return Err(wrong(node, "an operator of ONNX's own", found));
        }
        match Operator::from_name(node.operator) {
            Some(operator) => recurrent(self, node, operator),
            None => operators::outputs(self, node),
        }
    }

    /// The input of the graph that this node only rearranges, if so.
    fn rearranged(&self, node: &Node<'a>) -> Option<usize> {
        let operators =
            ["Expand", "Gather", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"];
        if !operators.contains(&node.operator) {
            return None;
        }
        match self.values.get(node.input(0)?)? {
            Value::Signal(signal) if signal.network.is_raw() => Some(signal.network.input),
            Value::Given { input, .. } => Some(*input),
            _ => None,
        }
    }

    /// A constant of the file.
    pub fn tensor(&mut self, tensor: &Tensor<'_>) -> Value {
        let refuse = |expected: &str, found: String| {
            let (name, expected) = (shown(tensor.name), expected.to_owned());
            Value::Refused(Rc::new(OnnxError::Tensor { name, expected, found }))
        };
        if tensor.shape.contains(&0) && tensor.shape != [0] {
            return refuse("numbers", format!("none: shape {:?}", tensor.shape));
        }
        match tensor.numbers() {
            Err(error) => Value::Refused(Rc::new(error)),
            Ok(Numbers::Whole(numbers)) if numbers.len() <= MOST_SIZES && tensor.shape.len() <= 1 => {
                let sizes = numbers.into_iter().map(Size::Known).collect();
                Value::Sizes { sizes, scalar: tensor.shape.is_empty() }
            }
            Ok(Numbers::Whole(_)) => {
                refuse("weights or sizes", format!("whole numbers of shape {:?}", tensor.shape))
            }
            Ok(Numbers::Single(values) | Numbers::Double(values)) if values.is_empty() => {
                refuse("numbers", "none".to_owned())
            }
            Ok(Numbers::Single(values)) => Value::Constant(array(tensor, values, false)),
            Ok(Numbers::Double(values)) => Value::Constant(array(tensor, values, true)),
        }
    }

    /// Takes `numbers` from what may be kept.
    pub fn spend(&mut self, node: &Node<'_>, numbers: usize) -> Result<(), OnnxError> {
        match self.budget.checked_sub(numbers) {
            Some(rest) => {
                self.budget = rest;
                Ok(())
            }
            None => Err(wrong(node, "weights that are in the file", "the same ones again and again")),
        }
    }

    /// Input `at` of a node; `None` where it is left out.
    pub fn optional(&self, node: &Node<'a>, at: usize) -> Result<Option<&Value>, OnnxError> {
        let Some(name) = node.input(at) else { return Ok(None) };
        match self.values.get(name) {
            Some(Value::Refused(error)) => Err(OnnxError::clone(error)),
            Some(value) => Ok(Some(value)),
            None => Err(wrong(node, &format!("a tensor `{}` made before", shown(name)), "none")),
        }
    }

    /// Input `at` of a node.
    pub fn value(&self, node: &Node<'a>, at: usize) -> Result<&Value, OnnxError> {
        match self.optional(node, at)? {
            Some(value) => Ok(value),
            None => Err(wrong(node, &format!("input {}", at + 1), "none")),
        }
    }

    /// Input `at`, which has to be in the file.
    pub fn constant(&self, node: &Node<'a>, at: usize) -> Result<Array, OnnxError> {
        match self.value(node, at)? {
            Value::Constant(array) => Ok(array.clone()),
            other => {
                let expected = format!("a constant as input {}", at + 1);
                Err(refused(node, &expected, other))
            }
        }
    }

    /// Input `at`, which has to be computed from the features.
    pub fn signal(&self, node: &Node<'a>, at: usize) -> Result<Rc<Signal>, OnnxError> {
        match self.value(node, at)? {
            Value::Signal(signal) => Ok(signal.clone()),
            other => {
                let expected = format!("the features, or what is made of them, as input {}", at + 1);
                Err(refused(node, &expected, other))
            }
        }
    }

    /// Input `at`, which has to be whole numbers.
    pub fn sizes(&self, node: &Node<'a>, at: usize) -> Result<&[Size], OnnxError> {
        match self.value(node, at)? {
            Value::Sizes { sizes, .. } => Ok(sizes),
            other => Err(refused(node, &format!("sizes as input {}", at + 1), other)),
        }
    }

    /// Input `at`, which has to be whole numbers that are known.
    pub fn known(&self, node: &Node<'a>, at: usize) -> Result<Vec<i64>, OnnxError> {
        let known = |size: &Size| match size {
            Size::Known(size) => Ok(*size),
            Size::Of(_) => Err(wrong(node, &format!("numbers as input {}", at + 1), "the size of an axis")),
        };
        self.sizes(node, at)?.iter().map(known).collect()
    }
}

fn array(tensor: &Tensor<'_>, values: Vec<f64>, double: bool) -> Array {
    Array { shape: tensor.shape.clone(), values: values.into(), double }
}

/// An error about a node.
pub(super) fn wrong(node: &Node<'_>, expected: &str, found: impl Into<String>) -> OnnxError {
    OnnxError::Node { node: label(node), expected: expected.to_owned(), found: found.into() }
}

/// An error about a node with the wrong kind of input; where that has a reason, the reason.
pub(super) fn refused(node: &Node<'_>, expected: &str, found: &Value) -> OnnxError {
    let found = match found {
        Value::Refused(reason) | Value::Given { reason, .. } => return OnnxError::clone(reason),
        Value::Constant(_) => "a constant",
        Value::Sizes { .. } => "sizes",
        Value::Zeros => "zeros",
        Value::State => "final states",
        Value::Signal(signal) => signal.network.describe(),
    };
    wrong(node, expected, found)
}

/// What a node is called in messages.
fn label(node: &Node<'_>) -> String {
    format!("{} `{}` (node {})", shown(node.operator), shown(node.name), node.place)
}
