//! A layer in one direction, window by window and block by block.

use super::{Block, Blocks, Split, changed, own};
use crate::Float;
use crate::cell::recurrence::Recurrence;
use crate::kernel::level::Isa;
use crate::kernel::panel::{PanelProduct, Picked, Start, panel_at};
use crate::stack::buffers::Buffers;
use crate::stack::forward::{Cells, Tile, Way, two_rows};
use crate::stack::pass::Pass;
use crate::stack::wide::Units;
use crate::threads::Threads;
use crate::threads::phases::run_phases;

/// Timesteps of a layer in one direction.
#[derive(Clone, Copy)]
struct Window<'a, T> {
    layer: usize,
    direction: usize,
    /// Among a block's kept rows.
    part: usize,
    way: Way,
    /// The first timestep, and the one after the last.
    start: usize,
    end: usize,
    /// Steps before it.
    taken: usize,
    /// What the layers below handed up; see [`Buffers::outputs`].
    below: &'a [T],
    output_len: usize,
    /// The rows of the window's timesteps: in `below`, in the dataset, and in the window.
    rows: &'a [usize],
    data: &'a [usize],
    list: &'a [usize],
}

/// The states of a layer in one direction. (sequences, P); no memory where the cell has none.
type States<'a, T> = [&'a mut [T]; 2];

