//! All operators but the recurrent ones; here those that only rearrange, which exporters put between the layers.

use std::rc::Rc;

use super::array::Array;
use super::axes::{self, Axes, Size};
use super::network::{Meaning, Signal};
use super::proto::data_type;
use super::read::Node;
use super::reader::{MOST_AXES, Reader, Value, refused, wrong};
use super::{OnnxError, readout};

/// The values of a node's outputs.
pub(super) type Outcome = Result<Vec<Value>, OnnxError>;

/// The values of the node's outputs.
pub(super) fn outputs<'a>(reader: &mut Reader<'a>, node: &Node<'a>) -> Outcome {
    match node.operator {
        "Constant" => constant(reader, node),
        "ConstantOfShape" => constant_of_shape(reader, node),
        "Identity" => Ok(vec![reader.value(node, 0)?.clone()]),
        "Dropout" => dropout(reader, node),
        "Cast" => cast(reader, node),
        "Shape" => shape(reader, node),
        "Gather" => gather(reader, node),
        "Slice" => slice(reader, node),
        "Split" => split(reader, node),
        "Concat" => concat(reader, node),
        "Expand" => expand(reader, node),
        "Transpose" => transpose(reader, node),
        "Squeeze" | "Unsqueeze" => squeeze(reader, node),
        "Reshape" => reshape(reader, node),
        "Add" | "Sub" | "Mul" | "Div" => readout::arithmetic(reader, node),
        "MatMul" => readout::matmul(reader, node),
        "Gemm" => readout::gemm(reader, node),
        "Sigmoid" => readout::meaning(reader, node, Meaning::Sigmoid),
        "Softmax" => readout::meaning(reader, node, Meaning::Softmax),
        _ => {
            // Where an input is refused already, that is the reason.
            (0..node.inputs.len()).try_for_each(|at| reader.optional(node, at).map(drop))?;
            Err(wrong(node, "an operator of recurrent layers with a linear readout", "this one"))
        }
    }
}

/// The only output of a node.
pub(super) fn one(value: Value) -> Outcome {
    Ok(vec![value])
}

/// The signal with other axes.
fn moved(node: &Node<'_>, signal: &Signal, axes: Option<Axes>) -> Outcome {
    match axes.filter(|axes| axes.len() <= MOST_AXES) {
        Some(axes) => one(Value::Signal(Rc::new(Signal { axes, network: signal.network.clone() }))),
        None => Err(wrong(node, "steps, sequences and features kept apart", "another arrangement of them")),
    }
}

fn folded<'a>(reader: &mut Reader<'a>, node: &Node<'a>, array: Option<Array>) -> Outcome {
    let Some(array) = array else { return Err(wrong(node, "shapes that fit", "others")) };
    reader.spend(node, array.values.len())?;
    one(Value::Constant(array))
}

fn constant<'a>(reader: &mut Reader<'a>, node: &Node<'a>) -> Outcome {
    if let Some(tensor) = node.tensor("value") {
        return one(reader.tensor(tensor));
    }
    let sizes = |numbers: &[i64], scalar| {
        let sizes: Vec<Size> = numbers.iter().take(MOST_AXES).map(|&number| Size::Known(number)).collect();
        one(Value::Sizes { sizes, scalar })
    };
    if let Some(number) = node.int("value_int") {
        return sizes(&[number], true);
    }
    if let Some(numbers) = node.ints("value_ints") {
        return sizes(numbers, false);
    }
    let (values, shape) = match node.float("value_float") {
        Some(value) => (vec![value], vec![]),
        None => (node.floats("value_floats").to_vec(), vec![node.floats("value_floats").len()]),
    };
    if values.is_empty() {
        return Err(wrong(node, "numbers", "another constant"));
    }
    one(Value::Constant(Array { shape, values: values.into(), double: false }))
}

