//! [`Architecture`]: which cell, how many layers, in which directions.

use crate::Activation;
#[cfg(feature = "std")]
use crate::{Error, Result};

/// The kind of a recurrent layer. Its equations are in the file of its name under `cell/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// `h_t = f(W_ih·x_t + b_ih + W_hh·h_{t−1} + b_hh)`, PyTorch's `nn.RNN`.
    Elman(Activation),
    /// The gated recurrent unit, PyTorch's `nn.GRU`: the reset gate acts after the product with `W_hn`.
    Gru,
    /// The long short-term memory, PyTorch's `nn.LSTM`.
    Lstm,
    /// The gated recurrent unit as it was published (Cho et al. 2014): the reset gate acts before the product with `W_hn`.
    ///
    /// ONNX's `GRU` with `linear_before_reset` 0, Keras' with `reset_after=False`. PyTorch has no such cell and so no name for
    /// it; its parameters are called, shaped and ordered as those of [`Cell::Gru`], but in an `nn.GRU` they mean something else.
    /// A step takes two products, one after the other, and there is one way for all sizes; [`Cell::Gru`] has quicker ones for few
    /// units and for many. This one is for models that come from elsewhere.
    GruResetBefore,
}

impl Cell {
    /// The names of all cells.
    pub const NAMES: [&str; 4] = ["elman", "gru", "lstm", "gru-reset-before"];

    /// The name: `"elman"`, `"gru"`, `"lstm"` or `"gru-reset-before"`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Elman(_) => "elman",
            Self::Gru => "gru",
            Self::Lstm => "lstm",
            Self::GruResetBefore => "gru-reset-before",
        }
    }

    /// The cell of that name; `activation` is that of an Elman cell.
    pub fn from_name(name: &str, activation: Activation) -> Option<Self> {
        let cells = [Self::Elman(activation), Self::Gru, Self::Lstm, Self::GruResetBefore];
        cells.into_iter().find(|cell| cell.name() == name)
    }

    /// The hidden activation of an Elman cell; the others have theirs built in.
    pub fn activation(self) -> Option<Activation> {
        match self {
            Self::Elman(activation) => Some(activation),
            Self::Gru | Self::Lstm | Self::GruResetBefore => None,
        }
    }

    /// Gates: blocks of H rows in PyTorch's weights.
    pub(crate) fn gates(self) -> usize {
        match self {
            Self::Elman(_) => 1,
            Self::Gru | Self::GruResetBefore => 3,
            Self::Lstm => 4,
        }
    }

    /// Whether a step is one product, from which all gates come: what the ways for few units and for many are made for.
    pub(crate) fn is_one_product(self) -> bool {
        self != Self::GruResetBefore
    }

    /// Whether a state has a memory `c` beside `h`.
    pub(crate) fn has_memory(self) -> bool {
        self == Self::Lstm
    }
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The recurrent part of a [`Model`](crate::Model): PyTorch's arguments of `nn.RNN`, `nn.GRU` and `nn.LSTM`.
///
/// ```
/// use bptt::{Architecture, DynRnn};
/// let architecture = Architecture::gru().num_layers(2).bidirectional(true).dropout(0.2);
/// let model = DynRnn::<f32>::with_architecture(12, 16, 9, architecture, 1)?;
/// assert_eq!(model.params().get("weight_hh_l1_reverse")?.len(), 3 * 16 * 16);
/// # Ok::<(), bptt::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Architecture {
    /// The kind of layer.
    pub cell: Cell,
    /// Layers, each fed with the outputs of the one below; at least 1.
    pub num_layers: usize,
    /// Whether each layer also runs through the sequence backwards; its outputs are both directions' side by side.
    pub bidirectional: bool,
    /// The share of each layer's outputs, but the last's, that are set to 0 in training; the rest is scaled up by
    /// `1 / (1 − dropout)`. From 0 on, below 1.
    pub dropout: f64,
}

impl Architecture {
    /// One layer of a cell.
    pub const fn new(cell: Cell) -> Self {
        Self { cell, num_layers: 1, bidirectional: false, dropout: 0.0 }
    }

    /// One Elman layer.
    pub const fn elman(activation: Activation) -> Self {
        Self::new(Cell::Elman(activation))
    }

    /// One layer of gated recurrent units.
    pub const fn gru() -> Self {
        Self::new(Cell::Gru)
    }

    /// One layer of long short-term memories.
    pub const fn lstm() -> Self {
        Self::new(Cell::Lstm)
    }

    /// One layer of gated recurrent units whose reset gate acts before the product: [`Cell::GruResetBefore`].
    pub const fn gru_reset_before() -> Self {
        Self::new(Cell::GruResetBefore)
    }

    /// The same with `num_layers` layers.
    #[must_use]
    pub const fn num_layers(self, num_layers: usize) -> Self {
        Self { num_layers, ..self }
    }

    /// The same in both directions, or in one.
    #[must_use]
    pub const fn bidirectional(self, bidirectional: bool) -> Self {
        Self { bidirectional, ..self }
    }

    /// The same with dropout between its layers.
    #[must_use]
    pub const fn dropout(self, dropout: f64) -> Self {
        Self { dropout, ..self }
    }

    /// Directions of each layer: 1 or 2.
    pub fn directions(self) -> usize {
        1 + usize::from(self.bidirectional)
    }

    /// The activation of a single Elman layer in one direction, for which there are ways of its own.
    pub(crate) fn plain(self) -> Option<Activation> {
        let single = self.num_layers == 1 && !self.bidirectional;
        self.cell.activation().filter(|_| single)
    }

    #[cfg(feature = "std")]
    pub(crate) fn check(self) -> Result<()> {
        if self.num_layers == 0 {
            return Err(Error::ZeroSize { what: "num_layers" });
        }
        if !(0.0..1.0).contains(&self.dropout) {
            let (expected, found) = ("a number from 0 on, below 1", self.dropout.to_string());
            return Err(Error::Setting { name: "dropout", expected, found });
        }
        if self.dropout > 0.0 && self.num_layers == 1 {
            let (expected, found) =
                ("0 with a single layer: it acts between layers", self.dropout.to_string());
            return Err(Error::Setting { name: "dropout", expected, found });
        }
        Ok(())
    }
}
