//! A training that is interrupted anywhere and goes on ends with the bits of one that was not.

use std::ops::ControlFlow::{Break, Continue};

use bptt::{
    Activation, Architecture, Dataset, DynRnn, EarlyStopping, EpochStats, Error, Float, Loss, Moment,
    Optimizer, Run, Schedule, TrainConfig, Trainer, TrainerState,
};

/// Sequences of these lengths; with `partial`, some labels are missing and some rows weigh more.
fn data<T: Float>(lengths: impl IntoIterator<Item = usize>, partial: bool) -> Dataset<T> {
    let mut data = Dataset::new(2, 1).unwrap();
    let mut rng = bptt::Rng::new(5);
    for steps in lengths {
        let features: Vec<T> = (0..2 * steps).map(|_| T::from_f64(rng.uniform() - 0.5)).collect();
        let label = |t: usize| {
            if partial && t % 3 == 1 { T::from_f64(f64::NAN) } else { features[2 * t] * features[2 * t + 1] }
        };
        let labels: Vec<T> = (0..steps).map(label).collect();
        data.push_partial(&features, &labels).unwrap();
    }
    if partial {
        let weights = (0..data.rows()).map(|row| T::from_f64((row % 4) as f64)).collect();
        data.set_weights(weights).unwrap();
    }
    data
}

struct Case<T> {
    architecture: Architecture,
    config: TrainConfig,
    data: Dataset<T>,
    validation: Option<Dataset<T>>,
    run: Run,
}

impl<T: Float> Case<T> {
    fn trainer(&self, seed: u64) -> Trainer<bptt::Dyn, bptt::Dyn, bptt::Dyn, T> {
        let model = DynRnn::with_architecture(2, 3, 1, self.architecture, seed).unwrap();
        Trainer::new(model, self.config.clone()).unwrap()
    }

    /// Runs to the end, and returns the epochs, what `run` returned, and the model.
    fn finish(
        &self,
        trainer: &mut Trainer<bptt::Dyn, bptt::Dyn, bptt::Dyn, T>,
        run: Run,
    ) -> (Vec<EpochStats>, Option<EpochStats>, DynRnn<T>) {
        let mut epochs = Vec::new();
        let validation = self.validation.as_ref().map(Dataset::view);
        let last = trainer
            .run(&self.data, validation, run, |moment, _| {
                if let Moment::Epoch(stats) = moment {
                    epochs.push(stats);
                }
                Continue(())
            })
            .unwrap();
        (epochs, last, trainer.model().clone())
    }

    /// The states at every moment.
    fn states(&self) -> Vec<TrainerState<T>> {
        let mut states = Vec::new();
        let validation = self.validation.as_ref().map(Dataset::view);
        self.trainer(1)
            .run(&self.data, validation, Run { batches: 1, ..self.run }, |_, trainer| {
                states.push(trainer.state().unwrap());
                Continue(())
            })
            .unwrap();
        states
    }

    fn check(&self, name: &str) {
        let whole = self.finish(&mut self.trainer(1), self.run);
        let (epochs, last, model) = &whole;
        // Looking on changes nothing.
        assert!(self.finish(&mut self.trainer(1), Run { batches: 1, ..self.run }) == whole, "{name}");
        let states = self.states();
        let within = states.iter().filter(|state| state.batches().is_some()).count();
        assert!(within > 0 && within < states.len(), "{name}: {within} of {}", states.len());
        for state in states {
            let (done, batches) = (state.epochs(), state.batches());
            let mut trainer = self.trainer(2);
            trainer.restore(state.clone()).unwrap();
            assert!(trainer.state().unwrap() == state, "{name}: {done} {batches:?}");
            let (rest, end, resumed) = self.finish(&mut trainer, self.run);
            assert!(resumed == *model, "{name}: {done} epochs, {batches:?}");
            assert!(rest == epochs[done..], "{name}: {done} epochs, {batches:?}");
            if self.validation.is_some() || done < epochs.len() {
                assert!(end == *last, "{name}: {done} epochs, {batches:?}");
            }
        }
    }
}

