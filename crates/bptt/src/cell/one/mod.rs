//! Training on one sequence whose rows of hidden units fit into a few registers.
//!
//! A sweep of few units is nothing but latency, and everything else that a training step does could run in its shadow, if the
//! processor saw it: it looks some hundred instructions ahead, and the products before and after a sweep are as many. So they
//! are written into the sweeps:
//!
//! - [`forward`]: the inputs of a step, and what [`Each`] does with a state: the readout and its loss;
//! - [`backward`]: part of the gradient of the inputs' weights;
//! - [`forward`], once more: the first step of the next sequence, which needs only the inputs' weights and so comes before the rest
//!   of the update;
//! - [`sums`]: the whole update, where its sums fit into registers.
//!
//! Each adds up an element in the order of the plain kernels, so that the bits are theirs; but for the inputs of few units, which
//! training brings into [`blocks`](crate::kernel::blocks) and back.

mod backward;
mod early;
mod forward;
mod sums;

use super::elman::Elman;
use super::{Weights, WeightsMut};
use crate::Float;
use crate::buffer::padded;
use crate::dim::Dim;
use crate::kernel::blocks::Blocks;
use crate::kernel::level::{Isa, Kernel};
use crate::kernel::sweep::may_take;
use crate::kernel::tile::{Block, Matrix};

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
    /// Instead of `weight_ih`, where [`Elman::in_blocks`].
    pub blocks: &'a mut [T],
}

/// What the inputs of steps are made of.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a, T> {
    pub weight_ih: &'a [T],
    /// `b_ih + b_hh`
    pub bias: &'a [T],
    /// Instead of `weight_ih`, where [`Elman::in_blocks`]; a prediction has none.
    pub blocks: Option<&'a [T]>,
}

/// The first state of a sequence, in one register, if it is there before the sweep.
pub(crate) type First<T, S> = Option<Block<T, S, 1>>;

/// One sequence: `x (T, I)`, `hidden (T, P)`, `d_output (T, O)`.
#[derive(Clone, Copy)]
pub(crate) struct Sequence<'a, T> {
    pub x: &'a [T],
    pub hidden: &'a [T],
    pub d_output: &'a [T],
}

impl<T: Float, S: Isa, I: Dim, H: Dim, O: Dim> Elman<T, S, I, H, O> {
    /// Whether [`Elman::in_blocks`] can hold for sizes of these types: where not, nothing is compiled for it.
    const MAY_BE_IN_BLOCKS: bool =
        S::REGISTERS >= 32 && may_take::<T, S, H>(1) && Blocks::<I, H>::may_pay::<T, S>();

    /// Whether training has the inputs' weights in blocks.
    #[inline(always)]
    pub fn in_blocks(&self) -> bool {
        Self::MAY_BE_IN_BLOCKS && self.blocks().pay::<T, S>()
    }

    #[inline(always)]
    fn blocks(&self) -> Blocks<I, H> {
        Blocks { input: self.layout.input, hidden: self.layout.hidden }
    }

    /// Before training: brings the inputs' weights into `blocks`, where that pays.
    #[inline(always)]
    pub fn gather_blocks(&self, weights: &Weights<'_, T>, blocks: &mut [T]) {
        if const { Self::MAY_BE_IN_BLOCKS } && self.in_blocks() {
            S::call(Gather { sizes: self.blocks(), rows: weights.weight_ih, blocks });
        }
    }

    /// After training: brings them back.
    #[inline(always)]
    pub fn scatter_blocks(&self, blocks: &[T], weights: &mut WeightsMut<'_, T>) {
        if const { Self::MAY_BE_IN_BLOCKS } && self.in_blocks() {
            S::call(Scatter { sizes: self.blocks(), rows: weights.weight_ih, blocks });
        }
    }
}

/// [`Blocks::gather`] and [`Blocks::scatter`], as kernels of their own: the loop over sequences does not have to be compiled around them.
struct Gather<'a, T, I, H> {
    sizes: Blocks<I, H>,
    rows: &'a [T],
    blocks: &'a mut [T],
}

struct Scatter<'a, T, I, H> {
    sizes: Blocks<I, H>,
    rows: &'a mut [T],
    blocks: &'a [T],
}

impl<T: Float, I: Dim, H: Dim> Kernel for Gather<'_, T, I, H> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let stride = padded::<T>(self.sizes.hidden.size());
        self.sizes.gather::<T, S>(Matrix::new(self.rows, stride), self.blocks);
    }
}

impl<T: Float, I: Dim, H: Dim> Kernel for Scatter<'_, T, I, H> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let stride = padded::<T>(self.sizes.hidden.size());
        self.sizes.scatter::<T, S>(self.blocks, (self.rows, stride));
    }
}
