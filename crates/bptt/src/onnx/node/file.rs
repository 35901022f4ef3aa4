//! Single nodes and tensors from ONNX's own files, such as its node tests are.

use super::super::read;
use super::super::tensor::{Numbers, Tensor as Bytes};
use super::{Inputs, Node, OnnxError, Operator, Tensor};

/// A graph of one `RNN`, `GRU` or `LSTM` node, the form of ONNX's node tests.
///
/// ```no_run
/// use bptt::onnx::node::{SingleNode, Tensor};
/// let read = |name: &str| std::fs::read(format!("test_lstm_defaults/{name}"));
/// let node = SingleNode::from_bytes(&read("model.onnx")?)?;
/// let mut inputs = Vec::new();
/// for input in 0..node.inputs().len() {
///     inputs.push(Tensor::from_bytes(&read(&format!("test_data_set_0/input_{input}.pb"))?)?);
/// }
/// let outputs = node.run(&inputs)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SingleNode {
    node: Node,
    inputs: Vec<String>,
    outputs: Vec<String>,
    /// The names of the node's own inputs and outputs; empty where left out.
    node_inputs: Vec<String>,
    node_outputs: Vec<String>,
}

impl SingleNode {
    /// Reads an ONNX file whose graph is one such node.
    ///
    /// # Errors
    /// [`OnnxError`] for bytes that are no ONNX file, and for graphs of other nodes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, OnnxError> {
        let graph = read::Model::read(bytes)?.graph;
        let [node] = &graph.nodes[..] else {
            let (expected, found) = ("a graph of one node".to_owned(), graph.nodes.len().to_string());
            return Err(OnnxError::Graph { expected, found });
        };
        let Some(operator) = Operator::from_name(node.operator) else {
            let expected = "an RNN, GRU or LSTM node".to_owned();
            return Err(OnnxError::Graph { expected, found: crate::file::shown(node.operator) });
        };
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let values = |values: &[read::Value<'_>]| values.iter().map(|value| value.name.to_owned()).collect();
        Ok(Self {
            node: Node::of_graph(node, operator)?,
            inputs: values(&graph.inputs),
            outputs: values(&graph.outputs),
            node_inputs: names(&node.inputs),
            node_outputs: names(&node.outputs),
        })
    }

    /// The node.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The names of the graph's inputs, in their order.
    pub fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// The names of the graph's outputs, in their order.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// The graph's outputs from its inputs, both in their order.
    ///
    /// # Errors
    /// As [`Node::run`], and [`OnnxError::Graph`] for another number of inputs.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, OnnxError> {
        if inputs.len() != self.inputs.len() {
            let (expected, found) = (format!("{} inputs", self.inputs.len()), inputs.len().to_string());
            return Err(OnnxError::Graph { expected, found });
        }
        let missing = |name: &str| OnnxError::Tensor {
            name: crate::file::shown(name),
            expected: "a tensor".to_owned(),
            found: "none".to_owned(),
        };
        let input = |at: usize| {
            let name = self.node_inputs.get(at).filter(|name| !name.is_empty())?;
            inputs.get(self.inputs.iter().position(|other| other == name)?)
        };
        let needed = |at, name| input(at).ok_or_else(|| missing(name));
        let lengths = input(4).map(lengths).transpose()?;
        let outputs = self.node.run(&Inputs {
            x: needed(0, "X")?,
            w: needed(1, "W")?,
            r: needed(2, "R")?,
            b: input(3),
            sequence_lens: lengths.as_deref(),
            initial_h: input(5),
            initial_c: input(6),
            p: input(7),
        })?;
        let computed = [Some(outputs.y), Some(outputs.y_h), outputs.y_c];
        let output = |name: &String| {
            let at = self.node_outputs.iter().position(|other| other == name);
            at.and_then(|at| computed.get(at)?.clone()).ok_or_else(|| missing(name))
        };
        self.outputs.iter().map(output).collect()
    }
}

/// Lengths of sequences, whole numbers from 0 on.
fn lengths(tensor: &Tensor) -> Result<Vec<usize>, OnnxError> {
    let length = |value: &f64| {
        let whole = *value >= 0.0 && *value <= 1e15 && value.fract() == 0.0;
        whole.then_some(*value as usize).ok_or_else(|| OnnxError::Tensor {
            name: "sequence_lens".to_owned(),
            expected: "whole numbers from 0 on".to_owned(),
            found: value.to_string(),
        })
    };
    tensor.values.iter().map(length).collect()
}

impl Tensor {
    /// Reads a `TensorProto` of type `float`, `double`, `int32` or `int64`.
    ///
    /// # Errors
    /// [`OnnxError`] for bytes that are none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, OnnxError> {
        let tensor = Bytes::read(bytes)?;
        let values = match tensor.numbers()? {
            Numbers::Single(values) | Numbers::Double(values) => values,
            Numbers::Whole(values) => values.into_iter().map(|value| value as f64).collect(),
        };
        Ok(Self { shape: tensor.shape, values })
    }
}
