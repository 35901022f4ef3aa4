//! Readout and loss of a block of sequences abreast, forward and back.

use super::gradients::{Outer, column_sums};
use super::room::{Parts, sums_at};
use super::{Buffers, Hidden, Room};
use crate::Float;
use crate::cell::recurrence::Recurrence;
use crate::kernel::gather::{Windows, gather};
use crate::kernel::level::{Isa, Kernel};
use crate::kernel::tile::unroll;
use crate::kernel::vector::Vector;
use crate::loss::{Loss, Objective};
use crate::stack::job::{Labelled, has_label};
use crate::stack::pass::Pass;

impl<T: Float> Pass<'_, T> {
    /// The sum of the losses. Leaves the gradient of the highest layer's outputs in the room for it, and adds the readout's
    /// gradient to the partial sums.
    pub(super) fn losses_abreast<S: Isa, C: Recurrence>(
        &self,
        labelled: &Labelled<'_, T>,
        buffers: &mut Buffers<T>,
    ) -> f64 {
        let (stack, steps, lanes) = (self.stack, self.rows.steps(), T::Vector::<S>::LANES);
        let kept_len = self.lengths::<C>(buffers).0;
        let (weight, bias) = stack.readout::<T>();
        S::call(Losses {
            labelled,
            windows: self.windows(),
            steps,
            hidden: Hidden::of::<S, C>(self, stack.architecture.num_layers - 1, (&buffers.kept, kept_len)),
            weight: &self.flat[weight],
            bias: &self.flat[bias],
            p: stack.stride::<T>(),
            room: Room::new(&stack, steps).cut(&mut buffers.lanes, lanes),
            sums: sums_at(&stack, stack.parts()) * lanes,
            row: &mut buffers.readout[..stack.output],
        })
    }
}

struct Losses<'a, T> {
    labelled: &'a Labelled<'a, T>,
    windows: Windows<'a>,
    steps: usize,
    hidden: Hidden<'a, T>,
    /// (O, D·P)
    weight: &'a [T],
    /// (O)
    bias: &'a [T],
    p: usize,
    room: Parts<'a, T>,
    /// Where the readout's partial sums are.
    sums: usize,
    /// Room for the outputs of one timestep of one sequence. (O)
    row: &'a mut [T],
}

impl<T: Float> Kernel for Losses<'_, T> {
    type Element = T;
    type Output = f64;

    #[inline(always)]
    fn run<S: Isa>(mut self) -> f64 {
        let Labelled { labels, weights, objective, .. } = *self.labelled;
        let by_element = matches!(objective.loss, Loss::Mse | Loss::Mae | Loss::Huber { .. });
        if by_element {
            let nan = T::from_f64(f64::NAN);
            gather::<T, S>((labels, self.bias.len()), self.windows, nan, self.room.d_y);
            if !weights.is_empty() {
                gather::<T, S>((weights, 1), self.windows, T::ZERO, self.room.weights);
            }
        }
        let (mut total, mut losses) = (0.0, [0.0; 16]);
        for t in 0..self.steps {
            self.outputs::<S>(t);
            match objective.loss {
                Loss::Mse => self.elements::<S>(Loss::Mse, t, &mut losses),
                Loss::Mae => self.elements::<S>(Loss::Mae, t, &mut losses),
                Loss::Huber { delta } => self.elements::<S>(Loss::Huber { delta }, t, &mut losses),
                Loss::Bce | Loss::CrossEntropy => total += self.rows::<S>(t),
            }
            self.d_outputs::<S>(t);
        }
        self.gradients_acc::<S>();
        for loss in losses {
            total += loss;
        }
        total
    }
}

