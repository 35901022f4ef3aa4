//! A single timestep through all layers and the readout.
//!
//! For each block of units all gates' sums are made in registers, from the inputs first and then from `h_{t−1}`, and go
//! through the cell; nothing else is stored but `h_t` and `c_t`. The chains of each sum, and the order in which they are
//! joined, are those of [`crate::kernel::affine`] for the inputs and of `stack::forward` for `h_{t−1}`, or those of
//! [`crate::kernel::panel`] where a network is wide: one chain.

use std::ops::Range;

use super::pack::block;
use super::plan::{Piece, Step};
use super::state::rows;
use crate::Float;
use crate::cell::recurrence::{Inputs, MOST_GATES, Recurrence};
use crate::dim::Dyn;
use crate::kernel::dot::dot;
use crate::kernel::level::{Isa, Kernel};
use crate::kernel::tile::{Block, add, fma, join, load, next_row, unroll, zero};
use crate::kernel::vector::Vector;

/// A step of one layer of one block: no loop but those over inputs and units.
pub(super) struct Single<'s, 'a, T, C, const U: usize> {
    pub cell: C,
    pub step: &'s mut Step<'a, T>,
}

impl<T: Float, C: Recurrence, const U: usize> Kernel for Single<'_, '_, T, C, U> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { cell, step: Step { plan, state, odd, features, outputs } } = self;
        let (odd, features) = (*odd, *features);
        let (h, p) = (plan.stack.hidden, plan.stack.stride::<T>());
        let (first, rest) = state.split_at_mut(p);
        let (second, memory) = rest.split_at_mut(p);
        let (past, now) = if odd { (&*second, first) } else { (&*first, second) };
        let mut weights: &[T] = &plan.packed;
        // Only a cell with a single gate has blocks of two registers.
        if const { U == 1 || C::GATES == 1 } {
            units::<T, S, C, U, false>(cell, &mut weights, (features, past, h), (&mut *now, memory), (0, 0));
        }
        let (weight, bias) = weights.split_at(outputs.len() * p);
        for n in 0..outputs.len() {
            outputs[n] = dot::<T, S, Dyn>(bias[n], now, &weight[n * p..], Dyn(h));
        }
    }
}

/// A step of layers of one cell.
pub(super) struct Cells<'s, 'a, T, C, const WIDE: bool> {
    pub cell: C,
    pub step: &'s mut Step<'a, T>,
}

impl<T: Float, C: Recurrence, const WIDE: bool> Kernel for Cells<'_, '_, T, C, WIDE> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let cell = self.cell;
        let Step { plan, state, odd, features, .. } = &mut *self.step;
        let (odd, features) = (*odd, *features);
        let stack = &plan.stack;
        let (h, p) = (stack.hidden, stack.stride::<T>());
        let len = rows(stack) * p;
        let mut weights: &[T] = &plan.packed;
        for layer in 0..stack.architecture.num_layers {
            let (below, rest) = state.split_at_mut(layer * len);
            let (inputs, present) = if layer == 0 {
                (features, &mut *rest)
            } else {
                (&below[(layer - 1) * len + usize::from(!odd) * p..][..h], &mut *rest)
            };
            let (first, present) = present.split_at_mut(p);
            let (second, memory) = present.split_at_mut(p);
            let (past, now) = if odd { (&*second, first) } else { (&*first, second) };
            blocks::<T, S, C, WIDE>(cell, &mut weights, (inputs, past, h), (now, memory), 0..h);
        }
        Readout { step: self.step }.run::<S>();
    }
}

/// See [`Piece`].
pub(super) struct Units<'s, 'a, T, C> {
    pub cell: C,
    pub piece: &'s mut Piece<'a, T>,
}

impl<T: Float, C: Recurrence> Kernel for Units<'_, '_, T, C> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { cell, piece: Piece { plan, layer, units, inputs, past, now, memory } } = self;
        let mut weights = plan.weights(*layer, units.start);
        let ends = (*inputs, *past, plan.stack.hidden);
        blocks::<T, S, C, true>(cell, &mut weights, ends, (now, memory), units.clone());
    }
}

