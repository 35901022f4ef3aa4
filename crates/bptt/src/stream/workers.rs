//! [`Workers`]: a timestep of a large network on several threads, of which each makes some units of a layer.
//!
//! A step reads all weights once, so that what limits it is how fast one core gets them; two get twice as much. The layers come
//! one after the other. The units of a layer are cut into twice as many pieces as there are threads: a thread that has slept
//! takes some 30 µs to come, and finds what the caller has not begun by then. Every unit is summed as on one thread, to the
//! bit.

use std::sync::Mutex;

use super::plan::{Piece, PieceFn, Plan};
use super::state::rows;
use crate::Float;
use crate::threads::pieces::MOST_PIECES;
use crate::threads::{Threads, locked};

/// Bytes of weights from which a step is worth a second thread: some 20 µs on one.
const MANY_BYTES: usize = 2 << 20;

/// Threads for [`Stepper::step_with`](crate::Stepper::step_with): the one that calls, and workers, which are made when there is
/// first a step large enough for them, and sleep between steps.
///
/// ```
/// use bptt::{Architecture, DynRnn, Stepper, Workers};
/// let model = DynRnn::<f32>::with_architecture(8, 512, 1, Architecture::gru(), 1)?;
/// let (stepper, mut workers) = (Stepper::new(&model)?, Workers::new(2));
/// let (mut state, mut y) = (stepper.state()?, [0.0]);
/// stepper.step_with(&mut workers, &mut state, &[0.5; 8], &mut y)?;
/// assert_eq!(y[..], model.predict(&[0.5; 8])?[..]);
/// # Ok::<(), bptt::Error>(())
/// ```
#[derive(Debug)]
pub struct Workers {
    threads: Threads,
}

impl Workers {
    /// Up to `threads` threads, the caller's among them; 0: as many as this process has a share of, as in
    /// [`Predictor::threads`](crate::Predictor::threads). Makes none yet.
    pub fn new(threads: usize) -> Self {
        Self { threads: Threads::new(threads) }
    }

    /// Threads that there have been so far, the caller's among them.
    pub fn used(&self) -> usize {
        self.threads.used()
    }

    /// Into how many pieces the units of each layer are cut; 1: a step is taken by the caller alone.
    pub(super) fn pieces<T: Float>(&self, plan: &Plan<T>) -> usize {
        let most = self.threads.most();
        if most == 1 || plan.bytes() < MANY_BYTES {
            return 1;
        }
        most.saturating_mul(2).min(MOST_PIECES).min(plan.stack.hidden / plan.block_units()).max(1)
    }

    /// All layers of a step, the units of each in `count` pieces.
    pub(super) fn layers<T: Float>(
        &mut self,
        (plan, make): (&Plan<T>, PieceFn<T>),
        count: usize,
        (state, odd): (&mut [T], bool),
        features: &[T],
    ) {
        let (h, p) = (plan.stack.hidden, plan.stack.stride::<T>());
        let (rows, unit) = (rows(&plan.stack), plan.block_units());
        // Where a piece begins.
        let start = |piece: usize| if piece < count { h / unit * piece / count * unit } else { p };
        for layer in 0..plan.stack.architecture.num_layers {
            let (below, present) = state.split_at_mut(layer * rows * p);
            let inputs = match layer {
                0 => features,
                _ => &below[(layer - 1) * rows * p + usize::from(!odd) * p..][..h],
            };
            let (first, present) = present[..rows * p].split_at_mut(p);
            let (second, mut memory) = present.split_at_mut(p);
            let (past, mut now) = if odd { (&*second, first) } else { (&*first, second) };
            let pieces: [Mutex<(&mut [T], &mut [T])>; MOST_PIECES] = std::array::from_fn(|piece| {
                let len = if piece < count { start(piece + 1) - start(piece) } else { 0 };
                let now = now.split_off_mut(..len).unwrap_or_default();
                // Empty where the cell has none.
                Mutex::new((now, memory.split_off_mut(..len).unwrap_or_default()))
            });
            self.threads.run(count, &|piece| {
                let (now, memory) = &mut *locked(&pieces[piece]);
                let units = start(piece)..start(piece + 1).min(h);
                make(&mut Piece { plan, layer, units, inputs, past, now, memory });
            });
        }
    }
}

impl Clone for Workers {
    /// As many threads, made anew.
    fn clone(&self) -> Self {
        Self::new(self.threads.most())
    }
}
