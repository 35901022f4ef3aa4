//! The gradients of a layer's weights, and those of all weights summed over the lanes.

use std::marker::PhantomData;

use super::room::sums_at;
use super::{Buffers, Room};
use crate::Float;
use crate::cell::recurrence::{Recurrence, with_cell};
use crate::kernel::abreast::columns;
use crate::kernel::level::{Isa, Kernel};
use crate::kernel::tile::unroll;
use crate::kernel::vector::Vector;
use crate::stack::Stack;
use crate::stack::forward::Way;
use crate::stack::pass::Pass;

/// Makes the partial sums 0.
pub(in crate::stack) fn clear_sums<T: Float, S: Isa>(stack: &Stack, buffers: &mut Buffers<T>) {
    buffers.lanes[..Room::new(stack, 0).sums(T::Vector::<S>::LANES)].fill(T::ZERO);
}

/// Adds the partial sums to `gradient`.
pub(in crate::stack) fn add_sums<T: Float, S: Isa>(stack: &Stack, buffers: &Buffers<T>, gradient: &mut [T]) {
    let (h, p, lanes) = (stack.hidden, stack.stride::<T>(), T::Vector::<S>::LANES);
    let parts = stack.parts();
    for part in 0..parts {
        let sums = &buffers.lanes[sums_at(stack, part) * lanes..];
        with_cell!(stack.architecture.cell, |cell| reduce::<T, S, _>(cell, stack, part, sums, gradient), else ());
    }
    let (weight, bias) = stack.readout::<T>();
    S::call(ReduceReadout {
        sums: &buffers.lanes[sums_at(stack, parts) * lanes..],
        sizes: (stack.output, stack.directions(), h, p),
        gradient: &mut gradient[weight.start..bias.end],
    });
}

/// Those of one layer in one direction.
fn reduce<T: Float, S: Isa, C: Recurrence>(
    _cell: C,
    stack: &Stack,
    part: usize,
    sums: &[T],
    gradient: &mut [T],
) {
    let (layer, direction) = (part / stack.directions(), part % stack.directions());
    let (place, p) = (stack.place::<T>(layer, direction), stack.stride::<T>());
    S::call(Reduce::<T, C> {
        cell: PhantomData,
        sums,
        sizes: (stack.inputs(layer), stack.hidden, p),
        gradient: &mut gradient[place.weight_ih..place.bias_hh + C::GATES * p],
    });
}

impl<T: Float> Pass<'_, T> {
    /// Adds the gradients of the weights of one layer in one direction, whose deltas are in `buffers`, to the partial sums.
    pub(super) fn gradients_abreast<S: Isa, C: Recurrence>(
        &self,
        layer: usize,
        direction: usize,
        buffers: &mut Buffers<T>,
    ) {
        let (stack, steps, lanes) = (self.stack, self.rows.steps(), T::Vector::<S>::LANES);
        let part = layer * stack.directions() + direction;
        let (at, len) = self.kept_of::<S, C>(part, buffers);
        let room = Room::new(&stack, steps).cut(&mut buffers.lanes, lanes);
        let first = Way { reverse: direction == 1 }.row(0) * C::KEPT * stack.hidden * lanes;
        S::call(LayerGradients::<T, C> {
            cell: PhantomData,
            steps,
            sizes: (stack.inputs(layer), stack.hidden),
            inputs: if layer == 0 { room.inputs } else { room.above },
            kept: &buffers.kept[at..at + len][first..],
            sums: &mut room.sums[sums_at(&stack, part) * lanes..],
        });
    }
}

/// `d_W_ih += Xᵀ·δ`, `d_W_hh += H_{t−1}ᵀ·δ` and the sums of the deltas, lane by lane.
struct LayerGradients<'a, T, C> {
    cell: PhantomData<C>,
    steps: usize,
    /// `K`, `H`
    sizes: (usize, usize),
    /// (T, K, L)
    inputs: &'a [T],
    /// The deltas, and `h_{t−1}`. (T, KEPT, H, L)
    kept: &'a [T],
    /// (K + H, G·H, L), then (DELTAS, H, L)
    sums: &'a mut [T],
}

