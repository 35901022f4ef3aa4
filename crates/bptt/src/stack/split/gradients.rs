//! The gradients of a layer in one direction, once its blocks have their deltas: each block's thread has rows of the
//! weights' gradients, or timesteps of the inputs' gradient.

use std::marker::PhantomData;
use std::sync::Mutex;

use super::{Block, Blocks, Split, all, own};
use crate::Float;
use crate::cell::recurrence::Recurrence;
use crate::kernel::level::Isa;
use crate::kernel::panel::{PanelOuter, PanelProduct, Picked, Start, panel};
use crate::stack::biases::Biases;
use crate::stack::buffers::Buffers;
use crate::stack::forward::Way;
use crate::stack::pass::Pass;
use crate::threads::phases::{MOST_PARTS, run_phases};
use crate::threads::{Threads, locked};

/// Rows of gradients that a thread adds to: of `W_ih` for each direction of the layer below, and of `W_hh`.
type Share<'a, T> = Mutex<[&'a mut [T]; 3]>;

/// Where the `number`-th of `count` parts of `k` rows begins and ends.
fn cut(k: usize, number: usize, count: usize) -> [usize; 2] {
    [number, number + 1].map(|at| k * at / count)
}

impl<T: Float> Pass<'_, T> {
    /// `d_W_ih += Xᵀ·δ`, `d_W_hh += H_{t−1}ᵀ·δ`, `d_b_ih, d_b_hh += Σ δ`, each with the deltas that it sees.
    pub(in crate::stack) fn gradients_split<S: Isa, C: Recurrence>(
        &self,
        _cell: C,
        (layer, direction): (usize, usize),
        buffers: &mut Buffers<T>,
        gradient: &mut [T],
        threads: &mut Option<&mut Threads>,
    ) {
        let stack = self.stack;
        let (h, p) = (stack.hidden, stack.stride::<T>());
        let (place, stride) = (stack.place::<T>(layer, direction), C::GATES * p);
        let k = if layer == 0 { stack.input } else { h };
        let blocks = &mut buffers.split.together;
        let count = blocks.blocks.len();
        let (inputs, rest) = gradient[place.weight_ih..].split_at_mut(place.weight_hh - place.weight_ih);
        let (hidden, biases) = rest.split_at_mut(h * stride);
        let (first, second) = inputs.split_at_mut(k * stride);
        let mut rest = [first, second, hidden];
        let shares: [Share<'_, T>; MOST_PARTS] = std::array::from_fn(|number| {
            let rows = blocks.blocks.get_mut(number).map(|block| {
                let [from, to] = cut(k, number, count);
                [to - from, to - from, own(block).real_units(h)]
            });
            let rows = rows.unwrap_or_default();
            Mutex::new(std::array::from_fn(|which| {
                rest[which].split_off_mut(..rows[which] * stride).unwrap_or_default()
            }))
        });
        let (blocks, buffers) = (&buffers.split.together, &*buffers);
        run_phases(threads, 1, count, &|_, number| {
            let all = all(&blocks.blocks);
            let (mut share, mut room) = (locked(&shares[number]), locked(&blocks.rooms[number]));
            for block in all.iter().flatten() {
                let own = all[number].as_deref().unwrap_or(block);
                let columns = (own, &**block, number);
                self.share::<S, C>((layer, direction), columns, buffers, &mut share, &mut room.outer);
            }
            if let Some(block) = &all[number] {
                self.block_biases::<S, C>((layer, direction), block, buffers, &mut room.biases);
            }
        });
        for (block, room) in all(&blocks.blocks).iter().flatten().zip(&blocks.rooms) {
            let sums = &locked(room).biases;
            for (gradient, sums) in biases.chunks_exact_mut(p).zip(sums.chunks_exact(block.units)) {
                for (sum, value) in gradient[block.first..].iter_mut().zip(sums) {
                    *sum += *value;
                }
            }
        }
    }

    /// The rows `share` of the weights' gradients that the block `own` adds to, in the columns of another block.
    fn share<S: Isa, C: Recurrence>(
        &self,
        (layer, direction): (usize, usize),
        (own, block, number): (&Block<T>, &Block<T>, usize),
        buffers: &Buffers<T>,
        share: &mut [&mut [T]; 3],
        room: &mut [T],
    ) {
        let stack = self.stack;
        let (h, p, width) = (stack.hidden, stack.stride::<T>(), stack.width::<T>());
        let (part, stride) = (layer * stack.directions() + direction, C::GATES * p);
        let first = Way { reverse: direction == 1 }.row(0) * self.rows.width();
        let Buffers { outputs, list, listed, rows, .. } = buffers;
        let (list, data) = (&list[0][..*listed], &list[1][..*listed]);
        let kept = |block: &Block<T>| block.kept_range(part).start + first * C::KEPT * block.units;
        let deltas = &block.kept[kept(block)..block.kept_range(part).end];
        let past = &own.kept[kept(own) + (C::KEPT - 1) * own.units..own.kept_range(part).end];
        let k = if layer == 0 { stack.input } else { h };
        let [from, to] = cut(k, number, buffers.split.together.blocks.len());
        let below = |half: usize| {
            if layer == 0 {
                return Picked::some(&self.features[from..], k, data);
            }
            let below = &outputs[(layer - 1) * rows * width..][..rows * width];
            Picked::some(&below[half * p + from..], width, list)
        };
        // Without directions below, the second is empty.
        let seconds = if layer == 0 { 0 } else { stack.directions() - 1 };
        for gate in 0..C::GATES {
            for (a, k, piece, w) in [
                (below(0), to - from, gate, 0),
                (below(seconds), (to - from) * seconds, gate, 1),
                (Picked::some(past, C::KEPT * own.units, list), own.real_units(h), C::HIDDEN[gate], 2),
            ] {
                let Some(w) = share[w].get_mut(gate * p + block.first..).filter(|_| k > 0) else {
                    continue;
                };
                let d = Picked::some(&deltas[piece * block.units..], C::KEPT * block.units, list);
                S::call(PanelOuter { a, d, rows: *listed, k, columns: block.units, w, stride, room });
            }
        }
    }

    /// The gradients of the biases of a block, to `sums` (2, G, units).
    fn block_biases<S: Isa, C: Recurrence>(
        &self,
        (layer, direction): (usize, usize),
        block: &Block<T>,
        buffers: &Buffers<T>,
        sums: &mut [T],
    ) {
        let part = layer * self.stack.directions() + direction;
        let first = Way { reverse: direction == 1 }.row(0) * self.rows.width() * C::KEPT * block.units;
        let list = &buffers.list[0][..buffers.listed];
        sums.fill(T::ZERO);
        S::call(Biases::<T, C> {
            deltas: Picked::some(&block.kept[block.kept_range(part)][first..], C::KEPT * block.units, list),
            rows: list.len(),
            h: block.real_units(self.stack.hidden),
            p: block.units,
            gradient: sums,
            cell: PhantomData,
        });
    }

    /// The gradient of the outputs of the layer below: `d_X = δ·W_ihᵀ`.
    pub(in crate::stack) fn inputs_back_split<S: Isa, C: Recurrence>(
        &self,
        _cell: C,
        layer: usize,
        buffers: &mut Buffers<T>,
        threads: &mut Option<&mut Threads>,
    ) {
        let (rows, width) = (self.rows, self.stack.width::<T>());
        let Buffers { split, d_outputs, list, listed, .. } = buffers;
        let Split { together: blocks, list: local, .. } = &mut **split;
        let (list, local) = (&list[0][..*listed], &mut local[..*listed]);
        let count = blocks.blocks.len();
        // Timesteps, and with them rows in the order in which they lie.
        let mut rest = &mut **d_outputs;
        let mut before = 0;
        let shares: [_; MOST_PARTS] = std::array::from_fn(|number| {
            let [from, to] = if number < count { cut(rows.steps(), number, count) } else { [0, 0] };
            let listed: usize = (from..to).map(|t| rows.active(t)).sum();
            for at in before..before + listed {
                local[at] = list[at] - from * rows.width();
            }
            before += listed;
            let out = rest.split_off_mut(..(to - from) * rows.width() * width).unwrap_or_default();
            Mutex::new((before - listed..before, out))
        });
        let (blocks, local) = (&*blocks, &*local);
        run_phases(threads, 1, count, &|_, number| {
            let (range, out) = &mut *locked(&shares[number]);
            let lists = (&list[range.clone()], &local[range.clone()]);
            self.rows_back::<S, C>(layer, blocks, lists, out);
        });
    }

    /// The rows `list` of that, to the rows `local` of `out`.
    fn rows_back<S: Isa, C: Recurrence>(
        &self,
        layer: usize,
        blocks: &Blocks<T>,
        (list, local): (&[usize], &[usize]),
        out: &mut [T],
    ) {
        let (stack, derived) = (self.stack, self.derived);
        let (h, p, width) = (stack.hidden, stack.stride::<T>(), stack.width::<T>());
        let all = all(&blocks.blocks);
        for direction in 0..stack.directions() {
            let part = layer * stack.directions() + direction;
            let first = Way { reverse: direction == 1 }.row(0) * self.rows.width();
            let panels = &derived.inputs_t[(part - stack.directions()) * C::GATES * h * width..];
            for (half, n) in
                (0..stack.directions()).flat_map(|half| (0..p).step_by(panel::<T>()).map(move |n| (half, n)))
            {
                let columns = panel::<T>().min(p - n);
                for gate in 0..C::GATES {
                    let panel = &panels[((gate * stack.directions() + half) * p + n) * h..][..columns * h];
                    for block in all.iter().flatten() {
                        let deltas = &block.kept[block.kept_range(part)];
                        let row = C::KEPT * block.units;
                        let k = block.real_units(h);
                        let starts = direction == 0 && gate == 0 && block.first == 0;
                        let zeros = Start::Rows(Picked::all(&derived.zeros, 0));
                        S::call(PanelProduct {
                            a: Picked::some(&deltas[first * row + gate * block.units..], row, list),
                            rows: list.len(),
                            k,
                            panels: &panel[block.first * columns..][..k * columns],
                            columns,
                            start: if starts { zeros } else { Start::Result },
                            out: out.get_mut(half * p + n..).unwrap_or_default(),
                            stride: width,
                            out_rows: Some(local),
                            then: &[],
                        });
                    }
                }
            }
        }
    }
}
