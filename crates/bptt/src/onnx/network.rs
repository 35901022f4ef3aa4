//! [`Network`]: what has been read of a graph up to one of its tensors.

use std::rc::Rc;

use super::array::Array;
use super::axes::{Atom, Axes};
use super::node::Direction;
use crate::Cell;

/// A tensor that is computed from the graph's features: its axes, and how it came about.
#[derive(Debug, Clone)]
pub(super) struct Signal {
    pub axes: Axes,
    pub network: Network,
}

/// The way from the features to a tensor, in the order in which it has to be.
#[derive(Debug, Clone)]
pub(super) struct Network {
    /// Which of the graph's inputs the features are.
    pub input: usize,
    /// Which axis of it the steps are, from the first layer on.
    pub time: Option<Atom>,
    /// What is subtracted from the features, and what they are then divided by.
    pub input_offset: Option<Array>,
    pub input_scale: Option<Array>,
    pub layers: Vec<Rc<Layer>>,
    /// (D·H, O)
    pub readout: Option<Array>,
    /// (O)
    pub bias: Option<Array>,
    pub meaning: Option<Meaning>,
    /// What the outputs are multiplied by, and what is then added.
    pub label_scale: Option<Array>,
    pub label_offset: Option<Array>,
}

/// What the outputs of the readout are turned into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Sigmoid,
    Softmax,
}

/// A recurrent node with its weights in ONNX's shapes and order, `K` being its inputs.
#[derive(Debug)]
pub(super) struct Layer {
    pub cell: Cell,
    pub direction: Direction,
    pub inputs: usize,
    pub hidden: usize,
    /// (D, G·H, K)
    pub w: Array,
    /// (D, G·H, H)
    pub r: Array,
    /// (D, 2·G·H)
    pub b: Option<Array>,
}

impl Network {
    /// Nothing yet: input `input` of the graph.
    pub fn new(input: usize) -> Self {
        Self {
            input,
            time: None,
            input_offset: None,
            input_scale: None,
            layers: Vec::new(),
            readout: None,
            bias: None,
            meaning: None,
            label_scale: None,
            label_offset: None,
        }
    }

    /// Whether this is an input as it comes.
    pub fn is_raw(&self) -> bool {
        self.layers.is_empty() && self.input_offset.is_none() && self.input_scale.is_none()
    }

    /// Whether the outputs have been scaled back to labels.
    fn is_scaled_back(&self) -> bool {
        self.label_scale.is_some() || self.label_offset.is_some()
    }

    /// The same after `x − offset`, where there is room for it.
    pub fn shifted(mut self, offset: Array) -> Option<Self> {
        (self.is_raw()).then(|| {
            self.input_offset = Some(offset);
            self
        })
    }

    /// The same after `x / scale`.
    pub fn divided(mut self, scale: Array) -> Option<Self> {
        (self.layers.is_empty() && self.input_scale.is_none()).then(|| {
            self.input_scale = Some(scale);
            self
        })
    }

    /// The same after `y + offset`: the readout's bias, or what takes outputs back to labels.
    pub fn added(mut self, offset: Array) -> Option<Self> {
        if self.readout.is_none() || self.label_offset.is_some() {
            return None;
        }
        if self.bias.is_none() && self.meaning.is_none() && self.label_scale.is_none() {
            self.bias = Some(offset);
        } else {
            self.label_offset = Some(offset);
        }
        Some(self)
    }

    /// The same after `y · scale`.
    pub fn multiplied(mut self, scale: Array) -> Option<Self> {
        (self.readout.is_some() && !self.is_scaled_back()).then(|| {
            self.label_scale = Some(scale);
            self
        })
    }

    /// The same after the readout's product.
    pub fn read_out(mut self, weight: Array) -> Option<Self> {
        (!self.layers.is_empty() && self.readout.is_none()).then(|| {
            self.readout = Some(weight);
            self
        })
    }

    /// The same after sigmoid or softmax.
    pub fn meaning(mut self, meaning: Meaning) -> Option<Self> {
        (self.readout.is_some() && self.meaning.is_none() && !self.is_scaled_back()).then(|| {
            self.meaning = Some(meaning);
            self
        })
    }

    /// What stands here, for messages.
    pub fn describe(&self) -> &'static str {
        match (&self.readout, self.layers.len()) {
            (Some(_), _) => "the outputs of the readout",
            (None, 0) => "the inputs of the first layer",
            (None, _) => "the states of a layer",
        }
    }
}

impl Signal {
    /// How many features a step has, where they are the last axis and known.
    pub fn features(&self) -> Option<usize> {
        match self.axes.last().map(|axis| &axis[..]) {
            Some(&[Atom::Features(size)]) => Some(size),
            Some(&[Atom::Directions, Atom::Features(size)]) => size.checked_mul(2),
            _ => None,
        }
    }

    /// The same axes but for the last, which has `size` features now.
    pub fn with_features(&self, size: usize) -> Axes {
        let mut axes = self.axes.clone();
        if let Some(last) = axes.last_mut() {
            *last = vec![Atom::Features(size)];
        }
        axes
    }
}
