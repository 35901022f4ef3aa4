//! The passes of one layer in one direction where it is large: every product is one of matrices, from weights in panels
//! ([`crate::kernel::panel`]), over rows that are timesteps of sequences and nothing else.
//!
//! A sweep takes a step panel by panel: the sums of a panel of units of all gates for all sequences that still run, then
//! the cell, while they are in the first-level cache.

use super::backward::{self, CellsBack};
use super::biases::Biases;
use super::buffers::Buffers;
use super::forward::{self, Cells, Way, two_rows};
use super::pass::Pass;
use crate::Float;
use crate::cell::recurrence::{MOST_GATES, Recurrence};
use crate::kernel::level::Isa;
use crate::kernel::panel::{LEAST_AHEAD, PanelOuter, PanelProduct, Picked, Start, panel, panel_at};

/// A panel of units of a step.
#[derive(Clone, Copy)]
pub(super) struct Units {
    /// Of so many sequences.
    pub active: usize,
    pub first: usize,
    pub count: usize,
}

/// The deltas of a step that `W_hh` sees.
#[derive(Clone, Copy)]
pub(super) struct Deltas<'a, T> {
    /// Rows `stride` apart.
    pub rows: &'a [T],
    pub stride: usize,
    /// Where in a row those of each gate are.
    pub gates: [usize; MOST_GATES],
}

impl Units {
    /// The panels of `units` units in step `step`, of `active` sequences. For few sequences, whose products are limited by how soon the
    /// weights come, forwards in one step and backwards in the next: what was read last is still in a near cache.
    pub fn panels<T: Float>(units: usize, active: usize, step: usize) -> impl Iterator<Item = Self> {
        let count = units.div_ceil(panel::<T>());
        let turns = active < LEAST_AHEAD && step % 2 == 1;
        (0..count).map(move |number| {
            let first = panel::<T>() * if turns { count - 1 - number } else { number };
            Self { active, first, count: panel::<T>().min(units - first) }
        })
    }
}

