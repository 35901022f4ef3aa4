//! A pass over a group of sequences: forward through all layers and the readout, and back.

use super::backward::Backward;
use super::biases::Biases;
use super::buffers::Buffers;
use super::derived::Derived;
use super::dropout::Dropout;
use super::forward::{Forward, Way};
use super::layout::Stack;
use super::rows::Rows;
use crate::Float;
use crate::cell::recurrence::{Recurrence, Shape, with_cell};
use crate::dim::Dyn;
use crate::kernel::dot::dot;
use crate::kernel::level::Isa;
use crate::kernel::panel::Picked;
use crate::kernel::product::{Outer, Product};
use crate::kernel::tile::Matrix;
use crate::threads::Threads;

/// The network, its buffers and a group of sequences.
pub(crate) struct Pass<'a, T> {
    pub stack: Stack,
    pub flat: &'a [T],
    pub derived: &'a Derived<T>,
    /// (rows, I), of the whole dataset
    pub features: &'a [T],
    pub rows: Rows<'a>,
    /// The number of the group's first sequence within the batch.
    pub first: usize,
    pub dropout: Option<Dropout>,
    /// Whether a way back follows.
    pub learns: bool,
}

impl<T: Float> Pass<'_, T> {
    /// The number of elements in a layer's kept rows, of its outputs, and of the largest group's.
    pub(super) fn lengths<C: Shape>(&self, buffers: &Buffers<T>) -> (usize, usize) {
        (buffers.rows * C::KEPT * self.stack.stride::<T>(), buffers.rows * self.stack.width::<T>())
    }

    /// Forward through all layers, from the states in the buffers, which become the final states.
    ///
    /// `threads` work on a wide layer together, where there are any for this pass.
    pub fn forward<S: Isa>(&self, buffers: &mut Buffers<T>, threads: &mut Option<&mut Threads>) {
        if self.stack.is_wide::<T>() {
            let [rows, data] = &mut buffers.list;
            buffers.listed = self.rows.list([rows, data]);
        }
        for layer in 0..self.stack.architecture.num_layers {
            for direction in 0..self.stack.directions() {
                with_cell!(
                    self.stack.architecture.cell,
                    |cell| if self.goes_split(threads) {
                        self.forward_split::<S, _>(cell, (layer, direction), buffers, threads);
                    } else {
                        self.forward_layer::<S, _>(cell, layer, direction, buffers);
                    },
                    else self.forward_reset_before::<S>(layer, direction, buffers)
                );
            }
            self.finish_outputs(layer, buffers);
        }
    }

    /// One layer in one direction.
    fn forward_layer<S: Isa, C: Recurrence>(
        &self,
        cell: C,
        layer: usize,
        direction: usize,
        buffers: &mut Buffers<T>,
    ) {
        let Self { stack, rows, .. } = *self;
        let (h, p, width) = (stack.hidden, stack.stride::<T>(), stack.width::<T>());
        let part = layer * stack.directions() + direction;
        let (kept_len, output_len) = self.lengths::<C>(buffers);
        let place = stack.place::<T>(layer, direction);
        let way = Way { reverse: direction == 1 };
        if stack.is_wide::<T>() {
            self.project_wide::<S, C>(layer, direction, buffers);
            self.move_states::<C>(part, way, buffers, false);
            self.sweep_wide::<S, C>(cell, layer, direction, buffers);
            return self.move_states::<C>(part, way, buffers, true);
        }
        self.project::<S, C>(layer, direction, buffers);
        self.move_states::<C>(part, way, buffers, false);
        let bias = &self.derived.bias[part * (C::GATES + 1) * p..][..(C::GATES + 1) * p];
        S::call(Forward {
            cell,
            rows,
            way,
            sizes: (h, p),
            weight_hh: &self.flat[place.weight_hh..],
            bias: &bias[C::GATES * p..],
            mask: &self.derived.mask,
            kept: &mut buffers.kept[part * kept_len..][..kept_len],
            outputs: &mut buffers.outputs[layer * output_len..][..output_len],
            width,
            column: direction * p,
        });
        self.move_states::<C>(part, way, buffers, true);
    }

    /// All inputs of a layer: `A = b + X·W_ih`, to where the gates' pieces will be.
    pub(super) fn project<S: Isa, C: Shape>(&self, layer: usize, direction: usize, buffers: &mut Buffers<T>) {
        let Self { stack, rows, .. } = *self;
        let (h, p, width) = (stack.hidden, stack.stride::<T>(), stack.width::<T>());
        let part = layer * stack.directions() + direction;
        let (kept_len, output_len) = self.lengths::<C>(buffers);
        let place = stack.place::<T>(layer, direction);
        let group = rows.width();
        let Buffers { kept, outputs, .. } = buffers;
        let kept = &mut kept[part * kept_len..][..kept_len];
        let first = Way { reverse: direction == 1 }.row(0) * group;
        let weights = Matrix::new(&self.flat[place.weight_ih..], C::GATES * p);
        let bias = &self.derived.bias[part * (C::GATES + 1) * p..][..C::GATES * p];
        let columns = (C::GATES - 1) * p + h;
        if layer == 0 {
            for m in 0..group {
                let (i, steps) = (stack.input, rows.lengths[m]);
                S::call(Product {
                    a: Matrix::new(&self.features[rows.starts[m] * i..][..steps * i], i),
                    rows: steps,
                    k: i,
                    w: weights,
                    bias: Some(bias),
                    columns,
                    out: &mut kept[(first + m) * C::KEPT * p..],
                    stride: group * C::KEPT * p,
                });
            }
            return;
        }
        let below = &outputs[(layer - 1) * output_len..][..output_len];
        for half in 0..stack.directions() {
            S::call(Product {
                a: Matrix::new(&below[half * p..], width),
                rows: rows.steps() * group,
                k: h,
                w: weights.skip(half * h),
                bias: (half == 0).then_some(bias),
                columns,
                out: &mut kept[first * C::KEPT * p..],
                stride: C::KEPT * p,
            });
        }
    }

    /// Copies the initial states into the rows of each sequence's first step, or the final ones back.
    pub(super) fn move_states<C: Shape>(&self, part: usize, way: Way, buffers: &mut Buffers<T>, back: bool) {
        let p = self.stack.stride::<T>();
        let kept_len = self.lengths::<C>(buffers).0;
        let Buffers { kept, hidden, memory, batch, .. } = buffers;
        let kept = &mut kept[part * kept_len..][..kept_len];
        for m in 0..self.rows.width() {
            // A sweep begins at one end of a sequence, where it leaves a row for the states, and ends at the other.
            let row = if way.reverse == back { 0 } else { self.rows.lengths[m] };
            let row = &mut kept[(row * self.rows.width() + m) * C::KEPT * p..][..C::KEPT * p];
            let at = (part * *batch + self.first + m) * p;
            let states = [
                Some((&mut **hidden, C::KEPT - 1)),
                C::MEMORY.then_some((&mut **memory, C::KEPT.saturating_sub(2))),
            ];
            for (states, piece) in states.into_iter().flatten() {
                let (state, kept) = (&mut states[at..at + p], &mut row[piece * p..(piece + 1) * p]);
                if back { state.copy_from_slice(kept) } else { kept.copy_from_slice(state) }
            }
        }
    }

    /// Puts zeros where sequences have ended, and applies dropout.
    fn finish_outputs(&self, layer: usize, buffers: &mut Buffers<T>) {
        let (stack, rows) = (self.stack, self.rows);
        let (p, width, group) = (stack.stride::<T>(), stack.width::<T>(), rows.width());
        let len = buffers.rows * width;
        let outputs = &mut buffers.outputs[layer * len..][..len];
        if rows.is_ragged() {
            for t in 0..rows.steps() {
                outputs[(t * group + rows.active(t)) * width..(t + 1) * group * width].fill(T::ZERO);
            }
        }
        let Some(dropout) = self.dropout.filter(|_| layer + 1 < stack.architecture.num_layers) else {
            return;
        };
        for m in 0..group {
            for t in 0..rows.lengths[m] {
                let at = (t * group + m) * width;
                let factors = &mut buffers.dropout[layer * len + at..][..width];
                dropout.factors(layer, rows.starts[m] + t, (stack.hidden, p), factors);
                for (output, factor) in outputs[at..at + width].iter_mut().zip(factors) {
                    *output *= *factor;
                }
            }
        }
    }

    /// The readout's outputs (O) for timestep `t` of the `m`-th sequence.
    #[inline(always)]
    pub fn readout<S: Isa>(&self, buffers: &Buffers<T>, t: usize, m: usize, out: &mut [T]) {
        let stack = self.stack;
        let (width, columns) = (stack.width::<T>(), stack.columns::<T>());
        let len = buffers.rows * width;
        let row = (stack.architecture.num_layers - 1) * len + (t * self.rows.width() + m) * width;
        let h = &buffers.outputs[row..row + width];
        let (weight, bias) = stack.readout::<T>();
        let (weight, bias) = (&self.flat[weight], &self.flat[bias]);
        for n in 0..stack.output {
            out[n] = dot::<T, S, Dyn>(bias[n], h, &weight[n * width..], Dyn(columns));
        }
    }

    /// Back through readout and layers, from the gradient of the readout's outputs in `buffers.readout`; adds to `gradient`.
    pub fn backward<S: Isa>(
        &self,
        buffers: &mut Buffers<T>,
        gradient: &mut [T],
        threads: &mut Option<&mut Threads>,
    ) {
        self.readout_backward::<S>(buffers, gradient);
        with_cell!(self.stack.architecture.cell, |cell| {
            for layer in (0..self.stack.architecture.num_layers).rev() {
                let (wide, split) = (self.stack.is_wide::<T>(), self.goes_split(threads));
                for direction in 0..self.stack.directions() {
                    if split {
                        let part = (layer, direction);
                        self.sweep_back_split::<S, _>(cell, part, buffers, threads);
                        self.gradients_split::<S, _>(cell, part, buffers, gradient, threads);
                    } else if wide {
                        self.sweep_back_wide::<S, _>(cell, layer, direction, buffers);
                        self.gradients_acc_wide::<S, _>(cell, layer, direction, buffers, gradient);
                    } else {
                        self.backward_layer::<S, _>(cell, layer, direction, buffers);
                        self.gradients_acc::<S, _>(cell, layer, direction, buffers, gradient);
                    }
                }
                if layer > 0 {
                    if split {
                        self.inputs_back_split::<S, _>(cell, layer, buffers, threads);
                    } else if wide {
                        self.inputs_backward_wide::<S, _>(cell, layer, buffers);
                    } else {
                        self.inputs_backward::<S, _>(cell, layer, buffers);
                    }
                    self.dropout_backward(layer, buffers);
                }
            }
        }, else self.backward_reset_before::<S>(buffers, gradient));
    }

    /// `d_H = d_Y·W_ho`; `d_W_ho += d_Yᵀ·H`, `d_b_o += Σ d_y`.
    fn readout_backward<S: Isa>(&self, buffers: &mut Buffers<T>, gradient: &mut [T]) {
        let stack = self.stack;
        let (o, width, columns) = (stack.output, stack.width::<T>(), stack.columns::<T>());
        let rows = self.rows.steps() * self.rows.width();
        let len = buffers.rows * width;
        let d_y = Matrix::new(&buffers.readout[..rows * o], o);
        let (weight, bias) = stack.readout::<T>();
        S::call(Product {
            a: d_y,
            rows,
            k: o,
            w: Matrix::new(&self.flat[weight.clone()], width),
            bias: Some(&self.derived.zeros),
            columns,
            out: &mut buffers.d_outputs,
            stride: width,
        });
        let top = &buffers.outputs[(stack.architecture.num_layers - 1) * len..][..len];
        S::call(Outer {
            a: d_y,
            d: Matrix::new(top, width),
            rows,
            k: o,
            columns,
            w: &mut gradient[weight],
            stride: width,
        });
        let sums = &mut gradient[bias];
        for row in 0..rows {
            for (sum, d) in sums.iter_mut().zip(&d_y.data[row * o..]) {
                *sum += *d;
            }
        }
    }

    fn backward_layer<S: Isa, C: Recurrence>(
        &self,
        cell: C,
        layer: usize,
        direction: usize,
        buffers: &mut Buffers<T>,
    ) {
        let Self { stack, rows, .. } = *self;
        let (h, p, width) = (stack.hidden, stack.stride::<T>(), stack.width::<T>());
        let part = layer * stack.directions() + direction;
        let kept_len = self.lengths::<C>(buffers).0;
        S::call(Backward {
            cell,
            rows,
            way: Way { reverse: direction == 1 },
            sizes: (h, p),
            hidden_t: &self.derived.hidden_t[part * C::GATES * h * p..][..C::GATES * h * p],
            kept: &mut buffers.kept[part * kept_len..][..kept_len],
            d_outputs: &buffers.d_outputs,
            width,
            column: direction * p,
            carried: &mut buffers.carried,
        });
    }

    /// `d_W_ih += Xᵀ·δ`, `d_W_hh += H_{t−1}ᵀ·δ`, `d_b_ih, d_b_hh += Σ δ`, each with the deltas that it sees.
    pub(super) fn gradients_acc<S: Isa, C: Shape>(
        &self,
        _cell: C,
        layer: usize,
        direction: usize,
        buffers: &Buffers<T>,
        gradient: &mut [T],
    ) {
        let Self { stack, rows, .. } = *self;
        let (h, p, width) = (stack.hidden, stack.stride::<T>(), stack.width::<T>());
        let part = layer * stack.directions() + direction;
        let (kept_len, output_len) = self.lengths::<C>(buffers);
        let (group, row) = (rows.width(), C::KEPT * p);
        let first = Way { reverse: direction == 1 }.row(0) * group;
        let kept = &buffers.kept[part * kept_len..][..kept_len][first * row..];
        let all = rows.steps() * group;
        let place = stack.place::<T>(layer, direction);
        let (columns, stride) = ((C::GATES - 1) * p + h, C::GATES * p);
        if layer == 0 {
            for m in 0..group {
                let (i, steps) = (stack.input, rows.lengths[m]);
                S::call(Outer {
                    a: Matrix::new(&self.features[rows.starts[m] * i..], i),
                    d: Matrix::new(&kept[m * row..], group * row),
                    rows: steps,
                    k: i,
                    columns,
                    w: &mut gradient[place.weight_ih..place.weight_hh],
                    stride,
                });
            }
        } else {
            let below = &buffers.outputs[(layer - 1) * output_len..][..output_len];
            for half in 0..stack.directions() {
                S::call(Outer {
                    a: Matrix::new(&below[half * p..], width),
                    d: Matrix::new(kept, row),
                    rows: all,
                    k: h,
                    columns,
                    w: &mut gradient[place.weight_ih + half * h * stride..place.weight_hh],
                    stride,
                });
            }
        }
        // W_hh: all gates at once, but a last one whose delta or factor is a piece of its own.
        let apart = C::SPLIT || C::LAST_FACTOR != C::KEPT - 1;
        let together = C::GATES - usize::from(apart);
        for (gate, count, factor) in
            [(0, together, C::KEPT - 1), (together, C::GATES - together, C::LAST_FACTOR)]
        {
            if count > 0 {
                S::call(Outer {
                    a: Matrix::new(&kept[factor * p..], row),
                    d: Matrix::new(&kept[C::HIDDEN[gate] * p..], row),
                    rows: all,
                    k: h,
                    columns: (count - 1) * p + h,
                    w: &mut gradient[place.weight_hh + gate * p..],
                    stride,
                });
            }
        }
        S::call(Biases::<T, C> {
            deltas: Picked::all(kept, row),
            rows: all,
            h,
            p,
            gradient: &mut gradient[place.bias_ih..place.bias_hh + stride],
            cell: std::marker::PhantomData,
        });
    }

    /// The gradient of the outputs of the layer below: `d_X = δ·W_ihᵀ`.
    pub(super) fn inputs_backward<S: Isa, C: Shape>(&self, _cell: C, layer: usize, buffers: &mut Buffers<T>) {
        let Self { stack, rows, .. } = *self;
        let (h, p, width) = (stack.hidden, stack.stride::<T>(), stack.width::<T>());
        let kept_len = self.lengths::<C>(buffers).0;
        let (group, all) = (rows.width(), rows.steps() * rows.width());
        for direction in 0..stack.directions() {
            let part = layer * stack.directions() + direction;
            let first = Way { reverse: direction == 1 }.row(0) * group * C::KEPT * p;
            let kept = &buffers.kept[part * kept_len..][..kept_len][first..];
            let at = (part - stack.directions()) * C::GATES * h * width;
            for gate in 0..C::GATES {
                S::call(Product {
                    a: Matrix::new(&kept[gate * p..], C::KEPT * p),
                    rows: all,
                    k: h,
                    w: Matrix::new(&self.derived.inputs_t[at + gate * h * width..][..h * width], width),
                    bias: (direction == 0 && gate == 0).then_some(&*self.derived.zeros),
                    columns: stack.columns::<T>(),
                    out: &mut buffers.d_outputs,
                    stride: width,
                });
            }
        }
    }

    /// What dropout let through of the outputs of the layer below.
    pub(super) fn dropout_backward(&self, layer: usize, buffers: &mut Buffers<T>) {
        let rows = self.rows;
        let (width, group) = (self.stack.width::<T>(), rows.width());
        if self.dropout.is_some() {
            let len = buffers.rows * width;
            let factors = &buffers.dropout[(layer - 1) * len..][..len];
            for t in 0..rows.steps() {
                let active = t * group * width..(t * group + rows.active(t)) * width;
                for at in active {
                    buffers.d_outputs[at] *= factors[at];
                }
            }
        }
    }
}
