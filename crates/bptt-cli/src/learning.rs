//! [`Learning`]: optimizer, clipping, schedule and windows, from the flags.

use bptt::{Optimizer, Schedule};

use crate::args::{self, TrainFlags};
use crate::failure::Failure;

/// The weight decay where neither it nor the optimizer was asked for: on the bundled data, with their few sequences, it
/// was worth 1 % of accuracy and of error over 10 seeds.
const DEFAULT_WEIGHT_DECAY: f64 = 0.3;
/// Updates an epoch from which on that falls, so that an epoch takes no more of a weight: with thousands of updates it
/// would leave nothing of what rare events teach.
const FEW_UPDATES: usize = 30;

/// How updates are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Learning {
    pub optimizer: Optimizer,
    pub learning_rate: f64,
    pub clip_norm: Option<f64>,
    pub clip_value: Option<f64>,
    pub schedule: Schedule,
    pub warmup_epochs: usize,
    pub truncate: Option<usize>,
    pub accumulate: usize,
    /// Whether the weight decay is the default, which depends on the data.
    own_decay: bool,
}

impl Learning {
    /// Fills in the defaults. Options that the optimizer or the schedule does not have are refused: they would do nothing.
    pub fn resolve(flags: &TrainFlags, epochs: usize) -> Result<Self, Failure> {
        let kind = flags.optimizer.unwrap_or(args::Optimizer::Adamw);
        // Gates and long sequences make for rare, huge gradients; plain SGD stays what it is.
        let clip_norm = if kind == args::Optimizer::Sgd { 0.0 } else { 1.0 };
        let rate = if kind == args::Optimizer::Rmsprop { 0.001 } else { 0.01 };
        let learning = Self {
            optimizer: optimizer(flags, kind)?,
            learning_rate: flags.learning_rate.unwrap_or(rate),
            clip_norm: Some(flags.clip_norm.unwrap_or(clip_norm)).filter(|norm| *norm != 0.0),
            clip_value: flags.clip_value,
            schedule: schedule(flags, epochs)?,
            warmup_epochs: flags.warmup_epochs.unwrap_or(0),
            truncate: flags.truncate,
            accumulate: flags.accumulate.unwrap_or(1),
            own_decay: flags.optimizer.is_none() && flags.weight_decay.is_none(),
        };
        let positive = [
            ("learning-rate", Some(learning.learning_rate)),
            ("clip-norm", learning.clip_norm),
            ("clip-value", learning.clip_value),
        ];
        for (name, value) in positive {
            if let Some(value) = value.filter(|value| !(*value > 0.0 && value.is_finite())) {
                return Err(wrong(name, "a positive number", &value.to_string()));
            }
        }
        for (name, count) in [("truncate", learning.truncate), ("accumulate", Some(learning.accumulate))] {
            if count == Some(0) {
                return Err(wrong(name, "at least 1", "0"));
            }
        }
        if flags.bidirectional == Some(true) && learning.truncate.is_some() {
            let found = learning.truncate.unwrap_or_default().to_string();
            let expected = "none with --bidirectional, which needs the whole sequence";
            return Err(wrong("truncate", expected, &found));
        }
        Ok(learning)
    }

    /// The same for epochs of `updates` updates.
    pub fn with_updates(mut self, updates: usize) -> Self {
        if let (Optimizer::AdamW { weight_decay, .. }, true) = (&mut self.optimizer, self.own_decay) {
            *weight_decay = DEFAULT_WEIGHT_DECAY * FEW_UPDATES as f64 / updates.max(FEW_UPDATES) as f64;
        }
        self
    }

    /// The optimizer's options, for people.
    pub fn optimizer_options(&self) -> String {
        fields(&format!("{:?}", self.optimizer))
    }

    /// The schedule's name and options, for people.
    pub fn schedule_line(&self) -> String {
        match fields(&format!("{:?}", self.schedule)) {
            none if none.is_empty() => self.schedule.name().to_owned(),
            options => format!("{}, {options}", self.schedule.name()),
        }
    }
}

