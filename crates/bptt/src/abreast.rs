//! Sequences abreast: one in each lane, for networks of few hidden units.
//!
//! With units in the lanes, 10 units leave 6 of 16 lanes idle, and every step of every sequence pays for its own loads and
//! sums. With a sequence in each lane nothing is idle: a unit of all sequences is one vector, a weight is one number
//! for all of them, and nothing crosses lanes but the gradient, once a batch.
//!
//! Shapes, with L lanes: `x (T, I, L)`, `hidden` and `delta (T, H, L)`, `d_output (T, O, L)`; gradients have L partial
//! sums each. Lanes whose sequence has ended hold zeros. Predictions are summed in the order of [`crate::kernel::affine`] and
//! [`crate::kernel::dot`], so that each has the same bits as alone; training in the one with the least work.

use crate::Float;
use crate::cell::{Layout, Weights, WeightsMut};
use crate::dim::Dim;
use crate::kernel::abreast::{
    Columns, Sums, back, chain, knows_order, links, outer_acc, rows_sum_acc, tile, tree,
};
use crate::kernel::activation::{Activation, Function};
use crate::kernel::gather::{Ahead, Windows, gather};
use crate::kernel::level::{Isa, Kernel};
use crate::kernel::sweep::uneven;
use crate::kernel::tile::{Matrix, unroll};
use crate::kernel::vector::Vector;
use crate::workspace::Scratch;

/// The largest buffer that is spent on this, in elements: beyond, long sequences would leave the caches.
const MOST_ELEMENTS: usize = 1 << 19;

/// Whether so many hidden units may go this way. Where a size in the type may not, it is not compiled.
pub(crate) const fn few_units<T: Float>(hidden: usize) -> bool {
    hidden < 2 * T::LINE
}

/// Elements of the buffer for `batch` sequences of up to `longest` timesteps at any level; 0 where the way is not worth it.
pub(crate) fn elements<T: Float, I: Dim, H: Dim, O: Dim>(
    layout: Layout<I, H, O>,
    longest: usize,
    batch: usize,
) -> usize {
    if batch == 1 || !few_units::<T>(layout.hidden.size()) {
        return 0;
    }
    let lanes = if batch > T::LINE && batch <= T::LINE + T::LINE / 2 { 2 * T::LINE } else { T::LINE };
    let elements = Cut::new(layout, longest).end.saturating_mul(lanes);
    if elements > MOST_ELEMENTS { 0 } else { elements }
}

/// Whether `sequences` of up to `steps` timesteps are best worked on this way, given a buffer of so many
/// elements.
#[inline(always)]
pub(crate) fn fits<T: Float, S: Isa, I: Dim, H: Dim, O: Dim>(
    layout: Layout<I, H, O>,
    steps: usize,
    sequences: usize,
    elements: usize,
) -> bool {
    let lanes = T::Vector::<S>::LANES;
    let size = layout.hidden.size();
    let small = few_units::<T>(size) && knows_order(lanes, size) && 2 * sequences >= lanes;
    small && Cut::new(layout, steps).end.saturating_mul(lanes) <= elements
}

/// Whether these are best worked on in vectors of one and a half registers: else the second one would be half empty.
#[inline(always)]
pub(crate) fn fits_uneven<T: Float, S: Isa, I: Dim, H: Dim, O: Dim>(
    layout: Layout<I, H, O>,
    steps: usize,
    sequences: usize,
    elements: usize,
) -> bool {
    let lanes = T::Vector::<S::Uneven>::LANES;
    let end = Cut::new(layout, steps).end;
    uneven::<T, S>(sequences) && end.saturating_mul(lanes) <= elements
}

/// Where the parts of the buffer begin, in vectors.
struct Cut {
    hidden: usize,
    delta: usize,
    d_output: usize,
    gradient: usize,
    end: usize,
}

