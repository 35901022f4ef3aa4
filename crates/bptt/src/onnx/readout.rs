//! Operators that compute: scalings, the readout, and what makes probabilities of its outputs.

use std::rc::Rc;

use super::array::Array;
use super::axes::{self, Axes, Size};
use super::network::{Meaning, Network, Signal};
use super::operators::{Outcome, one};
use super::read::Node;
use super::reader::{MOST_AXES, Reader, Value, refused, wrong};

/// The signal after a step of its network.
fn stepped(node: &Node<'_>, signal: &Signal, axes: Axes, network: Option<Network>) -> Outcome {
    match network {
        Some(network) => one(Value::Signal(Rc::new(Signal { axes, network }))),
        None => {
            let expected =
                "scaling, recurrent layers, readout, sigmoid or softmax, and scaling, in this order";
            Err(wrong(node, expected, format!("it after {}", signal.network.describe())))
        }
    }
}

/// `Add`, `Sub`, `Mul` and `Div`: of sizes, or a scaling.
pub(super) fn arithmetic<'a>(reader: &mut Reader<'a>, node: &Node<'a>) -> Outcome {
    let (a, b) = (reader.value(node, 0)?.clone(), reader.value(node, 1)?.clone());
    let commutes = ["Add", "Mul"].contains(&node.operator);
    let (signal, array) = match (a, b) {
        (Value::Signal(signal), Value::Constant(array)) => (signal, array),
        (Value::Constant(array), Value::Signal(signal)) if commutes => (signal, array),
        (Value::Sizes { sizes: a, scalar }, Value::Sizes { sizes: b, .. }) if node.operator == "Mul" => {
            return sizes_product(node, &a, &b, scalar);
        }
        (Value::Signal(_), other) | (other, _) => {
            return Err(refused(node, "the features or outputs, and a constant", &other));
        }
    };
    let Some(row) = signal.features().and_then(|features| row(&array, features, signal.axes.len())) else {
        return Err(wrong(node, "one number for each feature or output", format!("shape {:?}", array.shape)));
    };
    reader.spend(node, row.values.len())?;
    let network = signal.network.clone();
    let network = match node.operator {
        "Add" => network.added(row),
        "Sub" => network.shifted(row),
        "Mul" => network.multiplied(row),
        _ => network.divided(row),
    };
    stepped(node, &signal, signal.axes.clone(), network)
}

fn sizes_product(node: &Node<'_>, a: &[Size], b: &[Size], scalar: bool) -> Outcome {
    let size = match (a, b) {
        ([a], [b]) => axes::product(a, b),
        _ => None,
    };
    match size.filter(|size| !matches!(size, Size::Of(atoms) if atoms.len() > MOST_AXES)) {
        Some(size) => one(Value::Sizes { sizes: vec![size], scalar }),
        None => Err(wrong(node, "the product of two sizes", "another")),
    }
}

/// A row of `features` numbers from an array that is one, or that repeats one number.
fn row(array: &Array, features: usize, rank: usize) -> Option<Array> {
    let flat = array.shape.iter().rev().skip(1).all(|&size| size == 1) && array.shape.len() <= rank;
    let values = match array.values[..] {
        [single] if flat => vec![single; features].into(),
        _ if flat && array.values.len() == features => array.values.clone(),
        _ => return None,
    };
    Some(Array { shape: vec![features], values, double: array.double })
}

/// `x · w` with `w` (K, O): the readout.
pub(super) fn matmul<'a>(reader: &mut Reader<'a>, node: &Node<'a>) -> Outcome {
    let (signal, weight) = (reader.signal(node, 0)?, reader.constant(node, 1)?);
    read_out(reader, node, &signal, weight)
}

fn read_out<'a>(reader: &mut Reader<'a>, node: &Node<'a>, signal: &Signal, weight: Array) -> Outcome {
    let &[inputs, outputs] = &weight.shape[..] else {
        return Err(wrong(node, "weights of two axes", format!("shape {:?}", weight.shape)));
    };
    if signal.features() != Some(inputs) {
        let found = format!("{} as (…, {:?})", signal.network.describe(), signal.features().unwrap_or(0));
        return Err(wrong(node, &format!("states as (…, {inputs})"), found));
    }
    reader.spend(node, weight.values.len())?;
    stepped(node, signal, signal.with_features(outputs), signal.network.clone().read_out(weight))
}

/// `x · w + b`, or `x · wᵀ + b`.
pub(super) fn gemm<'a>(reader: &mut Reader<'a>, node: &Node<'a>) -> Outcome {
    let (signal, mut weight) = (reader.signal(node, 0)?, reader.constant(node, 1)?);
    let number = |name| node.float(name).unwrap_or(1.0);
    if (number("alpha"), number("beta")) != (1.0, 1.0) || node.int("transA").unwrap_or(0) != 0 {
        return Err(wrong(node, "alpha 1, beta 1 and transA 0", "others"));
    }
    if node.int("transB").unwrap_or(0) != 0 {
        reader.spend(node, weight.values.len())?;
        weight = match weight.transposed(&[1, 0]) {
            Some(weight) => weight,
            None => return Err(wrong(node, "weights of two axes", format!("shape {:?}", weight.shape))),
        };
    }
    let outputs = read_out(reader, node, &signal, weight)?;
    let (Some(Value::Signal(signal)), Some(_)) = (outputs.first(), node.input(2)) else { return Ok(outputs) };
    let bias = reader.constant(node, 2)?;
    match signal.features().and_then(|features| row(&bias, features, 2)) {
        Some(bias) => stepped(node, signal, signal.axes.clone(), signal.network.clone().added(bias)),
        None => Err(wrong(node, "one number for each output", format!("shape {:?}", bias.shape))),
    }
}

/// `Sigmoid` or `Softmax`.
pub(super) fn meaning<'a>(reader: &mut Reader<'a>, node: &Node<'a>, meaning: Meaning) -> Outcome {
    let signal = reader.signal(node, 0)?;
    if meaning == Meaning::Softmax {
        let rank = signal.axes.len();
        // Once it was all axes from the second on.
        let default = if reader.opset < 13 { 1 } else { -1 };
        let axis = axes::place(node.int("axis").unwrap_or(default), rank);
        if axis.is_none_or(|axis| axis + 1 != rank) || signal.features().is_none() {
            return Err(wrong(node, "the axis of the outputs", "another"));
        }
    }
    stepped(node, &signal, signal.axes.clone(), signal.network.clone().meaning(meaning))
}
