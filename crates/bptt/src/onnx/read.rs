//! ONNX's messages as they are read: all names and data borrowed from the file.

use super::OnnxError;
use super::fields::{Field, Fields};
use super::proto::{attribute, entry, graph, model, node, opset, value_info};
use super::tensor::Tensor;

/// Nodes, or constants, of a graph: more than any sane one has, and a bound on what reading allocates.
const MOST: usize = 100_000;
/// Attributes of a node: likewise.
const MOST_ATTRIBUTES: usize = 32;

/// An ONNX file.
#[derive(Debug, Default)]
pub(super) struct Model<'a> {
    /// The version of ONNX's own operators.
    pub opset: i64,
    pub graph: Graph<'a>,
    pub properties: Vec<(&'a str, &'a str)>,
}

#[derive(Debug, Default)]
pub(super) struct Graph<'a> {
    pub nodes: Vec<Node<'a>>,
    pub constants: Vec<Tensor<'a>>,
    pub inputs: Vec<Value<'a>>,
    pub outputs: Vec<Value<'a>>,
}

#[derive(Debug, Default)]
pub(super) struct Node<'a> {
    pub operator: &'a str,
    pub domain: &'a str,
    pub name: &'a str,
    /// Where in the file's order, from 1.
    pub place: usize,
    pub inputs: Vec<&'a str>,
    pub outputs: Vec<&'a str>,
    attributes: Vec<Attribute<'a>>,
}

#[derive(Debug, Default)]
struct Attribute<'a> {
    name: &'a str,
    f: f32,
    i: i64,
    s: &'a [u8],
    t: Option<Tensor<'a>>,
    floats: Vec<f64>,
    ints: Vec<i64>,
    strings: Vec<&'a [u8]>,
}

/// An input or output of a graph.
#[derive(Debug, Default)]
pub(super) struct Value<'a> {
    pub name: &'a str,
    /// The size of each axis where it is fixed; nothing where the file says nothing.
    pub shape: Option<Vec<Option<usize>>>,
}

pub(super) fn wrong<T>(what: &str, expected: &str, found: impl ToString) -> Result<T, OnnxError> {
    Err(OnnxError::Malformed { expected: format!("{expected} as {what}"), found: found.to_string() })
}

pub(super) fn text<'a>(what: &str, field: Field<'a>) -> Result<&'a str, OnnxError> {
    match std::str::from_utf8(bytes(what, field)?) {
        Ok(text) => Ok(text),
        Err(error) => wrong(what, "text in UTF-8", error),
    }
}

pub(super) fn bytes<'a>(what: &str, field: Field<'a>) -> Result<&'a [u8], OnnxError> {
    if let Field::Bytes(bytes) = field { Ok(bytes) } else { wrong(what, "bytes", "a number") }
}

pub(super) fn int(what: &str, field: Field<'_>) -> Result<i64, OnnxError> {
    if let Field::Varint(value) = field {
        Ok(value as i64)
    } else {
        wrong(what, "a whole number", "another field")
    }
}

/// One whole number, or a packed row of them.
pub(super) fn ints(what: &str, field: Field<'_>, into: &mut Vec<i64>) -> Result<(), OnnxError> {
    let Field::Bytes(packed) = field else {
        into.push(int(what, field)?);
        return Ok(());
    };
    let mut fields = Fields::of(packed);
    while let Some(value) = fields.next_packed()? {
        into.push(value as i64);
    }
    Ok(())
}

/// One `float`, or a packed row of them.
fn floats(what: &str, field: Field<'_>, into: &mut Vec<f64>) -> Result<(), OnnxError> {
    match field {
        Field::Four(bytes) => into.push(f64::from(f32::from_le_bytes(bytes))),
        Field::Bytes(bytes) => into.extend(bytes.chunks_exact(4).map(single)),
        _ => return wrong(what, "numbers of four bytes", "another field"),
    }
    Ok(())
}

pub(super) fn single(bytes: &[u8]) -> f64 {
    bytes.try_into().map_or(0.0, |bytes| f64::from(f32::from_le_bytes(bytes)))
}

