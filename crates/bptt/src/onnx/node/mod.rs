//! One `RNN`, `GRU` or `LSTM` node, computed by plain loops in `f64`: what ONNX says that it means.
//!
//! This is a reference and no fast path: [`import`](super::import) makes a model out of nodes that a model can express.
//! A [`Node`] takes all that operator set 14 has: both directions, lengths, initial states, peepholes, coupled gates,
//! clipping, both layouts, all of ONNX's activations with their `alpha` and `beta`.
//!
//! ```
//! use bptt::onnx::node::{Inputs, Node, Operator, Tensor};
//! let tensor = |shape: &[usize], values: &[f64]| Tensor { shape: shape.to_vec(), values: values.to_vec() };
//! // Two steps of one sequence with one feature, one hidden unit.
//! let (x, w, r) = (tensor(&[2, 1, 1], &[1.0, 2.0]), tensor(&[1, 1, 1], &[0.5]), tensor(&[1, 1, 1], &[0.1]));
//! let outputs = Node::new(Operator::Rnn).run(&Inputs::new(&x, &w, &r))?;
//! assert_eq!(outputs.y.shape, [2, 1, 1, 1]);
//! assert_eq!(outputs.y.values, [0.5f64.tanh(), (1.0 + 0.1 * 0.5f64.tanh()).tanh()]);
//! # Ok::<(), bptt::onnx::OnnxError>(())
//! ```

mod activation;
mod cell;
mod file;
mod run;

pub use file::SingleNode;

use super::OnnxError;

/// What a node computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `RNN`: one activation.
    Rnn,
    /// `GRU`: the gates z, r, h.
    Gru,
    /// `LSTM`: the gates i, o, f, c.
    Lstm,
}

impl Operator {
    /// ONNX's name: `"RNN"`, `"GRU"` or `"LSTM"`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rnn => "RNN",
            Self::Gru => "GRU",
            Self::Lstm => "LSTM",
        }
    }

    /// The operator of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Rnn, Self::Gru, Self::Lstm].into_iter().find(|operator| operator.name() == name)
    }

    /// Gates: blocks of H rows in the weights.
    pub(super) fn gates(self) -> usize {
        match self {
            Self::Rnn => 1,
            Self::Gru => 3,
            Self::Lstm => 4,
        }
    }

    /// The activations of one direction where the node names none.
    pub(super) fn activations(self) -> &'static [&'static str] {
        match self {
            Self::Rnn => &["Tanh"],
            Self::Gru => &["Sigmoid", "Tanh"],
            Self::Lstm => &["Sigmoid", "Tanh", "Tanh"],
        }
    }
}

/// The way through a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// From the first step to the last.
    #[default]
    Forward,
    /// From the last step to the first.
    Reverse,
    /// Both, side by side.
    Bidirectional,
}

impl Direction {
    /// ONNX's name: `"forward"`, `"reverse"` or `"bidirectional"`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Reverse => "reverse",
            Self::Bidirectional => "bidirectional",
        }
    }

    /// The direction of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Forward, Self::Reverse, Self::Bidirectional].into_iter().find(|way| way.name() == name)
    }

    /// `D`: 1 or 2.
    pub(super) fn count(self) -> usize {
        1 + usize::from(self == Self::Bidirectional)
    }
}

/// A node without its tensors: an operator and its attributes, with ONNX's names and defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The operator.
    pub operator: Operator,
    /// The way through a sequence.
    pub direction: Direction,
    /// Hidden units, where the node says it; they are known from `R` as well.
    pub hidden_size: Option<usize>,
    /// The activations by name (capitals count for nothing), those of the reverse direction after those of the first; none:
    /// the defaults.
    pub activations: Vec<String>,
    /// The `alpha` of each activation that has one.
    pub activation_alpha: Vec<f64>,
    /// The `beta` of each activation that has one.
    pub activation_beta: Vec<f64>,
    /// What goes into an activation is limited to ± this.
    pub clip: Option<f64>,
    /// Of `GRU`: the reset gate acts after the product with the recurrent weights, as in PyTorch.
    pub linear_before_reset: bool,
    /// Of `LSTM`: the forget gate is 1 minus the input gate.
    pub input_forget: bool,
    /// `layout` 1: the batch is the first axis of `X`, `Y` and the states.
    pub batch_first: bool,
}

impl Node {
    /// A node with the default of every attribute.
    pub fn new(operator: Operator) -> Self {
        Self {
            operator,
            direction: Direction::Forward,
            hidden_size: None,
            activations: Vec::new(),
            activation_alpha: Vec::new(),
            activation_beta: Vec::new(),
            clip: None,
            linear_before_reset: false,
            input_forget: false,
            batch_first: false,
        }
    }

    /// Computes the outputs.
    ///
    /// # Errors
    /// [`OnnxError::Tensor`] for a tensor whose shape does not fit the others, [`OnnxError::Node`] for attributes that make
    /// no sense, both by name.
    pub fn run(&self, inputs: &Inputs<'_>) -> Result<Outputs, OnnxError> {
        run::run(self, inputs)
    }

    fn wrong(&self, expected: impl Into<String>, found: impl Into<String>) -> OnnxError {
        OnnxError::Node {
            node: self.operator.name().to_owned(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}

/// Numbers in a shape, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// The size of each axis.
    pub shape: Vec<usize>,
    /// The numbers.
    pub values: Vec<f64>,
}

/// The inputs of a node, `T` being its steps, `B` its sequences, `I` the features of a step, `H` its hidden units, `D` its
/// directions and `G` its gates. With `layout` 1, the shapes in brackets.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// (T, B, I) [(B, T, I)]
    pub x: &'a Tensor,
    /// (D, G·H, I)
    pub w: &'a Tensor,
    /// (D, G·H, H)
    pub r: &'a Tensor,
    /// (D, 2·G·H): the biases of `W`, then those of `R`.
    pub b: Option<&'a Tensor>,
    /// (B): the steps of each sequence, at most T.
    pub sequence_lens: Option<&'a [usize]>,
    /// (D, B, H) [(B, D, H)]
    pub initial_h: Option<&'a Tensor>,
    /// The same, of `LSTM`.
    pub initial_c: Option<&'a Tensor>,
    /// (D, 3·H): the peepholes of `LSTM`, in the order i, o, f.
    pub p: Option<&'a Tensor>,
}

impl<'a> Inputs<'a> {
    /// Those that a node cannot do without.
    pub fn new(x: &'a Tensor, w: &'a Tensor, r: &'a Tensor) -> Self {
        Self { x, w, r, b: None, sequence_lens: None, initial_h: None, initial_c: None, p: None }
    }
}

/// The outputs of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Outputs {
    /// (T, D, B, H) [(B, T, D, H)]: the states after each step; zeros beyond a sequence's end.
    pub y: Tensor,
    /// (D, B, H) [(B, D, H)]: the states after the last step.
    pub y_h: Tensor,
    /// The same of `LSTM`'s memory.
    pub y_c: Option<Tensor>,
}
