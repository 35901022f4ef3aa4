//! The training loops that run inside one level: [`SgdEpoch`] and [`BatchGradient`].

use crate::Float;
use crate::cell::{Layout, elman};
use crate::dim::Dim;
use crate::kernel::activation::Activation;
use crate::kernel::dispatch::{Job, Place};
use crate::kernel::level::Isa;
use crate::loss::{Reduction, squared_error};
use crate::optim::sgd;
use crate::readout;
use crate::workspace::Workspace;

/// One epoch of plain SGD over the sequences `order`, `batch_size` at a time.
///
/// Returns the sum of squared errors, or the number (from 1) of the batch whose loss was not finite.
pub struct SgdEpoch<'a, T> {
    pub flat: &'a mut [T],
    /// Where a batch's gradient is summed. Without it (`batch_size` 1) it goes straight into the weights.
    pub gradient: Option<&'a mut [T]>,
    pub workspace: &'a mut Workspace<T>,
    pub features: &'a [T],
    pub labels: &'a [T],
    pub offsets: &'a [usize],
    pub order: &'a [usize],
    pub batch_size: usize,
    pub learning_rate: T,
    pub reduction: Reduction,
}

impl<T: Float> Job for SgdEpoch<'_, T> {
    type Output = Result<f64, usize>;

    #[inline(always)]
    fn run<S: Isa, I: Dim, H: Dim, O: Dim>(
        self,
        activation: Activation,
        layout: Layout<I, H, O>,
    ) -> Result<f64, usize> {
        let Self { flat, mut gradient, workspace, offsets, order, learning_rate, reduction, .. } = self;
        let rows = |s: usize| offsets[s]..offsets[s + 1];
        let mut epoch_error = 0.0;
        for (number, batch) in order.chunks(self.batch_size).enumerate() {
            workspace.refresh(layout, flat);
            let elements = batch.iter().map(|&s| rows(s).len()).sum::<usize>() * layout.output.size();
            let scale = T::from_f64(2.0 * reduction.weight(elements));
            if let Some(gradient) = gradient.as_deref_mut() {
                gradient.fill(T::ZERO);
            }
            let mut batch_error = 0.0;
            for &s in batch {
                let pass = Pass::over(layout, self.features, self.labels, rows(s));
                // The backward pass is linear in d_output: scaled by −learning_rate, it yields the update itself.
                let scale = if gradient.is_some() { scale } else { -learning_rate * scale };
                batch_error += pass.forward::<S, _, _, _>(activation, layout, flat, workspace, scale);
                if !f64::is_finite(batch_error) {
                    return Err(number + 1);
                }
                pass.backward::<S, _, _, _>(activation, layout, flat, workspace);
                let target = gradient.as_deref_mut().unwrap_or(flat);
                pass.gradients_acc::<S, _, _, _>(layout, workspace, target);
            }
            if let Some(gradient) = gradient.as_deref() {
                sgd::<T, S>(flat, gradient, learning_rate);
            }
            epoch_error += batch_error;
        }
        Ok(epoch_error)
    }

    fn run_compiled(self, place: Place) -> Result<f64, usize> {
        T::sgd_epoch(self, place)
    }
}

/// The gradient of one batch: all sequences. Returns the sum of squared errors.
pub struct BatchGradient<'a, T> {
    pub flat: &'a [T],
    pub gradient: &'a mut [T],
    pub workspace: &'a mut Workspace<T>,
    pub features: &'a [T],
    pub labels: &'a [T],
    pub offsets: &'a [usize],
    pub reduction: Reduction,
}