impl Cut {
    #[inline(always)]
    fn new<I: Dim, H: Dim, O: Dim>(layout: Layout<I, H, O>, steps: usize) -> Self {
        let (i, h, o) = (layout.input.size(), layout.hidden.size(), layout.output.size());
        let hidden = steps.saturating_mul(i);
        let delta = hidden.saturating_add(steps.saturating_mul(h));
        let d_output = delta.saturating_add(steps.saturating_mul(h));
        let gradient = d_output.saturating_add(steps.saturating_mul(o));
        let weights =
            i.saturating_add(h).saturating_add(o).saturating_add(1).saturating_mul(h).saturating_add(o);
        Self { hidden, delta, d_output, gradient, end: gradient.saturating_add(weights) }
    }
}

/// Room for the first rows in the dataset, and the timesteps, of the sequences of a [`Row`].
type Places = [[usize; 32]; 2];

/// Up to one sequence for each lane, longest first.
struct Row<'a, T: Float, S: Isa> {
    members: &'a [usize],
    windows: Windows<'a>,
    steps: usize,
    /// The lengths, one in each lane.
    lengths: T::Vector<S>,
}

impl<'a, T: Float, S: Isa> Row<'a, T, S> {
    /// Takes the next row off the front of `members`, which are sorted by length.
    #[inline(always)]
    fn take<'m: 'a>(members: &mut &'m [usize], offsets: &[usize], [starts, counts]: &'a mut Places) -> Self {
        let (row, rest) = members.split_at(members.len().min(T::Vector::<S>::USED));
        *members = rest;
        for m in 0..row.len() {
            (starts[m], counts[m]) = (offsets[row[m]], offsets[row[m] + 1] - offsets[row[m]]);
        }
        let (starts, counts) = (&starts[..row.len()], &counts[..row.len()]);
        let steps = counts[0];
        let lengths = if row.len() == T::Vector::<S>::USED && counts[row.len() - 1] == steps {
            T::Vector::<S>::splat(T::from_f64(steps as f64))
        } else {
            let mut lengths = [T::ZERO; 32];
            for m in 0..row.len() {
                lengths[m] = T::from_f64(counts[m] as f64);
            }
            T::Vector::<S>::load(&lengths, 0)
        };
        Self { members: row, windows: Windows { starts, lengths: counts }, steps, lengths }
    }

    /// `value` in the lanes whose sequence has a timestep `t`, 0 in the others.
    #[inline(always)]
    fn alive(&self, t: usize, value: T::Vector<S>) -> T::Vector<S> {
        value.zero_above(T::Vector::<S>::splat(T::from_f64((t + 1) as f64)), self.lengths)
    }

    /// Turns rows of `columns` elements from one after the other to side by side: `(T, columns)` of each sequence to
    /// `(T, columns, L)`.
    #[inline(always)]
    fn gather(&self, data: &[T], columns: usize, out: &mut [T]) {
        gather::<T, S>((data, columns), self.windows, T::ZERO, out);
    }
}

/// The network and one row of sequences.
struct Pass<'a, T: Float, S: Isa, I, H, O> {
    layout: Layout<I, H, O>,
    weights: Weights<'a, T>,
    bias: &'a [T],
    row: &'a Row<'a, T, S>,
    ahead: Ahead<'a, T>,
}

