//! The Elman cell: `h_t = f(W_ih·x_t + b_ih + W_hh·h_{t−1} + b_hh)` from `h_0 = 0`, PyTorch's `nn.RNN`.
//!
//! Forward and backward each have a part that is a product over all timesteps (limited by arithmetic) and a sweep, one
//! step after the other (limited by latency). There are two ways through them:
//!
//! - **one** sequence whose rows fit into a few registers: the sweep keeps its state there ([`super::one`]);
//! - a [`Group`] of sequences of any size: each step is a product of matrices.
//!
//! Both add up an element in the same order, so that forward gives the same bits. Shapes: `x (T, I)`, `hidden` and
//! `delta (T·width, P)`, rows as in [`crate::group`]; `P` is `H` padded to cache lines.

use super::{Layout, Weights, WeightsMut};
use crate::Float;
use crate::dim::Dim;
use crate::group::Group;
use crate::kernel::activation::{Activation, Function};
use crate::kernel::affine::{AsIs, Bias, Finish, Start, affine, rowwise};
use crate::kernel::level::Isa;
use crate::kernel::outer::{biases_acc, outer_acc};
use crate::kernel::sweep::{Lanes, may_take, registers};
use crate::kernel::tile::{Block, Matrix, fma, load, unroll, zero};
use crate::kernel::vector::Vector;

/// Runs `$body` with the activation as a type where the size is one too, else as a value: one body instead of three.
macro_rules! with_function {
    ($h:ty, $activation:expr, |$f:ident| $body:expr) => {
        if const { <$h>::IS_CONST } {
            with_activation!($activation, |$f| $body)
        } else {
            let $f = $activation;
            $body
        }
    };
}

pub(super) use with_function;

/// The most inputs of a step that are summed up in the shadow of the step before.
const MAX_INPUTS: usize = 96;

/// The cell for one run: sizes, activation, and the constants of its kernels.
pub(crate) struct Elman<T: Float, S: Isa, I, H, O> {
    pub(super) activation: Activation,
    pub(super) layout: Layout<I, H, O>,
    /// 1 in the lanes of a row's last register that hold hidden units, 0 in the others.
    pub(super) mask: T::Vector<S>,
    pub(super) lanes: Lanes<T, S>,
}

impl<T: Float, S: Isa, I: Dim, H: Dim, O: Dim> Elman<T, S, I, H, O> {
    #[inline(always)]
    pub fn new(activation: Activation, layout: Layout<I, H, O>) -> Self {
        let mut mask = [T::ZERO; 32];
        mask[..(layout.hidden.size() - 1) % T::Vector::<S>::LANES + 1].fill(T::ONE);
        Self { activation, layout, mask: T::Vector::<S>::load(&mask, 0), lanes: T::Vector::<S>::lanes() }
    }

    /// Whether [`Elman::fits_registers`] can hold for sizes of these types: where not, nothing is compiled for it.
    pub const MAY_FIT_REGISTERS: bool =
        may_take::<T, S, H>(1) || may_take::<T, S, H>(2) || may_take::<T, S, H>(3);

    /// Whether the ways of [`super::one`] serve this size.
    #[inline(always)]
    pub fn fits_registers(layout: Layout<I, H, O>) -> bool {
        registers::<T, S, H>(layout.hidden) > 0 && layout.input.size() <= MAX_INPUTS
    }

    /// All inputs of a sequence: `A = b + X·W_ih`, to rows of `out` that are `stride` apart.
    #[inline(always)]
    fn project(&self, weights: &Weights<'_, T>, bias: &[T], x: &[T], (out, stride): (&mut [T], usize)) {
        let (i, h) = (self.layout.input, self.layout.hidden);
        let weight_ih = Matrix::new(weights.weight_ih, self.layout.stride::<T>());
        let inputs = Matrix::new(x, i.size());
        affine::<T, S, _, _, _, _>(
            (Bias(bias), AsIs),
            inputs,
            (x.len() / i.size(), i, h),
            weight_ih,
            (out, stride),
        );
    }

    /// Fills `hidden` from `features`, those of the whole dataset; `bias` is `b_ih + b_hh`.
    #[inline(always)]
    pub fn forward_group(
        &self,
        weights: &Weights<'_, T>,
        bias: &[T],
        features: &[T],
        group: Group<'_>,
        hidden: &mut [T],
    ) {
        let (stride, i, h) = (self.layout.stride::<T>(), self.layout.input.size(), self.layout.hidden);
        let step = group.width() * stride;
        if group.is_ragged() {
            hidden[..group.steps() * step].fill(T::ZERO);
        }
        for m in 0..group.width() {
            let rows = group.rows_of(m);
            self.project(
                weights,
                bias,
                &features[rows.start * i..rows.end * i],
                (&mut hidden[m * stride..], step),
            );
        }
        // h_t = f(A_t + W_hh·h_{t−1}), for all sequences at once.
        let finish = Apply { function: self.activation, columns: h, mask: self.mask };
        let weight_hh = Matrix::new(weights.weight_hh, stride);
        let mut active = group.width();
        for t in 0..group.steps() {
            active = group.active(t, active);
            let (past, now) = hidden.split_at_mut(t * step);
            let (ends, now) = ((AsIs, finish), (now, stride));
            if t == 0 {
                rowwise::<T, S, _, _, _>(ends, (active, h), now);
            } else {
                let past = Matrix::new(&past[(t - 1) * step..], stride);
                affine::<T, S, _, _, _, _>(ends, past, (active, h, h), weight_hh, now);
            }
        }
    }

