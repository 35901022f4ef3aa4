//! ONNX's activations.

use super::{Node, OnnxError};

/// An activation with its numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Activation {
    Relu,
    Tanh,
    Sigmoid,
    Softsign,
    Softplus,
    LeakyRelu { alpha: f64 },
    ThresholdedRelu { alpha: f64 },
    Elu { alpha: f64 },
    Affine { alpha: f64, beta: f64 },
    ScaledTanh { alpha: f64, beta: f64 },
    HardSigmoid { alpha: f64, beta: f64 },
}

impl Activation {
    /// `f(x)`.
    pub fn apply(self, x: f64) -> f64 {
        match self {
            // As a comparison, so that NaN stays.
            Self::Relu => {
                if x < 0.0 {
                    0.0
                } else {
                    x
                }
            }
            Self::Tanh => x.tanh(),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Softsign => x / (1.0 + x.abs()),
            // ln(1 + eˣ) without overflow.
            Self::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Self::LeakyRelu { alpha } => {
                if x < 0.0 {
                    alpha * x
                } else {
                    x
                }
            }
            Self::ThresholdedRelu { alpha } => {
                if x < alpha {
                    0.0
                } else {
                    x
                }
            }
            Self::Elu { alpha } => {
                if x < 0.0 {
                    alpha * x.exp_m1()
                } else {
                    x
                }
            }
            Self::Affine { alpha, beta } => alpha * x + beta,
            Self::ScaledTanh { alpha, beta } => alpha * (beta * x).tanh(),
            Self::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
        }
    }
}

/// The activations of every direction, one after the other.
pub(super) fn all(node: &Node) -> Result<Vec<Activation>, OnnxError> {
    let each = node.operator.activations();
    let expected = each.len() * node.direction.count();
    let defaults: Vec<String> = each.iter().cycle().take(expected).map(|&name| name.to_owned()).collect();
    let names = if node.activations.is_empty() { &defaults } else { &node.activations };
    if names.len() != expected {
        return Err(node.wrong(format!("{expected} activations"), names.len().to_string()));
    }
    let (mut alphas, mut betas) = (node.activation_alpha.iter(), node.activation_beta.iter());
    let mut number = |first: bool, default: f64| {
        let numbers = if first { &mut alphas } else { &mut betas };
        numbers.next().copied().unwrap_or(default)
    };
    let one = |name: &String| {
        // Numbers are taken in the order of the activations that have them.
        Ok(match &name.to_ascii_lowercase()[..] {
            "relu" => Activation::Relu,
            "tanh" => Activation::Tanh,
            "sigmoid" => Activation::Sigmoid,
            "softsign" => Activation::Softsign,
            "softplus" => Activation::Softplus,
            "leakyrelu" => Activation::LeakyRelu { alpha: number(true, 0.01) },
            "thresholdedrelu" => Activation::ThresholdedRelu { alpha: number(true, 1.0) },
            "elu" => Activation::Elu { alpha: number(true, 1.0) },
            "affine" => Activation::Affine { alpha: number(true, 1.0), beta: number(false, 0.0) },
            "scaledtanh" => Activation::ScaledTanh { alpha: number(true, 1.0), beta: number(false, 1.0) },
            "hardsigmoid" => Activation::HardSigmoid { alpha: number(true, 0.2), beta: number(false, 0.5) },
            _ => return Err(node.wrong("an activation of ONNX's", format!("`{}`", crate::file::shown(name)))),
        })
    };
    names.iter().map(one).collect()
}
