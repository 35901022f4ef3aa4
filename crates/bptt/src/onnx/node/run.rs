//! A node over whole sequences: checks of all shapes first, then step by step.

use super::activation;
use super::cell::Cell;
use super::{Direction, Inputs, Node, OnnxError, Operator, Outputs, Tensor};
use crate::buffer::zeros;

/// The sizes of a node.
#[derive(Clone, Copy)]
struct Sizes {
    steps: usize,
    sequences: usize,
    features: usize,
    hidden: usize,
    directions: usize,
    batch_first: bool,
}

pub(super) fn run(node: &Node, inputs: &Inputs<'_>) -> Result<Outputs, OnnxError> {
    let sizes = Sizes::of(node, inputs)?;
    let Sizes { steps, sequences, hidden, directions, .. } = sizes;
    let activations = activation::all(node)?;
    let rows = node.operator.gates() * hidden;
    let mut y = zeros(steps.saturating_mul(sequences).saturating_mul(directions).saturating_mul(hidden))?;
    let [mut y_h, mut y_c] = [state(inputs.initial_h, sizes)?, state(inputs.initial_c, sizes)?];
    for direction in 0..directions {
        let each = activations.len() / directions;
        let slice = |tensor: Option<&'_ Tensor>, len: usize| {
            tensor.map_or(Vec::new(), |tensor| tensor.values[direction * len..][..len].to_vec())
        };
        let (b, p) = (slice(inputs.b, 2 * rows), slice(inputs.p, 3 * hidden));
        let cell = Cell {
            node,
            w: &inputs.w.values[direction * rows * sizes.features..][..rows * sizes.features],
            r: &inputs.r.values[direction * rows * hidden..][..rows * hidden],
            b: &b,
            p: &p,
            activations: &activations[direction * each..][..each],
            hidden,
        };
        let reverse = direction == 1 || node.direction == Direction::Reverse;
        for sequence in 0..sequences {
            let length = inputs.sequence_lens.map_or(steps, |lengths| lengths[sequence]);
            let at = sizes.state(direction, sequence);
            for step in 0..length {
                let t = if reverse { length - 1 - step } else { step };
                let x = &inputs.x.values[sizes.x(t, sequence)..][..sizes.features];
                let (h, c) = (&mut y_h[at..at + hidden], &mut y_c[at..at + hidden]);
                cell.step(x, h, c);
                y[sizes.y(t, direction, sequence)..][..hidden].copy_from_slice(h);
            }
        }
    }
    Ok(sizes.outputs(node, y, y_h, y_c))
}

/// An initial state, or zeros.
fn state(initial: Option<&Tensor>, sizes: Sizes) -> Result<Vec<f64>, OnnxError> {
    match initial {
        Some(tensor) => Ok(tensor.values.clone()),
        None => Ok(zeros(sizes.directions.saturating_mul(sizes.sequences).saturating_mul(sizes.hidden))?),
    }
}

impl Sizes {
    /// The sizes that the tensors say, all tensors agreeing.
    fn of(node: &Node, inputs: &Inputs<'_>) -> Result<Self, OnnxError> {
        let &[first, second, features] = &inputs.x.shape[..] else {
            return Err(wrong("X", "three axes", &inputs.x.shape));
        };
        let (steps, sequences) = if node.batch_first { (second, first) } else { (first, second) };
        let &[_, _, hidden] = &inputs.r.shape[..] else {
            return Err(wrong("R", "three axes", &inputs.r.shape));
        };
        let directions = node.direction.count();
        if [steps, sequences, features, hidden].contains(&0) {
            return Err(
                node.wrong("sizes from 1 on", format!("X {:?}, R {:?}", inputs.x.shape, inputs.r.shape))
            );
        }
        if node.hidden_size.is_some_and(|size| size != hidden) {
            return Err(wrong(
                "R",
                &format!("{:?} hidden units", node.hidden_size.unwrap_or(0)),
                &inputs.r.shape,
            ));
        }
        let sizes = Self { steps, sequences, features, hidden, directions, batch_first: node.batch_first };
        let rows = node.operator.gates().saturating_mul(hidden);
        let states =
            if node.batch_first { [sequences, directions, hidden] } else { [directions, sequences, hidden] };
        let lstm = node.operator == Operator::Lstm;
        for (name, tensor, shape) in [
            ("X", Some(inputs.x), &inputs.x.shape[..]),
            ("W", Some(inputs.w), &[directions, rows, features]),
            ("R", Some(inputs.r), &[directions, rows, hidden]),
            ("B", inputs.b, &[directions, rows.saturating_mul(2)]),
            ("initial_h", inputs.initial_h, &states),
            ("initial_c", inputs.initial_c.filter(|_| lstm), &states),
            ("P", inputs.p.filter(|_| lstm), &[directions, hidden.saturating_mul(3)]),
        ] {
            check(name, tensor, shape)?;
        }
        if !lstm && (inputs.initial_c.is_some() || inputs.p.is_some()) {
            return Err(node.wrong("no initial_c and no P", "one"));
        }
        sizes.check_lengths(node, inputs.sequence_lens)?;
        Ok(sizes)
    }