impl<T: Float, S: Isa, I: Dim, H: Dim, O: Dim> Pass<'_, T, S, I, H, O> {
    /// `h_t = f(b + W_ih·x_t + W_hh·h_{t−1})`.
    #[inline(always)]
    fn forward<const LEARNS: bool>(&self, f: Activation, x: &[T], hidden: &mut [T]) {
        let (i, h, lanes) = (self.layout.input.size(), self.layout.hidden.size(), T::Vector::<S>::LANES);
        let stride = self.layout.stride::<T>();
        for t in 0..self.row.steps {
            self.ahead.step::<S>(t);
            let x = Columns { data: &x[t * i * lanes..][..i * lanes], count: self.layout.input };
            let (past, now) = hidden.split_at_mut(t * h * lanes);
            let past = if t > 0 { &past[(t - 1) * h * lanes..] } else { past };
            let past = Columns { data: past, count: self.layout.hidden };
            let mut n = 0;
            while n < h {
                let now = &mut now[n * lanes..];
                let bias = &self.bias[n..];
                let ih = Matrix::new(&self.weights.weight_ih[n..], stride);
                let hh = Matrix::new(&self.weights.weight_hh[n..], stride);
                n += tile!(S, H, h - n, |N| self.units::<LEARNS, N>(f, t, (bias, x, ih), (past, hh), now));
            }
        }
    }

    /// `N` units at timestep `t`.
    #[inline(always)]
    fn units<const LEARNS: bool, const N: usize>(
        &self,
        f: Activation,
        t: usize,
        (bias, x, weight_ih): (&[T], Columns<'_, T, I>, Matrix<'_, T>),
        (past, weight_hh): (Columns<'_, T, H>, Matrix<'_, T>),
        out: &mut [T],
    ) {
        let lanes = T::Vector::<S>::LANES;
        let (bias, out) = (&bias[..N], &mut out[..N * lanes]);
        let mut sums = [T::Vector::<S>::splat(T::ZERO); N];
        unroll!(|n| in 8: N => sums[n] = T::Vector::<S>::splat(bias[n]));
        // With few registers a tile has too few units to hide what one chain each waits for.
        if const { LEARNS && S::REGISTERS > 16 } {
            sums = chain::<T, S, I, N>(sums, x, weight_ih);
            if t > 0 {
                // Chains of their own: what waits for the step before is shorter.
                let past = chain::<T, S, H, N>([T::Vector::<S>::splat(T::ZERO); N], past, weight_hh);
                unroll!(|n| in 8: N => sums[n] = sums[n].add(past[n]));
            }
        } else {
            sums = links::<T, S, I, N>(sums, x, weight_ih);
            if t > 0 {
                sums = links::<T, S, H, N>(sums, past, weight_hh);
            }
        }
        unroll!(|n| in 8: N => self.row.alive(t, f.apply(sums[n])).store(out, n * lanes));
    }

    /// Output `n` of one timestep, whose hidden units are `h (H, L)`.
    #[inline(always)]
    fn output(&self, h: &[T], n: usize) -> T::Vector<S> {
        let weights = &self.weights.fc_weight[n * self.layout.stride::<T>()..][..self.layout.hidden.size()];
        tree::<T, S>(self.weights.fc_bias[n], h, weights)
    }

    /// The same in two chains.
    #[inline(always)]
    fn output_in_training(&self, h: &[T], n: usize) -> T::Vector<S> {
        let weights = &self.weights.fc_weight[n * self.layout.stride::<T>()..][..self.layout.hidden.size()];
        let mut chains = [T::Vector::<S>::splat(self.weights.fc_bias[n]), T::Vector::<S>::splat(T::ZERO)];
        for k in 0..self.layout.hidden.size() {
            let state = T::Vector::<S>::load(h, k * T::Vector::<S>::LANES);
            chains[k % 2] = state.mul_add(T::Vector::<S>::splat(weights[k]), chains[k % 2]);
        }
        chains[0].add(chains[1])
    }

    /// Turns labels in `d_output` into `scale·(y − label)`; adds the squared errors to `error`, one sum for each lane.
    #[inline(always)]
    fn loss(&self, hidden: &[T], scale: T, d_output: &mut [T], error: &mut [f64; 32]) {
        let (h, o, lanes) = (self.layout.hidden.size(), self.layout.output.size(), T::Vector::<S>::LANES);
        for t in 0..self.row.steps {
            for n in 0..o {
                let y = self.output_in_training(&hidden[t * h * lanes..][..h * lanes], n);
                let d = &mut d_output[(t * o + n) * lanes..][..lanes];
                let e = self.row.alive(t, y.sub(T::Vector::<S>::load(d, 0)));
                e.mul(T::Vector::<S>::splat(scale)).store(d, 0);
                let mut squares = [T::ZERO; 32];
                e.mul(e).store(&mut squares, 0);
                for m in 0..T::Vector::<S>::USED {
                    error[m] += squares[m].to_f64();
                }
            }
        }
    }

    /// `δ_t = (W_hoᵀ·d_y_t + W_hhᵀ·δ_{t+1}) ⊙ f'(a_t)`.
    #[inline(always)]
    fn backward(&self, f: Activation, hidden: &[T], d_output: &[T], delta: &mut [T]) {
        let (h, o, lanes) = (self.layout.hidden.size(), self.layout.output.size(), T::Vector::<S>::LANES);
        let stride = self.layout.stride::<T>();
        for t in (0..self.row.steps).rev() {
            let (now, future) = delta.split_at_mut((t + 1) * h * lanes);
            let d_y = Columns { data: &d_output[t * o * lanes..][..o * lanes], count: self.layout.output };
            let future =
                (t + 1 < self.row.steps).then_some(Columns { data: &*future, count: self.layout.hidden });
            let (hidden, now) = (&hidden[t * h * lanes..][..h * lanes], &mut now[t * h * lanes..]);
            let mut k = 0;
            while k < h {
                let fc = Matrix::new(&self.weights.fc_weight[k..], stride);
                let hh = Matrix::new(&self.weights.weight_hh[k * stride..], stride);
                let (hidden, now) = (&hidden[k * lanes..], &mut now[k * lanes..]);
                k +=
                    tile!(S, H, h - k, |N| back::<T, S, _, H, O, N>(f, (d_y, fc), (future, hh), hidden, now));
            }
        }
    }

    /// Adds all gradients, L partial sums each, to `sums`: weight_ih, weight_hh, fc.weight, bias, fc.bias. If they are
    /// `fresh`, it does not matter what was there. After the last sequences, their sums over all lanes go to `target`.
    #[inline(always)]
    fn gradients_acc(
        &self,
        (x, hidden, delta, d_output): (&[T], &[T], &[T], &[T]),
        (sums, fresh): (&mut [T], bool),
        mut target: Option<WeightsMut<'_, T>>,
    ) {
        let (i, h, o) = (self.layout.input.size(), self.layout.hidden.size(), self.layout.output.size());
        let (lanes, stride, steps) = (T::Vector::<S>::LANES, self.layout.stride::<T>(), self.row.steps);
        let (ih, rest) = sums.split_at_mut(i * h * lanes);
        let (hh, rest) = rest.split_at_mut(h * h * lanes);
        let (fc, rest) = rest.split_at_mut(o * h * lanes);
        let (bias, fc_bias) = rest.split_at_mut(h * lanes);
        let units = Columns { data: delta, count: self.layout.hidden };
        let later = Columns { data: &delta[h * lanes..], count: self.layout.hidden };
        let x = Columns { data: x, count: self.layout.input };
        let states = Columns { data: hidden, count: self.layout.hidden };
        let d_y = Columns { data: d_output, count: self.layout.output };
        macro_rules! place {
            ($lanes:ident, $weights:ident) => {{
                let total = target.as_mut().map(|target| (&mut *target.$weights, stride));
                Sums { lanes: $lanes, fresh, total }
            }};
        }
        outer_acc::<T, S, I, H>(x, units, steps, place!(ih, weight_ih));
        // h of each step and δ of the next.
        outer_acc::<T, S, H, H>(states, later, steps.saturating_sub(1), place!(hh, weight_hh));
        outer_acc::<T, S, O, H>(d_y, states, steps, place!(fc, fc_weight));
        rows_sum_acc::<T, S>(d_output, o, steps, place!(fc_bias, fc_bias));
        // Both biases get the same.
        let mut total = [T::ZERO; 32];
        let place = Sums { lanes: bias, fresh, total: target.is_some().then_some((&mut total[..], stride)) };
        rows_sum_acc::<T, S>(delta, h, steps, place);
        if let Some(target) = &mut target {
            #[allow(clippy::needless_range_loop)] // An adapter would be a function of its own.
            for n in 0..h {
                target.bias_ih[n] += total[n];
                target.bias_hh[n] += total[n];
            }
        }
    }
}