impl<T: Float> Pass<'_, T> {
    /// All inputs of a layer: `A = b + X·W_ih`, to where the gates' pieces will be.
    pub(super) fn project_wide<S: Isa, C: Recurrence>(
        &self,
        layer: usize,
        direction: usize,
        buffers: &mut Buffers<T>,
    ) {
        let Self { stack, rows, derived, .. } = *self;
        let (h, p, width) = (stack.hidden, stack.stride::<T>(), stack.width::<T>());
        let part = layer * stack.directions() + direction;
        let (kept_len, output_len) = self.lengths::<C>(buffers);
        let Buffers { kept, outputs, list, listed, .. } = buffers;
        let (list, data) = (&list[0][..*listed], &list[1][..*listed]);
        let first = Way { reverse: direction == 1 }.row(0) * rows.width();
        let kept = &mut kept[part * kept_len..][..kept_len][first * C::KEPT * p..];
        let bias = &derived.bias[part * (C::GATES + 1) * p..][..C::GATES * p];
        let panels = &derived.inputs[stack.inputs_at(layer, direction) * C::GATES * p..];
        let (k, halves) = if layer == 0 { (stack.input, 1) } else { (h, stack.directions()) };
        for gate in 0..C::GATES {
            for half in 0..halves {
                let a = if layer == 0 {
                    Picked::some(self.features, k, data)
                } else {
                    Picked::some(&outputs[(layer - 1) * output_len + half * p..], width, list)
                };
                let bias = Start::Rows(Picked::all(&bias[gate * p..], 0));
                S::call(PanelProduct {
                    a,
                    rows: *listed,
                    k,
                    panels: &panels[(gate * halves + half) * k * p..][..k * p],
                    columns: p,
                    start: if half == 0 { bias } else { Start::Result },
                    out: &mut kept[gate * p..],
                    stride: C::KEPT * p,
                    out_rows: Some(list),
                    then: panel_at(panels, (gate * halves + half + 1) * k * p, k),
                });
            }
        }
    }

    /// The sweep forward, as [`forward::Forward`].
    pub(super) fn sweep_wide<S: Isa, C: Recurrence>(
        &self,
        cell: C,
        layer: usize,
        direction: usize,
        buffers: &mut Buffers<T>,
    ) {
        let Self { stack, rows, derived, .. } = *self;
        let (h, p, width) = (stack.hidden, stack.stride::<T>(), stack.width::<T>());
        let part = layer * stack.directions() + direction;
        let (kept_len, output_len) = self.lengths::<C>(buffers);
        let (way, group) = (Way { reverse: direction == 1 }, rows.width());
        let Buffers { kept, outputs, sums, .. } = buffers;
        let kept = &mut kept[part * kept_len..][..kept_len];
        let outputs = &mut outputs[layer * output_len..][..output_len];
        for step in 0..rows.steps() {
            let t = if way.reverse { rows.steps() - 1 - step } else { step };
            let active = rows.active(t);
            let (now, next) = two_rows(kept, way.row(t), way.next(t), group * C::KEPT * p);
            let outputs = &mut outputs[t * group * width..(t + 1) * group * width];
            for units in Units::panels::<T>(p, active, step) {
                let row = C::KEPT * p;
                let past = Picked::all(&now[(C::KEPT - 1) * p..], row);
                self.sums::<S, C>(part, (units, 0), past, (now, row), sums);
                let (sizes, mask, column) = ((h, p), &*derived.mask, direction * p);
                let (now, next, outputs) = (&mut *now, &mut *next, &mut *outputs);
                let (weight_hh, bias) = (&[][..], &[][..]);
                let step =
                    forward::Tile { cell, sizes, weight_hh, bias, mask, now, next, outputs, width, column };
                S::call(Cells { step, units, sums });
            }
        }
    }

    /// The sums of all gates for a panel of units, of a block that begins with the unit `first`, from the states `past` of all
    /// units and the inputs in the rows `now`, `row` apart.
    pub(super) fn sums<S: Isa, C: Recurrence>(
        &self,
        part: usize,
        (units, first): (Units, usize),
        past: Picked<'_, T>,
        (now, row): (&[T], usize),
        sums: &mut [T],
    ) {
        let (h, p) = (self.stack.hidden, self.stack.stride::<T>());
        let n = first + units.first;
        let panels = &self.derived.hidden[part * C::GATES * h * p..][..C::GATES * h * p];
        let bias = &self.derived.bias[(part * (C::GATES + 1) + C::GATES) * p..][..p];
        for gate in 0..C::GATES {
            let at = (n * C::GATES + gate * units.count) * h;
            let split = C::SPLIT && gate == C::GATES - 1;
            let start = if split {
                Picked::all(&bias[n..], 0)
            } else {
                Picked::all(&now[gate * (row / C::KEPT) + units.first..], row)
            };
            S::call(PanelProduct {
                a: past,
                rows: units.active,
                k: h,
                panels: &panels[at..][..units.count * h],
                columns: units.count,
                start: Start::Rows(start),
                out: &mut sums[gate * panel::<T>()..],
                stride: C::GATES * panel::<T>(),
                out_rows: None,
                then: panel_at(panels, (at + units.count * h) % panels.len(), h),
            });
        }
    }

    /// The sweep backward, as [`backward::Backward`].
    pub(super) fn sweep_back_wide<S: Isa, C: Recurrence>(
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
        let (way, group) = (Way { reverse: direction == 1 }, rows.width());
        let (steps, column) = (rows.steps(), direction * p);
        let Buffers { kept, d_outputs, carried, sums, .. } = buffers;
        let kept = &mut kept[part * kept_len..][..kept_len];
        carried[..group * 2 * p].fill(T::ZERO);
        // How many sequences have the step that comes after, on the sweep's way.
        let mut after = 0;
        for step in 0..steps {
            let t = if way.reverse { step } else { steps - 1 - step };
            let active = rows.active(t);
            let (now, next) = two_rows(kept, way.row(t), way.next(t), group * C::KEPT * p);
            let d_outputs = &d_outputs[t * group * width..(t + 1) * group * width];
            for units in Units::panels::<T>(p, active, step) {
                let deltas =
                    Deltas { rows: next, stride: C::KEPT * p, gates: C::HIDDEN.map(|piece| piece * p) };
                self.sums_back::<S, C>(part, (units, 0, after), deltas, &d_outputs[column..], sums);
                let (now, next, carried, hidden_t) = (&mut *now, &*next, &mut **carried, &[][..]);
                let (sizes, sum) = ((h, p), h);
                let step = backward::Tile {
                    cell,
                    sizes,
                    sum,
                    hidden_t,
                    now,
                    next,
                    d_outputs,
                    width,
                    column,
                    carried,
                };
                S::call(CellsBack { step, units, sums });
            }
            after = active;
        }
    }

    /// `d_h` for a panel of units, of a block that begins with the unit `first`, from the gradient of the outputs and, of the
    /// first `after` sequences, the deltas of all units in the step that comes after.
    pub(super) fn sums_back<S: Isa, C: Recurrence>(
        &self,
        part: usize,
        (units, first, after): (Units, usize, usize),
        deltas: Deltas<'_, T>,
        d_outputs: &[T],
        sums: &mut [T],
    ) {
        let (h, p, width) = (self.stack.hidden, self.stack.stride::<T>(), self.stack.width::<T>());
        let Units { active, count: columns, .. } = units;
        let n = first + units.first;
        let panels = &self.derived.hidden_t[part * C::GATES * h * p..][..C::GATES * h * p];
        let mut start = Start::Rows(Picked::all(&d_outputs[n..], width));
        for gate in 0..C::GATES {
            let at = (n * C::GATES + gate * columns) * h;
            S::call(PanelProduct {
                a: Picked::all(&deltas.rows[deltas.gates[gate]..], deltas.stride),
                rows: after.min(active),
                k: h,
                panels: &panels[at..][..columns * h],
                columns,
                start,
                out: sums,
                stride: panel::<T>(),
                out_rows: None,
                then: panel_at(panels, (at + columns * h) % panels.len(), h),
            });
            start = Start::Result;
        }
        for m in after..active {
            sums[m * panel::<T>()..][..columns].copy_from_slice(&d_outputs[m * width + n..][..columns]);
        }
    }

    /// `d_W_ih += Xᵀ·δ`, `d_W_hh += H_{t−1}ᵀ·δ`, `d_b_ih, d_b_hh += Σ δ`, each with the deltas that it sees.
    pub(super) fn gradients_acc_wide<S: Isa, C: Recurrence>(
        &self,
        _cell: C,
        layer: usize,
        direction: usize,
        buffers: &mut Buffers<T>,
        gradient: &mut [T],
    ) {
        let Self { stack, rows, .. } = *self;
        let (h, p, width) = (stack.hidden, stack.stride::<T>(), stack.width::<T>());
        let part = layer * stack.directions() + direction;
        let (kept_len, output_len) = self.lengths::<C>(buffers);
        let (row, stride) = (C::KEPT * p, C::GATES * p);
        let first = Way { reverse: direction == 1 }.row(0) * rows.width();
        let Buffers { kept, outputs, list, listed, room, .. } = buffers;
        let (list, data, listed) = (&list[0][..*listed], &list[1][..*listed], *listed);
        let kept = &kept[part * kept_len..][..kept_len][first * row..];
        let place = stack.place::<T>(layer, direction);
        let (k, halves) = if layer == 0 { (stack.input, 1) } else { (h, stack.directions()) };
        for half in 0..halves {
            let a = if layer == 0 {
                Picked::some(self.features, k, data)
            } else {
                Picked::some(&outputs[(layer - 1) * output_len + half * p..], width, list)
            };
            S::call(PanelOuter {
                a,
                d: Picked::some(kept, row, list),
                rows: listed,
                k,
                columns: stride,
                w: &mut gradient[place.weight_ih + half * k * stride..place.weight_hh],
                stride,
                room,
            });
        }
        // W_hh: all gates at once, but the last of a split cell, which sees a piece of its own.
        let together = C::GATES - usize::from(C::SPLIT);
        for (gate, count) in [(0, together), (together, C::GATES - together)] {
            if count > 0 {
                S::call(PanelOuter {
                    a: Picked::some(&kept[(C::KEPT - 1) * p..], row, list),
                    d: Picked::some(&kept[C::HIDDEN[gate] * p..], row, list),
                    rows: listed,
                    k: h,
                    columns: count * p,
                    w: &mut gradient[place.weight_hh + gate * p..],
                    stride,
                    room,
                });
            }
        }
        S::call(Biases::<T, C> {
            deltas: Picked::some(kept, row, list),
            rows: listed,
            h,
            p,
            gradient: &mut gradient[place.bias_ih..place.bias_hh + stride],
            cell: std::marker::PhantomData,
        });
    }

    /// The gradient of the outputs of the layer below: `d_X = δ·W_ihᵀ`.
    pub(super) fn inputs_backward_wide<S: Isa, C: Recurrence>(
        &self,
        _cell: C,
        layer: usize,
        buffers: &mut Buffers<T>,
    ) {
        let Self { stack, rows, derived, .. } = *self;
        let (h, p, width) = (stack.hidden, stack.stride::<T>(), stack.width::<T>());
        let kept_len = self.lengths::<C>(buffers).0;
        let Buffers { kept, d_outputs, list, listed, .. } = buffers;
        let list = &list[0][..*listed];
        for direction in 0..stack.directions() {
            let part = layer * stack.directions() + direction;
            let first = Way { reverse: direction == 1 }.row(0) * rows.width() * C::KEPT * p;
            let kept = &kept[part * kept_len..][..kept_len][first..];
            let panels = &derived.inputs_t[(part - stack.directions()) * C::GATES * h * width..];
            for half in 0..stack.directions() {
                for gate in 0..C::GATES {
                    let zeros = Start::Rows(Picked::all(&derived.zeros, 0));
                    S::call(PanelProduct {
                        a: Picked::some(&kept[gate * p..], C::KEPT * p, list),
                        rows: *listed,
                        k: h,
                        panels: &panels[(gate * stack.directions() + half) * h * p..][..h * p],
                        columns: p,
                        start: if direction == 0 && gate == 0 { zeros } else { Start::Result },
                        out: &mut d_outputs[half * p..],
                        stride: width,
                        out_rows: Some(list),
                        then: panel_at(panels, (gate * stack.directions() + half + 1) * h * p, h),
                    });
                }
            }
        }
    }
}
