//! The sweep back, `δ_t = (W_hoᵀ·d_y_t + W_hhᵀ·δ_{t+1}) ⊙ f'(a_t)` with `δ_t` in registers, and the update.

use super::early::{Early, EarlyBlocks, EarlyRows, NotEarly};
use super::{First, Place, Sequence, Source};
use crate::Float;
use crate::cell::elman::{Derive, Elman, with_function};
use crate::dim::Dim;
use crate::kernel::activation::{Function, with_activation};
use crate::kernel::affine::Finish;
use crate::kernel::blocks::EARLY;
use crate::kernel::level::Isa;
use crate::kernel::outer::{biases_acc, outer_pair_acc, outer_rest_acc};
use crate::kernel::sweep::{may_take, step, with_registers};
use crate::kernel::tile::{Matrix, fma, load, store, zero};
use crate::kernel::vector::Vector;
use crate::readout;

impl<T: Float, S: Isa, I: Dim, H: Dim, O: Dim> Elman<T, S, I, H, O> {
    /// The way back and the update: adds the gradients of a sequence to the parameters. `delta (T, P)` is room. `next` is the first
    /// row of the sequence that comes next, if it pays and there is one: its first state comes back.
    ///
    /// `d_W_ih += Xᵀ·δ`, `d_W_hh += H_{t−1}ᵀ·δ` (both input-major), `d_b_ih, d_b_hh += Σ_t δ_t`.
    #[inline(always)]
    pub fn backward_and_update(
        &self,
        sequence: Sequence<'_, T>,
        delta: &mut [T],
        mut place: Place<'_, '_, T>,
        next: Option<&[T]>,
    ) -> First<T, S> {
        if const { Self::MAY_FIT_SUMS } && self.fits_sums() {
            self.sum_and_update(sequence, delta, place);
            return None;
        }
        let early = self.back_and_early(sequence, delta, &mut place);
        let Sequence { x, hidden, d_output } = sequence;
        let (stride, h) = (self.layout.stride::<T>(), self.layout.hidden);
        let (rows, steps) = (Matrix::new(&*delta, stride), delta.len() / stride);
        let biases = [&mut *place.target.bias_ih, &mut *place.target.bias_hh];
        biases_acc::<T, S, _>(rows, steps, h, biases, Some(&mut *place.bias));
        self.update_inputs(early, x, delta, &mut place);
        let first = self.begin(next, &place);
        let past = Matrix::new(hidden, stride);
        let Place { target, weight_hh_t, .. } = place;
        outer_pair_acc::<T, S, _>(past, rows.skip(1), steps - 1, h, target.weight_hh, weight_hh_t);
        readout::gradients_acc::<T, S, _, _, _>(self.layout, hidden, d_output, target);
        first
    }

    /// The first state of the next sequence, which needs only the weights of the inputs: in its shadow runs the rest of the update.
    #[inline(always)]
    fn begin(&self, next: Option<&[T]>, place: &Place<'_, '_, T>) -> First<T, S> {
        if const { !Self::MAY_BE_IN_BLOCKS } || !self.in_blocks() {
            return None;
        }
        let weight_ih = &*place.target.weight_ih;
        self.first_one(Source { weight_ih, bias: place.bias, blocks: Some(place.blocks) }, next?)
    }

    /// The sweep back, and how many rows or blocks of the inputs' weights are up to date after it.
    #[inline(always)]
    fn back_and_early(
        &self,
        sequence: Sequence<'_, T>,
        delta: &mut [T],
        place: &mut Place<'_, '_, T>,
    ) -> usize {
        let (stride, i) = (self.layout.stride::<T>(), self.layout.input.size());
        let one = self.layout.hidden.size() <= T::Vector::<S>::LANES;
        // A way of its own for each: what is decided within a sweep costs it registers.
        macro_rules! sweep {
            ($early:expr, $registers:ident) => {
                with_function!(H, self.activation, |f| {
                    self.sweep_back::<_, _, $registers>(f, sequence, delta, place, $early);
                })
            };
        }
        const ONE: usize = 1;
        if const { Self::MAY_BE_IN_BLOCKS } && self.in_blocks() {
            sweep!(EarlyBlocks::<T, S, I, H>::new(self.blocks()), ONE);
            return EARLY;
        }
        let count = EarlyRows::<T, S, I, H>::COUNT;
        if const { EarlyRows::<T, S, I, H>::COUNT > 0 && may_take::<T, S, H>(1) } && one && i >= count {
            sweep!(EarlyRows::<T, S, I, H>::new(stride), ONE);
            return count;
        }
        with_registers!(T, S, H, self.layout.hidden, |R| sweep!(NotEarly, R), else ());
        0
    }

    /// Fills `delta`; adds what is `early` to the inputs' weights.
    #[inline(always)]
    fn sweep_back<F: Function, E: Early<T, S, R>, const R: usize>(
        &self,
        function: F,
        Sequence { x, hidden, d_output }: Sequence<'_, T>,
        delta: &mut [T],
        place: &mut Place<'_, '_, T>,
        mut early: E,
    ) {
        let (stride, h) = (self.layout.stride::<T>(), self.layout.hidden);
        let (i, o) = (self.layout.input.size(), self.layout.output.size());
        let fc_weight = &*place.target.fc_weight;
        let weight_hh_t = Matrix::new(&*place.weight_hh_t, stride);
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
            if t + 1 < steps {
                early.sum(future, &x[(t + 1) * i..][..i]);
            }
        }
        early.sum(state, &x[..i]);
        early.add(place);
    }

    /// Adds the gradient of the inputs' weights to them, from row or block `first` on.
    #[inline(always)]
    pub(super) fn update_inputs(&self, first: usize, x: &[T], delta: &[T], place: &mut Place<'_, '_, T>) {
        let (stride, i, h) = (self.layout.stride::<T>(), self.layout.input, self.layout.hidden);
        let (inputs, rows) = (Matrix::new(x, i.size()), Matrix::new(delta, stride));
        let steps = delta.len() / stride;
        if const { Self::MAY_BE_IN_BLOCKS } && self.in_blocks() {
            return self.blocks().acc::<T, S>(first, (inputs, rows), steps, place.blocks);
        }
        let weight_ih = &mut *place.target.weight_ih;
        outer_rest_acc::<T, S, _, _>(inputs, rows, steps, (first, i, h), (weight_ih, stride));
    }
}