    /// Fills `delta` with the gradient of the loss before the activation, `δ_t`, from `d_output (T·width, O)`; rows of sequences
    /// that have ended are zeros there, and become zeros in `delta`.
    ///
    /// `δ_t = (W_hoᵀ·d_y_t + W_hhᵀ·δ_{t+1}) ⊙ f'(a_t)`; `weight_hh_t` is `W_hh` output-major.
    #[inline(always)]
    pub fn backward_group(
        &self,
        weights: &Weights<'_, T>,
        weight_hh_t: &[T],
        group: Group<'_>,
        (hidden, d_output): (&[T], &[T]),
        delta: &mut [T],
    ) {
        let (stride, o, h) = (self.layout.stride::<T>(), self.layout.output, self.layout.hidden);
        let (width, steps) = (group.width(), group.steps());
        let step = width * stride;
        if group.is_ragged() {
            delta[..steps * step].fill(T::ZERO);
        }
        for t in (0..steps).rev() {
            let (now, future) = delta.split_at_mut((t + 1) * step);
            let out = (&mut now[t * step..], stride);
            let start = Back {
                d_output: Matrix::new(&d_output[t * width * o.size()..], o.size()),
                fc_weight: Matrix::new(weights.fc_weight, stride),
            };
            let ends = (
                start,
                Derive { function: self.activation, hidden: Matrix::new(&hidden[t * step..], stride) },
            );
            let weight_hh_t = Matrix::new(weight_hh_t, stride);
            let active = group.active(t, width);
            if t + 1 == steps {
                rowwise::<T, S, _, _, _>(ends, (active, h), out);
            } else {
                let future = Matrix::new(future, stride);
                affine::<T, S, _, _, _, _>(ends, future, (active, h, h), weight_hh_t, out);
            }
        }
    }

    /// Adds the gradients of a group to `target`, the weights or a buffer of their shape.
    #[inline(always)]
    pub fn gradients_acc(
        &self,
        features: &[T],
        group: Group<'_>,
        hidden: &[T],
        delta: &[T],
        target: &mut WeightsMut<'_, T>,
    ) {
        let (i, h) = (self.layout.input, self.layout.hidden);
        let (stride, width) = (self.layout.stride::<T>(), group.width());
        let rows = Matrix::new(delta, stride);
        let biases = [&mut *target.bias_ih, &mut *target.bias_hh];
        biases_acc::<T, S, _>(rows, group.steps() * width, h, biases, None);
        for m in 0..width {
            let x = group.rows_of(m);
            let steps = x.len();
            let x = Matrix::new(&features[x.start * i.size()..x.end * i.size()], i.size());
            let delta = Matrix::new(&delta[m * stride..], width * stride);
            outer_acc::<T, S, _, _>(x, delta, steps, (i, h), (target.weight_ih, stride));
        }
        // What W_hh connects: h of each step and δ of the next.
        let pairs = group.steps().saturating_sub(1) * width;
        outer_acc::<T, S, _, _>(
            Matrix::new(hidden, stride),
            rows.skip(width),
            pairs,
            (h, h),
            (target.weight_hh, stride),
        );
    }
}

/// `h = f(a)` in the lanes of hidden units, 0 in the padding.
#[derive(Clone, Copy)]
pub(super) struct Apply<F, V, H> {
    pub function: F,
    pub columns: H,
    /// For the last register of a row.
    pub mask: V,
}

impl<F: Function, T: Float, S: Isa, H: Dim> Finish<T, S> for Apply<F, T::Vector<S>, H> {
    #[inline(always)]
    fn finish<const R: usize>(&self, _row: usize, at: usize, block: Block<T, S, R>) -> Block<T, S, R> {
        let lanes = T::Vector::<S>::LANES;
        let mut block = block;
        unroll!(|v| in R => {
            block[v] = self.function.apply(block[v]);
            if !self.function.zero_at_zero() && at + (v + 1) * lanes > self.columns.size() {
                block[v] = block[v].mul(self.mask);
            }
        });
        block
    }
}

/// What the readout sends back: `d_Y·W_ho`.
struct Back<'a, T> {
    d_output: Matrix<'a, T>,
    fc_weight: Matrix<'a, T>,
}

impl<T: Float, S: Isa> Start<T, S> for Back<'_, T> {
    #[inline(always)]
    fn start<const R: usize>(&self, row: usize, at: usize, _out: &[T]) -> Block<T, S, R> {
        let o = self.d_output.stride;
        let mut start = zero::<T, S, R>();
        for (n, d_y) in self.d_output.data[row * o..(row + 1) * o].iter().enumerate() {
            fma::<T, S, R>(
                &mut start,
                *d_y,
                load::<T, S, R>(self.fc_weight.data, n * self.fc_weight.stride + at),
            );
        }
        start
    }
}

/// Multiplies by `f'(a)`, taken from `h`.
pub(super) struct Derive<'a, F, T> {
    pub function: F,
    pub hidden: Matrix<'a, T>,
}

impl<F: Function, T: Float, S: Isa> Finish<T, S> for Derive<'_, F, T> {
    #[inline(always)]
    fn finish<const R: usize>(&self, row: usize, at: usize, block: Block<T, S, R>) -> Block<T, S, R> {
        let hidden = load::<T, S, R>(self.hidden.data, row * self.hidden.stride + at);
        let mut block = block;
        unroll!(|v| in R => block[v] = self.function.backward(block[v], hidden[v]));
        block
    }
}
