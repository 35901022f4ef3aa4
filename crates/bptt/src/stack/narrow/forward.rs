//! The sweep forward of a block of sequences abreast.

use super::{Room, alive_or, lengths};
use crate::Float;
use crate::cell::recurrence::{Inputs, MOST_GATES, Recurrence};
use crate::kernel::abreast::columns;
use crate::kernel::level::{Isa, Kernel};
use crate::kernel::tile::unroll;
use crate::kernel::vector::Vector;
use crate::stack::Buffers;
use crate::stack::forward::{Way, two_rows};
use crate::stack::pass::Pass;

impl<T: Float> Pass<'_, T> {
    /// Forward through one layer in one direction, from the states in the buffers, which become the final states.
    pub(super) fn sweep_abreast<S: Isa, C: Recurrence>(
        &self,
        cell: C,
        layer: usize,
        direction: usize,
        buffers: &mut Buffers<T>,
    ) {
        let Self { stack, rows, derived, .. } = *self;
        let p = stack.stride::<T>();
        let part = layer * stack.directions() + direction;
        let (place, way) = (stack.place::<T>(layer, direction), Way { reverse: direction == 1 });
        let (at, len) = self.kept_of::<S, C>(part, buffers);
        self.move_states_abreast::<S, C>(part, way, buffers, false);
        let room = Room::new(&stack, rows.steps()).cut(&mut buffers.lanes, T::Vector::<S>::LANES);
        S::call(Sweep {
            cell,
            way,
            steps: rows.steps(),
            lengths: rows.lengths,
            sizes: (stack.inputs(layer), stack.hidden, p),
            inputs: if layer == 0 { room.inputs } else { room.above },
            weight_ih: &self.flat[place.weight_ih..place.weight_hh],
            weight_hh: &self.flat[place.weight_hh..place.bias_ih],
            bias: &derived.bias[part * (C::GATES + 1) * p..][..(C::GATES + 1) * p],
            kept: &mut buffers.kept[at..at + len],
        });
        self.move_states_abreast::<S, C>(part, way, buffers, true);
    }

    /// Copies the initial states into the row that the sweep begins with, or with `back` the final ones from the row that
    /// it ends with.
    fn move_states_abreast<S: Isa, C: Recurrence>(
        &self,
        part: usize,
        way: Way,
        buffers: &mut Buffers<T>,
        back: bool,
    ) {
        let (h, p, lanes) = (self.stack.hidden, self.stack.stride::<T>(), T::Vector::<S>::LANES);
        let (at, len) = self.kept_of::<S, C>(part, buffers);
        let Buffers { kept, hidden, memory, batch, .. } = buffers;
        let row = if way.reverse == back { 0 } else { self.rows.steps() };
        let row = &mut kept[at..at + len][row * C::KEPT * h * lanes..][..C::KEPT * h * lanes];
        let states = [
            Some((&mut **hidden, C::KEPT - 1)),
            C::MEMORY.then_some((&mut **memory, C::KEPT.saturating_sub(2))),
        ];
        for (states, piece) in states.into_iter().flatten() {
            let states = &mut states[(part * *batch + self.first) * p..][..self.rows.width() * p];
            for (n, lanes) in row[piece * h * lanes..][..h * lanes].chunks_exact_mut(lanes).enumerate() {
                if !back {
                    lanes[self.rows.width()..].fill(T::ZERO);
                }
                for (state, lane) in states.chunks_exact_mut(p).zip(lanes) {
                    if back { state[n] = *lane } else { *lane = state[n] }
                }
            }
        }
    }
}

/// The sweep, from the inputs and the row of the initial states on.
pub(super) struct Sweep<'a, T, C> {
    pub cell: C,
    pub way: Way,
    pub steps: usize,
    pub lengths: &'a [usize],
    /// `K`, `H`, `P`
    pub sizes: (usize, usize, usize),
    /// (T, K, L)
    pub inputs: &'a [T],
    /// (K, G·P)
    pub weight_ih: &'a [T],
    /// (H, G·P)
    pub weight_hh: &'a [T],
    /// (G + 1, P), see [`crate::stack::Derived::bias`]
    pub bias: &'a [T],
    /// (T + 1, KEPT, H, L)
    pub kept: &'a mut [T],
}

/// Of each gate, the sums of `N` units.
type Sums<V, const N: usize> = [[V; N]; MOST_GATES];

/// How many units are worked on together, whose sums take `sums` registers each.
pub(super) const fn units(registers: usize, sums: usize) -> usize {
    let units = registers * 5 / 8 / sums;
    if units >= 4 {
        4
    } else if units >= 2 {
        2
    } else {
        1
    }
}

impl<T: Float, C: Recurrence> Kernel for Sweep<'_, T, C> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(mut self) {
        let (k, h, _) = self.sizes;
        let lanes = T::Vector::<S>::LANES;
        let lengths = lengths::<T, S>(self.lengths);
        for step in 0..self.steps {
            let t = if self.way.reverse { self.steps - 1 - step } else { step };
            let x = &self.inputs[t * k * lanes..][..k * lanes];
            let mut n = 0;
            while n < h {
                // As few ends as there can be: the last unit alone would wait for itself.
                let width = columns(S::REGISTERS, h - n);
                if const { S::REGISTERS >= 32 } && width == 5 {
                    self.units::<S, 5>((t, lengths), x, n);
                    n += 5;
                } else if const { units(S::REGISTERS, C::GATES + C::SPLIT as usize) == 4 } && width == 4 {
                    self.units::<S, 4>((t, lengths), x, n);
                    n += 4;
                } else if const { units(S::REGISTERS, C::GATES + C::SPLIT as usize) >= 2 } && n + 2 <= h {
                    self.units::<S, 2>((t, lengths), x, n);
                    n += 2;
                } else {
                    self.units::<S, 1>((t, lengths), x, n);
                    n += 1;
                }
            }
        }
    }
}

