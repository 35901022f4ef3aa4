//! [`Graph`]: the nodes and constants of a graph that is being written.

use super::proto::{attribute, data_type, graph, node, tensor, value_info};
use super::wire::Message;
use crate::file::tensor::Element;

/// A size in the shape of an input or output.
#[derive(Debug, Clone, Copy)]
pub(super) enum Size<'a> {
    Known(usize),
    /// Whatever comes; sizes of one name are equal.
    Named(&'a str),
}

/// An attribute of a node.
#[derive(Debug, Clone, Copy)]
pub(super) enum Attribute<'a> {
    Int(i64),
    Ints(&'a [i64]),
    Text(&'a str),
    Texts(&'a [&'a str]),
}

#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Message>,
    constants: Vec<Message>,
    inputs: Vec<Message>,
    outputs: Vec<Message>,
}

impl Graph {
    /// Adds a node, named after its first output. An input without a name is left out.
    pub fn node<A: AsRef<str>, B: AsRef<str>>(
        &mut self,
        operator: &str,
        inputs: &[A],
        outputs: &[B],
        attributes: &[(&str, Attribute<'_>)],
    ) {
        let name = format!("{operator}_{}", outputs.first().map_or("", AsRef::as_ref));
        let attributes: Vec<Message> =
            attributes.iter().map(|(name, value)| attribute(name, *value)).collect();
        let message = Message::new().texts(node::INPUT, inputs).texts(node::OUTPUT, outputs);
        let message = message.text(node::NAME, &name).text(node::OP_TYPE, operator);
        self.nodes.push(message.messages(node::ATTRIBUTE, &attributes));
    }

    /// Adds a constant of numbers, row-major.
    pub fn numbers<T: Element>(&mut self, name: &str, shape: &[usize], values: &[T]) {
        let mut data = Vec::with_capacity(values.len() * T::SIZE);
        values.iter().for_each(|value| value.append(&mut data));
        self.constant(name, shape, data_type::<T>(), &data);
    }

    /// Adds a constant row of whole numbers: sizes or places.
    pub fn sizes(&mut self, name: &str, values: &[i64]) {
        let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, &[values.len()], data_type::INT64, &data);
    }

    fn constant(&mut self, name: &str, shape: &[usize], data_type: i64, data: &[u8]) {
        let shape: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
        let message = Message::new().ints(tensor::DIMS, &shape).int(tensor::DATA_TYPE, data_type);
        self.constants.push(message.text(tensor::NAME, name).bytes(tensor::RAW_DATA, data));
    }

    /// Declares an input of the graph.
    pub fn input<T: Element>(&mut self, name: &str, shape: &[Size<'_>]) {
        self.inputs.push(value_info::<T>(name, shape));
    }

    /// Declares an output of the graph.
    pub fn output<T: Element>(&mut self, name: &str, shape: &[Size<'_>]) {
        self.outputs.push(value_info::<T>(name, shape));
    }

    /// The whole graph.
    pub fn into_message(self, name: &str) -> Message {
        let message = Message::new().messages(graph::NODE, &self.nodes).text(graph::NAME, name);
        let message = message.messages(graph::INITIALIZER, &self.constants);
        message.messages(graph::INPUT, &self.inputs).messages(graph::OUTPUT, &self.outputs)
    }
}

/// ONNX's number of an element type.
pub(super) fn data_type<T: Element>() -> i64 {
    if T::SIZE == 4 { data_type::FLOAT } else { data_type::DOUBLE }
}

fn attribute(name: &str, value: Attribute<'_>) -> Message {
    let message = Message::new().text(attribute::NAME, name);
    match value {
        Attribute::Int(value) => message.int(attribute::I, value).int(attribute::TYPE, attribute::TYPE_INT),
        Attribute::Ints(values) => {
            // Not packed: the field is declared so.
            let message = values.iter().fold(message, |message, &value| message.int(attribute::INTS, value));
            message.int(attribute::TYPE, attribute::TYPE_INTS)
        }
        Attribute::Text(text) => {
            message.text(attribute::S, text).int(attribute::TYPE, attribute::TYPE_STRING)
        }
        Attribute::Texts(texts) => {
            message.texts(attribute::STRINGS, texts).int(attribute::TYPE, attribute::TYPE_STRINGS)
        }
    }
}

fn value_info<T: Element>(name: &str, shape: &[Size<'_>]) -> Message {
    let dimensions: Vec<Message> = shape
        .iter()
        .map(|size| match size {
            Size::Known(size) => Message::new().int(value_info::DIM_VALUE, *size as i64),
            Size::Named(name) => Message::new().text(value_info::DIM_PARAM, name),
        })
        .collect();
    let shape = Message::new().messages(value_info::SHAPE_DIM, &dimensions);
    let tensor = Message::new().int(value_info::TENSOR_ELEMENT, data_type::<T>());
    let tensor = tensor.message(value_info::TENSOR_SHAPE, &shape);
    let kind = Message::new().message(value_info::TYPE_TENSOR, &tensor);
    Message::new().text(value_info::NAME, name).message(value_info::TYPE, &kind)
}