impl<T: Float> Pass<'_, T> {
    /// Whether a layer goes this way: without a way back, or on `threads`.
    pub(in crate::stack) fn goes_split(&self, threads: &Option<&mut Threads>) -> bool {
        self.stack.is_wide::<T>() && (!self.learns || threads.is_some())
    }

    /// Forward through one layer in one direction, from the states in the buffers, which become the final states.
    pub(in crate::stack) fn forward_split<S: Isa, C: Recurrence>(
        &self,
        cell: C,
        (layer, direction): (usize, usize),
        buffers: &mut Buffers<T>,
        threads: &mut Option<&mut Threads>,
    ) {
        let (stack, rows) = (self.stack, self.rows);
        let (way, p, group) = (Way { reverse: direction == 1 }, stack.stride::<T>(), rows.width());
        let output_len = buffers.rows * stack.width::<T>();
        let Buffers { split, outputs, hidden, memory, batch, list, listed, .. } = buffers;
        let Split { alone, together, list: local } = &mut **split;
        let blocks = if threads.is_some() { together } else { alone };
        let (below, outputs) = outputs.split_at_mut(layer * output_len);
        let at = ((layer * stack.directions() + direction) * *batch + self.first) * p;
        let memory = if C::MEMORY { &mut memory[at..] } else { &mut [] };
        let mut states = [&mut hidden[at..], memory];
        let kept_part = if self.learns { layer * stack.directions() + direction } else { 0 };
        if blocks.blocks.len() > 1 {
            blocks.begin(states[0], (group, p));
        }
        let len = if self.learns { rows.steps() } else { Split::<T>::window(&stack, group) };
        let windows = rows.steps().div_ceil(len);
        let mut taken = 0;
        for number in 0..windows {
            let start = len * if way.reverse { windows - 1 - number } else { number };
            let end = rows.steps().min(start + len);
            let [from, to] = [start, end].map(|end| (0..end).map(|t| rows.active(t)).sum::<usize>());
            let [all, data] = [0, 1].map(|which| &list[which][..*listed][from..to]);
            for (local, row) in local.iter_mut().zip(all) {
                *local = row - start * group;
            }
            let list = &local[..to - from];
            let window = Window {
                layer,
                direction,
                part: kept_part,
                way,
                start,
                end,
                taken,
                below,
                output_len,
                rows: all,
                data,
                list,
            };
            for block in &mut blocks.blocks {
                self.begin::<C>(own(block), window, len, &states);
            }
            run_phases(threads, end - start, blocks.blocks.len(), &|phase, number| {
                self.phase::<S, C>(cell, blocks, window, phase, number);
            });
            taken += end - start;
            for block in &mut blocks.blocks {
                self.finish::<C>(own(block), window, &mut states, &mut outputs[..output_len]);
            }
        }
    }

    /// A step of a block: the step `phase` of the window.
    fn phase<S: Isa, C: Recurrence>(
        &self,
        cell: C,
        blocks: &Blocks<T>,
        window: Window<'_, T>,
        phase: usize,
        number: usize,
    ) {
        let Window { way, start, end, taken, .. } = window;
        let several = blocks.blocks.len() > 1;
        let block = &mut *changed(&blocks.blocks[number]);
        if phase == 0 {
            self.project_block::<S, C>(block, window);
        }
        let t = if way.reverse { end - 1 - phase } else { start + phase };
        let active = self.rows.active(t);
        if several {
            blocks.states.gather(taken + phase, number, active, &mut block.past);
        }
        self.step_block::<S, C>(cell, block, window, (t, active), several);
        if several {
            let Block { first, units, outputs, past, .. } = block;
            let outputs = outputs[(t - start) * self.rows.width() * *units..].chunks_exact(*units);
            for (past, output) in past.chunks_mut(self.stack.stride::<T>()).zip(outputs).take(active) {
                past[*first..*first + *units].copy_from_slice(output);
            }
            blocks.states.put(taken + phase + 1, number, active, past);
        }
    }

    /// Puts the states before the window's first step into its rows: initial ones, or those after the window before, which
    /// had `len` timesteps.
    fn begin<C: Recurrence>(
        &self,
        block: &mut Block<T>,
        window: Window<'_, T>,
        len: usize,
        states: &States<'_, T>,
    ) {
        let (p, group) = (self.stack.stride::<T>(), self.rows.width());
        let kept = block.kept_range(window.part);
        let Block { first, units, kept: all, .. } = block;
        let (kept, row_len) = (&mut all[kept], C::KEPT * *units);
        let Window { way, start, end, .. } = window;
        for m in 0..group {
            let length = self.rows.lengths[m];
            // Forwards all begin at 0; backwards a sequence begins at its last timestep.
            let (begins, goes_on, row, before) = if way.reverse {
                (length > start && length <= end, length > end, length.min(end) - start.min(length), 0)
            } else {
                (start == 0, length > start, 0, len)
            };
            let row = (row * group + m) * row_len;
            for (piece, states) in [C::KEPT - 1, C::KEPT.saturating_sub(2)].into_iter().zip(states) {
                if states.is_empty() {
                    continue;
                }
                let at = row + piece * *units;
                if begins {
                    kept[at..at + *units].copy_from_slice(&states[m * p + *first..][..*units]);
                } else if goes_on {
                    let from = (before * group + m) * row_len + piece * *units;
                    kept.copy_within(from..from + *units, at);
                }
            }
        }
    }

    /// All inputs of a window: `A = b + X·W_ih`, to where the gates' pieces will be.
    fn project_block<S: Isa, C: Recurrence>(&self, block: &mut Block<T>, window: Window<'_, T>) {
        let (stack, derived) = (self.stack, self.derived);
        let (h, p, width) = (stack.hidden, stack.stride::<T>(), stack.width::<T>());
        let Window { layer, direction, way, below, output_len, rows, data, list, .. } = window;
        let kept = block.kept_range(window.part);
        let Block { first, units, kept: all, .. } = block;
        let part = layer * stack.directions() + direction;
        let kept = &mut all[kept][way.row(0) * self.rows.width() * C::KEPT * *units..];
        let bias = &derived.bias[part * (C::GATES + 1) * p..][..C::GATES * p];
        let panels = &derived.inputs[stack.inputs_at(layer, direction) * C::GATES * p..];
        let (k, halves) = if layer == 0 { (stack.input, 1) } else { (h, stack.directions()) };
        for gate in 0..C::GATES {
            for half in 0..halves {
                let a = if layer == 0 {
                    Picked::some(self.features, k, data)
                } else {
                    Picked::some(&below[(layer - 1) * output_len + half * p..], width, rows)
                };
                let bias = Start::Rows(Picked::all(&bias[gate * p + *first..], 0));
                S::call(PanelProduct {
                    a,
                    rows: list.len(),
                    k,
                    panels: &panels[((gate * halves + half) * p + *first) * k..][..*units * k],
                    columns: *units,
                    start: if half == 0 { bias } else { Start::Result },
                    out: &mut kept[gate * *units..],
                    stride: C::KEPT * *units,
                    out_rows: Some(list),
                    then: panel_at(panels, ((gate * halves + half + 1) * p + *first) * k, k),
                });
            }
        }
    }

    /// Timestep `t` of the first `active` sequences.
    fn step_block<S: Isa, C: Recurrence>(
        &self,
        cell: C,
        block: &mut Block<T>,
        window: Window<'_, T>,
        (t, active): (usize, usize),
        several: bool,
    ) {
        let (p, group) = (self.stack.stride::<T>(), self.rows.width());
        let Window { layer, direction, way, start, .. } = window;
        let part = layer * self.stack.directions() + direction;
        let kept = block.kept_range(window.part);
        let Block { first, units, kept: all, outputs, sums, past, .. } = block;
        let kept = &mut all[kept];
        let (units, row) = (*units, C::KEPT * *units);
        let (now, next) = two_rows(kept, way.row(t - start), way.next(t - start), group * row);
        let outputs = &mut outputs[(t - start) * group * units..][..group * units];
        for panel in Units::panels::<T>(units, active, t) {
            let past =
                if several { Picked::all(past, p) } else { Picked::all(&now[(C::KEPT - 1) * units..], row) };
            self.sums::<S, C>(part, (panel, *first), past, (now, row), sums);
            let (now, next, outputs) = (&mut *now, &mut *next, &mut *outputs);
            let (weight_hh, bias, mask) = (&[][..], &[][..], &self.derived.mask[*first..]);
            let (sizes, width, column) = ((units, units), units, 0);
            let step = Tile { cell, sizes, weight_hh, bias, mask, now, next, outputs, width, column };
            S::call(Cells { step, units: panel, sums });
        }
    }

    /// Takes the final states and the outputs out of a window.
    fn finish<C: Recurrence>(
        &self,
        block: &Block<T>,
        window: Window<'_, T>,
        states: &mut States<'_, T>,
        outputs: &mut [T],
    ) {
        let (p, width, group) = (self.stack.stride::<T>(), self.stack.width::<T>(), self.rows.width());
        let (Block { first, units, .. }, kept) = (block, &block.kept[block.kept_range(window.part)]);
        let Window { direction, way, start, end, .. } = window;
        for m in 0..group {
            let length = self.rows.lengths[m];
            let ends = if way.reverse { start == 0 } else { length > start && length <= end };
            let row = if way.reverse { 0 } else { length.min(end) - start.min(length) };
            let row = &kept[(row * group + m) * C::KEPT * units..][..C::KEPT * units];
            for (piece, states) in [C::KEPT - 1, C::KEPT.saturating_sub(2)].into_iter().zip(&mut *states) {
                if ends && !states.is_empty() {
                    states[m * p + first..][..*units].copy_from_slice(&row[piece * units..][..*units]);
                }
            }
        }
        for t in start..end {
            for m in 0..self.rows.active(t) {
                let from = &block.outputs[((t - start) * group + m) * units..][..*units];
                let out = &mut outputs[(t * group + m) * width + direction * p + first..];
                out[..*units].copy_from_slice(from);
            }
        }
    }
}
