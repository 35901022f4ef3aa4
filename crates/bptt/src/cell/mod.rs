//! Recurrent cells, and the layout of a plain network's parameters: one Elman layer in one direction, the case of
//! [`crate::stack`]'s layout that has ways of its own.
//!
//! With `I` inputs, `H` hidden units, `O` outputs and `P` = `H` padded to whole cache lines, the flat buffer holds
//!
//! | PyTorch name | PyTorch shape | stored as |
//! |---|---|---|
//! | `weight_ih_l0` | (H, I) | (I, P), input-major |
//! | `weight_hh_l0` | (H, H) | (H, P), input-major |
//! | `bias_ih_l0`, `bias_hh_l0` | (H) | (P) each |
//! | `fc.weight` | (O, H) | (O, P), output-major |
//! | `fc.bias` | (O) | (O), padded |
//!
//! Input-major weights put the outputs of a step into SIMD lanes. The readout is output-major, because with few
//! outputs the lanes run over hidden units (see [`crate::kernel::dot`]).

pub(crate) mod elman;
pub(crate) mod gru;
pub(crate) mod gru_reset_before;
pub(crate) mod lstm;
pub(crate) mod one;
pub(crate) mod recurrence;

use crate::Float;
use crate::buffer::padded;
use crate::dim::{Dim, Dyn};

/// A model's sizes, and with them where each parameter lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layout<I, H, O> {
    pub input: I,
    pub hidden: H,
    pub output: O,
}

/// The parameters, or their gradients, cut out of the flat buffer.
pub(crate) struct Weights<'a, T> {
    /// (I, P)
    pub weight_ih: &'a [T],
    /// (H, P)
    pub weight_hh: &'a [T],
    /// (P)
    pub bias_ih: &'a [T],
    /// (P)
    pub bias_hh: &'a [T],
    /// (O, P)
    pub fc_weight: &'a [T],
    /// (O), padded
    pub fc_bias: &'a [T],
}

/// [`Weights`] for writing.
pub(crate) struct WeightsMut<'a, T> {
    pub weight_ih: &'a mut [T],
    pub weight_hh: &'a mut [T],
    pub bias_ih: &'a mut [T],
    pub bias_hh: &'a mut [T],
    pub fc_weight: &'a mut [T],
    pub fc_bias: &'a mut [T],
}

impl<I: Dim, H: Dim, O: Dim> Layout<I, H, O> {
    /// `P`: the distance between rows of hidden units.
    #[inline(always)]
    pub fn stride<T: Float>(self) -> usize {
        padded::<T>(self.hidden.size())
    }

    /// The same sizes as numbers.
    #[inline(always)]
    pub(crate) fn erased(self) -> Layout<Dyn, Dyn, Dyn> {
        Layout {
            input: Dyn(self.input.size()),
            hidden: Dyn(self.hidden.size()),
            output: Dyn(self.output.size()),
        }
    }

    /// The lengths of the six parts.
    #[inline(always)]
    fn lengths<T: Float>(self) -> [usize; 6] {
        let p = self.stride::<T>();
        let o = self.output.size();
        [self.input.size() * p, self.hidden.size() * p, p, p, o * p, padded::<T>(o)]
    }

    /// Cuts the flat buffer into its parts.
    #[inline(always)]
    pub(crate) fn split<T: Float>(self, flat: &[T]) -> Weights<'_, T> {
        let [ih, hh, b_ih, b_hh, fc, fc_b] = self.lengths::<T>();
        let (weight_ih, rest) = flat.split_at(ih);
        let (weight_hh, rest) = rest.split_at(hh);
        let (bias_ih, rest) = rest.split_at(b_ih);
        let (bias_hh, rest) = rest.split_at(b_hh);
        let (fc_weight, rest) = rest.split_at(fc);
        Weights { weight_ih, weight_hh, bias_ih, bias_hh, fc_weight, fc_bias: &rest[..fc_b] }
    }

    /// Cuts the flat buffer into its parts for writing.
    #[inline(always)]
    pub(crate) fn split_mut<T: Float>(self, flat: &mut [T]) -> WeightsMut<'_, T> {
        let [ih, hh, b_ih, b_hh, fc, fc_b] = self.lengths::<T>();
        let (weight_ih, rest) = flat.split_at_mut(ih);
        let (weight_hh, rest) = rest.split_at_mut(hh);
        let (bias_ih, rest) = rest.split_at_mut(b_ih);
        let (bias_hh, rest) = rest.split_at_mut(b_hh);
        let (fc_weight, rest) = rest.split_at_mut(fc);
        WeightsMut { weight_ih, weight_hh, bias_ih, bias_hh, fc_weight, fc_bias: &mut rest[..fc_b] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Activation, Architecture};

    #[test]
    fn the_table_and_the_cuts_agree() {
        for (i, h, o) in [(1, 1, 1), (3, 5, 1), (29, 10, 1), (7, 33, 4), (2, 16, 17)] {
            let layout = Layout { input: Dyn(i), hidden: Dyn(h), output: Dyn(o) };
            let architecture = Architecture::elman(Activation::Tanh);
            let mut params = crate::stack::Stack::new(layout, architecture).params::<f32>().unwrap();
            let names: Vec<_> =
                params.shapes().map(|(name, shape)| (name.to_owned(), shape.iter().product())).collect();
            for (value, (name, count)) in names.into_iter().enumerate() {
                params.set(&name, &vec![value as f32 + 1.0; count]).unwrap();
            }
            let w = layout.split(params.flat());
            let parts = [w.weight_ih, w.weight_hh, w.bias_ih, w.bias_hh, w.fc_weight, w.fc_bias];
            for (part, value) in parts.into_iter().zip(1..) {
                assert!(part.iter().all(|&x| x == 0.0 || x == value as f32), "{i} {h} {o}");
                assert_eq!(part[0], value as f32);
            }
            assert_eq!(params.flat().len(), layout.lengths::<f32>().iter().sum::<usize>());
        }
    }
}
