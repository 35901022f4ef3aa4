//! The sweep forward: `h_t = f(W_ih·x_t + b_ih + W_hh·h_{t−1} + b_hh)` with `h_t` in registers.

use super::Each;
use crate::Float;
use crate::cell::Weights;
use crate::cell::elman::{Apply, Elman, with_function};
use crate::dim::Dim;
use crate::kernel::activation::{Function, with_activation};
use crate::kernel::affine::Finish;
use crate::kernel::level::Isa;
use crate::kernel::sweep::{row, step, two_rows, with_registers};
use crate::kernel::tile::{Matrix, load, next_row, store, zero};

impl<T: Float, S: Isa, I: Dim, H: Dim, O: Dim> Elman<T, S, I, H, O> {
    /// Whether there are registers for the inputs of two steps at once.
    const PAIRS: bool = S::REGISTERS >= 32;

    /// Fills `hidden` from `x`, and shows each state to `each`; `bias` is `b_ih + b_hh`.
    #[inline(always)]
    pub fn forward_one(
        &self,
        weights: &Weights<'_, T>,
        bias: &[T],
        x: &[T],
        hidden: &mut [T],
        each: &mut impl Each<T, S>,
    ) {
        with_registers!(T, S, H, self.layout.hidden, |R| {
            with_function!(H, self.activation, |f| self.sweep::<_, _, R>(f, weights, bias, x, (hidden, each)));
        }, else ());
    }

    /// `h_t = f(A_t + W_hh·h_{t−1})`, with `h_t` in `R` registers.
    ///
    /// The input of a step, `A_t = b + W_ih·x_t`, does not wait for the step before: it is summed up in its shadow, and two at
    /// a time, which load the weights only once. But the first step is waited for, and so comes alone.
    #[inline(always)]
    fn sweep<F: Function, E: Each<T, S>, const R: usize>(
        &self,
        function: F,
        weights: &Weights<'_, T>,
        bias: &[T],
        x: &[T],
        (hidden, each): (&mut [T], &mut E),
    ) {
        let stride = self.layout.stride::<T>();
        let (i, h) = (self.layout.input, self.layout.hidden);
        let finish = Apply { function, columns: h, mask: self.mask };
        let (weight_ih, weight_hh) =
            (Matrix::new(weights.weight_ih, stride), Matrix::new(weights.weight_hh, stride));
        let bias = load::<T, S, R>(bias, 0);
        let mut inputs = x;
        let mut state = zero::<T, S, R>();
        let (steps, mut t) = (hidden.len() / stride, 0);
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
            if const { Self::PAIRS && R == 1 } && t > 0 && t + 1 < steps {
                let pair = next_row(&mut inputs, 2 * i.size());
                let [first, second] = two_rows::<T, S, _, R>(bias, pair, i, weight_ih);
                advance!(first);
                advance!(second);
            } else {
                advance!(row::<T, S, _, R>(bias, next_row(&mut inputs, i.size()), i, weight_ih));
            }
        }
        if let Some(last) = steps.checked_sub(1) {
            each.state(last, state);
        }
    }
}