impl<T: Float, C: Recurrence> Kernel for LayerGradients<'_, T, C> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { steps, sizes: (k, h), inputs, kept, sums, .. } = self;
        let lanes = T::Vector::<S>::LANES;
        let (row, columns) = (C::KEPT * h * lanes, C::GATES * h);
        let (ih, rest) = sums.split_at_mut(k * columns * lanes);
        let (hh, biases) = rest.split_at_mut(h * columns * lanes);
        Outer { a: (inputs, k * lanes), d: (kept, row), steps, w: ih, width: columns }
            .acc::<S>(k, 0, columns);
        // All gates at once, but the last of a split cell, which sees a piece of its own.
        let past = &kept[(C::KEPT - 1) * h * lanes..];
        let together = C::GATES - usize::from(C::SPLIT);
        for (gate, count) in [(0, together), (together, C::GATES - together)] {
            if count > 0 {
                let d = (&kept[C::HIDDEN[gate] * h * lanes..], row);
                let mut outer = Outer { a: (past, row), d, steps, w: &mut *hh, width: columns };
                outer.acc::<S>(h, gate * h, count * h);
            }
        }
        column_sums::<T, S>((kept, row), steps, &mut biases[..C::DELTAS * h * lanes]);
    }
}

/// `sums[n] += Σ_t d[t, n]`, lane by lane, for as many columns as `sums` has; the rows of `d` have a distance.
#[inline(always)]
pub(super) fn column_sums<T: Float, S: Isa>((d, row): (&[T], usize), steps: usize, sums: &mut [T]) {
    for at in (0..sums.len()).step_by(T::Vector::<S>::LANES) {
        let mut sum = T::Vector::<S>::load(sums, at);
        for t in 0..steps {
            sum = sum.add(T::Vector::<S>::load(d, t * row + at));
        }
        sum.store(sums, at);
    }
}

/// `w[k, n] += Σ_t a[t, k]·d[t, n]`, lane by lane; the rows of `a` and `d` have a distance each, those of `w` are `width`.
pub(super) struct Outer<'a, T> {
    pub a: (&'a [T], usize),
    pub d: (&'a [T], usize),
    pub steps: usize,
    pub w: &'a mut [T],
    pub width: usize,
}

impl<T: Float> Outer<'_, T> {
    /// Of `rows` rows, the `count` columns from `first` on, which are the first of `d`.
    #[inline(always)]
    pub fn acc<S: Isa>(&mut self, rows: usize, first: usize, count: usize) {
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
            if const { S::REGISTERS >= 32 } && columns(S::REGISTERS, count - n) == 5 {
                self.tile_acc::<S, K, 5>(k, first, n);
                n += 5;
            } else if columns(S::REGISTERS, count - n) == 4 {
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
                unroll!(|column| in 8: N => {
                    let delta = T::Vector::<S>::load(d, column * lanes);
                    acc[row][column] = element.mul_add(delta, acc[row][column]);
                });
            });
        }
        unroll!(|row| in K => {
            let w = &mut self.w[((k + row) * self.width + first + n) * lanes..][..N * lanes];
            unroll!(|column| in 8: N => {
                T::Vector::<S>::load(w, column * lanes).add(acc[row][column]).store(w, column * lanes);
            });
        });
    }
}

/// Adds the sums over the lanes to the gradient of a layer in one direction: (K + H, G·P), then both biases, (G·P) each.
struct Reduce<'a, T, C> {
    cell: PhantomData<C>,
    sums: &'a [T],
    /// `K`, `H`, `P`
    sizes: (usize, usize, usize),
    gradient: &'a mut [T],
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

/// The same for the readout: (O, D·H), then (O).
struct ReduceReadout<'a, T> {
    sums: &'a [T],
    /// `O`, `D`, `H`, `P`
    sizes: (usize, usize, usize, usize),
    /// (O, D·P), then (O)
    gradient: &'a mut [T],
}

impl<T: Float> Kernel for ReduceReadout<'_, T> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { sums, sizes: (o, directions, h, p), gradient } = self;
        let lanes = T::Vector::<S>::LANES;
        let mut at = 0;
        for row in 0..o * directions {
            for n in 0..h {
                gradient[row * p + n] += T::Vector::<S>::load(sums, at).sum();
                at += lanes;
            }
        }
        for n in 0..o {
            gradient[o * directions * p + n] += T::Vector::<S>::load(sums, at).sum();
            at += lanes;
        }
    }
}