fn constant_of_shape<'a>(reader: &mut Reader<'a>, node: &Node<'a>) -> Outcome {
    let zero = match node.tensor("value") {
        None => true,
        Some(tensor) => matches!(reader.tensor(tensor), Value::Constant(array) if array.is_zero()),
    };
    if zero { one(Value::Zeros) } else { Err(wrong(node, "zeros", "another number")) }
}

fn dropout<'a>(reader: &mut Reader<'a>, node: &Node<'a>) -> Outcome {
    if node.input(2).is_some() {
        return Err(wrong(node, "a graph for inference", "a training mode"));
    }
    one(reader.value(node, 0)?.clone())
}

fn cast<'a>(reader: &mut Reader<'a>, node: &Node<'a>) -> Outcome {
    let to = node.int("to").unwrap_or(0);
    match reader.value(node, 0)? {
        Value::Constant(array) if to == data_type::DOUBLE => {
            one(Value::Constant(Array { double: true, ..array.clone() }))
        }
        Value::Constant(array) if to == data_type::FLOAT => {
            let values = array.values.iter().map(|&value| f64::from(value as f32)).collect();
            let shape = array.shape.clone();
            folded(reader, node, Some(Array { shape, values, double: false }))
        }
        Value::Constant(_) => Err(wrong(node, "a cast to float or double", to.to_string())),
        Value::Signal(signal) if ![data_type::FLOAT, data_type::DOUBLE].contains(&to) => Err(wrong(
            node,
            &format!("a cast of {} to float or double", signal.network.describe()),
            to.to_string(),
        )),
        other => one(other.clone()),
    }
}

fn shape<'a>(reader: &mut Reader<'a>, node: &Node<'a>) -> Outcome {
    let all: Vec<Size> = match reader.value(node, 0)? {
        Value::Signal(signal) => signal.axes.iter().map(|axis| axes::size(axis)).collect(),
        Value::Constant(array) => {
            array.shape.iter().map(|&size| i64::try_from(size).map_or(Size::Known(-1), Size::Known)).collect()
        }
        other => return Err(refused(node, "a tensor whose shape is followed", other)),
    };
    let end = |name, default: usize| match node.int(name) {
        Some(place) => clamped(place, all.len()),
        None => default,
    };
    let (start, end) = (end("start", 0), end("end", all.len()));
    one(Value::Sizes { sizes: all.get(start..end).unwrap_or(&[]).to_vec(), scalar: false })
}

/// A place from 0 to `len`, negative ones being counted from the end.
fn clamped(place: i64, len: usize) -> usize {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    let place = if place < 0 { place.saturating_add(len) } else { place };
    usize::try_from(place.clamp(0, len)).unwrap_or(0)
}

fn gather<'a>(reader: &mut Reader<'a>, node: &Node<'a>) -> Outcome {
    let Value::Sizes { sizes, .. } = reader.value(node, 0)? else {
        return passive(reader, node, "sizes, of which to take some");
    };
    let scalar = matches!(reader.value(node, 1)?, Value::Sizes { scalar: true, .. });
    let places = reader.known(node, 1)?;
    let chosen = places.iter().map(|&place| Some(sizes[axes::place(place, sizes.len())?].clone()));
    match chosen.collect::<Option<Vec<_>>>() {
        Some(sizes) => one(Value::Sizes { sizes, scalar }),
        None => Err(wrong(node, "places that are there", "others")),
    }
}

/// States and zeros stay what they are, however they are rearranged.
fn passive<'a>(reader: &Reader<'a>, node: &Node<'a>, expected: &str) -> Outcome {
    match reader.value(node, 0)? {
        value @ (Value::State | Value::Zeros) => Ok(vec![value.clone(); node.outputs.len()]),
        other => Err(refused(node, expected, other)),
    }
}