/// `y = W_ho·h_t + b_o`, from the state after a step.
pub(super) struct Readout<'s, 'a, T> {
    pub step: &'s mut Step<'a, T>,
}

impl<T: Float> Kernel for Readout<'_, '_, T> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Step { plan, state, odd, outputs, .. } = self.step;
        let stack = &plan.stack;
        let (h, p, layers) = (stack.hidden, stack.stride::<T>(), stack.architecture.num_layers);
        let top = &state[(layers - 1) * rows(stack) * p + usize::from(!*odd) * p..][..p];
        let weights = &plan.packed[plan.packed.len() - plan.readout..];
        let (weight, bias) = weights.split_at(stack.output * p);
        for n in 0..outputs.len() {
            outputs[n] = dot::<T, S, Dyn>(bias[n], top, &weight[n * p..], Dyn(h));
        }
    }
}

/// The blocks of the units `range` of a layer; takes their weights off the front of `weights`. `now` and `memory` begin with the
/// first of these units.
#[inline(always)]
fn blocks<T: Float, S: Isa, C: Recurrence, const WIDE: bool>(
    cell: C,
    weights: &mut &[T],
    ends: (&[T], &[T], usize),
    (now, memory): (&mut [T], &mut [T]),
    range: Range<usize>,
) {
    let mut n = range.start;
    while n < range.end {
        let registers = block((C::GATES, WIDE), T::Vector::<S>::LANES, n, ends.2);
        let place = (n, n - range.start);
        if const { C::GATES == 1 && WIDE } && registers == 4 {
            units::<T, S, C, 4, WIDE>(cell, weights, ends, (now, memory), place);
        } else if const { C::GATES == 1 || WIDE } && registers == 2 {
            units::<T, S, C, 2, WIDE>(cell, weights, ends, (now, memory), place);
        } else {
            units::<T, S, C, 1, WIDE>(cell, weights, ends, (now, memory), place);
        }
        n += registers * T::Vector::<S>::LANES;
    }
}

/// The gates' sums for a block of `U` registers of units.
type Sums<T, S, const U: usize> = [Block<T, S, U>; MOST_GATES];

/// A block of `U` registers of units, from `n` on, which is unit `to` of `now` and `memory`; takes its weights off the front of
/// `weights`.
#[inline(always)]
fn units<T: Float, S: Isa, C: Recurrence, const U: usize, const WIDE: bool>(
    cell: C,
    weights: &mut &[T],
    (inputs, past, h): (&[T], &[T], usize),
    (now, memory): (&mut [T], &mut [T]),
    (n, to): (usize, usize),
) {
    let width = U * T::Vector::<S>::LANES;
    let none = T::Vector::<S>::splat(T::ZERO);
    let bias = next_row(weights, C::GATES * width);
    let split = if C::SPLIT { load::<T, S, U>(next_row(weights, width), 0) } else { [none; U] };
    let mask = load::<T, S, U>(next_row(weights, width), 0);
    let mut sums = [[none; U]; MOST_GATES];
    unroll!(|g| in C::GATES => sums[g] = load::<T, S, U>(bias, g * width));
    let rows = next_row(weights, inputs.len() * C::GATES * width);
    // As many gates at once as there are registers for the chains of each.
    if const { WIDE || S::REGISTERS >= 32 } {
        project::<T, S, C, U, WIDE, 0, 4>(&mut sums, rows, inputs);
    } else {
        project::<T, S, C, U, WIDE, 0, 2>(&mut sums, rows, inputs);
        project::<T, S, C, U, WIDE, 2, 2>(&mut sums, rows, inputs);
    }
    let input = sums[C::GATES - 1];
    if C::SPLIT {
        sums[C::GATES - 1] = split;
    }
    recur::<T, S, C, U, WIDE>(&mut sums, next_row(weights, h * C::GATES * width), &past[..h]);
    unroll!(|u| in U => {
        let (at, to) = (n + u * T::Vector::<S>::LANES, to + u * T::Vector::<S>::LANES);
        let mut gates = [none; MOST_GATES];
        unroll!(|g| in C::GATES => gates[g] = sums[g][u]);
        let step = cell.forward::<T, T::Vector<S>>(Inputs {
            sums: gates,
            input: input[u],
            past: if const { C::SKIPS } { T::Vector::<S>::load(past, at) } else { none },
            memory: if const { C::MEMORY } { T::Vector::<S>::load(memory, to) } else { none },
            mask: mask[u],
        });
        step.hidden.store(now, to);
        if const { C::MEMORY } {
            step.memory.store(memory, to);
        }
    });
}

