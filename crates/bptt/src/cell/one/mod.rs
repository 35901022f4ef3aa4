//! Training on one sequence whose rows of hidden units fit into a few registers.
//!
//! A sweep of few units is nothing but latency, and everything else that a training step does could run in its shadow, if the
//! processor saw it: it looks some hundred instructions ahead, and the products before and after a sweep are as many. So they
//! are written into the sweeps:
//!
//! - [`forward`]: the inputs of a step, and what [`Each`] does with a state: the readout and its loss;
//! - [`backward`]: part of the gradient of the inputs' weights;
//! - [`sums`]: the whole update, where its sums fit into registers.
//!
//! Each adds up an element in the order of the plain kernels, so that the bits are theirs.

mod backward;
mod forward;
mod sums;

use super::WeightsMut;
use crate::Float;
use crate::kernel::level::Isa;
use crate::kernel::tile::Block;

/// What is done with each state of a sweep while it is in registers.
pub(crate) trait Each<T: Float, S: Isa> {
    /// Gets `h_t`.
    fn state<const R: usize>(&mut self, t: usize, state: Block<T, S, R>);
}

/// Nothing.
pub(crate) struct Nothing;

impl<T: Float, S: Isa> Each<T, S> for Nothing {
    #[inline(always)]
    fn state<const R: usize>(&mut self, _t: usize, _state: Block<T, S, R>) {}
}

/// The parameters, and what is derived from them: `b_ih + b_hh`, and `W_hh` output-major. All are kept current.
pub(crate) struct Place<'a, 'w, T> {
    pub target: &'a mut WeightsMut<'w, T>,
    pub bias: &'a mut [T],
    pub weight_hh_t: &'a mut [T],
}

/// One sequence: `x (T, I)`, `hidden (T, P)`, `d_output (T, O)`.
#[derive(Clone, Copy)]
pub(crate) struct Sequence<'a, T> {
    pub x: &'a [T],
    pub hidden: &'a [T],
    pub d_output: &'a [T],
}
