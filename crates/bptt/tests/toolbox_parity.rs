//! Every cell, target, loss, optimizer, schedule and way of training against PyTorch, on the files in `data/toolbox`.
//!
//! `tools/make_toolbox_fixtures.py` writes those files and documents their format. Errors are relative to the
//! largest magnitude of the tensor (see `oracle::tensor_error`).

mod oracle;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::str::FromStr;

use bptt::{Activation, Architecture, Cell, Dataset, DynRnn, Float, Gradients, Level, Loss, Optimizer};
use bptt::{Predictor, Reduction, Schedule, State, TrainConfig, Trainer};
use oracle::{tensor_error, worse};

/// Twenty epochs of training included.
fn bound<T: Float>() -> f64 {
    if T::LINE == 8 { 1e-12 } else { 1e-4 }
}

/// The numbers that both sides make their inputs of; see the script.
fn value<T: Float>(stream: i64, count: usize, scale: f64) -> Vec<T> {
    let number = |k: i64| (k * 7919 + stream * 104_729 + 12_345).rem_euclid(2003) as f64;
    (0..count as i64).map(|k| T::from_f64((number(k) / 2003.0 * 2.0 - 1.0) * scale)).collect()
}

/// One case, by field name.
struct Case<'a> {
    fields: HashMap<&'a str, &'a str>,
}