fn bounded<T>(what: &str, list: &mut Vec<T>, item: T) -> Result<(), OnnxError> {
    if list.len() == MOST {
        return wrong(what, &format!("at most {MOST}"), "more");
    }
    list.push(item);
    Ok(())
}

impl<'a> Model<'a> {
    pub fn read(file: &'a [u8]) -> Result<Self, OnnxError> {
        let (mut found, mut graph) = (Self::default(), None);
        let mut fields = Fields::of(file);
        while let Some((number, field)) = fields.next()? {
            match number {
                model::IR_VERSION => drop(int("the version of the file", field)?),
                model::GRAPH => graph = Some(Graph::read(bytes("the graph", field)?)?),
                model::OPSET_IMPORT => {
                    let (domain, version) = operators(bytes("an operator set", field)?)?;
                    if ["", "ai.onnx"].contains(&domain) {
                        found.opset = version;
                    }
                }
                model::METADATA_PROPS => {
                    let pair = property(bytes("a property", field)?)?;
                    bounded("properties", &mut found.properties, pair)?;
                }
                _ => {}
            }
        }
        match graph {
            Some(graph) => Ok(Self { graph, ..found }),
            None => wrong("the model", "a graph", "none"),
        }
    }
}

fn operators(message: &[u8]) -> Result<(&str, i64), OnnxError> {
    let (mut domain, mut version, mut fields) = ("", 0, Fields::of(message));
    while let Some((number, field)) = fields.next()? {
        match number {
            opset::DOMAIN => domain = text("a domain", field)?,
            opset::VERSION => version = int("the version of an operator set", field)?,
            _ => {}
        }
    }
    Ok((domain, version))
}

fn property(message: &[u8]) -> Result<(&str, &str), OnnxError> {
    let (mut key, mut value, mut fields) = ("", "", Fields::of(message));
    while let Some((number, field)) = fields.next()? {
        match number {
            entry::KEY => key = text("the key of a property", field)?,
            entry::VALUE => value = text("the value of a property", field)?,
            _ => {}
        }
    }
    Ok((key, value))
}