fn slice<'a>(reader: &mut Reader<'a>, node: &Node<'a>) -> Outcome {
    let value = reader.value(node, 0)?.clone();
    if !matches!(value, Value::Sizes { .. } | Value::Constant(_)) {
        return passive(reader, node, "a constant, of which to take a part");
    }
    let (starts, ends) = (reader.known(node, 1)?, reader.known(node, 2)?);
    let cuts = match reader.optional(node, 3)? {
        Some(_) => reader.known(node, 3)?,
        None => (0..).take(starts.len()).collect(),
    };
    let steps = reader.optional(node, 4)?.map(|_| reader.known(node, 4)).transpose()?;
    if steps.is_some_and(|steps| steps.iter().any(|&step| step != 1)) {
        return Err(wrong(node, "steps of 1", "others"));
    }
    if starts.len() != ends.len() || starts.len() != cuts.len() {
        return Err(wrong(node, "as many starts as ends and axes", "others"));
    }
    match value {
        Value::Sizes { sizes, scalar: false } if cuts == [0] => {
            let range = clamped(starts[0], sizes.len())..clamped(ends[0], sizes.len());
            one(Value::Sizes { sizes: sizes.get(range).unwrap_or(&[]).to_vec(), scalar: false })
        }
        Value::Constant(mut array) => {
            for ((&start, &end), &axis) in starts.iter().zip(&ends).zip(&cuts) {
                let part = axes::place(axis, array.shape.len()).and_then(|axis| {
                    array.part(axis, clamped(start, array.shape[axis]), clamped(end, array.shape[axis]))
                });
                let Some(part) = part else { return Err(wrong(node, "a part that is there", "another")) };
                reader.spend(node, part.values.len())?;
                array = part;
            }
            one(Value::Constant(array))
        }
        other => Err(refused(node, "a part of a constant", &other)),
    }
}

fn split<'a>(reader: &mut Reader<'a>, node: &Node<'a>) -> Outcome {
    passive(reader, node, "initial states, to be cut up")
}

fn concat<'a>(reader: &mut Reader<'a>, node: &Node<'a>) -> Outcome {
    let count = node.inputs.len();
    let values: Vec<Value> =
        (0..count).map(|at| reader.value(node, at).cloned()).collect::<Result<_, _>>()?;
    if values.iter().all(|value| matches!(value, Value::Zeros)) {
        return one(Value::Zeros);
    }
    if values.iter().all(|value| matches!(value, Value::State | Value::Zeros)) {
        return one(Value::State);
    }
    let (mut sizes, mut arrays) = (Vec::new(), Vec::new());
    for value in &values {
        match value {
            Value::Sizes { sizes: more, scalar: false } => sizes.extend_from_slice(more),
            Value::Constant(array) => arrays.push(array.clone()),
            other => return Err(refused(node, "constants, sizes or states", other)),
        }
    }
    if sizes.len() > MOST_AXES {
        return Err(wrong(node, &format!("at most {MOST_AXES} sizes"), sizes.len().to_string()));
    }
    if arrays.is_empty() {
        return one(Value::Sizes { sizes, scalar: false });
    }
    let rank = arrays[0].shape.len();
    let axis = node.int("axis").and_then(|axis| axes::place(axis, rank)).filter(|_| sizes.is_empty());
    reader.spend(node, arrays.iter().map(|array| array.values.len()).sum())?;
    let joined = axis.and_then(|axis| Array::joined(&arrays, axis));
    folded(reader, node, joined)
}

fn expand<'a>(reader: &mut Reader<'a>, node: &Node<'a>) -> Outcome {
    match reader.value(node, 0)? {
        Value::Constant(array) if array.is_zero() => one(Value::Zeros),
        Value::Sizes { sizes, .. } if sizes.len() == 1 => {
            // As many equal numbers as there are sequences, say: none of them is another.
            one(Value::Sizes { sizes: sizes.clone(), scalar: false })
        }
        Value::Constant(_) => Err(wrong(node, "zeros", "other numbers")),
        _ => passive(reader, node, "zeros"),
    }
}

