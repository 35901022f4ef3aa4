//! [`Measurement`]: training or inference timed in repetitions, and the losses that show that it was the real thing.

use std::borrow::Cow;
use std::time::Instant;

use bptt::{Dataset, DynRnn, Error, Float, Predictor, Run, Trainer};

use crate::failure::Failure;

use super::plan::Plan;

/// Repetitions that are made in any case.
const REPETITIONS: usize = 5;
/// The shortest and the longest repetition that is aimed at, in seconds: long beside a tick of the clock and an
/// interrupt, short enough for many of them.
const REPETITION: (f64, f64) = (0.003, 0.1);
/// Epochs that a network is trained for before its predictions are timed.
const EPOCHS_BEFORE_INFERENCE: usize = 3;

/// What was measured.
#[derive(Debug)]
pub struct Measurement {
    /// Sequences in the data, and their longest length.
    pub sequences: usize,
    pub seq_len: usize,
    /// Sequences that an epoch was timed on; fewer than all where all would have taken too long.
    pub timed_sequences: usize,
    /// Timesteps in an epoch.
    pub timesteps: usize,
    /// Passes over the sequences in each repetition.
    pub epochs_per_repetition: usize,
    /// Nanoseconds per timestep of every repetition, ascending; never empty.
    pub nanoseconds: Vec<f64>,
    /// Mean squared error over the timed sequences before the first update.
    pub loss_before: f64,
    /// The same after the last one.
    pub loss_after: f64,
    /// Threads that were at work.
    pub threads: usize,
    /// Seconds that all repetitions took.
    pub seconds: f64,
}

impl Measurement {
    /// The median of the repetitions, in nanoseconds per timestep.
    pub fn median(&self) -> f64 {
        let (values, middle) = (&self.nanoseconds, self.nanoseconds.len() / 2);
        if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
    }
}

/// Times what the plan asks for.
pub fn measure<T: Float>(plan: &Plan, data: &Dataset<T>) -> Result<Measurement, Failure> {
    let model = plan.model::<T>()?;
    // What finds out how much work there is, is not what is timed: that begins anew.
    let work = if plan.inference {
        let mut predictions = Predictions::new(plan, &model)?;
        Work::fit(plan, data, |part| predictions.pass(part))
    } else {
        let mut trainer = trainer(plan, model.clone())?;
        Work::fit(plan, data, |part| epochs(&mut trainer, part, 1))
    }?;
    repeat(plan, work, model, (data, &*first(data, work.sequences)?))
}

