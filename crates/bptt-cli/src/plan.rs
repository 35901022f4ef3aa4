//! [`Plan`]: a training whose settings and data fit each other, and its [`Outcome`].

use std::sync::Arc;

use bptt::file::{AnyModel, AnyState};
use bptt::{
    Dataset, Dyn, DynRnn, EarlyStopping, EpochStats, Error, Float, Level, Loss, Run, TrainConfig, Trainer,
    TrainerState,
};

use crate::args::{Dtype, Task};
use crate::checkpoint::Keeper;
use crate::data::{Part, Scaling, Source};
use crate::failure::Failure;
use crate::interrupt;
use crate::model::{Measure, predict};
use crate::output::Output;
use crate::parts::{Parts, scaling};
use crate::report::Measured;
use crate::resume::Resumed;
use crate::settings::Settings;
use crate::task;
use crate::watch::Watch;

/// A training that is ready to start: settings and data fit each other.
pub struct Plan {
    pub settings: Settings,
    pub source: Arc<Source>,
    pub task: Task,
    /// The names of a classification's classes.
    pub classes: Vec<String>,
    pub loss: Loss,
    pub class_weights: Option<Vec<f64>>,
    /// The input column that is the naive forecast.
    pub naive: Option<usize>,
    pub train: Part,
    /// Decides when to stop; may be empty.
    pub validation: Part,
    /// Held out; may be empty.
    pub test: Part,
    pub scaling: Scaling,
}

/// A finished training.
pub struct Outcome {
    pub model: AnyModel,
    /// Epochs run; fewer than asked for where they stopped early, or by Ctrl-C.
    pub epochs: usize,
    /// The epoch whose weights the model has, where a validation part decided it.
    pub best_epoch: Option<usize>,
    pub first_loss: f64,
    pub last_loss: f64,
    pub best_validation: Option<f64>,
    /// Every epoch, where someone wants to know.
    pub history: Vec<(EpochStats, f64)>,
    pub seconds: f64,
    /// Threads that trained.
    pub threads: usize,
    pub interrupted: bool,
    /// Why the last checkpoint could not be written.
    pub unkept: Option<Failure>,
    pub measured: Vec<Measured>,
    /// Predictions on the part that the report draws: the last one with labels.
    pub shown: Vec<f64>,
}

/// What a training leaves behind when it fails: its epochs so far.
pub struct Failed {
    pub failure: Failure,
    pub history: Vec<(EpochStats, f64)>,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self { failure, history: Vec::new() }
    }
}

impl Plan {
    /// Reads the data, splits them, and fits the scaling on the training part.
    pub fn new(settings: Settings) -> Result<Self, Failure> {
        let (source, task) = task::load(&settings)?;
        Self::on(settings, Arc::new(source), task)
    }

    /// The same on data that have been read.
    pub fn on(mut settings: Settings, source: Arc<Source>, task: Task) -> Result<Self, Failure> {
        let table = &source.table;
        let classes = table.classes.clone().unwrap_or_default();
        let naive = naive_column(&settings, &table.columns.inputs)?;
        let Parts { train, validation, test } = Parts::of(&settings, &source, task)?;
        let loss = task::loss(&settings, task)?;
        let class_weights = task::class_weights(&settings, loss, &classes, &train)?;
        let scaling = scaling(&settings, &source, task, &train)?;
        settings.learning = settings.learning.with_updates(train.sequences().div_ceil(settings.batch_size));
        Ok(Self {
            settings,
            source,
            task,
            classes,
            loss,
            class_weights,
            naive,
            train,
            validation,
            test,
            scaling,
        })
    }

    /// Trains, then measures all parts. `quietly`: without progress.
    pub fn run(&self, quietly: bool) -> Result<Outcome, Failed> {
        self.run_with(quietly, None, None)
    }

    /// The same, from a checkpoint on, and with checkpoints written to `kept`.
    pub fn run_with(
        &self,
        quietly: bool,
        resumed: Option<&Resumed>,
        kept: Option<&Output>,
    ) -> Result<Outcome, Failed> {
        let other = |found: &str| {
            let expected = if found == "f32" { "f64" } else { "f32" };
            Failure::input(format!(
                "--dtype: the training began with {found}, and cannot go on with {expected}"
            ))
        };
        match (self.settings.dtype, resumed.map(Resumed::state)) {
            (Dtype::F32, Some(AnyState::F64(_))) => Err(other("f64").into()),
            (Dtype::F64, Some(AnyState::F32(_))) => Err(other("f32").into()),
            (Dtype::F32, Some(AnyState::F32(state))) => {
                self.train_as(AnyModel::F32, quietly, resumed.zip(Some(state)), kept)
            }
            (Dtype::F64, Some(AnyState::F64(state))) => {
                self.train_as(AnyModel::F64, quietly, resumed.zip(Some(state)), kept)
            }
            (Dtype::F32, None) => self.train_as(AnyModel::F32, quietly, None, kept),
            (Dtype::F64, None) => self.train_as(AnyModel::F64, quietly, None, kept),
        }
    }