/// `sums += x · W_ih`, for the gates from `FIRST` on, at most `COUNT`; 4 chains each, or 1 where it is wide.
#[inline(always)]
fn project<
    T: Float,
    S: Isa,
    C: Recurrence,
    const U: usize,
    const WIDE: bool,
    const FIRST: usize,
    const COUNT: usize,
>(
    sums: &mut Sums<T, S, U>,
    mut rows: &[T],
    x: &[T],
) {
    if const { FIRST >= C::GATES } {
        return;
    }
    let width = U * T::Vector::<S>::LANES;
    let mut chains = [[zero::<T, S, U>(); 4]; MOST_GATES];
    unroll!(|g| in COUNT => if FIRST + g < C::GATES {
        chains[g][0] = sums[FIRST + g];
    });
    let mut k = 0;
    while k + 4 <= x.len() {
        unroll!(|c| in 4 => {
            let row = next_row(&mut rows, C::GATES * width);
            unroll!(|g| in COUNT => if FIRST + g < C::GATES {
                let chain = &mut chains[g][if WIDE { 0 } else { c }];
                fma::<T, S, U>(chain, x[k + c], load::<T, S, U>(row, (FIRST + g) * width));
            });
        });
        k += 4;
    }
    unroll!(|c| in 3 => if k + c < x.len() {
        let row = next_row(&mut rows, C::GATES * width);
        unroll!(|g| in COUNT => if FIRST + g < C::GATES {
            let chain = &mut chains[g][if WIDE { 0 } else { c }];
            fma::<T, S, U>(chain, x[k + c], load::<T, S, U>(row, (FIRST + g) * width));
        });
    });
    unroll!(|g| in COUNT => if FIRST + g < C::GATES {
        sums[FIRST + g] = if WIDE { chains[g][0] } else { join::<T, S, U>(chains[g]) };
    });
}

/// `sums += h_{t−1} · W_hh`, for all gates, with the cell's number of chains, or 1 where it is wide.
#[inline(always)]
fn recur<T: Float, S: Isa, C: Recurrence, const U: usize, const WIDE: bool>(
    sums: &mut Sums<T, S, U>,
    mut rows: &[T],
    past: &[T],
) {
    let width = U * T::Vector::<S>::LANES;
    let mut chains = [[zero::<T, S, U>(); 4]; MOST_GATES];
    unroll!(|g| in C::GATES => chains[g][0] = sums[g]);
    let mut k = 0;
    while k + 4 <= past.len() {
        unroll!(|c| in 4 => {
            let row = next_row(&mut rows, C::GATES * width);
            unroll!(|g| in C::GATES => {
                let chain = &mut chains[g][if WIDE { 0 } else { c % C::CHAINS }];
                fma::<T, S, U>(chain, past[k + c], load::<T, S, U>(row, g * width));
            });
        });
        k += 4;
    }
    unroll!(|c| in 3 => if k + c < past.len() {
        let row = next_row(&mut rows, C::GATES * width);
        unroll!(|g| in C::GATES => {
            let chain = &mut chains[g][if WIDE { 0 } else { c % C::CHAINS }];
            fma::<T, S, U>(chain, past[k + c], load::<T, S, U>(row, g * width));
        });
    });
    unroll!(|g| in C::GATES => {
        let [first, second, ..] = chains[g];
        sums[g] = if WIDE {
            first
        } else if const { C::CHAINS == 4 } {
            join::<T, S, U>(chains[g])
        } else {
            add::<T, S, U>(first, second)
        };
    });
}
