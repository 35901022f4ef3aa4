//! What runs inside one level: [`Learn`] and [`Run`].

use super::buffers::Buffers;
use super::derived::Derived;
use super::dropout::Dropout;
use super::layout::Stack;
use super::narrow;
use super::pass::Pass;
use super::rows::Rows;
use crate::Float;
use crate::kernel::level::{Isa, Kernel};
use crate::loss::{Objective, is_nan};
use crate::threads::Threads;

/// The loss of a batch and, where it is wanted, its gradient.
///
/// Returns the sum of all weighted losses; where it is not finite, the gradient is unusable.
pub struct Learn<'a, T> {
    pub(crate) stack: Stack,
    pub(crate) flat: &'a [T],
    pub(crate) derived: &'a Derived<T>,
    /// (rows, I)
    pub(crate) features: &'a [T],
    /// (rows, O); NaN where there is none
    pub(crate) labels: &'a [T],
    /// One per row, or none: all 1.
    pub(crate) weights: &'a [T],
    pub(crate) objective: Objective<'a>,
    /// The factor of the losses in the batch's loss.
    pub(crate) scale: f64,
    pub(crate) dropout: Option<Dropout>,
    pub(crate) buffers: &'a mut Buffers<T>,
    /// The batch is the first so many sequences of [`Buffers::starts`].
    pub(crate) batch: usize,
    pub(crate) gradient: Option<&'a mut [T]>,
    /// Where these sequences are all that there is: threads for wide layers.
    pub(crate) threads: Option<&'a mut Threads>,
}

impl<T: Float> Kernel for Learn<'_, T> {
    type Element = T;
    type Output = f64;

    #[inline(always)]
    fn run<S: Isa>(self) -> f64 {
        let Self {
            stack, flat, derived, features, buffers, dropout, mut gradient, batch, mut threads, ..
        } = self;
        let (starts, lengths) = (std::mem::take(&mut buffers.starts), std::mem::take(&mut buffers.lengths));
        let mut rest = Rows { starts: &starts[..batch], lengths: &lengths[..batch] };
        let Self { labels, weights, objective, scale, .. } = self;
        let labelled = Labelled { labels, weights, objective, scale };
        let (mut total, mut first, mut abreast) = (0.0, 0, false);
        let learns = gradient.is_some();
        while rest.width() > 0 {
            let lanes = if learns { narrow::take::<T, S>(&stack, &mut rest, buffers.capacity) } else { None };
            let Some(rows) = lanes.or_else(|| rest.take(buffers.capacity)) else { break };
            let pass = Pass { stack, flat, derived, features, rows, first, dropout, learns };
            first += rows.width();
            if lanes.is_some() {
                if !abreast {
                    narrow::clear_sums::<T, S>(&stack, buffers);
                    abreast = true;
                }
                total += pass.learn_abreast::<S>(&labelled, buffers);
                if !f64::is_finite(total) {
                    break;
                }
                continue;
            }
            pass.forward::<S>(buffers, &mut threads);
            total += labelled.losses::<S>(&pass, buffers);
            if !f64::is_finite(total) {
                break;
            }
            if let Some(gradient) = &mut gradient {
                pass.backward::<S>(buffers, gradient, &mut threads);
            }
        }
        (buffers.starts, buffers.lengths) = (starts, lengths);
        if let Some(gradient) = gradient.filter(|_| abreast) {
            narrow::add_sums::<T, S>(&stack, buffers, gradient);
        }
        total
    }
}

/// What outputs are compared with.
pub(super) struct Labelled<'a, T> {
    /// (rows, O)
    pub labels: &'a [T],
    pub weights: &'a [T],
    pub objective: Objective<'a>,
    pub scale: f64,
}

impl<T: Float> Labelled<'_, T> {
    /// The sum of the losses of a group; leaves the gradients of the outputs in `buffers.readout`.
    #[inline(always)]
    fn losses<S: Isa>(&self, pass: &Pass<'_, T>, buffers: &mut Buffers<T>) -> f64 {
        let (o, rows) = (pass.stack.output, pass.rows);
        let mut readout = std::mem::take(&mut buffers.readout);
        let mut total = 0.0;
        for m in 0..rows.width() {
            for t in 0..rows.steps() {
                let out = &mut readout[(t * rows.width() + m) * o..][..o];
                if t >= rows.lengths[m] {
                    out.fill(T::ZERO);
                    continue;
                }
                let row = rows.starts[m] + t;
                let labels = &self.labels[row * o..(row + 1) * o];
                if !has_label(labels) {
                    out.fill(T::ZERO);
                    continue;
                }
                pass.readout::<S>(buffers, t, m, out);
                let weight = if self.weights.is_empty() { 1.0 } else { self.weights[row].to_f64() };
                total += self.objective.row(out, labels, weight, self.scale);
            }
        }
        buffers.readout = readout;
        total
    }
}

/// Whether any of a timestep's labels is there.
#[inline(always)]
pub(super) fn has_label<T: Float>(labels: &[T]) -> bool {
    let mut any = false;
    for label in labels {
        any |= !is_nan(*label);
    }
    any
}

/// The outputs of a batch.
pub struct Run<'a, T> {
    pub(crate) stack: Stack,
    pub(crate) flat: &'a [T],
    pub(crate) derived: &'a Derived<T>,
    /// (rows, I)
    pub(crate) features: &'a [T],
    pub(crate) buffers: &'a mut Buffers<T>,
    /// The batch is the first so many sequences of [`Buffers::starts`].
    pub(crate) batch: usize,
    /// (rows, O), from the row `first_row` on
    pub(crate) outputs: &'a mut [T],
    pub(crate) first_row: usize,
    /// Where these sequences are all that there is: threads for wide layers.
    pub(crate) threads: Option<&'a mut Threads>,
}

impl<T: Float> Kernel for Run<'_, T> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { stack, flat, derived, features, buffers, batch, outputs, first_row, mut threads } = self;
        let (starts, lengths) = (std::mem::take(&mut buffers.starts), std::mem::take(&mut buffers.lengths));
        let mut rest = Rows { starts: &starts[..batch], lengths: &lengths[..batch] };
        let (mut first, o) = (0, stack.output);
        while let Some(rows) = rest.take(buffers.capacity) {
            let pass = Pass { stack, flat, derived, features, rows, first, dropout: None, learns: false };
            first += rows.width();
            pass.forward::<S>(buffers, &mut threads);
            for m in 0..rows.width() {
                for t in 0..rows.lengths[m] {
                    let row = rows.starts[m] + t - first_row;
                    pass.readout::<S>(buffers, t, m, &mut outputs[row * o..(row + 1) * o]);
                }
            }
        }
        (buffers.starts, buffers.lengths) = (starts, lengths);
    }
}
