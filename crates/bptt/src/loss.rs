//! The loss: mean squared error, PyTorch's `nn.MSELoss`.

/// How squared errors become one number, PyTorch's `reduction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reduction {
    /// The mean over all elements of the batch: every output of every timestep of every sequence.
    #[default]
    Mean,
    /// The sum over all elements of the batch.
    Sum,
}

impl Reduction {
    /// All reductions.
    pub const ALL: [Self; 2] = [Self::Mean, Self::Sum];

    /// The name: `"mean"` or `"sum"`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Sum => "sum",
        }
    }

    /// The reduction of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reduction| reduction.name() == name)
    }

    /// The loss of `elements` elements whose squared errors sum to `squared_error`; 0 for none.
    pub fn loss(self, squared_error: f64, elements: usize) -> f64 {
        squared_error * self.weight(elements)
    }

    /// What each squared error counts for in a batch of `elements` elements.
    pub(crate) fn weight(self, elements: usize) -> f64 {
        match self {
            Self::Mean if elements > 0 => 1.0 / elements as f64,
            _ => 1.0,
        }
    }
}

impl std::fmt::Display for Reduction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