impl<T: Float> Losses<'_, T> {
    /// `y = b + W_ho·h` of one timestep.
    #[inline(always)]
    fn outputs<S: Isa>(&mut self, t: usize) {
        let Hidden { data, directions, stride, h } = self.hidden;
        let lanes = T::Vector::<S>::LANES;
        for o in 0..self.bias.len() {
            let mut chains = [T::Vector::<S>::splat(T::ZERO); 4];
            chains[0] = T::Vector::<S>::splat(self.bias[o]);
            #[allow(clippy::needless_range_loop)] // An adapter would be a function of its own.
            for direction in 0..directions {
                let states = &data[direction][t * stride..][..h * lanes];
                let weights = &self.weight[(o * directions + direction) * self.p..][..h];
                let mut n = 0;
                while n + 4 <= h {
                    unroll!(|c| in 4 => {
                        let state = T::Vector::<S>::load(states, (n + c) * lanes);
                        chains[c] = state.mul_add(T::Vector::<S>::splat(weights[n + c]), chains[c]);
                    });
                    n += 4;
                }
                while n < h {
                    let state = T::Vector::<S>::load(states, n * lanes);
                    chains[1] = state.mul_add(T::Vector::<S>::splat(weights[n]), chains[1]);
                    n += 1;
                }
            }
            let sum = chains[0].add(chains[2]).add(chains[1].add(chains[3]));
            sum.store(self.room.outputs, o * lanes);
        }
    }

    /// The losses of one timestep, each element by itself: adds them to `losses`, one sum for each lane, and turns labels
    /// into gradients. To the bits [`Objective::row`]'s, in double precision.
    #[inline(always)]
    fn elements<S: Isa>(&mut self, loss: Loss, t: usize, losses: &mut [f64; 16]) {
        let (lanes, o) = (T::Vector::<S>::LANES, self.bias.len());
        let Labelled { weights, scale, .. } = *self.labelled;
        let objective = Objective { loss, class_weights: None };
        let mut weight = [1.0; 16];
        if !weights.is_empty() {
            let weights = &self.room.weights[t * lanes..][..lanes];
            for m in 0..lanes {
                weight[m] = weights[m].to_f64();
            }
        }
        for n in 0..o {
            let outputs = &self.room.outputs[n * lanes..][..lanes];
            let labels = &mut self.room.d_y[(t * o + n) * lanes..][..lanes];
            for m in 0..lanes {
                let (y, l) = (outputs[m].to_f64(), labels[m].to_f64());
                let (loss, gradient) = objective.element(y, l);
                let is_there = !l.is_nan();
                losses[m] += if is_there { weight[m] * loss } else { 0.0 };
                labels[m] = T::from_f64(if is_there { scale * weight[m] * gradient } else { 0.0 });
            }
        }
    }

    /// The losses of one timestep, sequence by sequence; returns their sum.
    fn rows<S: Isa>(&mut self, t: usize) -> f64 {
        let (lanes, o) = (T::Vector::<S>::LANES, self.bias.len());
        let Labelled { labels, weights, objective, scale } = *self.labelled;
        let d_y = &mut self.room.d_y[t * o * lanes..][..o * lanes];
        d_y.fill(T::ZERO);
        let mut total = 0.0;
        for m in 0..self.windows.starts.len() {
            let row = self.windows.starts[m] + t;
            if t >= self.windows.lengths[m] || !has_label(&labels[row * o..(row + 1) * o]) {
                continue;
            }
            for n in 0..o {
                self.row[n] = self.room.outputs[n * lanes + m];
            }
            let weight = if weights.is_empty() { 1.0 } else { weights[row].to_f64() };
            total += objective.row(self.row, &labels[row * o..(row + 1) * o], weight, scale);
            for n in 0..o {
                d_y[n * lanes + m] = self.row[n];
            }
        }
        total
    }

    /// `d_h = W_hoᵀ·d_y` of one timestep.
    #[inline(always)]
    fn d_outputs<S: Isa>(&mut self, t: usize) {
        let Hidden { directions, h, .. } = self.hidden;
        for direction in 0..directions {
            let mut n = 0;
            while n < h {
                if n + 4 <= h {
                    self.units::<S, 4>(t, direction, n);
                    n += 4;
                } else {
                    self.units::<S, 1>(t, direction, n);
                    n += 1;
                }
            }
        }
    }

    /// `N` units from `first` on.
    #[inline(always)]
    fn units<S: Isa, const N: usize>(&mut self, t: usize, direction: usize, first: usize) {
        let Hidden { directions, h, .. } = self.hidden;
        let (lanes, outputs) = (T::Vector::<S>::LANES, self.bias.len());
        let mut sums = [T::Vector::<S>::splat(T::ZERO); N];
        for o in 0..outputs {
            let d_y = T::Vector::<S>::load(self.room.d_y, (t * outputs + o) * lanes);
            let weights = &self.weight[(o * directions + direction) * self.p + first..][..N];
            unroll!(|n| in N => sums[n] = d_y.mul_add(T::Vector::<S>::splat(weights[n]), sums[n]));
        }
        let out = &mut self.room.d_outputs[((t * directions + direction) * h + first) * lanes..][..N * lanes];
        unroll!(|n| in N => sums[n].store(out, n * lanes));
    }

    /// `d_W_ho += d_Yᵀ·H`, `d_b_o += Σ d_y`, lane by lane.
    #[inline(always)]
    fn gradients_acc<S: Isa>(&mut self) {
        let Hidden { data, directions, stride, h } = self.hidden;
        let (lanes, o, steps) = (T::Vector::<S>::LANES, self.bias.len(), self.steps);
        let (weight, bias) = self.room.sums[self.sums..].split_at_mut(o * directions * h * lanes);
        let d_y = (&*self.room.d_y, o * lanes);
        #[allow(clippy::needless_range_loop)] // An adapter would be a function of its own.
        for direction in 0..directions {
            let d = (data[direction], stride);
            let mut outer = Outer { a: d_y, d, steps, w: &mut *weight, width: directions * h };
            outer.acc::<S>(o, direction * h, h);
        }
        column_sums::<T, S>(d_y, steps, &mut bias[..o * lanes]);
    }
}