impl<'a> Case<'a> {
    fn text(&self, key: &str) -> &'a str {
        self.fields.get(key).unwrap_or_else(|| panic!("{}: no field {key}", self.fields["case"]))
    }

    fn get<T: FromStr>(&self, key: &str) -> Option<T> {
        self.fields.get(key).map(|_| self.values(key).remove(0))
    }

    fn values<T: FromStr>(&self, key: &str) -> Vec<T> {
        let parse = |text: &str| text.parse().unwrap_or_else(|_| panic!("{key}: {text}"));
        self.text(key).split(' ').map(parse).collect()
    }

    /// `NAME k=v k=v`: the name and the options.
    fn options(&self, key: &str) -> (&'a str, HashMap<&'a str, f64>) {
        let mut words = self.fields.get(key).copied().unwrap_or("").split(' ');
        let name = words.next().unwrap_or_default();
        let number = |text: &str| if text == "True" { 1.0 } else { text.parse().unwrap() };
        (name, words.map(|word| word.split_once('=').unwrap()).map(|(k, v)| (k, number(v))).collect())
    }

    fn lengths(&self) -> Vec<usize> {
        if self.fields.contains_key("lengths") { self.values("lengths") } else { vec![4, 1, 7, 2, 3] }
    }

    fn model<T: Float>(&self) -> DynRnn<T> {
        let sizes = self.values::<usize>("sizes");
        let activation = Activation::from_name(self.text("activation")).unwrap();
        let cell = Cell::from_name(self.text("cell"), activation).unwrap();
        let dropout = self.fields.get("dropout").map_or(0.0, |_| self.values::<f64>("dropout")[0]);
        let architecture = Architecture::new(cell)
            .num_layers(self.get("layers").unwrap())
            .bidirectional(self.text("bidirectional") == "true")
            .dropout(dropout);
        let mut model = DynRnn::with_architecture(sizes[0], sizes[1], sizes[2], architecture, 0).unwrap();
        // The order of the names is PyTorch's.
        let names: Vec<(String, usize)> =
            model.params().shapes().map(|(name, shape)| (name.to_owned(), shape.iter().product())).collect();
        for (number, (name, count)) in names.iter().enumerate() {
            let values = value::<T>(number as i64, *count, 0.6 / (sizes[1] as f64).sqrt());
            model.params_mut().set(name, &values).unwrap();
        }
        model
    }

    fn data<T: Float>(&self) -> Dataset<T> {
        let sizes = self.values::<usize>("sizes");
        let (i, o) = (sizes[0], sizes[2]);
        let lengths = self.lengths();
        let rows: usize = lengths.iter().sum();
        let mut labels = value::<T>(101, rows * o, 1.0);
        match self.text("loss") {
            "bce" => labels.iter_mut().for_each(|l| *l = if *l > T::ZERO { T::ONE } else { T::ZERO }),
            "cross-entropy" => {
                for (row, labels) in labels.chunks_mut(o).enumerate() {
                    labels.fill(T::ZERO);
                    labels[row * 7 % o] = T::ONE;
                }
            }
            _ => {}
        }
        let nan = T::from_f64(f64::NAN);
        let mut offsets = vec![0];
        lengths.iter().for_each(|length| offsets.push(offsets[offsets.len() - 1] + length));
        let targets = self.fields.get("targets").copied().unwrap_or("all");
        match targets {
            "last" => offsets.windows(2).for_each(|pair| labels[pair[0] * o..(pair[1] - 1) * o].fill(nan)),
            "masked" if self.text("loss") == "cross-entropy" => {
                labels.chunks_mut(o).step_by(3).for_each(|row| row.fill(nan));
            }
            "masked" => labels.iter_mut().step_by(3).for_each(|label| *label = nan),
            _ => {}
        }
        let mut data = Dataset::from_flat_partial(i, o, value(100, rows * i, 1.0), labels, offsets).unwrap();
        if let Some(steps) = targets.strip_prefix("washout ") {
            data.washout(steps.parse().unwrap());
        }
        if self.fields.contains_key("sample_weights") {
            let weight = |w: f64| T::from_f64(w.abs() + 0.25);
            data.set_weights(value::<f64>(102, rows, 1.0).into_iter().map(weight).collect()).unwrap();
        }
        data
    }

    fn loss(&self) -> Loss {
        match self.text("loss") {
            "huber" => Loss::Huber { delta: self.get("delta").unwrap() },
            name => Loss::from_name(name).unwrap(),
        }
    }

    fn optimizer(&self) -> Optimizer {
        let (name, options) = self.options("optimizer");
        let mut optimizer =
            if name.is_empty() { Optimizer::sgd() } else { Optimizer::from_name(name).unwrap() };
        let set = |field: &mut f64, key: &str| *field = options.get(key).copied().unwrap_or(*field);
        let flag = |field: &mut bool, key: &str| *field |= options.contains_key(key);
        match &mut optimizer {
            Optimizer::Sgd { momentum, dampening, nesterov, weight_decay } => {
                set(momentum, "momentum");
                set(dampening, "dampening");
                flag(nesterov, "nesterov");
                set(weight_decay, "weight_decay");
            }
            Optimizer::Adam { betas, eps, weight_decay, amsgrad }
            | Optimizer::AdamW { betas, eps, weight_decay, amsgrad } => {
                set(&mut betas.0, "beta1");
                set(&mut betas.1, "beta2");
                set(eps, "eps");
                set(weight_decay, "weight_decay");
                flag(amsgrad, "amsgrad");
            }
            Optimizer::RmsProp { alpha, eps, weight_decay, momentum, centered } => {
                set(alpha, "alpha");
                set(eps, "eps");
                set(weight_decay, "weight_decay");
                set(momentum, "momentum");
                flag(centered, "centered");
            }
            Optimizer::Adagrad { lr_decay, eps, weight_decay, initial_accumulator_value } => {
                set(lr_decay, "lr_decay");
                set(eps, "eps");
                set(weight_decay, "weight_decay");
                set(initial_accumulator_value, "initial_accumulator_value");
            }
        }
        optimizer
    }

    fn schedule(&self) -> Schedule {
        let (name, o) = self.options("schedule");
        match name {
            "step" => Schedule::Step { step_size: o["step_size"] as usize, gamma: o["gamma"] },
            "exponential" => Schedule::Exponential { gamma: o["gamma"] },
            "cosine" => Schedule::Cosine { t_max: o["t_max"] as usize, eta_min: o["eta_min"] },
            "plateau" => Schedule::Plateau {
                factor: o["factor"],
                patience: o["patience"] as usize,
                threshold: o["threshold"],
                min_lr: o["min_lr"],
            },
            _ => Schedule::Constant,
        }
    }

    fn config(&self) -> TrainConfig {
        TrainConfig {
            learning_rate: self.get("learning_rate").unwrap(),
            batch_size: self.get("batch_size").unwrap(),
            reduction: Reduction::from_name(self.text("reduction")).unwrap(),
            shuffle: None,
            loss: self.loss(),
            class_weights: self.fields.get("class_weights").map(|_| self.values("class_weights")),
            optimizer: self.optimizer(),
            clip_norm: self.get("clip_norm"),
            clip_value: self.get("clip_value"),
            schedule: self.schedule(),
            warmup_epochs: self.get("warmup").unwrap_or(0),
            truncate: self.get("truncate"),
            accumulate: self.get("accumulate").unwrap_or(1),
            dropout_seed: self.fields.get("dropout").map_or(0, |_| self.values::<f64>("dropout")[1] as u64),
            threads: 0,
        }
    }

    fn initial<T: Float>(&self, model: &DynRnn<T>) -> Option<State<T>> {
        self.fields.get("initial")?;
        let architecture = model.architecture();
        let parts = architecture.num_layers * architecture.directions();
        let len = parts * self.lengths().len() * model.hidden_size();
        let c = if architecture.cell == Cell::Lstm { value(104, len, 1.0) } else { Vec::new() };
        Some(State { h: value(103, len, 1.0), c })
    }

    /// Checks a tensor against the field of that name, and remembers the worst error.
    fn check<T: Float>(&self, worst: &mut f64, what: &str, found: &[T]) {
        let error = tensor_error(found, &self.values::<f64>(what));
        *worst = worse(*worst, error);
        let lines: Vec<_> = ["case", "targets", "schedule", "dropout", "truncate"]
            .iter()
            .filter_map(|key| self.fields.get(key))
            .collect();
        assert!(error <= bound::<T>(), "{lines:?} {}: {what}: error {error:e}", T::DTYPE);
    }
}