/// Runs the repetitions on `timed`, which is `whole` or its beginning.
fn repeat<T: Float>(
    plan: &Plan,
    work: Work,
    model: DynRnn<T>,
    (whole, timed): (&Dataset<T>, &Dataset<T>),
) -> Result<Measurement, Failure> {
    let loss_before = Predictions::new(plan, &model)?.loss(timed)?;
    let mut trainer = trainer(plan, model)?;
    let started = Instant::now();
    let (nanoseconds, threads, loss_after) = if plan.inference {
        epochs(&mut trainer, timed, EPOCHS_BEFORE_INFERENCE)?;
        let mut predictions = Predictions::new(plan, trainer.model())?;
        let pass = || (0..work.epochs).try_for_each(|_| predictions.pass(timed));
        let nanoseconds = time(plan, work.epochs * timed.rows(), pass)?;
        (nanoseconds, predictions.predictor.threads_used(), predictions.loss(timed)?)
    } else {
        epochs(&mut trainer, timed, 1)?;
        let pass = || epochs(&mut trainer, timed, work.epochs);
        let nanoseconds = time(plan, work.epochs * timed.rows(), pass)?;
        (nanoseconds, trainer.threads(), Predictions::new(plan, trainer.model())?.loss(timed)?)
    };
    Ok(Measurement {
        sequences: whole.len(),
        seq_len: whole.view().longest(),
        timed_sequences: timed.len(),
        timesteps: timed.rows(),
        epochs_per_repetition: work.epochs,
        nanoseconds,
        loss_before,
        loss_after,
        threads,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Nanoseconds per timestep of every repetition of `pass`, which goes over `timesteps` of them; ascending.
fn time(
    plan: &Plan,
    timesteps: usize,
    mut pass: impl FnMut() -> Result<(), Failure>,
) -> Result<Vec<f64>, Failure> {
    let mut nanoseconds = Vec::new();
    let started = Instant::now();
    while nanoseconds.len() < REPETITIONS || started.elapsed().as_secs_f64() < plan.seconds {
        nanoseconds.push(1e9 * seconds(&mut pass)? / timesteps as f64);
    }
    nanoseconds.sort_by(f64::total_cmp);
    Ok(nanoseconds)
}

/// How long `pass` takes.
fn seconds(pass: impl FnOnce() -> Result<(), Failure>) -> Result<f64, Failure> {
    let started = Instant::now();
    pass()?;
    Ok(started.elapsed().as_secs_f64())
}

/// How much a repetition does.
#[derive(Debug, Clone, Copy)]
struct Work {
    /// The first sequences of the data.
    sequences: usize,
    /// Passes over them.
    epochs: usize,
}

impl Work {
    /// All sequences, and as many passes as make a repetition long enough; fewer sequences, in whole batches, where the
    /// repetitions would not fit into the plan's seconds. Warms up on the way.
    fn fit<T: Float>(
        plan: &Plan,
        data: &Dataset<T>,
        mut pass: impl FnMut(&Dataset<T>) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let aim = (plan.seconds / 50.0).clamp(REPETITION.0, REPETITION.1);
        let longest = (plan.seconds / REPETITIONS as f64).max(aim);
        let mut sequences = plan.batch_size.min(data.len());
        // From one batch upwards: even one pass over everything might take hours.
        loop {
            let part = first(data, sequences)?;
            let mut taken = seconds(|| pass(&part))?;
            if taken > aim.min(longest / 4.0) {
                // Once more, lest cold caches or another program decide.
                taken = taken.min(seconds(|| pass(&part))?);
            }
            let affordable = (sequences as f64 * longest / taken) as usize;
            if sequences == data.len() && taken > aim {
                return Ok(Self { sequences, epochs: 1 });
            }
            if sequences == data.len() || affordable >= data.len() {
                sequences = data.len();
                break;
            }
            if taken > longest / 4.0 {
                let batches = (affordable / plan.batch_size).max(1);
                sequences = batches.saturating_mul(plan.batch_size).min(data.len());
                break;
            }
            sequences = sequences.saturating_mul(4).min(data.len());
        }
        let part = first(data, sequences)?;
        let (started, mut passes) = (Instant::now(), 0.0);
        while passes == 0.0 || started.elapsed().as_secs_f64() < aim {
            pass(&part)?;
            passes += 1.0;
        }
        let epochs = (aim * passes / started.elapsed().as_secs_f64()).ceil().max(1.0) as usize;
        Ok(Self { sequences, epochs })
    }
}

/// The first `sequences` sequences of `data`, copied only where there are more.
fn first<T: Float>(data: &Dataset<T>, sequences: usize) -> Result<Cow<'_, Dataset<T>>, Failure> {
    if sequences == data.len() {
        return Ok(Cow::Borrowed(data));
    }
    data.subset(&(0..sequences).collect::<Vec<_>>()).map(Cow::Owned).map_err(Failure::input)
}

type DynTrainer<T> = Trainer<bptt::Dyn, bptt::Dyn, bptt::Dyn, T>;

fn trainer<T: Float>(plan: &Plan, model: DynRnn<T>) -> Result<DynTrainer<T>, Failure> {
    Trainer::with_level(model, plan.train_config(), plan.level).map_err(Failure::input)
}

/// Trains for some epochs.
fn epochs<T: Float>(trainer: &mut DynTrainer<T>, data: &Dataset<T>, epochs: usize) -> Result<(), Failure> {
    let run = Run { epochs: trainer.epochs() + epochs, every: epochs, ..Run::default() };
    let trained = trainer.run(data, None, run, |_, _| std::ops::ControlFlow::Continue(()));
    trained.map(|_| ()).map_err(|error| match error {
        Error::NonFiniteLoss { epoch, batch } => Failure::Diverged(format!(
            "the loss did not fall: it is not finite in epoch {epoch}, batch {batch}; a lower --learning-rate may help"
        )),
        error => Failure::input(error),
    })
}

/// A network's outputs, in a buffer of their own.
struct Predictions<'m, T> {
    predictor: Predictor<'m, bptt::Dyn, bptt::Dyn, bptt::Dyn, T>,
    outputs: Vec<T>,
}

impl<'m, T: Float> Predictions<'m, T> {
    fn new(plan: &Plan, model: &'m DynRnn<T>) -> Result<Self, Failure> {
        let predictor =
            Predictor::with_level(model, plan.level).map_err(Failure::input)?.threads(plan.threads);
        Ok(Self { predictor, outputs: Vec::new() })
    }

    /// Predicts every sequence. Makes room where `data` are longer or shorter than those before.
    fn pass(&mut self, data: &Dataset<T>) -> Result<(), Failure> {
        self.outputs.resize(data.labels().len(), T::ZERO);
        self.predictor
            .predict_sequences_into(data.features(), data.offsets(), &mut self.outputs)
            .map_err(Failure::input)
    }

    /// The mean squared error.
    fn loss(&mut self, data: &Dataset<T>) -> Result<f64, Failure> {
        self.pass(data)?;
        let errors = self.outputs.iter().zip(data.labels()).map(|(y, label)| y.to_f64() - label.to_f64());
        Ok(errors.map(|error| error * error).sum::<f64>() / self.outputs.len() as f64)
    }
}