impl<T: Float> Job for BatchGradient<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Isa, I: Dim, H: Dim, O: Dim>(self, activation: Activation, layout: Layout<I, H, O>) -> f64 {
        let Self { flat, gradient, workspace, offsets, .. } = self;
        workspace.refresh(layout, flat);
        let elements = offsets[offsets.len() - 1] * layout.output.size();
        let scale = T::from_f64(2.0 * self.reduction.weight(elements));
        let mut error = 0.0;
        for pair in offsets.windows(2) {
            let pass = Pass::over(layout, self.features, self.labels, pair[0]..pair[1]);
            error += pass.forward::<S, _, _, _>(activation, layout, flat, workspace, scale);
            pass.backward::<S, _, _, _>(activation, layout, flat, workspace);
            pass.gradients_acc::<S, _, _, _>(layout, workspace, gradient);
        }
        error
    }

    fn run_compiled(self, place: Place) -> f64 {
        T::batch_gradient(self, place)
    }
}

/// Forward and backward over one sequence of T timesteps.
struct Pass<'a, T> {
    /// (T, I)
    x: &'a [T],
    /// (T, O)
    labels: &'a [T],
    steps: usize,
}

impl<'a, T: Float> Pass<'a, T> {
    #[inline(always)]
    fn over<I: Dim, H: Dim, O: Dim>(
        layout: Layout<I, H, O>,
        features: &'a [T],
        labels: &'a [T],
        rows: std::ops::Range<usize>,
    ) -> Self {
        let (i, o, steps) = (layout.input.size(), layout.output.size(), rows.len());
        Self {
            x: &features[rows.start * i..][..steps * i],
            labels: &labels[rows.start * o..][..steps * o],
            steps,
        }
    }

    /// Fills `hidden`, `output` and `d_output`; returns the sum of squared errors.
    #[inline(always)]
    fn forward<S: Isa, I: Dim, H: Dim, O: Dim>(
        &self,
        activation: Activation,
        layout: Layout<I, H, O>,
        flat: &[T],
        workspace: &mut Workspace<T>,
        scale: T,
    ) -> f64 {
        let (stride, elements) = (layout.stride::<T>(), self.labels.len());
        let weights = layout.split(flat);
        let Workspace { hidden, output, d_output, bias, .. } = workspace;
        let hidden = &mut hidden[..(self.steps + 1) * stride];
        let (output, d_output) = (&mut output[..elements], &mut d_output[..elements]);
        elman::forward_sequence::<T, S, _, _, _>(activation, layout, &weights, bias, self.x, hidden);
        readout::forward::<T, S, _, _, _>(layout, &weights, &hidden[stride..], output);
        squared_error(output, self.labels, scale, d_output)
    }

    /// Fills `delta` from `d_output`.
    #[inline(always)]
    fn backward<S: Isa, I: Dim, H: Dim, O: Dim>(
        &self,
        activation: Activation,
        layout: Layout<I, H, O>,
        flat: &[T],
        workspace: &mut Workspace<T>,
    ) {
        let (stride, elements) = (layout.stride::<T>(), self.labels.len());
        let weights = layout.split(flat);
        let Workspace { hidden, d_output, delta, weight_hh_t, .. } = workspace;
        let (hidden, d_output) = (&hidden[..(self.steps + 1) * stride], &d_output[..elements]);
        let delta = &mut delta[..self.steps * stride];
        elman::backward_sequence::<T, S, _, _, _>(
            activation,
            layout,
            &weights,
            weight_hh_t,
            hidden,
            d_output,
            delta,
        );
    }

    /// Adds the gradients to `target`, which has the layout of the parameters.
    #[inline(always)]
    fn gradients_acc<S: Isa, I: Dim, H: Dim, O: Dim>(
        &self,
        layout: Layout<I, H, O>,
        workspace: &Workspace<T>,
        target: &mut [T],
    ) {
        let stride = layout.stride::<T>();
        let mut target = layout.split_mut(target);
        let hidden = &workspace.hidden[..(self.steps + 1) * stride];
        let delta = &workspace.delta[..self.steps * stride];
        let d_output = &workspace.d_output[..self.labels.len()];
        elman::gradients_acc::<T, S, _, _, _>(layout, self.x, hidden, delta, &mut target);
        readout::gradients_acc::<T, S, _, _, _>(layout, &hidden[stride..], d_output, &mut target);
    }
}
