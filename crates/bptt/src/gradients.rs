//! [`Gradients`]: the loss of one batch and its gradient, for code that brings its own optimizer.

use crate::config::TrainConfig;
use crate::dataset::DatasetView;
use crate::dim::Dim;
use crate::epoch::BatchGradient;
use crate::kernel::dispatch::launch;
use crate::loss::Reduction;
use crate::model::Model;
use crate::params::Params;
use crate::stack::learner::Learner;
use crate::stack::state::State;
use crate::threads::Threads;
use crate::workspace::Workspace;
use crate::{Float, Level, Result};

/// The loss of a batch and its gradient, by PyTorch's parameter names; see [`Model::gradients`].
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients<T = f32> {
    /// The batch's loss.
    pub loss: f64,
    /// The gradient of the loss for every parameter.
    pub params: Params<T>,
}

impl<T: Float> Gradients<T> {
    /// Forward and backward over all sequences of `data` as one batch, at `level`, for squared errors and without dropout.
    ///
    /// # Errors
    /// As [`Model::gradients`].
    pub fn of<'a, I: Dim, H: Dim, O: Dim>(
        model: &Model<I, H, O, T>,
        data: impl Into<DatasetView<'a, T, I, O>>,
        reduction: Reduction,
        level: Level,
    ) -> Result<Self> {
        let data = data.into();
        let Some(activation) = model.plain().filter(|_| data.is_plain()) else {
            let config = TrainConfig { reduction, ..Default::default() };
            let mut model = model.clone();
            model.architecture.dropout = 0.0;
            return Ok(Self::with_config(&model, data, &config, None, level)?.0);
        };
        model.check_data(&data)?;
        let elements = model.params.flat().len();
        let mut workspace = Workspace::new(model.layout)?;
        workspace.fit(model.layout, data.offsets, (data.len(), elements), 1)?;
        let mut members: Vec<usize> = (0..data.len()).collect();
        let mut params = model.params.zeros_like()?;
        let job = BatchGradient {
            flat: model.params.flat(),
            gradient: params.flat_mut(),
            workspace: &mut workspace,
            threads: &mut Threads::for_one_call(0, data.offsets[data.len()].saturating_mul(3 * elements)),
            features: data.features,
            labels: data.labels,
            offsets: data.offsets,
            members: &mut members,
            reduction,
        };
        let squared_error = launch(level, activation, model.layout, job);
        let elements = data.offsets[data.len()] * model.output_size();
        Ok(Self { loss: reduction.loss(squared_error, elements), params })
    }

    /// The same for the loss, the reduction and the class weights of `config`, and with dropout drawn from its seed, as in
    /// a [`Trainer`](crate::Trainer)'s first batch. Begins with `initial` states, or with zeros, and returns the final ones.
    ///
    /// Every other setting is about what becomes of a gradient.
    ///
    /// # Errors
    /// As [`Model::gradients`], and [`Error::Setting`](crate::Error::Setting) for settings that do not fit,
    /// [`Error::Length`](crate::Error::Length) for states that do not, [`Error::Unlabelled`](crate::Error::Unlabelled).
    pub fn with_config<'a, I: Dim, H: Dim, O: Dim>(
        model: &Model<I, H, O, T>,
        data: impl Into<DatasetView<'a, T, I, O>>,
        config: &TrainConfig,
        initial: Option<&State<T>>,
        level: Level,
    ) -> Result<(Self, State<T>)> {
        let data = data.into();
        model.check_data(&data)?;
        config.check::<T>(model.output_size(), model.architecture.bidirectional)?;
        data.check_labels(config.objective())?;
        let stack = model.stack();
        let mut state = match initial {
            Some(state) => {
                state.check(&stack, data.len())?;
                state.clone()
            }
            None => State::zeros(&stack, data.len())?,
        };
        let mut learner = Learner::new(&stack, config, model.params.flat().len())?;
        let whole = TrainConfig { truncate: None, ..config.clone() };
        let work = data.offsets[data.len()].saturating_mul(3 * model.params.flat().len());
        let mut threads = Threads::for_one_call(config.threads, work);
        learner.fit(&stack, &whole, data.offsets, data.len(), &threads)?;
        let mut members: Vec<usize> = (0..data.len()).collect();
        crate::group::sort_by_length(&mut members, data.offsets);
        learner.exchange(&mut state, &stack, &members, false);
        let place = (&stack, model.params.flat(), level);
        let (totals, gradient) =
            learner.batch_gradient(&mut threads, place, data.sequences(), &members, &whole);
        let mut params = model.params.zeros_like()?;
        params.flat_mut().copy_from_slice(gradient);
        learner.exchange(&mut state, &stack, &members, true);
        Ok((Self { loss: config.reduction.factor(totals.weight) * totals.loss, params }, state))
    }
}
