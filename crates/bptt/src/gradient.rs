//! [`Gradient`] and [`Forward`]: the passes over a group of sequences, in functions of their own.

use crate::Float;
use crate::cell::Layout;
use crate::cell::elman::Elman;
use crate::dim::Dim;
use crate::group::Group;
use crate::kernel::activation::Activation;
use crate::kernel::level::{Isa, Kernel};
use crate::kernel::tile::Matrix;
use crate::readout;
use crate::workspace::Scratch;

/// Where a gradient is added to.
pub(crate) enum Target<'a, T> {
    /// The weights themselves: `scale` then makes an update of it.
    Weights { flat: &'a mut [T] },
    /// A buffer of the shape of the weights.
    Buffer { flat: &'a [T], gradient: &'a mut [T] },
}

impl<T> Target<'_, T> {
    /// The same for a shorter time.
    #[inline(always)]
    pub fn reborrow(&mut self) -> Target<'_, T> {
        match self {
            Target::Weights { flat } => Target::Weights { flat },
            Target::Buffer { flat, gradient } => Target::Buffer { flat, gradient },
        }
    }

    /// The weights for reading.
    #[inline(always)]
    pub fn flat(&self) -> &[T] {
        match self {
            Target::Weights { flat } => flat,
            Target::Buffer { flat, .. } => flat,
        }
    }
}

/// Forward over a group: fills `hidden` from the features of the whole dataset.
pub(crate) struct Forward<'a, T, I, H, O> {
    pub activation: Activation,
    pub layout: Layout<I, H, O>,
    pub flat: &'a [T],
    /// `b_ih + b_hh`
    pub bias: &'a [T],
    pub features: &'a [T],
    pub group: Group<'a>,
    pub hidden: &'a mut [T],
}

impl<T: Float, I: Dim, H: Dim, O: Dim> Kernel for Forward<'_, T, I, H, O> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let cell = Elman::<T, S, _, _, _>::new(self.activation, self.layout);
        cell.forward_group(&self.layout.split(self.flat), self.bias, self.features, self.group, self.hidden);
    }
}

/// Forward and backward over a group. Returns the sum of squared errors; where it is not finite, nothing is added.
pub(crate) struct Gradient<'a, 's, T, I, H, O> {
    pub activation: Activation,
    pub layout: Layout<I, H, O>,
    /// (rows, I), of the whole dataset
    pub features: &'a [T],
    /// (rows, O)
    pub labels: &'a [T],
    pub group: Group<'a>,
    /// The factor of an error in the gradient.
    pub scale: T,
    pub scratch: &'a mut Scratch<'s, T>,
    pub target: Target<'a, T>,
}

impl<T: Float, I: Dim, H: Dim, O: Dim> Kernel for Gradient<'_, '_, T, I, H, O> {
    type Element = T;
    type Output = f64;

    #[inline(always)]
    fn run<S: Isa>(self) -> f64 {
        let Self { activation, layout, features, labels, group, scale, scratch, mut target } = self;
        let Scratch { hidden, delta, d_output, weight_hh_t, bias, .. } = scratch;
        let (width, o, stride) = (group.width(), layout.output.size(), layout.stride::<T>());
        let flat = target.flat();
        S::call(Forward { activation, layout, flat, bias, features, group, hidden });
        let weights = layout.split(flat);
        let d_output = &mut d_output[..group.steps() * width * o];
        if group.is_ragged() {
            d_output.fill(T::ZERO);
        }
        let mut error = 0.0;
        for m in 0..width {
            let rows = group.rows_of(m);
            let labels = (&labels[rows.start * o..rows.end * o], scale);
            let hidden = Matrix::new(&hidden[m * stride..], width * stride);
            let d_output = (&mut d_output[m * o..], width * o);
            error += readout::squared_error::<T, S, _, _, _>(layout, &weights, hidden, labels, d_output);
        }
        if !error.is_finite() {
            return error;
        }
        let cell = Elman::<T, S, _, _, _>::new(activation, layout);
        cell.backward_group(&weights, weight_hh_t, group, (hidden, d_output), delta);
        let gradient = match &mut target {
            Target::Weights { flat } => &mut **flat,
            Target::Buffer { gradient, .. } => &mut **gradient,
        };
        let mut gradient = layout.split_mut(gradient);
        cell.gradients_acc(features, group, hidden, delta, &mut gradient);
        readout::gradients_acc::<T, S, _, _, _>(layout, hidden, d_output, &mut gradient);
        error
    }
}
