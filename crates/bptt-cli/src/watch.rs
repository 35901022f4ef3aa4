//! [`Watch`]: looks on while a training runs.

use std::ops::ControlFlow;
use std::time::Instant;

use bptt::file::AnyState;
use bptt::{Dataset, Dyn, DynRnn, EpochStats, Float, Moment, Trainer, TrainerState};

use crate::checkpoint::Keeper;
use crate::failure::Failure;
use crate::interrupt;
use crate::plan::Plan;
use crate::progress::Progress;

/// Parameters times timesteps after which it looks up at the latest, where epochs have fewer: about a millisecond.
const UNSEEN_WORK: usize = 2_000_000;

/// What is seen.
pub struct Watch<'p, T> {
    plan: &'p Plan,
    set: &'p Dataset<T>,
    pub progress: Progress,
    pub keeper: Option<Keeper<'p>>,
    pub started: Instant,
    /// Seconds that were trained before, where a training goes on.
    pub before: f64,
    pub history: Vec<(EpochStats, f64)>,
    pub first_loss: Option<f64>,
    pub last_loss: f64,
    /// Epochs that have ended.
    pub epochs: usize,
    /// Whether Ctrl-C broke an epoch off.
    pub broken: bool,
    pub failed: Option<Failure>,
}

impl<'p, T: Float> Watch<'p, T>
where
    AnyState: From<TrainerState<T>>,
{
    pub fn new(plan: &'p Plan, quietly: bool, set: &'p Dataset<T>, keeper: Option<Keeper<'p>>) -> Self {
        interrupt::listen();
        Self {
            plan,
            set,
            progress: Progress::new(plan.settings.epochs, quietly),
            keeper,
            started: Instant::now(),
            before: 0.0,
            history: Vec::new(),
            first_loss: None,
            last_loss: f64::NAN,
            epochs: 0,
            broken: false,
            failed: None,
        }
    }

    /// Goes on after these epochs.
    pub fn resume(&mut self, history: &[(EpochStats, f64)]) {
        self.history = history.to_vec();
        self.first_loss = history.first().map(|(stats, _)| stats.loss);
        if let Some((stats, seconds)) = history.last() {
            (self.last_loss, self.epochs, self.before) = (stats.loss, stats.epoch, *seconds);
        }
    }

    /// The callback of the training.
    pub fn see(&mut self, moment: Moment, trainer: &Trainer<Dyn, Dyn, Dyn, T>) -> ControlFlow<()> {
        let flow = match moment {
            Moment::Epoch(stats) => self.epoch(&stats, trainer.model()),
            Moment::Batches(_) if interrupt::requested() => {
                self.broken = true;
                ControlFlow::Break(())
            }
            Moment::Batches(_) => ControlFlow::Continue(()),
        };
        if let Some(keeper) = &mut self.keeper {
            let settings = &self.plan.settings;
            let waited = self.history.iter().rev().take_while(|(stats, _)| !stats.best).count();
            let stops = self.plan.validation.sequences() > 0 && settings.patience > 0;
            let last = matches!(moment, Moment::Epoch(stats) if stats.epoch == settings.epochs)
                || stops && waited >= settings.patience;
            keeper.observe(moment, trainer, &self.history, last || flow.is_break());
        }
        flow
    }

    /// After how many epochs of so much work to look up: where they are small, and none is missed.
    pub fn every(&self, work: usize) -> usize {
        let settings = &self.plan.settings;
        if self.keeps_history() {
            return 1;
        }
        let most = (UNSEEN_WORK / work.max(1)).max(1);
        match settings.eval_every {
            0 => most,
            every => (1..=most).rev().find(|count| every.is_multiple_of(*count)).unwrap_or(1),
        }
    }

    fn keeps_history(&self) -> bool {
        let settings = &self.plan.settings;
        settings.history.is_some() || settings.report.is_some() || self.keeper.is_some()
    }

    fn epoch(&mut self, stats: &EpochStats, model: &DynRnn<T>) -> ControlFlow<()> {
        let settings = &self.plan.settings;
        self.first_loss.get_or_insert(stats.loss);
        (self.last_loss, self.epochs) = (stats.loss, stats.epoch);
        if self.keeps_history() {
            self.history.push((*stats, self.before + self.started.elapsed().as_secs_f64()));
        }
        let due = settings.eval_every > 0 && stats.epoch.is_multiple_of(settings.eval_every);
        let score = if due && self.progress.is_shown() {
            self.plan.headline(model, self.set).map(Some)
        } else {
            Ok(None)
        };
        match score {
            Ok(score) => self.progress.epoch(stats.epoch, stats.loss, score),
            Err(error) => self.failed = Some(error),
        }
        let stop = interrupt::requested() || self.failed.is_some();
        if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
