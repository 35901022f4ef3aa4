//! What layers of a block hand to each other: states upwards, with dropout, and their gradients down.

use super::{Buffers, Hidden, Room};
use crate::Float;
use crate::cell::recurrence::Recurrence;
use crate::kernel::level::{Isa, Kernel};
use crate::kernel::tile::unroll;
use crate::kernel::vector::Vector;
use crate::stack::forward::Way;
use crate::stack::pass::Pass;

impl<T: Float> Pass<'_, T> {
    /// Draws the factors of dropout for the outputs of `layer`, `(T, D·H, L)`.
    pub(super) fn draw_dropout<S: Isa>(&self, layer: usize, buffers: &mut Buffers<T>) {
        let Self { stack, rows, .. } = *self;
        let Some(dropout) = self.dropout else { return };
        let (h, p, width, lanes) =
            (stack.hidden, stack.stride::<T>(), stack.width::<T>(), T::Vector::<S>::LANES);
        let (columns, len) = (stack.directions() * h, buffers.rows * width);
        let factors = &mut buffers.dropout[layer * len..][..rows.steps() * columns * lanes];
        factors.fill(T::ZERO);
        // Rows have no other use here.
        let drawn = &mut buffers.d_outputs[..width];
        for m in 0..rows.width() {
            for t in 0..rows.lengths[m] {
                dropout.factors(layer, rows.starts[m] + t, (h, p), drawn);
                for (direction, drawn) in drawn.chunks_exact(p).enumerate() {
                    for (n, factor) in drawn[..h].iter().enumerate() {
                        factors[(t * columns + direction * h + n) * lanes + m] = *factor;
                    }
                }
            }
        }
    }

    /// The factors of dropout for the outputs of `layer`, where there are any.
    fn factors<'b, S: Isa>(&self, layer: usize, (dropout, rows): (&'b [T], usize)) -> Option<&'b [T]> {
        let len = self.rows.steps() * self.stack.directions() * self.stack.hidden * T::Vector::<S>::LANES;
        self.dropout.map(|_| &dropout[layer * rows * self.stack.width::<T>()..][..len])
    }

    /// The states of `layer` become the inputs of the layer above it.
    pub(super) fn hand_up<S: Isa, C: Recurrence>(&self, layer: usize, buffers: &mut Buffers<T>) {
        let steps = self.rows.steps();
        let kept_len = self.lengths::<C>(buffers).0;
        let room = Room::new(&self.stack, steps).cut(&mut buffers.lanes, T::Vector::<S>::LANES);
        S::call(HandUp {
            steps,
            hidden: Hidden::of::<S, C>(self, layer, (&buffers.kept, kept_len)),
            factors: self.factors::<S>(layer, (&buffers.dropout, buffers.rows)),
            out: room.above,
        });
    }

    /// The gradient of the outputs of the layer below `layer`: `d_X = δ·W_ihᵀ`, through dropout.
    pub(super) fn hand_down<S: Isa, C: Recurrence>(&self, layer: usize, buffers: &mut Buffers<T>) {
        let Self { stack, rows, .. } = *self;
        let (h, lanes) = (stack.hidden, T::Vector::<S>::LANES);
        let room = Room::new(&stack, rows.steps());
        for direction in 0..stack.directions() {
            let place = stack.place::<T>(layer, direction);
            let (at, len) = self.kept_of::<S, C>(layer * stack.directions() + direction, buffers);
            let row = C::KEPT * h * lanes;
            let factors = self.factors::<S>(layer - 1, (&buffers.dropout, buffers.rows));
            S::call(HandDown {
                gates: C::GATES,
                steps: rows.steps(),
                sizes: (stack.inputs(layer), h, stack.stride::<T>()),
                weight_ih: &self.flat[place.weight_ih..place.weight_hh],
                deltas: &buffers.kept[at..at + len][Way { reverse: direction == 1 }.row(0) * row..],
                stride: row,
                adds: direction > 0,
                factors: factors.filter(|_| direction + 1 == stack.directions()),
                out: room.cut(&mut buffers.lanes, lanes).d_outputs,
            });
        }
    }
}