/// What is between the braces of a variant that was printed for debugging.
fn fields(variant: &str) -> String {
    let inner = variant.split_once('{').map_or("", |(_, rest)| rest.trim_end_matches('}'));
    inner.trim().to_owned()
}

fn wrong(name: &str, expected: &str, found: &str) -> Failure {
    Failure::input(format!("--{name}: expected {expected}, found {found}"))
}

fn optimizer(flags: &TrainFlags, kind: args::Optimizer) -> Result<Optimizer, Failure> {
    use args::Optimizer::{Adagrad, Adam, Adamw, Rmsprop, Sgd};
    let given = [
        ("momentum", flags.momentum.is_some(), &[Sgd, Rmsprop][..]),
        ("dampening", flags.dampening.is_some(), &[Sgd]),
        ("nesterov", flags.nesterov.is_some(), &[Sgd]),
        ("betas", flags.betas.is_some(), &[Adam, Adamw]),
        ("eps", flags.eps.is_some(), &[Adam, Adamw, Rmsprop, Adagrad]),
        ("amsgrad", flags.amsgrad.is_some(), &[Adam, Adamw]),
        ("alpha", flags.alpha.is_some(), &[Rmsprop]),
        ("centered", flags.centered.is_some(), &[Rmsprop]),
        ("lr-decay", flags.lr_decay.is_some(), &[Adagrad]),
    ];
    let name = |kind: &args::Optimizer| match kind {
        Sgd => "sgd",
        Adam => "adam",
        Adamw => "adamw",
        Rmsprop => "rmsprop",
        Adagrad => "adagrad",
    };
    if let Some((flag, _, kinds)) = given.iter().find(|(_, given, kinds)| *given && !kinds.contains(&kind)) {
        let kinds: Vec<_> = kinds.iter().map(name).collect();
        return Err(wrong(flag, &format!("--optimizer {}", kinds.join(" or ")), name(&kind)));
    }
    let set = |field: &mut f64, flag: Option<f64>| *field = flag.unwrap_or(*field);
    let mut optimizer = Optimizer::from_name(name(&kind)).unwrap_or_default();
    match &mut optimizer {
        Optimizer::Sgd { momentum, dampening, nesterov, weight_decay } => {
            set(momentum, flags.momentum);
            set(dampening, flags.dampening);
            set(weight_decay, flags.weight_decay);
            *nesterov = flags.nesterov.unwrap_or(false);
        }
        Optimizer::Adam { betas, eps, weight_decay, amsgrad }
        | Optimizer::AdamW { betas, eps, weight_decay, amsgrad } => {
            match flags.betas.as_deref() {
                None => {}
                Some(&[first, second]) => *betas = (first, second),
                Some(other) => {
                    let found = format!("{} numbers", other.len());
                    return Err(wrong("betas", "two numbers with a comma", &found));
                }
            }
            set(eps, flags.eps);
            set(weight_decay, flags.weight_decay);
            *amsgrad = flags.amsgrad.unwrap_or(false);
        }
        Optimizer::RmsProp { alpha, eps, weight_decay, momentum, centered } => {
            set(alpha, flags.alpha);
            set(eps, flags.eps);
            set(weight_decay, flags.weight_decay);
            set(momentum, flags.momentum);
            *centered = flags.centered.unwrap_or(false);
        }
        Optimizer::Adagrad { lr_decay, eps, weight_decay, .. } => {
            set(lr_decay, flags.lr_decay);
            set(eps, flags.eps);
            set(weight_decay, flags.weight_decay);
        }
    }
    Ok(optimizer)
}