/// Forward and backward over the sequences `members`, sorted by length; adds to `gradient`. Returns the sum of squared
/// errors.
pub(crate) struct Gradient<'a, 's, T, I, H, O> {
    pub activation: Activation,
    pub layout: Layout<I, H, O>,
    pub flat: &'a [T],
    pub features: &'a [T],
    pub labels: &'a [T],
    pub offsets: &'a [usize],
    pub members: &'a [usize],
    /// The sequences that come after those.
    pub next: &'a [usize],
    /// The factor of an error in the gradient.
    pub scale: T,
    pub scratch: &'a mut Scratch<'s, T>,
    pub gradient: &'a mut [T],
}

impl<T: Float, I: Dim, H: Dim, O: Dim> Kernel for Gradient<'_, '_, T, I, H, O> {
    type Element = T;
    type Output = f64;

    #[inline(always)]
    fn run<S: Isa>(self) -> f64 {
        let Self { layout, scale, offsets, mut members, .. } = self;
        let (lanes, i, o) = (T::Vector::<S>::LANES, layout.input.size(), layout.output.size());
        let Scratch { abreast, bias, .. } = self.scratch;
        let steps = offsets[members[0] + 1] - offsets[members[0]];
        let cut = Cut::new(layout, steps);
        let (x, rest) = abreast.split_at_mut(cut.hidden * lanes);
        let (hidden, rest) = rest.split_at_mut((cut.delta - cut.hidden) * lanes);
        let (delta, rest) = rest.split_at_mut((cut.d_output - cut.delta) * lanes);
        let (d_output, rest) = rest.split_at_mut((cut.gradient - cut.d_output) * lanes);
        let sums = &mut rest[..(cut.end - cut.gradient) * lanes];
        let (mut error, mut fresh, mut places) = ([0.0; 32], true, Places::default());
        while !members.is_empty() {
            let row = Row::<T, S>::take(&mut members, offsets, &mut places);
            row.gather(self.features, i, x);
            row.gather(self.labels, o, d_output);
            let next = if members.is_empty() { self.next } else { members };
            let ahead = Ahead::new(self.features, i, offsets, &next[..next.len().min(lanes)]);
            let pass = Pass { layout, weights: layout.split(self.flat), bias, row: &row, ahead };
            pass.forward::<true>(self.activation, x, hidden);
            pass.loss(hidden, scale, d_output, &mut error);
            pass.backward(self.activation, hidden, d_output, delta);
            let target = members.is_empty().then(|| layout.split_mut(&mut *self.gradient));
            pass.gradients_acc((x, hidden, delta, d_output), (&mut *sums, fresh), target);
            fresh = false;
        }
        let mut total = 0.0;
        for sum in error {
            total += sum;
        }
        total
    }
}