fn transpose<'a>(reader: &mut Reader<'a>, node: &Node<'a>) -> Outcome {
    let value = reader.value(node, 0)?.clone();
    let rank = match &value {
        Value::Constant(array) => array.shape.len(),
        Value::Signal(signal) => signal.axes.len(),
        _ => return passive(reader, node, "a constant, the features or states"),
    };
    let order: Option<Vec<usize>> = match node.ints("perm") {
        Some(order) => order.iter().map(|&axis| usize::try_from(axis).ok()).collect(),
        None => Some((0..rank).rev().collect()),
    };
    match (value, order) {
        (Value::Signal(signal), order) => {
            moved(node, &signal, order.and_then(|order| axes::transposed(&signal.axes, &order)))
        }
        (Value::Constant(array), order) => {
            reader.spend(node, array.values.len())?;
            let array = order.and_then(|order| array.transposed(&order));
            folded(reader, node, array)
        }
        (other, _) => one(other),
    }
}

/// The axes of a `Squeeze` or `Unsqueeze`: an input, or before operator set 13 an attribute.
fn listed<'a>(reader: &Reader<'a>, node: &Node<'a>) -> Result<Option<Vec<i64>>, OnnxError> {
    match reader.optional(node, 1)? {
        Some(_) => reader.known(node, 1).map(Some),
        None => Ok(node.ints("axes").map(<[i64]>::to_vec)),
    }
}

fn squeeze<'a>(reader: &mut Reader<'a>, node: &Node<'a>) -> Outcome {
    let (list, squeeze) = (listed(reader, node)?, node.operator == "Squeeze");
    let new = list.clone().unwrap_or_default();
    match reader.value(node, 0)?.clone() {
        Value::Signal(signal) => {
            let axes = match squeeze {
                true => axes::squeezed(&signal.axes, list.as_deref()),
                false => axes::unsqueezed(&signal.axes, &new),
            };
            moved(node, &signal, axes)
        }
        Value::Constant(array) => {
            // As axes, so that one piece of code counts them.
            let axes: Axes = array.shape.iter().map(|&size| vec![axes::Atom::Features(size)]).collect();
            let axes =
                if squeeze { axes::squeezed(&axes, list.as_deref()) } else { axes::unsqueezed(&axes, &new) };
            let shape = axes.map(|axes| axes.iter().map(|axis| axes::known(axis).unwrap_or(1)).collect());
            let array = shape.and_then(|shape| array.reshaped(shape));
            folded(reader, node, array)
        }
        Value::Sizes { sizes, scalar } if sizes.len() == 1 => {
            if scalar == squeeze {
                return Err(wrong(node, "sizes with or without an axis", "others"));
            }
            one(Value::Sizes { sizes, scalar: squeeze })
        }
        _ => passive(reader, node, "a constant, the features, sizes or states"),
    }
}

fn reshape<'a>(reader: &mut Reader<'a>, node: &Node<'a>) -> Outcome {
    let allow_zero = node.int("allowzero").unwrap_or(0) != 0;
    match reader.value(node, 0)?.clone() {
        Value::Signal(signal) => {
            let axes = axes::reshaped(&signal.axes, reader.sizes(node, 1)?, allow_zero);
            moved(node, &signal, axes)
        }
        Value::Constant(array) => {
            let axes: Axes = array.shape.iter().map(|&size| vec![axes::Atom::Features(size)]).collect();
            // Only shapes that keep whole axes together or apart, and one row of everything.
            let axes = axes::reshaped(&axes, reader.sizes(node, 1)?, allow_zero);
            let shape = axes.map(|axes| axes.iter().map(|axis| axes::known(axis).unwrap_or(1)).collect());
            let array = shape.and_then(|shape| array.reshaped(shape));
            folded(reader, node, array)
        }
        // A row of one size, which exporters make of a product.
        Value::Sizes { sizes, .. } if sizes.len() == 1 => one(Value::Sizes { sizes, scalar: false }),
        _ => passive(reader, node, "a constant, the features or states"),
    }
}