fn schedule(flags: &TrainFlags, epochs: usize) -> Result<Schedule, Failure> {
    use args::Schedule::{Constant, Cosine, Exponential, Plateau, Step};
    let kind = flags.schedule.unwrap_or(Constant);
    let given = [
        ("step-size", flags.step_size.is_some(), &[Step][..]),
        ("gamma", flags.gamma.is_some(), &[Step, Exponential]),
        ("t-max", flags.t_max.is_some(), &[Cosine]),
        ("eta-min", flags.eta_min.is_some(), &[Cosine]),
        ("plateau-factor", flags.plateau_factor.is_some(), &[Plateau]),
        ("plateau-patience", flags.plateau_patience.is_some(), &[Plateau]),
    ];
    let name = |kind: &args::Schedule| match kind {
        Constant => "constant",
        Step => "step",
        Exponential => "exponential",
        Cosine => "cosine",
        Plateau => "plateau",
    };
    if let Some((flag, _, kinds)) = given.iter().find(|(_, given, kinds)| *given && !kinds.contains(&kind)) {
        let kinds: Vec<_> = kinds.iter().map(name).collect();
        return Err(wrong(flag, &format!("--schedule {}", kinds.join(" or ")), name(&kind)));
    }
    Ok(match kind {
        Constant => Schedule::Constant,
        Step => Schedule::Step {
            step_size: flags.step_size.unwrap_or(epochs.div_ceil(3)),
            gamma: flags.gamma.unwrap_or(0.1),
        },
        Exponential => Schedule::Exponential { gamma: flags.gamma.unwrap_or(0.99) },
        Cosine => {
            Schedule::Cosine { t_max: flags.t_max.unwrap_or(epochs), eta_min: flags.eta_min.unwrap_or(0.0) }
        }
        Plateau => Schedule::Plateau {
            factor: flags.plateau_factor.unwrap_or(0.5),
            patience: flags.plateau_patience.unwrap_or(10),
            threshold: 1e-4,
            min_lr: 0.0,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(flags: TrainFlags) -> String {
        Learning::resolve(&flags, 100).unwrap_err().to_string()
    }

    #[test]
    fn options_belong_to_their_optimizer_and_schedule() {
        let flags = TrainFlags { momentum: Some(0.9), ..Default::default() };
        assert_eq!(failure(flags), "--momentum: expected --optimizer sgd or rmsprop, found adamw");
        let flags = TrainFlags { gamma: Some(0.9), ..Default::default() };
        assert_eq!(failure(flags), "--gamma: expected --schedule step or exponential, found constant");
        let flags = TrainFlags { betas: Some(vec![0.9]), ..Default::default() };
        assert_eq!(failure(flags), "--betas: expected two numbers with a comma, found 1 numbers");
        let flags = TrainFlags { truncate: Some(0), ..Default::default() };
        assert_eq!(failure(flags), "--truncate: expected at least 1, found 0");
    }

    #[test]
    fn the_default_weight_decay_falls_with_the_updates_of_an_epoch() {
        let decay = |flags: TrainFlags, updates| {
            let learning = Learning::resolve(&flags, 100).unwrap().with_updates(updates);
            match learning.optimizer {
                Optimizer::AdamW { weight_decay, .. } => weight_decay,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(decay(TrainFlags::default(), 1), 0.3);
        assert_eq!(decay(TrainFlags::default(), 30), 0.3);
        assert!((decay(TrainFlags::default(), 3000) - 0.003).abs() < 1e-12);
        assert_eq!(decay(TrainFlags { weight_decay: Some(0.2), ..Default::default() }, 3000), 0.2);
        let flags = TrainFlags { optimizer: Some(args::Optimizer::Adamw), ..Default::default() };
        assert_eq!(decay(flags, 3000), 0.01);
    }

    #[test]
    fn options_are_written_for_people() {
        let flags = TrainFlags { schedule: Some(args::Schedule::Step), ..Default::default() };
        let learning = Learning::resolve(&flags, 90).unwrap().with_updates(1);
        assert_eq!(
            learning.optimizer_options(),
            "betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.3, amsgrad: false"
        );
        assert_eq!(learning.schedule_line(), "step, step_size: 30, gamma: 0.1");
        assert_eq!(Learning::resolve(&TrainFlags::default(), 90).unwrap().schedule_line(), "constant");
    }

    #[test]
    fn plain_sgd_stays_plain() {
        let flags = TrainFlags { optimizer: Some(args::Optimizer::Sgd), ..Default::default() };
        let learning = Learning::resolve(&flags, 100).unwrap();
        assert!(learning.optimizer.is_plain_sgd() && learning.clip_norm.is_none());
        assert_eq!(Learning::resolve(&TrainFlags::default(), 100).unwrap().clip_norm, Some(1.0));
    }
}