struct HandUp<'a, T> {
    steps: usize,
    hidden: Hidden<'a, T>,
    /// (T, D·H, L)
    factors: Option<&'a [T]>,
    /// (T, D·H, L)
    out: &'a mut [T],
}

impl<T: Float> Kernel for HandUp<'_, T> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { steps, hidden: Hidden { data, directions, stride, h }, factors, out } = self;
        let (lanes, mut at) = (T::Vector::<S>::LANES, 0);
        for t in 0..steps {
            #[allow(clippy::needless_range_loop)] // An adapter would be a function of its own.
            for direction in 0..directions {
                let states = &data[direction][t * stride..][..h * lanes];
                for n in 0..h {
                    let mut state = T::Vector::<S>::load(states, n * lanes);
                    if let Some(factors) = factors {
                        state = state.mul(T::Vector::<S>::load(factors, at));
                    }
                    state.store(out, at);
                    at += lanes;
                }
            }
        }
    }
}

/// `d_x[k] = Σ_n δ[n]·W_ih[k, n]` over all gates.
struct HandDown<'a, T> {
    gates: usize,
    steps: usize,
    /// `K`, `H`, `P`
    sizes: (usize, usize, usize),
    /// (K, G·P)
    weight_ih: &'a [T],
    /// (T, …, L), of which each timestep begins with (G, H).
    deltas: &'a [T],
    /// How far timesteps are apart there.
    stride: usize,
    /// Whether it is added to what is in `out`.
    adds: bool,
    /// Factors of the sum. (T, K, L)
    factors: Option<&'a [T]>,
    /// (T, K, L)
    out: &'a mut [T],
}

impl<T: Float> Kernel for HandDown<'_, T> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(mut self) {
        let k = self.sizes.0;
        for t in 0..self.steps {
            let mut input = 0;
            while input < k {
                if input + 4 <= k {
                    self.inputs::<S, 4>(t, input);
                    input += 4;
                } else {
                    self.inputs::<S, 1>(t, input);
                    input += 1;
                }
            }
        }
    }
}

impl<T: Float> HandDown<'_, T> {
    /// `N` inputs from `first` on of one timestep.
    #[inline(always)]
    fn inputs<S: Isa, const N: usize>(&mut self, t: usize, first: usize) {
        let Self { gates, sizes: (k, h, p), .. } = *self;
        let lanes = T::Vector::<S>::LANES;
        let deltas = &self.deltas[t * self.stride..][..gates * h * lanes];
        // Two chains for each input: a single one would wait for the multiplier.
        let mut sums = [[T::Vector::<S>::splat(T::ZERO); 2]; N];
        for gate in 0..gates {
            let mut weights = [&self.weight_ih[..0]; N];
            unroll!(|i| in N => weights[i] = &self.weight_ih[((first + i) * gates + gate) * p..][..h]);
            #[allow(clippy::needless_range_loop)] // An adapter would be a function of its own.
            for n in 0..h {
                let delta = T::Vector::<S>::load(deltas, (gate * h + n) * lanes);
                unroll!(|i| in N => {
                    sums[i][0] = delta.mul_add(T::Vector::<S>::splat(weights[i][n]), sums[i][0]);
                });
            }
            unroll!(|i| in N => sums[i].swap(0, 1));
        }
        let at = (t * k + first) * lanes;
        let out = &mut self.out[at..at + N * lanes];
        unroll!(|i| in N => {
            let mut sum = sums[i][0].add(sums[i][1]);
            if self.adds {
                sum = sum.add(T::Vector::<S>::load(out, i * lanes));
            }
            if let Some(factors) = self.factors {
                sum = sum.mul(T::Vector::<S>::load(factors, at + i * lanes));
            }
            sum.store(out, i * lanes);
        });
    }
}