impl<'a> Graph<'a> {
    fn read(message: &'a [u8]) -> Result<Self, OnnxError> {
        let (mut found, mut fields) = (Self::default(), Fields::of(message));
        while let Some((number, field)) = fields.next()? {
            match number {
                graph::NODE => {
                    let node = Node::read(bytes("a node", field)?, found.nodes.len() + 1)?;
                    bounded("nodes", &mut found.nodes, node)?;
                }
                graph::INITIALIZER => {
                    let tensor = Tensor::read(bytes("a constant", field)?)?;
                    bounded("constants", &mut found.constants, tensor)?;
                }
                graph::INPUT => {
                    bounded("inputs", &mut found.inputs, Value::read(bytes("an input", field)?)?)?;
                }
                graph::OUTPUT => {
                    bounded("outputs", &mut found.outputs, Value::read(bytes("an output", field)?)?)?;
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

impl<'a> Node<'a> {
    fn read(message: &'a [u8], place: usize) -> Result<Self, OnnxError> {
        let (mut found, mut fields) = (Self { place, ..Self::default() }, Fields::of(message));
        while let Some((number, field)) = fields.next()? {
            match number {
                node::INPUT => found.inputs.push(text("the input of a node", field)?),
                node::OUTPUT => found.outputs.push(text("the output of a node", field)?),
                node::NAME => found.name = text("the name of a node", field)?,
                node::OP_TYPE => found.operator = text("an operator", field)?,
                node::DOMAIN => found.domain = text("the domain of a node", field)?,
                node::ATTRIBUTE => {
                    if found.attributes.len() == MOST_ATTRIBUTES {
                        return wrong("attributes of a node", &format!("at most {MOST_ATTRIBUTES}"), "more");
                    }
                    found.attributes.push(Attribute::read(bytes("an attribute", field)?)?);
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// The name of an input; none where it is left out.
    pub fn input(&self, at: usize) -> Option<&'a str> {
        self.inputs.get(at).copied().filter(|name| !name.is_empty())
    }

    fn attribute(&self, name: &str) -> Option<&Attribute<'a>> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// An attribute that is one of these types; `None` where the node does not have it.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.attribute(name).map(|attribute| attribute.i)
    }

    pub fn float(&self, name: &str) -> Option<f64> {
        self.attribute(name).map(|attribute| f64::from(attribute.f))
    }

    pub fn text(&self, name: &str) -> Option<String> {
        self.attribute(name).map(|attribute| String::from_utf8_lossy(attribute.s).into_owned())
    }

    pub fn tensor(&self, name: &str) -> Option<&Tensor<'a>> {
        self.attribute(name).and_then(|attribute| attribute.t.as_ref())
    }

    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|attribute| &attribute.ints[..])
    }

    pub fn floats(&self, name: &str) -> &[f64] {
        self.attribute(name).map_or(&[], |attribute| &attribute.floats)
    }

    pub fn texts(&self, name: &str) -> Vec<String> {
        let texts = self.attribute(name).map_or(&[][..], |attribute| &attribute.strings);
        texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    }
}

impl<'a> Attribute<'a> {
    fn read(message: &'a [u8]) -> Result<Self, OnnxError> {
        let (mut found, mut fields) = (Self::default(), Fields::of(message));
        let what = "an attribute";
        while let Some((number, field)) = fields.next()? {
            match number {
                attribute::NAME => found.name = text(what, field)?,
                attribute::F => match field {
                    Field::Four(bytes) => found.f = f32::from_le_bytes(bytes),
                    _ => return wrong(what, "a number of four bytes", "another field"),
                },
                attribute::I => found.i = int(what, field)?,
                attribute::S => found.s = bytes(what, field)?,
                attribute::T => found.t = Some(Tensor::read(bytes(what, field)?)?),
                attribute::FLOATS => floats(what, field, &mut found.floats)?,
                attribute::INTS => ints(what, field, &mut found.ints)?,
                attribute::STRINGS => found.strings.push(bytes(what, field)?),
                _ => {}
            }
        }
        Ok(found)
    }
}

impl<'a> Value<'a> {
    fn read(message: &'a [u8]) -> Result<Self, OnnxError> {
        let (mut found, mut fields) = (Self::default(), Fields::of(message));
        while let Some((number, field)) = fields.next()? {
            match number {
                value_info::NAME => found.name = text("the name of an input", field)?,
                value_info::TYPE => found.shape = shape(bytes("a type", field)?)?,
                _ => {}
            }
        }
        Ok(found)
    }
}

/// The bytes of the last field `number`.
fn inner(message: &[u8], number: u32) -> Result<Option<&[u8]>, OnnxError> {
    let (mut found, mut fields) = (None, Fields::of(message));
    while let Some((other, field)) = fields.next()? {
        if other == number {
            found = Some(bytes("a type", field)?);
        }
    }
    Ok(found)
}

/// The shape in a type; nothing where it is no tensor or has none.
fn shape(message: &[u8]) -> Result<Option<Vec<Option<usize>>>, OnnxError> {
    let Some(tensor) = inner(message, value_info::TYPE_TENSOR)? else { return Ok(None) };
    let Some(shape) = inner(tensor, value_info::TENSOR_SHAPE)? else { return Ok(None) };
    let (mut sizes, mut fields) = (Vec::new(), Fields::of(shape));
    while let Some((number, field)) = fields.next()? {
        if number != value_info::SHAPE_DIM {
            continue;
        }
        let (mut size, mut fields) = (None, Fields::of(bytes("a size", field)?));
        while let Some((number, field)) = fields.next()? {
            match number {
                value_info::DIM_VALUE => size = usize::try_from(int("a size", field)?).ok(),
                value_info::DIM_PARAM => size = None,
                _ => {}
            }
        }
        sizes.push(size);
    }
    Ok(Some(sizes))
}