fn case<T: Float>(architecture: Architecture, config: TrainConfig) -> Case<T> {
    let config = TrainConfig { shuffle: Some(3), dropout_seed: 4, ..config };
    let run = Run { epochs: 4, ..Default::default() };
    Case { architecture, config, data: data([5, 2, 7, 1, 3, 3, 4, 6, 5], false), validation: None, run }
}

fn validated<T: Float>(case: Case<T>, patience: usize) -> Case<T> {
    let stopping = EarlyStopping { patience, min_delta: 0.0 };
    Case { validation: Some(data([4, 6, 2], false)), run: Run { epochs: 9, stopping, ..case.run }, ..case }
}

#[test]
fn plain_sgd_goes_on_with_the_same_bits() {
    for batch_size in [1, 2] {
        for hidden in [Activation::Tanh, Activation::Relu] {
            let config = TrainConfig { batch_size, learning_rate: 0.3, ..Default::default() };
            let long = data::<f32>((0..batch_size * 600).map(|s| 1 + s % 4), false);
            let plain = Case { data: long.clone(), ..case(Architecture::elman(hidden), config.clone()) };
            plain.check("plain");
            Case { data: long, ..validated(case(Architecture::elman(hidden), config.clone()), 2) }
                .check("plain, validated");
            let long = data::<f64>((0..batch_size * 300).map(|s| 1 + s % 4), false);
            Case { data: long, ..case(Architecture::elman(hidden), config) }.check("plain, f64");
        }
    }
}

#[test]
fn every_optimizer_goes_on_with_the_same_bits() {
    let momentum = Optimizer::Sgd { momentum: 0.9, dampening: 0.1, nesterov: false, weight_decay: 0.01 };
    let amsgrad = Optimizer::AdamW { betas: (0.9, 0.99), eps: 1e-8, weight_decay: 0.1, amsgrad: true };
    let centered =
        Optimizer::RmsProp { alpha: 0.9, eps: 1e-8, weight_decay: 0.1, momentum: 0.5, centered: true };
    let adagrad =
        Optimizer::Adagrad { lr_decay: 0.1, eps: 1e-10, weight_decay: 0.0, initial_accumulator_value: 0.1 };
    for optimizer in
        [momentum, Optimizer::adam(), amsgrad, Optimizer::rmsprop(), centered, Optimizer::adagrad(), adagrad]
    {
        let config = TrainConfig { optimizer, batch_size: 2, ..Default::default() };
        case::<f32>(Architecture::lstm(), config.clone()).check(optimizer.name());
        validated(case::<f64>(Architecture::gru(), config), 2).check(optimizer.name());
    }
}

#[test]
fn schedules_dropout_windows_and_missing_labels_go_on_with_the_same_bits() {
    let plateau = Schedule::Plateau { factor: 0.5, patience: 0, threshold: 1e-4, min_lr: 0.0 };
    let base =
        TrainConfig { optimizer: Optimizer::adam(), learning_rate: 0.1, batch_size: 2, ..Default::default() };
    let deep = Architecture::gru().num_layers(2).dropout(0.4);
    for schedule in
        [plateau, Schedule::Exponential { gamma: 0.7 }, Schedule::Cosine { t_max: 3, eta_min: 0.01 }]
    {
        let config = TrainConfig { schedule, warmup_epochs: 2, ..base.clone() };
        case::<f32>(deep, config.clone()).check(schedule.name());
        validated(case::<f32>(deep.bidirectional(true), config), 3).check(schedule.name());
    }
    let windows = TrainConfig { truncate: Some(2), accumulate: 3, clip_norm: Some(0.1), ..base };
    case::<f32>(deep, windows.clone()).check("windows");
    let partial = data([5, 2, 7, 1, 3, 3, 4, 6, 5], true);
    let loss = TrainConfig { loss: Loss::Huber { delta: 0.1 }, ..windows };
    Case { data: partial, ..case::<f32>(Architecture::lstm(), loss) }.check("missing labels");
    // Plain settings, but not plain data.
    let partial = data([5, 2, 7, 1, 3, 3, 4, 6, 5], true);
    let plain = case::<f32>(Architecture::elman(Activation::Tanh), TrainConfig::default());
    Case { data: partial, ..plain }.check("plain settings, missing labels");
}