    /// Outputs of the network: one per label column, or one per class.
    pub fn output_size(&self) -> usize {
        if self.classes.is_empty() { self.source.table.columns.labels.len() } else { self.classes.len() }
    }

    /// The library's part of the settings.
    pub fn train_config(&self) -> TrainConfig {
        let Settings { batch_size, reduction, learning, .. } = &self.settings;
        TrainConfig {
            learning_rate: learning.learning_rate,
            batch_size: *batch_size,
            reduction: *reduction,
            shuffle: self.settings.epoch_seed(),
            loss: self.loss,
            class_weights: self.class_weights.clone(),
            optimizer: learning.optimizer,
            clip_norm: learning.clip_norm,
            clip_value: learning.clip_value,
            schedule: learning.schedule,
            warmup_epochs: learning.warmup_epochs,
            truncate: learning.truncate,
            accumulate: learning.accumulate,
            dropout_seed: self.settings.derived_seed(3),
            threads: self.settings.threads,
        }
    }

    fn train_as<T: Float>(
        &self,
        wrap: fn(DynRnn<T>) -> AnyModel,
        quietly: bool,
        resumed: Option<(&Resumed, &TrainerState<T>)>,
        kept: Option<&Output>,
    ) -> Result<Outcome, Failed>
    where
        AnyState: From<TrainerState<T>>,
    {
        let Self { settings, source, scaling, .. } = self;
        let set = |part: &Part| scaling.dataset::<T>(source, part, self.classes.len());
        let (train, validation, test) = (set(&self.train)?, set(&self.validation)?, set(&self.test)?);
        let said = match (resumed, kept) {
            (None, None) => None,
            _ => Some(self.said([&train, &validation, &test])?),
        };
        let mut trainer = self.trainer(resumed.map(|(resumed, _)| resumed.level()))?;
        if let (Some((resumed, state)), Some(said)) = (resumed, &said) {
            resumed.check(said)?;
            trainer.restore(state.clone()).map_err(setting)?;
        }
        let keeper = kept.zip(said).map(|(output, said)| {
            let per_epoch = train.len().div_ceil(settings.batch_size);
            Keeper::new(output, settings.checkpoint_every, said, per_epoch)
        });
        let watched = if validation.is_empty() { &test } else { &validation };
        let mut watch = Watch::new(self, quietly, watched, keeper);
        if let Some((resumed, _)) = resumed {
            watch.resume(resumed.history());
        }
        let patience = if settings.patience == 0 { usize::MAX } else { settings.patience };
        let run = Run {
            epochs: settings.epochs,
            stopping: EarlyStopping { patience, min_delta: settings.min_delta },
            batches: if watch.keeper.is_some() { settings.checkpoint_every.batches() } else { usize::MAX },
            every: watch.every(train.rows().saturating_mul(trainer.model().params().count())),
        };
        let held_out = (!validation.is_empty()).then(|| validation.view());
        let last = trainer.run(&train, held_out, run, |moment, trainer| watch.see(moment, trainer));
        let Watch { progress, history, first_loss, last_loss, epochs, failed, started, .. } = watch;
        let seconds = watch.before + started.elapsed().as_secs_f64();
        progress.finish();
        let fail = |failure| Failed { failure, history: history.clone() };
        if let Some(failure) = failed {
            return Err(fail(failure));
        }
        let best =
            last.map_err(|error| fail(diverged(error)))?.filter(|stats| stats.validation_loss.is_some());
        let interrupted = watch.broken || interrupt::requested() && epochs < settings.epochs;
        if best.is_none() && !validation.is_empty() {
            if let (true, Some(path)) = (interrupted && kept.is_some(), &settings.checkpoint) {
                let message = format!("interrupted in the first epoch; the checkpoint is {}", path.display());
                return Err(fail(Failure::Interrupted(message)));
            }
            let message = "the loss on the validation part was never finite; nothing was saved".to_owned();
            return Err(fail(Failure::Diverged(message)));
        }
        let threads = trainer.threads();
        let model = trainer.into_model();
        let (measured, shown) = self.measure(&model, [&train, &validation, &test]).map_err(fail)?;
        Ok(Outcome {
            model: wrap(model),
            epochs,
            best_epoch: best.map(|stats| stats.epoch),
            best_validation: best.and_then(|stats| stats.validation_loss),
            first_loss: first_loss.unwrap_or(last_loss),
            last_loss,
            history,
            seconds,
            threads,
            interrupted,
            unkept: watch.keeper.and_then(|keeper| keeper.failed),
            measured,
            shown,
        })
    }

