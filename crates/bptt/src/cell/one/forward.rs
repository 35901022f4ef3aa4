//! The sweep forward: `h_t = f(W_ih·x_t + b_ih + W_hh·h_{t−1} + b_hh)` with `h_t` in registers.

use super::{Each, First, Source};
use crate::Float;
use crate::cell::elman::{Apply, Elman, with_function};
use crate::dim::Dim;
use crate::kernel::activation::{Function, with_activation};
use crate::kernel::affine::Finish;
use crate::kernel::blocks::Blocks;
use crate::kernel::level::Isa;
use crate::kernel::sweep::{row, step, two_rows, with_registers};
use crate::kernel::tile::{Block, Matrix, load, next_row, store, zero};
use crate::kernel::vector::Vector;

/// Where the inputs of steps come from: `A_t = b + W_ih·x_t`.
trait Inputs<T: Float, S: Isa, const R: usize> {
    /// Whether two steps at once cost less than one and one.
    const PAIRS: bool;

    /// For one step, from `x (I)`.
    fn of_one(&self, x: &[T]) -> Block<T, S, R>;
    /// For two, from `x (2, I)`.
    #[inline(always)]
    fn of_two(&self, x: &[T]) -> [Block<T, S, R>; 2] {
        let (first, second) = x.split_at(x.len() / 2);
        [self.of_one(first), self.of_one(second)]
    }
}

/// From the weights as they are.
struct FromRows<'a, T: Float, S: Isa, I, const R: usize> {
    bias: Block<T, S, R>,
    input: I,
    weight_ih: Matrix<'a, T>,
}

impl<T: Float, S: Isa, I: Dim, const R: usize> Inputs<T, S, R> for FromRows<'_, T, S, I, R> {
    /// They load the weights once, if there are registers for both.
    const PAIRS: bool = S::REGISTERS >= 32 && R == 1;

    #[inline(always)]
    fn of_one(&self, x: &[T]) -> Block<T, S, R> {
        row::<T, S, _, R>(self.bias, x, self.input, self.weight_ih)
    }
    #[inline(always)]
    fn of_two(&self, x: &[T]) -> [Block<T, S, R>; 2] {
        two_rows::<T, S, _, R>(self.bias, x, self.input, self.weight_ih)
    }
}

/// From the weights in blocks.
struct FromBlocks<'a, T: Float, S: Isa, I, H> {
    bias: T::Vector<S>,
    blocks: Blocks<I, H>,
    weights: &'a [T],
}

impl<T: Float, S: Isa, I: Dim, H: Dim> Inputs<T, S, 1> for FromBlocks<'_, T, S, I, H> {
    const PAIRS: bool = false;

    #[inline(always)]
    fn of_one(&self, x: &[T]) -> Block<T, S, 1> {
        [self.blocks.row::<T, S>(self.bias, x, self.weights)]
    }
}

impl<T: Float, S: Isa, I: Dim, H: Dim, O: Dim> Elman<T, S, I, H, O> {
    /// The first state `h_1 = f(A_1)` of a sequence, from `x (I)`: for the inputs' weights in blocks.
    #[inline(always)]
    pub(super) fn first_one(&self, Source { bias, blocks, .. }: Source<'_, T>, x: &[T]) -> First<T, S> {
        let bias = T::Vector::<S>::load(bias, 0);
        let sum = [self.blocks().row::<T, S>(bias, x, blocks?)];
        with_function!(H, self.activation, |function| {
            let finish = Apply { function, columns: self.layout.hidden, mask: self.mask };
            Some(Finish::<T, S>::finish::<1>(&finish, 0, 0, sum))
        })
    }

    /// Fills `hidden` from `x`, and shows each state to `each`. `first` is the first state, if it is there.
    #[inline(always)]
    pub fn forward_one(
        &self,
        source: Source<'_, T>,
        weight_hh: &[T],
        (first, x): (First<T, S>, &[T]),
        hidden: &mut [T],
        each: &mut impl Each<T, S>,
    ) {
        if const { Self::MAY_BE_IN_BLOCKS }
            && self.in_blocks()
            && let Some(blocks) = source.blocks
        {
            let bias = T::Vector::<S>::load(source.bias, 0);
            let inputs = FromBlocks::<T, S, _, _> { bias, blocks: self.blocks(), weights: blocks };
            with_function!(H, self.activation, |f| {
                self.sweep(f, &inputs, weight_hh, (first, x), (hidden, each));
            });
            return;
        }
        with_registers!(T, S, H, self.layout.hidden, |R| {
            let weight_ih = Matrix::new(source.weight_ih, self.layout.stride::<T>());
            let bias = load::<T, S, R>(source.bias, 0);
            let inputs = FromRows::<T, S, _, R> { bias, input: self.layout.input, weight_ih };
            with_function!(H, self.activation, |f| {
                self.sweep(f, &inputs, weight_hh, (None, x), (hidden, each));
            });
        }, else ());
    }

    /// `h_t = f(A_t + W_hh·h_{t−1})`, with `h_t` in `R` registers.
    ///
    /// The input of a step, `A_t`, does not wait for the step before: it is summed up in its shadow, and two at a time where that
    /// is quicker. But the first step is waited for, and so comes alone; or is there before, as `first`.
    #[inline(always)]
    fn sweep<F: Function, N: Inputs<T, S, R>, E: Each<T, S>, const R: usize>(
        &self,
        function: F,
        inputs: &N,
        weight_hh: &[T],
        (first, x): (First<T, S>, &[T]),
        (hidden, each): (&mut [T], &mut E),
    ) {
        let stride = self.layout.stride::<T>();
        let (i, h) = (self.layout.input.size(), self.layout.hidden);
        let finish = Apply { function, columns: h, mask: self.mask };
        let weight_hh = Matrix::new(weight_hh, stride);
        let mut rows = x;
        let mut state = zero::<T, S, R>();
        let (steps, mut t) = (hidden.len() / stride, 0);
        if let Some(first) = first {
            state[0] = first[0];
            store::<T, S, R>(hidden, 0, state);
            next_row(&mut rows, i);
            t = 1;
        }
        // A function would have to be given all of this.
        macro_rules! advance {
            ($input:expr) => {
                let mut sum = $input;
                // h_0 = 0: the first step has no recurrent part.
                if t > 0 {
                    sum = step::<T, S, _, R>(state, h, weight_hh, &self.lanes, sum);
                }
                let past = state;
                state = Finish::<T, S>::finish::<R>(&finish, 0, 0, sum);
                store::<T, S, R>(&mut hidden[t * stride..], 0, state);
                // A step later than it could be: what is older goes first, and the next state is waited for.
                if t > 0 {
                    each.state(t - 1, past);
                }
                t += 1;
            };
        }
        while t < steps {
            if const { N::PAIRS } && t > 0 && t + 1 < steps {
                let [first, second] = inputs.of_two(next_row(&mut rows, 2 * i));
                advance!(first);
                advance!(second);
            } else {
                advance!(inputs.of_one(next_row(&mut rows, i)));
            }
        }
        if let Some(last) = steps.checked_sub(1) {
            each.state(last, state);
        }
    }
}
