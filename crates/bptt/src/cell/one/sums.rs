//! Backward and update of one short row of units in a single sweep; the gradients grow in registers while the sweep waits.
//!
//! Each step back adds its share of the gradient itself. The lanes of `δ_{t+1}` that it sends back through `W_hh` are just what
//! the gradient of the transposed `W_hh` needs, and `δ` is still in its register.

use super::{Place, Sequence};
use crate::Float;
use crate::cell::elman::{Elman, with_function};
use crate::dim::Dim;
use crate::kernel::activation::{Function, with_activation};
use crate::kernel::level::Isa;
use crate::kernel::tile::{Matrix, unroll};
use crate::kernel::transpose::transpose;
use crate::kernel::vector::Vector;

/// Sums that are kept in registers at most, of 32: permutations, the row itself and the chains need the others.
const MOST_SUMS: usize = 14;

/// Sums over the timesteps, a register each.
struct Sums<V> {
    weight_hh: [V; 8],
    weight_ih: [V; 4],
    bias: V,
    fc_weight: V,
}

impl<T: Float, S: Isa, I: Dim, H: Dim, O: Dim> Elman<T, S, I, H, O> {
    /// Whether [`Elman::fits_sums`] can hold for sizes of these types: where not, nothing is compiled for it.
    pub(super) const MAY_FIT_SUMS: bool = S::REGISTERS >= 32
        && H::IS_CONST
        && H::KNOWN <= T::Vector::<S>::LANES
        && 2 * H::KNOWN <= MOST_SUMS
        && O::KNOWN <= 1;

    /// Whether the gradient of `W_hh` stays in registers, and that of few inputs' weights.
    #[inline(always)]
    pub(super) fn fits_sums(&self) -> bool {
        let (h, o) = (self.layout.hidden.size(), self.layout.output.size());
        Self::MAY_FIT_SUMS && o == 1 && 2 * h + self.inputs() <= MOST_SUMS
    }

    /// Inputs whose weights' gradients stay in registers: all or none.
    #[inline(always)]
    fn inputs(&self) -> usize {
        let i = self.layout.input.size();
        if i <= 4 { i } else { 0 }
    }

    /// [`Elman::backward_and_update`] in one sweep. `delta` is only filled where the weights of the inputs are left to be done.
    #[inline(always)]
    pub(super) fn sum_and_update(&self, sequence: Sequence<'_, T>, delta: &mut [T], place: Place<'_, '_, T>) {
        with_function!(H, self.activation, |f| self.sweep_and_update(f, sequence, delta, place));
    }

    #[inline(always)]
    fn sweep_and_update<F: Function>(
        &self,
        function: F,
        sequence: Sequence<'_, T>,
        delta: &mut [T],
        place: Place<'_, '_, T>,
    ) {
        let stride = self.layout.stride::<T>();
        let zero = T::Vector::<S>::splat(T::ZERO);
        let fc_weight = T::Vector::<S>::load(place.target.fc_weight, 0);
        let mut sums = Sums { weight_hh: [zero; 8], weight_ih: [zero; 4], bias: zero, fc_weight: zero };
        let weight_hh_t = Matrix::new(&*place.weight_hh_t, stride);
        // Where the compiler knows that a number lies in a row that it has loaded, it takes it out of the register, by two
        // permutations, for which a sweep waits anyway; from memory, the multiply-add itself takes it.
        let numbers = std::hint::black_box(sequence.hidden);
        let mut state = None;
        for t in (0..sequence.d_output.len()).rev() {
            let hidden = T::Vector::<S>::load(&sequence.hidden[t * stride..][..stride], 0);
            let mut sum = T::Vector::<S>::splat(sequence.d_output[t]).mul_add(fc_weight, zero);
            if let Some(future) = state {
                let numbers = &numbers[t * stride..][..stride];
                sum = self.step_back(numbers, future, weight_hh_t, sum, &mut sums);
                // A step later than it could be: what is older goes first, and the next step is waited for.
                self.learn(sequence, t + 1, future, &mut sums);
            }
            let d = function.backward(sum, hidden);
            if self.inputs() == 0 {
                d.store(&mut delta[t * stride..][..stride], 0);
            }
            state = Some(d);
        }
        if let Some(first) = state {
            self.learn(sequence, 0, first, &mut sums);
        }
        self.add(&sums, sequence, delta, place);
    }

