//! The sweep back, `δ_t = (W_hoᵀ·d_y_t + W_hhᵀ·δ_{t+1}) ⊙ f'(a_t)` with `δ_t` in registers, and the update.

use super::{Place, Sequence};
use crate::Float;
use crate::cell::elman::{Derive, Elman, with_function};
use crate::dim::Dim;
use crate::kernel::activation::{Function, with_activation};
use crate::kernel::affine::Finish;
use crate::kernel::level::Isa;
use crate::kernel::outer::{biases_acc, outer_pair_acc, outer_rest_acc};
use crate::kernel::sweep::{step, with_registers};
use crate::kernel::tile::{Block, Matrix, add, fma, load, store, unroll, zero};
use crate::kernel::vector::Vector;
use crate::readout;

impl<T: Float, S: Isa, I: Dim, H: Dim, O: Dim> Elman<T, S, I, H, O> {
    /// Rows of the inputs' weights whose gradient is summed up in the shadow of the sweep back: as many as there are registers,
    /// where the permutations, which are half of a row's lanes, and two rows of the sweep's chains have theirs.
    const EARLY: usize = {
        let (lanes, registers) = match T::Vector::<S>::LANES {
            lanes if lanes > T::LINE => (lanes / 2, 2),
            lanes => (lanes, 1),
        };
        let lanes = if H::IS_CONST && H::KNOWN < lanes { H::KNOWN } else { lanes };
        let most = if I::IS_CONST && I::KNOWN < 14 { I::KNOWN } else { 14 };
        let room = (32 - lanes - 8) / registers;
        if S::REGISTERS <= 16 {
            0
        } else if room < most {
            room
        } else {
            most
        }
    };

    /// How many rows of the inputs' weights are early ones.
    #[inline(always)]
    fn early(&self) -> usize {
        let one = self.layout.hidden.size() <= T::Vector::<S>::LANES;
        if one && self.layout.input.size() >= Self::EARLY { Self::EARLY } else { 0 }
    }

    /// The way back and the update: adds the gradients of a sequence to the parameters. `delta (T, P)` is room.
    ///
    /// `d_W_ih += Xᵀ·δ`, `d_W_hh += H_{t−1}ᵀ·δ` (both input-major), `d_b_ih, d_b_hh += Σ_t δ_t`.
    #[inline(always)]
    pub fn backward_and_update(&self, sequence: Sequence<'_, T>, delta: &mut [T], place: Place<'_, '_, T>) {
        if const { Self::MAY_FIT_SUMS } && self.fits_sums() {
            return self.sum_and_update(sequence, delta, place);
        }
        let Sequence { x, hidden, d_output } = sequence;
        let Place { target, bias, weight_hh_t } = place;
        with_registers!(T, S, H, self.layout.hidden, |R| {
            with_function!(H, self.activation, |f| {
                let weights = (&*target.fc_weight, &*weight_hh_t);
                self.sweep_back::<_, R>(f, weights, sequence, delta, target.weight_ih);
            });
        }, else ());
        let (stride, h) = (self.layout.stride::<T>(), self.layout.hidden);
        let (rows, steps) = (Matrix::new(&*delta, stride), delta.len() / stride);
        biases_acc::<T, S, _>(rows, steps, h, [&mut *target.bias_ih, &mut *target.bias_hh], Some(bias));
        self.update_inputs(self.early(), x, delta, target.weight_ih);
        let past = Matrix::new(hidden, stride);
        outer_pair_acc::<T, S, _>(past, rows.skip(1), steps - 1, h, target.weight_hh, weight_hh_t);
        readout::gradients_acc::<T, S, _, _, _>(self.layout, hidden, d_output, target);
    }

    /// Fills `delta` from the weights of the readout and `W_hh` output-major; adds the gradient of the early rows of `weight_ih`
    /// to them.
    #[inline(always)]
    fn sweep_back<F: Function, const R: usize>(
        &self,
        function: F,
        (fc_weight, weight_hh_t): (&[T], &[T]),
        Sequence { x, hidden, d_output }: Sequence<'_, T>,
        delta: &mut [T],
        weight_ih: &mut [T],
    ) {
        let (stride, h) = (self.layout.stride::<T>(), self.layout.hidden);
        let (i, o) = (self.layout.input.size(), self.layout.output.size());
        let weight_hh_t = Matrix::new(weight_hh_t, stride);
        let early = const { R == 1 } && self.early() > 0;
        let mut sums = [zero::<T, S, R>(); 16];
        let mut state = zero::<T, S, R>();
        let steps = hidden.len() / stride;
        for t in (0..steps).rev() {
            let mut sum = zero::<T, S, R>();
            for (n, d_y) in d_output[t * o..][..o].iter().enumerate() {
                fma::<T, S, R>(&mut sum, *d_y, load::<T, S, R>(fc_weight, n * stride));
            }
            let future = state;
            if t + 1 < steps {
                sum = step::<T, S, _, R>(future, h, weight_hh_t, &self.lanes, sum);
            }
            let derive = Derive { function, hidden: Matrix::new(&hidden[t * stride..], stride) };
            state = Finish::<T, S>::finish::<R>(&derive, 0, 0, sum);
            store::<T, S, R>(&mut delta[t * stride..], 0, state);
            // A step later than it could be: what is older goes first, and the next step is waited for.
            if early && t + 1 < steps {
                Self::sum_early(&mut sums, future, &x[(t + 1) * i..]);
            }
        }
        if early {
            Self::sum_early(&mut sums, state, x);
            Self::add_early(&sums, weight_ih, stride);
        }
    }

    /// `sum_k += x_k·δ` for the early rows.
    #[inline(always)]
    #[allow(unconditional_panic)] // Of what `unroll` writes out and then leaves out.
    fn sum_early<const R: usize>(sums: &mut [Block<T, S, R>; 16], delta: Block<T, S, R>, x: &[T]) {
        let x = &x[..Self::EARLY];
        unroll!(|k| in 16: Self::EARLY => fma::<T, S, R>(&mut sums[k], x[k], delta));
    }

    #[inline(always)]
    fn add_early<const R: usize>(sums: &[Block<T, S, R>; 16], weight_ih: &mut [T], stride: usize) {
        let rows = &mut weight_ih[..Self::EARLY * stride];
        unroll!(|k| in 16: Self::EARLY => {
            let sum = add::<T, S, R>(load::<T, S, R>(rows, k * stride), sums[k]);
            store::<T, S, R>(rows, k * stride, sum);
        });
    }

    /// Adds the gradient of the inputs' weights to them, from row `first` on.
    #[inline(always)]
    pub(super) fn update_inputs(&self, first: usize, x: &[T], delta: &[T], weight_ih: &mut [T]) {
        let (stride, i, h) = (self.layout.stride::<T>(), self.layout.input, self.layout.hidden);
        let (inputs, rows) = (Matrix::new(x, i.size()), Matrix::new(delta, stride));
        let steps = delta.len() / stride;
        outer_rest_acc::<T, S, _, _>(inputs, rows, steps, (first, i, h), (weight_ih, stride));
    }
}
