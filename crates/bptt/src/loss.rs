//! Losses: PyTorch's `MSELoss`, `L1Loss`, `HuberLoss`, `BCEWithLogitsLoss` and `CrossEntropyLoss`.

use crate::{Error, Float, Result};

/// What a network is trained to make small. `y` is an output, `l` its label.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Loss {
    /// `(y − l)²`.
    #[default]
    Mse,
    /// `|y − l|`.
    Mae,
    /// `½·(y − l)²` up to an error of `delta`, `delta·(|y − l| − ½·delta)` beyond.
    Huber {
        /// Where the loss turns from a parabola into a straight line; above 0.
        delta: f64,
    },
    /// Binary cross-entropy: `y` is a logit, `l` is 0 or 1, or a probability.
    Bce,
    /// Cross-entropy over classes: the outputs of a timestep are the logits of the classes, its labels 1 for the class
    /// that is true and 0 for the others (or probabilities).
    CrossEntropy,
}

impl Loss {
    /// The names of all losses.
    pub const NAMES: [&str; 5] = ["mse", "mae", "huber", "bce", "cross-entropy"];

    /// The name: one of [`Loss::NAMES`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Mse => "mse",
            Self::Mae => "mae",
            Self::Huber { .. } => "huber",
            Self::Bce => "bce",
            Self::CrossEntropy => "cross-entropy",
        }
    }

    /// The loss of that name; Huber's `delta` is PyTorch's default, 1.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Mse, Self::Mae, Self::Huber { delta: 1.0 }, Self::Bce, Self::CrossEntropy];
        all.into_iter().find(|loss| loss.name() == name)
    }

    /// Turns the outputs `(rows, output_size)` of a network that was trained with this loss into what they mean: logits
    /// into probabilities, with [`Loss::Bce`] each by itself (`1 / (1 + e^−y)`), with [`Loss::CrossEntropy`] over a
    /// timestep (`e^y / Σ e^y`); other outputs stay as they are.
    pub fn probabilities<T: Float>(self, outputs: &mut [T], output_size: usize) {
        match self {
            Self::Bce => outputs.iter_mut().for_each(|y| *y = T::from_f64(sigmoid(y.to_f64()))),
            Self::CrossEntropy => {
                for row in outputs.chunks_exact_mut(output_size.max(1)) {
                    let (max, sum) = log_sum(row);
                    row.iter_mut().for_each(|y| *y = T::from_f64((y.to_f64() - max).exp() / sum));
                }
            }
            Self::Mse | Self::Mae | Self::Huber { .. } => {}
        }
    }
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// How the losses of a batch's elements become one number, PyTorch's `reduction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reduction {
    /// The mean over all labelled elements of the batch: every output of every timestep of every sequence, or with
    /// [`Loss::CrossEntropy`] every timestep. With weights, `Σ w·loss / Σ w`.
    #[default]
    Mean,
    /// The sum over all elements of the batch, `Σ w·loss`.
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
        self.factor(elements as f64)
    }

    /// What the loss of an element counts for in a batch whose weights sum to `total`.
    pub(crate) fn factor(self, total: f64) -> f64 {
        match self {
            Self::Mean if total > 0.0 => 1.0 / total,
            _ => 1.0,
        }
    }
}

impl std::fmt::Display for Reduction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A loss with its class weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Objective<'a> {
    pub loss: Loss,
    /// One per class, two with [`Loss::Bce`]; none: all 1.
    pub class_weights: Option<&'a [f64]>,
}

