//! The sweep backward of a layer in one direction, block by block.

use super::{Block, Blocks, changed};
use crate::Float;
use crate::cell::recurrence::{MOST_GATES, Recurrence};
use crate::kernel::level::Isa;
use crate::stack::backward::{CellsBack, Tile};
use crate::stack::buffers::Buffers;
use crate::stack::forward::{Way, two_rows};
use crate::stack::pass::Pass;
use crate::stack::wide::{Deltas, Units};
use crate::threads::Threads;
use crate::threads::phases::run_phases;

impl<T: Float> Pass<'_, T> {
    /// The sweep: of what forward kept become the deltas, as in [`crate::stack::backward`].
    pub(in crate::stack) fn sweep_back_split<S: Isa, C: Recurrence>(
        &self,
        cell: C,
        (layer, direction): (usize, usize),
        buffers: &mut Buffers<T>,
        threads: &mut Option<&mut Threads>,
    ) {
        let part = layer * self.stack.directions() + direction;
        let (blocks, d_outputs) = (&buffers.split.together, &*buffers.d_outputs);
        run_phases(threads, self.rows.steps(), blocks.blocks.len(), &|phase, number| {
            self.phase_back::<S, C>(cell, (part, direction), blocks, d_outputs, phase, number);
        });
    }

    /// The step `phase` of a block.
    fn phase_back<S: Isa, C: Recurrence>(
        &self,
        cell: C,
        (part, direction): (usize, usize),
        blocks: &Blocks<T>,
        d_outputs: &[T],
        phase: usize,
        number: usize,
    ) {
        let (rows, way) = (self.rows, Way { reverse: direction == 1 });
        let (p, width, group) = (self.stack.stride::<T>(), self.stack.width::<T>(), rows.width());
        let step = |phase: usize| if way.reverse { phase } else { rows.steps() - 1 - phase };
        let (t, active) = (step(phase), rows.active(step(phase)));
        // How many sequences have the step that comes after, on the sweep's way.
        let after = if phase == 0 { 0 } else { rows.active(step(phase - 1)).min(active) };
        let block = &mut *changed(&blocks.blocks[number]);
        let kept = block.kept_range(part);
        let Block { first, units, kept: all, sums, past, carried, .. } = block;
        let (units, row) = (*units, C::KEPT * *units);
        if phase == 0 {
            carried[..group * 2 * units].fill(T::ZERO);
        }
        blocks.deltas.gather(phase, number, after, past);
        let (now, next) = two_rows(&mut all[kept], way.row(t), way.next(t), group * row);
        let (d_outputs, column) = (&d_outputs[t * group * width..(t + 1) * group * width], direction * p);
        let mut gates = [0; MOST_GATES];
        (0..C::GATES).for_each(|gate| gates[gate] = gate * p);
        for panel in Units::panels::<T>(units, active, phase) {
            let deltas = Deltas { rows: past, stride: C::GATES * p, gates };
            self.sums_back::<S, C>(part, (panel, *first, after), deltas, &d_outputs[column..], sums);
            let (now, next, carried, hidden_t) = (&mut *now, &*next, &mut **carried, &[][..]);
            let (sizes, sum) = ((units, units), units);
            let step = Tile { cell, sizes, sum, hidden_t, now, next, d_outputs, width, column, carried };
            S::call(CellsBack { step, units: panel, sums });
        }
        for (m, past) in past.chunks_mut(C::GATES * p).enumerate().take(active) {
            for (gate, past) in past.chunks_mut(p).enumerate() {
                let deltas = &now[m * row + C::HIDDEN[gate] * units..][..units];
                past[*first..*first + units].copy_from_slice(deltas);
            }
        }
        blocks.deltas.put(phase + 1, number, active, past);
    }
}
