//! The way back of a block of sequences abreast: the sweep, the gradients of its weights and of its inputs.

use std::marker::PhantomData;

use super::super::forward::{Way, two_rows};
use super::{alive, lengths};
use crate::Float;
use crate::cell::recurrence::{MOST_KEPT, Recurrence};
use crate::kernel::level::{Isa, Kernel};
use crate::kernel::tile::unroll;
use crate::kernel::vector::Vector;

/// The sweep back, and the partial sums of the gradients.
pub(super) struct SweepBack<'a, T, C> {
    pub cell: C,
    pub way: Way,
    pub steps: usize,
    pub lengths: &'a [usize],
    /// `K`, `H`, `P`
    pub sizes: (usize, usize, usize),
    /// (T, K, L)
    pub inputs: &'a [T],
    /// (H, G·P)
    pub weight_hh: &'a [T],
    /// (T + 1, KEPT, H, L); becomes the deltas.
    pub kept: &'a mut [T],
    /// The gradient of the outputs, from the block's first sequence on.
    pub d_outputs: &'a [T],
    /// How far its timesteps and its sequences are apart.
    pub strides: (usize, usize),
    /// Room for (H, L).
    pub gathered: &'a mut [T],
    /// Room for (2, H, L).
    pub carried: &'a mut [T],
    /// (K + H, G·H, L), then (DELTAS, H, L)
    pub sums: &'a mut [T],
}

impl<T: Float, C: Recurrence> Kernel for SweepBack<'_, T, C> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(mut self) {
        let h = self.sizes.1;
        let lanes = T::Vector::<S>::LANES;
        let lengths = lengths::<T, S>(self.lengths);
        self.carried.fill(T::ZERO);
        self.gathered.fill(T::ZERO);
        for step in 0..self.steps {
            let t = if self.way.reverse { step } else { self.steps - 1 - step };
            for m in 0..self.lengths.len() {
                let row = &self.d_outputs[t * self.strides.0 + m * self.strides.1..][..h];
                #[allow(clippy::needless_range_loop)] // An adapter would be a function of its own.
                for n in 0..h {
                    self.gathered[n * lanes + m] = row[n];
                }
            }
            let mut n = 0;
            while n < h {
                if n + 4 <= h {
                    self.units::<S, 4>((t, lengths), step == 0, n);
                    n += 4;
                } else {
                    self.units::<S, 1>((t, lengths), step == 0, n);
                    n += 1;
                }
            }
        }
        self.gradients_acc::<S>();
    }
}