    /// A trainer with a new model, at the machine's best level or another one.
    fn trainer<T: Float>(&self, level: Option<Level>) -> Result<Trainer<Dyn, Dyn, Dyn, T>, Failure> {
        let Settings { architecture, hidden_size, seed, .. } = self.settings;
        let input_size = self.source.table.columns.inputs.len();
        let model =
            DynRnn::<T>::with_architecture(input_size, hidden_size, self.output_size(), architecture, seed);
        let level = level.unwrap_or_else(Level::best);
        Trainer::with_level(model.map_err(Failure::input)?, self.train_config(), level).map_err(setting)
    }

    fn measure_with(&self) -> Measure<'_> {
        Measure {
            task: self.task,
            threshold: self.settings.threshold,
            columns: &self.source.table.columns,
            naive: self.naive,
            classes: &self.classes,
            scaling: &self.scaling,
        }
    }

    /// The part that decides, and is watched.
    fn watched(&self) -> (&'static str, &Part) {
        if self.validation.sequences() > 0 { ("validation", &self.validation) } else { ("test", &self.test) }
    }

    /// The parts by name, in the order of the report.
    pub fn parts(&self) -> [(&'static str, &Part); 3] {
        [("train", &self.train), ("validation", &self.validation), ("test", &self.test)]
    }

    /// The watched part's score for a progress line; empty where there is none.
    pub fn headline<T: Float>(&self, model: &DynRnn<T>, set: &Dataset<T>) -> Result<String, Failure> {
        if set.is_empty() {
            return Ok(String::new());
        }
        let (name, part) = self.watched();
        let (predictions, _) = predict(
            (model, self.loss),
            &self.scaling,
            (set.features(), set.offsets()),
            self.settings.threads,
        )?;
        if predictions.iter().any(|value| !value.is_finite()) {
            return Ok(format!("{name} not finite"));
        }
        let measured = self.measure_with().part(name, part, &predictions)?;
        Ok(measured.map_or_else(String::new, |measured| format!("{name} {}", measured.scores[0].headline())))
    }

    /// The scores of every part, and the predictions on the last one.
    fn measure<T: Float>(
        &self,
        model: &DynRnn<T>,
        sets: [&Dataset<T>; 3],
    ) -> Result<(Vec<Measured>, Vec<f64>), Failure> {
        let (mut measured, mut shown) = (Vec::new(), Vec::new());
        for ((name, part), set) in self.parts().into_iter().zip(sets) {
            if set.is_empty() {
                continue;
            }
            let (predictions, _) = predict(
                (model, self.loss),
                &self.scaling,
                (set.features(), set.offsets()),
                self.settings.threads,
            )?;
            if predictions.iter().any(|value| !value.is_finite()) {
                let message =
                    format!("the model's predictions on the {name} part are not finite; nothing was saved");
                return Err(Failure::Diverged(message));
            }
            if let Some(scores) = self.measure_with().part(name, part, &predictions)? {
                measured.push(scores);
                shown = predictions;
            }
        }
        Ok((measured, shown))
    }
}

/// The input column named by `--naive`, or the bundled data's.
fn naive_column(settings: &Settings, inputs: &[String]) -> Result<Option<usize>, Failure> {
    let bundled = settings.example.naive.filter(|_| settings.data.is_none());
    let position = |name: &str| inputs.iter().position(|input| input == name);
    match (&settings.naive, bundled) {
        (Some(name), _) => match position(name) {
            Some(column) => Ok(Some(column)),
            None => Err(Failure::input(format!(
                "--naive: expected one of the input columns ({}), found `{name}`",
                inputs.join(", ")
            ))),
        },
        (None, Some(name)) => Ok(position(name)),
        (None, None) => Ok(None),
    }
}

/// A diverged training is not bad input.
fn diverged(error: Error) -> Failure {
    match error {
        Error::NonFiniteLoss { .. } => Failure::Diverged(format!("{error}; nothing was saved")),
        error => Failure::input(error),
    }
}

/// A setting that the library refuses, by the flag's name.
fn setting(error: Error) -> Failure {
    match error {
        Error::Setting { name, expected, found } => {
            Failure::input(format!("--{}: expected {expected}, found {found}", name.replace('_', "-")))
        }
        Error::ZeroSize { what } => {
            Failure::input(format!("--{}: expected at least 1, found 0", what.replace('_', "-")))
        }
        error => Failure::input(error),
    }
}