    fn check_lengths(self, node: &Node, lengths: Option<&[usize]>) -> Result<(), OnnxError> {
        let Some(lengths) = lengths else { return Ok(()) };
        if lengths.len() != self.sequences {
            return Err(wrong("sequence_lens", &format!("{} lengths", self.sequences), &[lengths.len()]));
        }
        match lengths.iter().find(|length| **length > self.steps) {
            Some(length) => {
                Err(node.wrong(format!("sequence_lens of at most {} steps", self.steps), length.to_string()))
            }
            None => Ok(()),
        }
    }

    /// Where the features of a step begin.
    fn x(self, t: usize, sequence: usize) -> usize {
        let row = if self.batch_first { sequence * self.steps + t } else { t * self.sequences + sequence };
        row * self.features
    }

    /// Where the state after a step begins.
    fn y(self, t: usize, direction: usize, sequence: usize) -> usize {
        let row = if self.batch_first {
            (sequence * self.steps + t) * self.directions + direction
        } else {
            (t * self.directions + direction) * self.sequences + sequence
        };
        row * self.hidden
    }

    /// Where a state begins.
    fn state(self, direction: usize, sequence: usize) -> usize {
        let row = if self.batch_first {
            sequence * self.directions + direction
        } else {
            direction * self.sequences + sequence
        };
        row * self.hidden
    }

    fn outputs(self, node: &Node, y: Vec<f64>, y_h: Vec<f64>, y_c: Vec<f64>) -> Outputs {
        let Self { steps, sequences, hidden, directions, .. } = self;
        let (shape, states) = if self.batch_first {
            (vec![sequences, steps, directions, hidden], vec![sequences, directions, hidden])
        } else {
            (vec![steps, directions, sequences, hidden], vec![directions, sequences, hidden])
        };
        let y_c = (node.operator == Operator::Lstm).then(|| Tensor { shape: states.clone(), values: y_c });
        Outputs { y: Tensor { shape, values: y }, y_h: Tensor { shape: states, values: y_h }, y_c }
    }
}

/// Refuses a tensor of another shape, or with another number of values than its shape's.
fn check(name: &str, tensor: Option<&Tensor>, expected: &[usize]) -> Result<(), OnnxError> {
    let Some(tensor) = tensor else { return Ok(()) };
    if tensor.shape != expected {
        return Err(wrong(name, &format!("shape {expected:?}"), &tensor.shape));
    }
    let count = expected.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
    if count == Some(tensor.values.len()) {
        return Ok(());
    }
    let found = format!("{} of them", tensor.values.len());
    Err(OnnxError::Tensor {
        name: name.to_owned(),
        expected: format!("the numbers of shape {expected:?}"),
        found,
    })
}

fn wrong(name: &str, expected: &str, found: &[usize]) -> OnnxError {
    let found = format!("shape {found:?}");
    OnnxError::Tensor { name: name.to_owned(), expected: expected.to_owned(), found }
}