impl Objective<'_> {
    /// Refuses a loss that does not fit a network of `output_size` outputs.
    pub fn check(self, output_size: usize) -> Result<()> {
        let wrong = |name, expected, found: String| Err(Error::Setting { name, expected, found });
        match self.loss {
            Loss::Huber { delta } if !(delta > 0.0 && delta.is_finite()) => {
                return wrong("delta", "a positive number", delta.to_string());
            }
            Loss::CrossEntropy if output_size < 2 => {
                return wrong(
                    "loss",
                    "at least two outputs, one per class, for cross-entropy",
                    output_size.to_string(),
                );
            }
            _ => {}
        }
        let Some(weights) = self.class_weights else { return Ok(()) };
        let classes = match self.loss {
            Loss::Bce => 2,
            Loss::CrossEntropy => output_size,
            loss => {
                return wrong(
                    "class_weights",
                    "a loss with classes: bce or cross-entropy",
                    loss.name().into(),
                );
            }
        };
        if weights.len() != classes {
            let (what, found) = ("class_weights", weights.len());
            return Err(Error::Size { what, expected: classes, found });
        }
        match weights.iter().find(|weight| !(**weight >= 0.0 && weight.is_finite())) {
            Some(weight) => wrong("class_weights", "numbers from 0 on", weight.to_string()),
            None => Ok(()),
        }
    }

    /// What a timestep's labels (O) weigh together, without the timestep's own weight. NaN marks what is not labelled.
    pub fn row_weight<T: Float>(self, labels: &[T]) -> f64 {
        let mut total = 0.0;
        match self.loss {
            Loss::CrossEntropy if labels.iter().any(|label| is_nan(*label)) => {}
            Loss::CrossEntropy => match self.class_weights {
                None => total = 1.0,
                Some(weights) => {
                    for (label, weight) in labels.iter().zip(weights) {
                        total += label.to_f64() * weight;
                    }
                }
            },
            _ => {
                for label in labels {
                    if !is_nan(*label) {
                        total += self.element_weight(label.to_f64());
                    }
                }
            }
        }
        total
    }

    /// Whether every label weighs 1.
    pub fn weighs_alike(self) -> bool {
        self.loss != Loss::CrossEntropy && self.class_weights.is_none()
    }

    /// The weight of one element's class.
    fn element_weight(self, label: f64) -> f64 {
        match (self.loss, self.class_weights) {
            (Loss::Bce, Some([first, second])) => first + label * (second - first),
            _ => 1.0,
        }
    }

    /// The loss of one timestep, `weight` times; turns its outputs (O) into `scale` times the gradient of that.
    ///
    /// In double precision, whatever the type: the loss is a small part of the work, and here digits get lost.
    pub fn row<T: Float>(self, outputs: &mut [T], labels: &[T], weight: f64, scale: f64) -> f64 {
        if self.loss == Loss::CrossEntropy {
            return self.cross_entropy(outputs, labels, weight, scale);
        }
        let mut total = 0.0;
        for (output, label) in outputs.iter_mut().zip(labels) {
            if is_nan(*label) {
                *output = T::ZERO;
                continue;
            }
            let (y, l) = (output.to_f64(), label.to_f64());
            let (loss, gradient) = self.element(y, l);
            let weight = weight * self.element_weight(l);
            total += weight * loss;
            *output = T::from_f64(scale * weight * gradient);
        }
        total
    }

    /// Loss and derivative of one element.
    #[inline(always)]
    pub fn element(self, y: f64, l: f64) -> (f64, f64) {
        let error = y - l;
        match self.loss {
            Loss::Mae => (error.abs(), if error == 0.0 { 0.0 } else { error.signum() }),
            Loss::Huber { delta } if error.abs() > delta => {
                (delta * (error.abs() - 0.5 * delta), delta * error.signum())
            }
            Loss::Huber { .. } => (0.5 * error * error, error),
            // −l·ln σ(y) − (1 − l)·ln(1 − σ(y)), without a logarithm of what rounds to 0.
            Loss::Bce => {
                let loss = y.max(0.0) - y * l + (-y.abs()).exp().ln_1p();
                // `max` would hide NaN.
                (if y.is_nan() { y } else { loss }, sigmoid(y) - l)
            }
            Loss::Mse | Loss::CrossEntropy => (error * error, 2.0 * error),
        }
    }

    /// `−Σ_c w_c·l_c·ln p_c` with `p = softmax(y)`; its derivative is `p_j·Σ_c w_c·l_c − w_j·l_j`.
    fn cross_entropy<T: Float>(self, outputs: &mut [T], labels: &[T], weight: f64, scale: f64) -> f64 {
        if labels.iter().any(|label| is_nan(*label)) {
            outputs.fill(T::ZERO);
            return 0.0;
        }
        let (max, sum) = log_sum(outputs);
        let log_sum = max + sum.ln();
        let class = |c: usize| self.class_weights.map_or(1.0, |weights| weights[c]);
        let (mut total, mut mass) = (0.0, 0.0);
        for (c, (y, l)) in outputs.iter().zip(labels).enumerate() {
            let part = class(c) * l.to_f64();
            mass += part;
            if part != 0.0 {
                total += part * (log_sum - y.to_f64());
            }
        }
        for (c, (y, l)) in outputs.iter_mut().zip(labels).enumerate() {
            let probability = (y.to_f64() - max).exp() / sum;
            *y = T::from_f64(scale * weight * (probability * mass - class(c) * l.to_f64()));
        }
        // A NaN among the logits of classes that are not true is in the sum.
        weight * if log_sum.is_finite() { total } else { f64::NAN }
    }
}

/// How many of `labels` are there.
pub(crate) fn labelled<T: Float>(labels: &[T]) -> usize {
    labels.iter().map(|label| usize::from(!is_nan(*label))).sum()
}

/// Whether a label is missing.
pub(crate) fn is_nan<T: Float>(label: T) -> bool {
    label.to_f64().is_nan()
}

/// `1 / (1 + e^−y)`, exact at both ends.
fn sigmoid(y: f64) -> f64 {
    if y >= 0.0 { 1.0 / (1.0 + (-y).exp()) } else { y.exp() / (1.0 + y.exp()) }
}

/// The largest of `row` and `Σ e^(y − largest)`; NaN spreads to the sum.
fn log_sum<T: Float>(row: &[T]) -> (f64, f64) {
    let mut max = f64::NEG_INFINITY;
    for y in row {
        max = max.max(y.to_f64());
    }
    let mut sum = 0.0;
    for y in row {
        sum += (y.to_f64() - max).exp();
    }
    (max, sum)
}