impl<T: Float, C: Recurrence> SweepBack<'_, T, C> {
    /// `N` units from `n` on of one step; the `first` has no step after it.
    #[inline(always)]
    fn units<S: Isa, const N: usize>(&mut self, (t, lengths): (usize, T::Vector<S>), first: bool, n: usize) {
        let (_, h, p) = self.sizes;
        let lanes = T::Vector::<S>::LANES;
        let len = C::KEPT * h * lanes;
        let (now, next) = two_rows(&mut *self.kept, self.way.row(t), self.way.next(t), len);
        let (now, next) = (&mut now[..len], &next[..len]);
        let zero = T::Vector::<S>::splat(T::ZERO);
        // Two chains for each unit: a single one would wait for the multiplier.
        let mut sums = [[zero; 2]; N];
        unroll!(|unit| in N => {
            sums[unit][0] = T::Vector::<S>::load(self.gathered, (n + unit) * lanes);
            if const { C::SKIPS } {
                sums[unit][1] = T::Vector::<S>::load(self.carried, (n + unit) * lanes);
            }
        });
        if !first {
            unroll!(|g| in C::GATES => {
                let deltas = &next[C::HIDDEN[g] * h * lanes..][..h * lanes];
                let mut weights = [&self.weight_hh[..0]; N];
                unroll!(|unit| in N => weights[unit] = &self.weight_hh[((n + unit) * C::GATES + g) * p..][..h]);
                #[allow(clippy::needless_range_loop)] // An adapter would be a function of its own.
                for j in 0..h {
                    let delta = T::Vector::<S>::load(deltas, j * lanes);
                    unroll!(|unit| in N => {
                        let weight = T::Vector::<S>::splat(weights[unit][j]);
                        sums[unit][g % 2] = delta.mul_add(weight, sums[unit][g % 2]);
                    });
                }
            });
        }
        #[allow(clippy::needless_range_loop)] // An adapter would be a function of its own.
        for unit in 0..N {
            let at = |piece: usize| (piece * h + n + unit) * lanes;
            let mut kept = [zero; MOST_KEPT];
            unroll!(|piece| in 8: C::KEPT - 1 => kept[piece] = T::Vector::<S>::load(now, at(piece)));
            let past = T::Vector::<S>::load(now, at(C::KEPT - 1));
            let d_memory = if const { C::MEMORY } { T::Vector::<S>::load(self.carried, at(1)) } else { zero };
            let d_hidden = sums[unit][0].add(sums[unit][1]);
            let step = self.cell.backward::<T, T::Vector<S>>(kept, past, d_hidden, d_memory);
            unroll!(|piece| in C::DELTAS => alive::<T, S>(t, lengths, step.delta[piece]).store(now, at(piece)));
            if const { C::SKIPS } {
                alive::<T, S>(t, lengths, step.past).store(self.carried, at(0));
            }
            if const { C::MEMORY } {
                alive::<T, S>(t, lengths, step.memory).store(self.carried, at(1));
            }
        }
    }

    /// `d_W_ih += Xᵀ·δ`, `d_W_hh += H_{t−1}ᵀ·δ` and the sums of the deltas, lane by lane.
    #[inline(always)]
    fn gradients_acc<S: Isa>(&mut self) {
        let (k, h, _) = self.sizes;
        let lanes = T::Vector::<S>::LANES;
        let row = C::KEPT * h * lanes;
        let kept = &self.kept[self.way.row(0) * row..][..self.steps * row];
        let (ih, rest) = self.sums.split_at_mut(k * C::GATES * h * lanes);
        let (hh, biases) = rest.split_at_mut(h * C::GATES * h * lanes);
        let steps = self.steps;
        let columns = C::GATES * h;
        Outer { a: (self.inputs, k * lanes), d: (kept, row), steps, w: ih, width: columns }
            .acc::<S>(k, 0, columns);
        // All gates at once, but the last of a split cell, which sees a piece of its own.
        let past = &kept[(C::KEPT - 1) * h * lanes..];
        let together = C::GATES - usize::from(C::SPLIT);
        for (gate, count) in [(0, together), (together, C::GATES - together)] {
            if count > 0 {
                let d = (&kept[C::HIDDEN[gate] * h * lanes..], row);
                Outer { a: (past, row), d, steps, w: &mut *hh, width: columns }.acc::<S>(
                    h,
                    gate * h,
                    count * h,
                );
            }
        }
        for column in 0..C::DELTAS * h {
            let mut sum = T::Vector::<S>::load(biases, column * lanes);
            for t in 0..steps {
                sum = sum.add(T::Vector::<S>::load(kept, t * row + column * lanes));
            }
            sum.store(biases, column * lanes);
        }
    }
}