#[test]
fn a_break_within_an_epoch_goes_on_in_the_same_trainer() {
    let config = TrainConfig { optimizer: Optimizer::adam(), ..Default::default() };
    let case = validated(case::<f32>(Architecture::gru(), config), 2);
    let whole = case.finish(&mut case.trainer(1), case.run);
    let mut trainer = case.trainer(1);
    let validation = case.validation.as_ref().map(Dataset::view);
    let run = Run { batches: 4, ..case.run };
    let broken = trainer.run(&case.data, None, run, |_, _| Break(())).unwrap();
    assert_eq!((broken, trainer.epochs(), trainer.state().unwrap().batches()), (None, 0, Some(4)));
    // Other data cannot end this epoch.
    let error = trainer.run(&data([1, 2], false), None, run, |_, _| Continue(())).unwrap_err();
    assert!(matches!(error, Error::Size { expected: 9, found: 2, .. }), "{error}");
    let mut epochs = Vec::new();
    trainer
        .run(&case.data, validation, case.run, |moment, _| {
            epochs.extend(if let Moment::Epoch(stats) = moment { Some(stats) } else { None });
            Continue(())
        })
        .unwrap();
    assert!(trainer.model() == &whole.2 && epochs == whole.0);
}

#[test]
fn another_model_or_setting_is_refused_by_name() {
    let config = TrainConfig { optimizer: Optimizer::adam(), ..Default::default() };
    let case = case::<f32>(Architecture::gru(), config.clone());
    let state = case.states().remove(3);
    let refused = |model: DynRnn<f32>, config: &TrainConfig| {
        let mut trainer = Trainer::new(model, config.clone()).unwrap();
        let before = trainer.state().unwrap();
        let error = trainer.restore(state.clone()).unwrap_err();
        assert!(trainer.state().unwrap() == before);
        error.to_string()
    };
    let model = |hidden, architecture| DynRnn::with_architecture(2, hidden, 1, architecture, 1).unwrap();
    assert!(
        refused(model(4, Architecture::gru()), &case.config).contains("hidden_size: expected 3, found 4")
    );
    let lstm = refused(model(3, Architecture::lstm()), &case.config);
    assert!(lstm.starts_with("architecture") && lstm.contains("Gru") && lstm.contains("Lstm"), "{lstm}");
    let same = || model(3, Architecture::gru());
    let rate = refused(same(), &TrainConfig { learning_rate: 0.5, ..case.config.clone() });
    assert_eq!(rate, "learning_rate: the training began with 0.01, and cannot go on with 0.5");
    let shuffle = refused(same(), &TrainConfig { shuffle: None, ..case.config.clone() });
    assert_eq!(shuffle, "shuffle: the training began with 3, and cannot go on with none");
    let eps = Optimizer::Adam { betas: (0.9, 0.999), eps: 1e-7, weight_decay: 0.0, amsgrad: false };
    let optimizer = refused(same(), &TrainConfig { optimizer: eps, ..case.config.clone() });
    assert!(optimizer.starts_with("optimizer") && optimizer.contains("1e-7"), "{optimizer}");
}