/// The outputs of the sequences `members`, sorted by length.
pub(crate) struct Predict<'a, 's, T, I, H, O> {
    pub activation: Activation,
    pub layout: Layout<I, H, O>,
    pub flat: &'a [T],
    pub features: &'a [T],
    pub offsets: &'a [usize],
    pub members: &'a [usize],
    pub scratch: &'a mut Scratch<'s, T>,
    /// (rows, O), from the row `first_row` on
    pub outputs: &'a mut [T],
    pub first_row: usize,
}

impl<T: Float, I: Dim, H: Dim, O: Dim> Kernel for Predict<'_, '_, T, I, H, O> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { layout, offsets, mut members, outputs, first_row, .. } = self;
        let (i, h, o) = (layout.input.size(), layout.hidden.size(), layout.output.size());
        let lanes = T::Vector::<S>::LANES;
        let Scratch { abreast, bias, .. } = self.scratch;
        let cut = Cut::new(layout, offsets[members[0] + 1] - offsets[members[0]]);
        let (x, hidden) = abreast.split_at_mut(cut.hidden * lanes);
        let mut places = Places::default();
        while !members.is_empty() {
            let row = Row::<T, S>::take(&mut members, offsets, &mut places);
            row.gather(self.features, i, x);
            let ahead = Ahead::new(self.features, i, offsets, &members[..members.len().min(lanes)]);
            let pass = Pass { layout, weights: layout.split(self.flat), bias, row: &row, ahead };
            pass.forward::<false>(self.activation, x, hidden);
            for t in 0..pass.row.steps {
                for n in 0..o {
                    let mut y = [T::ZERO; 16];
                    pass.output(&hidden[t * h * lanes..][..h * lanes], n).store(&mut y, 0);
                    for m in 0..pass.row.members.len() {
                        let (from, to) = (offsets[pass.row.members[m]], offsets[pass.row.members[m] + 1]);
                        if from + t < to {
                            outputs[(from + t - first_row) * o + n] = y[m];
                        }
                    }
                }
            }
        }
    }
}