/// `w[k, n] += Σ_t a[t, k]·d[t, n]`, lane by lane; the rows of `a` and `d` have a distance each, those of `w` are `width`.
struct Outer<'a, T> {
    a: (&'a [T], usize),
    d: (&'a [T], usize),
    steps: usize,
    w: &'a mut [T],
    width: usize,
}

impl<T: Float> Outer<'_, T> {
    /// Of `rows` rows, the `count` columns from `first` on, which are the first of `d`.
    #[inline(always)]
    fn acc<S: Isa>(&mut self, rows: usize, first: usize, count: usize) {
        let mut k = 0;
        while k < rows {
            if const { S::REGISTERS >= 32 } && k + 4 <= rows {
                self.rows_acc::<S, 4>(k, first, count);
                k += 4;
            } else if k + 2 <= rows {
                self.rows_acc::<S, 2>(k, first, count);
                k += 2;
            } else {
                self.rows_acc::<S, 1>(k, first, count);
                k += 1;
            }
        }
    }

    #[inline(always)]
    fn rows_acc<S: Isa, const K: usize>(&mut self, k: usize, first: usize, count: usize) {
        let mut n = 0;
        while n < count {
            if n + 4 <= count {
                self.tile_acc::<S, K, 4>(k, first, n);
                n += 4;
            } else {
                self.tile_acc::<S, K, 1>(k, first, n);
                n += 1;
            }
        }
    }

    #[inline(always)]
    fn tile_acc<S: Isa, const K: usize, const N: usize>(&mut self, k: usize, first: usize, n: usize) {
        let lanes = T::Vector::<S>::LANES;
        let mut acc = [[T::Vector::<S>::splat(T::ZERO); N]; K];
        for t in 0..self.steps {
            let a = &self.a.0[t * self.a.1 + k * lanes..][..K * lanes];
            let d = &self.d.0[t * self.d.1 + n * lanes..][..N * lanes];
            unroll!(|row| in K => {
                let element = T::Vector::<S>::load(a, row * lanes);
                unroll!(|column| in N => {
                    let delta = T::Vector::<S>::load(d, column * lanes);
                    acc[row][column] = element.mul_add(delta, acc[row][column]);
                });
            });
        }
        unroll!(|row| in K => {
            let w = &mut self.w[((k + row) * self.width + first + n) * lanes..][..N * lanes];
            unroll!(|column| in N => {
                T::Vector::<S>::load(w, column * lanes).add(acc[row][column]).store(w, column * lanes);
            });
        });
    }
}

/// Adds the sums over the lanes to the gradient of a layer in one direction: (K + H, G·P), then both biases, (G·P) each.
pub(super) struct Reduce<'a, T, C> {
    pub cell: PhantomData<C>,
    pub sums: &'a [T],
    /// `K`, `H`, `P`
    pub sizes: (usize, usize, usize),
    pub gradient: &'a mut [T],
}

impl<T: Float, C: Recurrence> Kernel for Reduce<'_, T, C> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { sums, sizes: (k, h, p), gradient, .. } = self;
        let lanes = T::Vector::<S>::LANES;
        let mut at = 0;
        for row in 0..(k + h) * C::GATES {
            let out = &mut gradient[row * p..][..h];
            #[allow(clippy::needless_range_loop)] // An adapter would be a function of its own.
            for n in 0..h {
                out[n] += T::Vector::<S>::load(sums, at).sum();
                at += lanes;
            }
        }
        let biases = &mut gradient[(k + h) * C::GATES * p..];
        for piece in 0..C::DELTAS {
            for n in 0..h {
                let sum = T::Vector::<S>::load(sums, at).sum();
                at += lanes;
                for gate in 0..C::GATES {
                    if gate == piece {
                        biases[gate * p + n] += sum;
                    }
                    if C::HIDDEN[gate] == piece {
                        biases[(C::GATES + gate) * p + n] += sum;
                    }
                }
            }
        }
    }
}

/// `d_x[k] = Σ_n δ[n]·W_ih[k, n]` over all gates, of one timestep.
pub(super) struct InputsBack<'a, T> {
    pub gates: usize,
    /// `K`, `H`, `P`
    pub sizes: (usize, usize, usize),
    /// (K, G·P)
    pub weight_ih: &'a [T],
    /// (G, H, L)
    pub deltas: &'a [T],
    /// (K, L)
    pub out: &'a mut [T],
}

impl<T: Float> Kernel for InputsBack<'_, T> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { gates, sizes: (k, h, p), weight_ih, deltas, out } = self;
        let lanes = T::Vector::<S>::LANES;
        for input in 0..k {
            let mut sums = [T::Vector::<S>::splat(T::ZERO); 4];
            for gate in 0..gates {
                let weights = &weight_ih[(input * gates + gate) * p..][..h];
                #[allow(clippy::needless_range_loop)] // An adapter would be a function of its own.
                for n in 0..h {
                    let delta = T::Vector::<S>::load(deltas, (gate * h + n) * lanes);
                    sums[n % 4] = delta.mul_add(T::Vector::<S>::splat(weights[n]), sums[n % 4]);
                }
            }
            sums[0].add(sums[2]).add(sums[1].add(sums[3])).store(out, input * lanes);
        }
    }
}