    /// `start + W_hhᵀ·δ_{t+1}`; adds what `h_t` and `δ_{t+1}` give to the gradient of `W_hh`.
    #[inline(always)]
    fn step_back(
        &self,
        numbers: &[T],
        future: T::Vector<S>,
        weight_hh_t: Matrix<'_, T>,
        start: T::Vector<S>,
        sums: &mut Sums<T::Vector<S>>,
    ) -> T::Vector<S> {
        let (h, stride) = (self.layout.hidden.size(), weight_hh_t.stride);
        let zero = T::Vector::<S>::splat(T::ZERO);
        let mut chains = [start, zero, zero, zero];
        unroll!(|k| in 8: T::Vector::<S>::LANES => if k < h {
            let weights = T::Vector::<S>::load(weight_hh_t.data, k * stride);
            chains[k % 4] = future.broadcast(&self.lanes, k).mul_add(weights, chains[k % 4]);
        });
        unroll!(|k| in 8: T::Vector::<S>::LANES => if k < h {
            sums.weight_hh[k] = T::Vector::<S>::splat(numbers[k]).mul_add(future, sums.weight_hh[k]);
        });
        chains[0].add(chains[2]).add(chains[1].add(chains[3]))
    }

    /// Adds what `δ_t` gives to the other gradients.
    #[inline(always)]
    fn learn(&self, sequence: Sequence<'_, T>, t: usize, d: T::Vector<S>, sums: &mut Sums<T::Vector<S>>) {
        let (stride, i) = (self.layout.stride::<T>(), self.layout.input.size());
        let x = &sequence.x[t * i..][..i];
        if self.inputs() > 0 {
            unroll!(|k| in 4 => if k < i {
                sums.weight_ih[k] = T::Vector::<S>::splat(x[k]).mul_add(d, sums.weight_ih[k]);
            });
        }
        sums.bias = sums.bias.add(d);
        let hidden = T::Vector::<S>::load(&sequence.hidden[t * stride..][..stride], 0);
        sums.fc_weight = T::Vector::<S>::splat(sequence.d_output[t]).mul_add(hidden, sums.fc_weight);
    }

    /// Adds the sums to the parameters.
    #[inline(always)]
    fn add(
        &self,
        sums: &Sums<T::Vector<S>>,
        sequence: Sequence<'_, T>,
        delta: &[T],
        place: Place<'_, '_, T>,
    ) {
        let (i, h, stride) = (self.layout.input.size(), self.layout.hidden.size(), self.layout.stride::<T>());
        let mut place = place;
        if self.inputs() == 0 {
            self.update_inputs(0, sequence.x, delta, &mut place);
        }
        let Place { target, bias, weight_hh_t, .. } = place;
        let ih = acc::<T, S>(target.bias_ih, 0, sums.bias);
        let hh = acc::<T, S>(target.bias_hh, 0, sums.bias);
        ih.add(hh).store(bias, 0);
        if self.inputs() > 0 {
            unroll!(|k| in 4 => if k < i {
                acc::<T, S>(target.weight_ih, k * stride, sums.weight_ih[k]);
            });
        }
        unroll!(|k| in 8: T::Vector::<S>::LANES => if k < h {
            acc::<T, S>(target.weight_hh, k * stride, sums.weight_hh[k]);
        });
        transpose::<T, S, _>(Matrix::new(target.weight_hh, stride), self.layout.hidden, weight_hh_t);
        acc::<T, S>(target.fc_weight, 0, sums.fc_weight);
        for d_y in sequence.d_output {
            target.fc_bias[0] += *d_y;
        }
    }
}

/// `row += sum`; returns the new row.
#[inline(always)]
fn acc<T: Float, S: Isa>(row: &mut [T], at: usize, sum: T::Vector<S>) -> T::Vector<S> {
    let row = &mut row[at..at + T::Vector::<S>::LANES];
    let sum = T::Vector::<S>::load(row, 0).add(sum);
    sum.store(row, 0);
    sum
}