#[test]
fn a_digest_tells_data_apart() {
    let whole = data::<f32>([3, 2, 4], false);
    let digest = whole.view().digest();
    assert_eq!(data::<f32>([3, 2, 4], false).view().digest(), digest);
    assert_ne!(data::<f32>([3, 4, 2], false).view().digest(), digest);
    assert_ne!(data::<f32>([3, 2, 4], true).view().digest(), digest);
    let mut digests = vec![digest];
    for at in 0..whole.features().len() {
        let mut other = whole.clone();
        other.features_mut()[at] += 1e-3;
        digests.push(other.view().digest());
    }
    for at in 0..whole.labels().len() {
        let mut other = whole.clone();
        other.labels_mut()[at] += 1e-3;
        digests.push(other.view().digest());
    }
    let count = digests.len();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), count);
}

/// Epochs that nobody looks at are those that somebody looks at, to the bit.
#[test]
fn looking_up_seldom_changes_nothing() {
    let plain = |batch_size, shuffle| Case::<f64> {
        architecture: Architecture::elman(Activation::Tanh),
        config: TrainConfig { learning_rate: 0.1, batch_size, shuffle, ..Default::default() },
        data: data((0..13).map(|s| s % 4 + 1), false),
        validation: None,
        run: Run { epochs: 23, ..Default::default() },
    };
    let large = Case { data: data(vec![2; 300], false), ..plain(1, Some(4)) };
    let adam =
        Case { config: TrainConfig { optimizer: Optimizer::adam(), ..Default::default() }, ..plain(1, None) };
    let warm = TrainConfig { warmup_epochs: 6, ..plain(1, None).config };
    let warm = Case { config: warm, ..plain(1, None) };
    let step = Schedule::Step { step_size: 4, gamma: 0.5 };
    let step = Case { config: TrainConfig { schedule: step, ..plain(1, None).config }, ..plain(1, None) };
    let cases =
        [plain(1, None), plain(1, Some(3)), plain(5, None), plain(12, Some(8)), large, adam, warm, step];
    for (number, case) in cases.iter().enumerate() {
        let (all, last, model) = case.finish(&mut case.trainer(1), case.run);
        let seldom = Run { every: 10, ..case.run };
        let (some, found, same) = case.finish(&mut case.trainer(1), seldom);
        assert!(same == model && found == last, "{number}");
        assert_eq!(some, [0, 9, 19, 22].map(|epoch| all[epoch]), "{number}");
        // From where it was left, and with 0 for 1.
        let mut trainer = case.trainer(1);
        case.finish(&mut trainer, Run { epochs: 7, every: 0, ..case.run });
        let (rest, _, same) = case.finish(&mut trainer, Run { every: 9, ..case.run });
        assert!(same == model, "{number}");
        assert_eq!(rest, [7, 8, 17, 22].map(|epoch| all[epoch]), "{number}");
    }
}

/// A network that diverges between two looks is found where it diverges.
#[test]
fn an_unseen_epoch_that_diverges_is_named() {
    let mut data = Dataset::<f32>::new(1, 1).unwrap();
    data.push(&[1.0, 1.0], &[1e3, 1e3]).unwrap();
    data.push(&[1.0, 2.0], &[1e3, -1e3]).unwrap();
    for batch_size in [1, 2] {
        let config = TrainConfig { learning_rate: 4.0, batch_size, ..Default::default() };
        let trainer = || {
            let model = DynRnn::new(1, 3, 1, Activation::Relu, 1).unwrap();
            Trainer::new(model, config.clone()).unwrap()
        };
        let run = Run { epochs: 1000, ..Default::default() };
        let (mut one, mut many) = (trainer(), trainer());
        let expected = one.run(&data, None, run, |_, _| Continue(())).unwrap_err();
        assert!(matches!(expected, Error::NonFiniteLoss { epoch: 2.., .. }), "{expected}");
        let found = many.run(&data, None, Run { every: 500, ..run }, |_, _| Continue(())).unwrap_err();
        assert_eq!((found.to_string(), many.epochs()), (expected.to_string(), one.epochs()));
        assert_eq!(many.model().params().flat(), one.model().params().flat());
    }
}
