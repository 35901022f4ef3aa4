//! What a flag can be where it is one of a few names.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Declares an enum of the command line and its lower-case names in a configuration file.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$variant_doc])* $variant),* }
    };
}
choice! {
    /// Hidden activation.
    Activation {
        /// Hyperbolic tangent
        Tanh,
        /// max(x, 0)
        Relu,
        /// Logistic function
        Sigmoid,
    }
}
choice! {
    /// What a model is imported from.
    ImportFormat {
        /// A state dict of nn.RNN, nn.GRU or nn.LSTM and nn.Linear
        Pytorch,
        /// A graph of recurrent operators and a linear readout
        Onnx,
    }
}
choice! {
    /// What a model is exported to.
    ExportFormat {
        /// A graph for ONNX Runtime and others
        Onnx,
        /// A Rust module that needs nothing but core
        Rust,
        /// A C99 file without dependencies
        C,
    }
}
choice! {
    /// Number type.
    Dtype {
        /// Single precision
        F32,
        /// Double precision
        F64,
    }
}
choice! {
    /// How a batch's squared errors become its loss.
    Reduction {
        /// Mean over all elements of the batch
        Mean,
        /// Sum over all elements of the batch
        Sum,
    }
}
choice! {
    /// Scaling of columns.
    Normalize {
        /// As they are
        None,
        /// The training part's smallest value becomes 0, its largest 1
        Minmax,
        /// The training part gets mean 0 and standard deviation 1
        Zscore,
    }
}
choice! {
    /// What the seed shuffles.
    Shuffle {
        /// The first sequences train, always in the file's order
        None,
        /// Which sequences train
        Split,
        /// The order of the sequences, anew in each epoch
        Epoch,
        /// Split and epoch
        Both,
    }
}
choice! {
    /// Kind of label.
    Task {
        /// Any number
        Regression,
        /// 0 or 1
        Binary,
        /// One of several classes, by name or number
        Classification,
    }
}
choice! {
    /// What is made small.
    Loss {
        /// Squared errors
        Mse,
        /// Absolute errors
        Mae,
        /// Squared errors while they are small, absolute ones beyond
        Huber,
        /// Binary cross-entropy, for labels of 0 and 1
        Bce,
        /// Cross-entropy over classes
        CrossEntropy,
    }
}
choice! {
    /// What makes an update of a gradient.
    Optimizer {
        /// Stochastic gradient descent, with or without momentum
        Sgd,
        /// Adaptive moments
        Adam,
        /// Adam with decoupled weight decay
        Adamw,
        /// Divides by the mean square of gradients
        Rmsprop,
        /// Divides by the sum of squares of gradients
        Adagrad,
    }
}
choice! {
    /// How the learning rate changes.
    Schedule {
        /// Not at all
        Constant,
        /// By a factor every so many epochs
        Step,
        /// By a factor every epoch
        Exponential,
        /// Down along half a cosine
        Cosine,
        /// By a factor where the loss no longer falls
        Plateau,
    }
}
choice! {
    /// Kind of recurrent layer.
    Cell {
        /// h = f(W_ih·x + b_ih + W_hh·h + b_hh)
        Elman,
        /// Gated recurrent unit
        Gru,
        /// Long short-term memory
        Lstm,
        /// Gated recurrent unit whose reset gate acts before the product (Keras' reset_after=False)
        GruResetBefore,
    }
}
choice! {
    /// Instruction set.
    Level {
        /// Every machine has it (SSE2 on x86-64)
        Baseline,
        /// AVX2 and FMA
        Avx2,
        /// AVX-512
        Avx512,
    }
}
choice! {
    /// A task of the documentation.
    Preset {
        /// 12 sequences of 5 rows, 3 → 5 → 1, ReLU, f64, learning rate 1e-6
        Small,
        /// 45,569 sequences of 5 rows, 29 → 10 → 1, tanh, f32, learning rate 0.001
        Fraud,
    }
}