impl<T: Float, C: Recurrence> Sweep<'_, T, C> {
    /// `N` units from `n` on of one step.
    #[inline(always)]
    fn units<S: Isa, const N: usize>(&mut self, (t, lengths): (usize, T::Vector<S>), x: &[T], n: usize) {
        let (_, h, _) = self.sizes;
        let lanes = T::Vector::<S>::LANES;
        let len = C::KEPT * h * lanes;
        let (now, next) = two_rows(&mut *self.kept, self.way.row(t), self.way.next(t), len);
        let (now, next) = (&mut now[..len], &mut next[..len]);
        let past = &now[(C::KEPT - 1) * h * lanes..];
        let mut sums = [[T::Vector::<S>::splat(T::ZERO); N]; MOST_GATES];
        let mut input = [T::Vector::<S>::splat(T::ZERO); N];
        let (weights, bias) = ((self.weight_ih, self.weight_hh), self.bias);
        gate_sums::<T, S, C, N>((weights, bias), self.sizes, (x, past), n, &mut sums, &mut input);
        unroll!(|unit| in 8: N => {
            let mut of_unit = [T::Vector::<S>::splat(T::ZERO); MOST_GATES];
            unroll!(|g| in C::GATES => of_unit[g] = sums[g][unit]);
            cell::<T, S, C>(self.cell, (t, lengths), (of_unit, input[unit]), (&mut *now, &mut *next), (h, n + unit));
        });
    }
}

/// The cell for unit `n` of one step, from the sums of its gates.
#[inline(always)]
fn cell<T: Float, S: Isa, C: Recurrence>(
    cell: C,
    (t, lengths): (usize, T::Vector<S>),
    (sums, input): ([T::Vector<S>; MOST_GATES], T::Vector<S>),
    (now, next): (&mut [T], &mut [T]),
    (h, n): (usize, usize),
) {
    let at = |piece: usize| (piece * h + n) * T::Vector::<S>::LANES;
    let past = T::Vector::<S>::load(now, at(C::KEPT - 1));
    let memory = if const { C::MEMORY } { T::Vector::<S>::load(now, at(C::KEPT - 2)) } else { past };
    let mask = T::Vector::<S>::splat(T::ONE);
    let step = cell.forward::<T, T::Vector<S>>(Inputs { sums, input, past, memory, mask });
    unroll!(|piece| in 8: C::KEPT - 1 - (C::MEMORY as usize) => {
        step.kept[piece].store(now, at(piece));
    });
    alive_or::<T, S>(t, lengths, step.hidden, past).store(next, at(C::KEPT - 1));
    if const { C::MEMORY } {
        alive_or::<T, S>(t, lengths, step.memory, memory).store(next, at(C::KEPT - 2));
    }
}

/// The sums of all gates for `N` units from `n` on; of a split gate the half of `x` goes to `input`.
#[inline(always)]
fn gate_sums<T: Float, S: Isa, C: Recurrence, const N: usize>(
    ((weight_ih, weight_hh), bias): ((&[T], &[T]), &[T]),
    (k, h, p): (usize, usize, usize),
    (x, past): (&[T], &[T]),
    n: usize,
    sums: &mut Sums<T::Vector<S>, N>,
    input: &mut [T::Vector<S>; N],
) {
    let lanes = T::Vector::<S>::LANES;
    let last = C::GATES - 1;
    unroll!(|g| in C::GATES => {
        let bias = &bias[g * p + n..][..N];
        unroll!(|unit| in 8: N => sums[g][unit] = T::Vector::<S>::splat(bias[unit]));
    });
    if const { C::SPLIT } {
        *input = sums[last];
        let bias = &bias[C::GATES * p + n..][..N];
        unroll!(|unit| in 8: N => sums[last][unit] = T::Vector::<S>::splat(bias[unit]));
    }
    for j in 0..k {
        let element = T::Vector::<S>::load(x, j * lanes);
        let weights = &weight_ih[j * C::GATES * p..][..C::GATES * p];
        unroll!(|g| in C::GATES => {
            let weights = &weights[g * p + n..][..N];
            unroll!(|unit| in 8: N => {
                let sum = if C::SPLIT && g == C::GATES - 1 { &mut input[unit] } else { &mut sums[g][unit] };
                *sum = element.mul_add(T::Vector::<S>::splat(weights[unit]), *sum);
            });
        });
    }
    for j in 0..h {
        let element = T::Vector::<S>::load(past, j * lanes);
        let weights = &weight_hh[j * C::GATES * p..][..C::GATES * p];
        unroll!(|g| in C::GATES => {
            let weights = &weights[g * p + n..][..N];
            unroll!(|unit| in 8: N => {
                sums[g][unit] = element.mul_add(T::Vector::<S>::splat(weights[unit]), sums[g][unit]);
            });
        });
    }
}