/// Outputs, final states, loss and gradients of all sequences as one batch.
fn check_batch<T: Float>(case: &Case, level: Level) -> f64 {
    let mut worst = 0.0;
    let (model, data, config) = (case.model::<T>(), case.data::<T>(), case.config());
    let initial = case.initial(&model);
    if !case.fields.contains_key("dropout") {
        let mut predictor = Predictor::with_level(&model, level).unwrap();
        let mut outputs = vec![T::ZERO; data.labels().len()];
        let (features, offsets) = (data.features(), data.offsets());
        let state = predictor.predict_from(initial.as_ref(), features, offsets, &mut outputs).unwrap();
        case.check(&mut worst, "outputs", &outputs);
        case.check(&mut worst, "h_n", &state.h);
        if !state.c.is_empty() {
            case.check(&mut worst, "c_n", &state.c);
        }
    }
    let (gradients, _) = Gradients::with_config(&model, &data, &config, initial.as_ref(), level).unwrap();
    case.check(&mut worst, "loss_value", &[T::from_f64(gradients.loss)]);
    for (name, _) in gradients.params.shapes() {
        case.check(&mut worst, &format!("grad.{name}"), &gradients.params.get(name).unwrap());
    }
    worst
}

/// Learning rates and losses of a training.
fn check_training<T: Float>(case: &Case, level: Level) -> f64 {
    let mut worst = 0.0;
    let (data, epochs) = (case.data::<T>(), case.values::<f64>("epoch_losses").len());
    let mut trainer = Trainer::with_level(case.model::<T>(), case.config(), level).unwrap();
    let (mut losses, mut rates) = (Vec::new(), Vec::new());
    trainer
        .fit(&data, epochs, |stats, _| {
            losses.push(T::from_f64(stats.loss));
            rates.push(stats.learning_rate);
            ControlFlow::Continue(())
        })
        .unwrap();
    let error = tensor_error(&rates, &case.values::<f64>("learning_rates"));
    assert!(error < 1e-14, "{}: learning rates: {error:e}: {rates:?}", case.text("case"));
    case.check(&mut worst, "epoch_losses", &losses);
    worst
}

fn check_file<T: Float>() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/toolbox");
    let text = std::fs::read_to_string(format!("{folder}/{}.txt", T::DTYPE)).unwrap();
    let text = text.replace('\r', ""); // Git may have checked the file out with CRLF.
    let (mut batch, mut training, mut checked) = (0.0, 0.0, 0);
    for case in text.split("\ncase: ").skip(1) {
        let lines = case.split_once('\n').unwrap();
        let mut fields: HashMap<_, _> = lines.1.lines().map(|line| line.split_once(": ").unwrap()).collect();
        fields.insert("case", lines.0);
        let case = Case { fields };
        for level in Level::available() {
            batch = worse(batch, check_batch::<T>(&case, level));
            training = worse(training, check_training::<T>(&case, level));
        }
        checked += 1;
    }
    println!("largest errors in {}: batch {batch:e}, training {training:e}", T::DTYPE);
    assert_eq!(checked, 144);
}

#[test]
fn f32_equals_pytorch() {
    check_file::<f32>();
}

#[test]
fn f64_equals_pytorch() {
    check_file::<f64>();
}
