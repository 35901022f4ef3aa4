//! What the settings of a training mean: seeds, dropout, windows, accumulation, weights, early stopping.
//!
//! Each is held against another way to the same numbers: to the last bit where the same sums are taken in the same order,
//! else up to rounding.

use std::ops::ControlFlow;

use bptt::{Activation, Architecture, Dataset, DynRnn, EarlyStopping, EpochStats, Gradients, Level, Rng};
use bptt::{TrainConfig, Trainer};

/// Sums in `f64` in another order, relative to the largest value. Measured: 4.8e-16.
const ROUNDING: f64 = 1e-13;

const LENGTHS: [usize; 7] = [6, 1, 9, 3, 4, 2, 8];

fn random(rng: &mut Rng, count: usize) -> Vec<f64> {
    (0..count).map(|_| 2.0 * rng.uniform() - 1.0).collect()
}

/// Sequences of 3 inputs and 2 labels.
fn data(lengths: &[usize], seed: u64) -> Dataset<f64> {
    let mut rng = Rng::new(seed);
    let mut data = Dataset::new(3, 2).unwrap();
    for steps in lengths {
        data.push(&random(&mut rng, 3 * steps), &random(&mut rng, 2 * steps)).unwrap();
    }
    data
}

fn stacks() -> [Architecture; 4] {
    [
        Architecture::elman(Activation::Tanh).num_layers(2),
        Architecture::gru(),
        Architecture::lstm().num_layers(2),
        Architecture::gru().bidirectional(true),
    ]
}

fn model(architecture: Architecture) -> DynRnn<f64> {
    DynRnn::with_architecture(3, 10, 2, architecture, 1).unwrap()
}

fn go(_: &EpochStats, _: &DynRnn<f64>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Three epochs: the last one's statistics, and the model.
fn train(architecture: Architecture, data: &Dataset<f64>, config: &TrainConfig) -> (EpochStats, DynRnn<f64>) {
    let mut trainer = Trainer::new(model(architecture), config.clone()).unwrap();
    let stats = trainer.fit(data, 3, go).unwrap().unwrap();
    (stats, trainer.into_model())
}

fn gradients(model: &DynRnn<f64>, data: &Dataset<f64>, config: &TrainConfig) -> Gradients<f64> {
    Gradients::with_config(model, data, config, None, Level::best()).unwrap().0
}

fn difference(a: &[f64], b: &[f64]) -> f64 {
    let scale = b.iter().fold(f64::MIN_POSITIVE, |most: f64, x| most.max(x.abs()));
    a.iter().zip(b).fold(0.0, |most: f64, (a, b)| most.max((a - b).abs() / scale))
}

/// Equal up to rounding.
fn assert_close(a: &[f64], b: &[f64], case: &str) {
    let error = difference(a, b);
    assert!(a.len() == b.len() && error <= ROUNDING, "{case}: {error:e}");
}

#[test]
fn seeds_decide_every_bit() {
    let data = data(&LENGTHS, 1);
    for stack in stacks() {
        let dropout = if stack.num_layers > 1 { 0.4 } else { 0.0 };
        let stack = stack.dropout(dropout);
        let config = TrainConfig { batch_size: 3, shuffle: Some(1), dropout_seed: 1, ..Default::default() };
        let first = train(stack, &data, &config);
        assert_eq!(first, train(stack, &data, &config), "{stack:?}");
        let other_order = train(stack, &data, &TrainConfig { shuffle: Some(2), ..config.clone() });
        assert_ne!(first.1, other_order.1, "{stack:?}");
        let other_draws = train(stack, &data, &TrainConfig { dropout_seed: 2, ..config });
        assert_eq!(first == other_draws, dropout == 0.0, "{stack:?}");
    }
}

/// What a trainer has seen before, other than through its weights, leaves no trace: neither an evaluation between two
/// epochs, on longer sequences and on more of them, nor the room that it made.
#[test]
fn an_evaluation_changes_nothing() {
    let (small, large) = (data(&[5; 60], 1), data(&[900, 1, 700, 3, 800, 1, 1, 1, 1, 1, 2], 2));
    let plain = Architecture::elman(Activation::Tanh);
    for stack in stacks().into_iter().chain([plain]) {
        let stack = if stack.num_layers > 1 { stack.dropout(0.2) } else { stack };
        let config = TrainConfig { batch_size: 60, ..Default::default() };
        for (train, other) in [(&small, &large), (&large, &small)] {
            let mut trainer = Trainer::new(model(stack), config.clone()).unwrap();
            let mut measuring = Trainer::new(model(stack), config.clone()).unwrap();
            for _ in 0..3 {
                measuring.evaluate(other).unwrap();
                let stats = trainer.epoch(train).unwrap();
                assert_eq!(measuring.epoch(train).unwrap(), stats, "{stack:?}");
            }
            assert_eq!(trainer.model(), measuring.model(), "{stack:?}");
            // `fit_validated` goes back and forth by itself.
            let mut validated = Trainer::new(model(stack), config.clone()).unwrap();
            let (stopping, mut last) = (EarlyStopping { patience: 9, min_delta: 0.0 }, None);
            let keep = |_: &EpochStats, model: &DynRnn<f64>| {
                last = Some(model.clone());
                ControlFlow::Continue(())
            };
            validated.fit_validated(train, other, 3, stopping, keep).unwrap();
            assert_eq!(last.as_ref(), Some(trainer.model()), "{stack:?}");
        }
    }
}

/// One long sequence takes more rows than many short ones, which take more states.
#[test]
fn validation_data_may_be_of_another_shape() {
    let (long, short) = (data(&[900], 1), data(&[1; 300], 2));
    let model = DynRnn::<f64>::with_architecture(3, 64, 2, Architecture::gru(), 1).unwrap();
    for (train, validation) in [(&long, &short), (&short, &long)] {
        let mut trainer = Trainer::new(model.clone(), TrainConfig::default()).unwrap();
        let best = trainer.fit_validated(train, validation, 2, EarlyStopping::default(), go);
        assert!(best.unwrap().is_some());
    }
}

/// Draws belong to rows of the data. A long sequence without labels changes how many sequences are worked on together, and
/// which ones, but no gradient.
#[test]
fn dropout_does_not_depend_on_the_grouping() {
    let plain = data(&[5; 40], 1);
    let mut grouped = plain.clone();
    grouped.push_partial(&[0.5; 3 * 400], &[f64::NAN; 2 * 400]).unwrap();
    for stack in stacks() {
        let stack = stack.num_layers(3).dropout(0.5);
        let (model, config) = (model(stack), TrainConfig::default());
        let (a, b) = (gradients(&model, &plain, &config), gradients(&model, &grouped, &config));
        assert_close(&[a.loss], &[b.loss], "loss");
        assert_close(a.params.flat(), b.params.flat(), "gradients");
        let undropped = gradients(&self::model(stack.dropout(0.0)), &plain, &config);
        assert!(difference(a.params.flat(), undropped.params.flat()) > 0.01, "{stack:?}");
        // In whatever order a batch is drawn, each sequence keeps its draws.
        let config = TrainConfig { batch_size: 40, ..config };
        let whole = train(stack, &plain, &config);
        let shuffled = train(stack, &plain, &TrainConfig { shuffle: Some(1), ..config });
        assert_close(whole.1.params().flat(), shuffled.1.params().flat(), "shuffled");
    }
}

#[test]
fn dropout_is_for_training_only() {
    let data = data(&LENGTHS, 1);
    for stack in [Architecture::elman(Activation::Relu), Architecture::gru(), Architecture::lstm()] {
        let stack = stack.num_layers(2);
        let (mut with, without) = (model(stack.dropout(0.5)), model(stack));
        let predict = |model: &DynRnn<f64>| model.predict_sequences(data.features(), data.offsets()).unwrap();
        assert_eq!(predict(&with), predict(&without));
        let evaluate = |model: &DynRnn<f64>| {
            Trainer::new(model.clone(), TrainConfig::default()).unwrap().evaluate(&data)
        };
        assert_eq!(evaluate(&with), evaluate(&without));
        assert_eq!(with.gradients(&data, Default::default()), without.gradients(&data, Default::default()));
        let config = TrainConfig::default();
        assert_ne!(gradients(&with, &data, &config).loss, gradients(&without, &data, &config).loss);
        // The last layer's outputs are whole: with a readout of 0 but for its bias there is nothing to drop.
        with.params_mut().set("fc.weight", &[0.0; 20]).unwrap();
        let mut bare = without.clone();
        bare.params_mut().set("fc.weight", &[0.0; 20]).unwrap();
        assert_eq!(gradients(&with, &data, &config).loss, gradients(&bare, &data, &config).loss);
    }
}

/// Runs a training and looks for the best epoch by itself.
fn check_stopping(stopping: EarlyStopping, epochs: usize, learning_rate: f64) -> usize {
    let (train, validation) = (data(&LENGTHS, 1), data(&LENGTHS, 2));
    let config = TrainConfig { learning_rate, ..Default::default() };
    let mut trainer = Trainer::new(model(Architecture::gru()), config).unwrap();
    let mut seen: Vec<(EpochStats, DynRnn<f64>)> = Vec::new();
    let keep = |stats: &EpochStats, model: &DynRnn<f64>| {
        seen.push((*stats, model.clone()));
        ControlFlow::Continue(())
    };
    let best = trainer.fit_validated(&train, &validation, epochs, stopping, keep).unwrap().unwrap();
    let (mut expected, mut waited) = (0, 0);
    for (number, (stats, model)) in seen.iter().enumerate() {
        assert_eq!(stats.epoch, number + 1);
        let measure = Trainer::new(model.clone(), TrainConfig::default()).unwrap().evaluate(&validation);
        let loss = stats.validation_loss.unwrap();
        assert_eq!(measure, Ok(loss));
        let better = number == 0 || loss < seen[expected].0.validation_loss.unwrap() - stopping.min_delta;
        assert_eq!(stats.best, better, "epoch {}", stats.epoch);
        (expected, waited) = if better { (number, 0) } else { (expected, waited + 1) };
        assert_eq!(waited == stopping.patience || number + 1 == epochs, number + 1 == seen.len());
    }
    assert_eq!(best, seen[expected].0);
    assert_eq!(trainer.model(), &seen[expected].1);
    assert_eq!(trainer.evaluate(&validation), Ok(best.validation_loss.unwrap()));
    assert_eq!(trainer.epochs(), seen.len());
    seen.len()
}

#[test]
fn early_stopping_ends_with_the_best_epoch() {
    for learning_rate in [0.05, 0.5] {
        for patience in [1, 2, 5] {
            for min_delta in [0.0, 1e-3] {
                let epochs = check_stopping(EarlyStopping { patience, min_delta }, 200, learning_rate);
                assert!((patience + 1..200).contains(&epochs), "{patience} {min_delta}: {epochs}");
            }
        }
        assert_eq!(
            check_stopping(EarlyStopping { patience: usize::MAX, min_delta: 0.0 }, 60, learning_rate),
            60
        );
    }
}

/// A validation loss that is not a number: its data overflow, whatever the weights.
#[test]
fn nan_is_never_the_best_validation_loss() {
    let (train, mut validation) = (data(&LENGTHS, 1), data(&LENGTHS, 2));
    let stack = Architecture::elman(Activation::Relu).num_layers(2);
    let stopping = EarlyStopping { patience: 3, min_delta: 0.0 };
    validation.labels_mut()[0] = f64::MAX;
    let mut trainer = Trainer::new(model(stack), TrainConfig::default()).unwrap();
    let mut seen = Vec::new();
    let keep = |stats: &EpochStats, model: &DynRnn<f64>| {
        assert!(!stats.best && !stats.validation_loss.unwrap().is_finite());
        seen.push(model.clone());
        ControlFlow::Continue(())
    };
    let best = trainer.fit_validated(&train, &validation, 10, stopping, keep);
    // There was no best epoch: the last one stays.
    assert_eq!((best, seen.len()), (Ok(None), 3));
    assert_eq!(trainer.model(), &seen[2]);
}

#[test]
fn a_window_beyond_the_longest_sequence_is_none() {
    let data = data(&LENGTHS, 1);
    for stack in stacks().into_iter().filter(|stack| !stack.bidirectional) {
        for batch_size in [1, 3] {
            let config = TrainConfig { batch_size, ..Default::default() };
            let whole = train(stack, &data, &config);
            for truncate in [9, 10, usize::MAX] {
                let config = TrainConfig { truncate: Some(truncate), ..config.clone() };
                assert_eq!(train(stack, &data, &config), whole, "{stack:?} {truncate}");
            }
            assert_ne!(train(stack, &data, &TrainConfig { truncate: Some(8), ..config }).1, whole.1);
        }
    }
}

/// An epoch in windows by hand: gradients of pieces, each from the states that the one before left.
#[test]
fn windows_begin_where_the_one_before_ended() {
    let data = data(&[11], 1);
    for stack in stacks().into_iter().filter(|stack| !stack.bidirectional) {
        let config = TrainConfig { truncate: Some(4), ..Default::default() };
        let mut trainer = Trainer::new(model(stack), config.clone()).unwrap();
        assert_eq!(trainer.epoch(&data).unwrap().batches, 3);
        let (mut by_hand, mut state) = (model(stack), None);
        for (from, to) in [(0, 4), (4, 8), (8, 11)] {
            let mut window = Dataset::new(3, 2).unwrap();
            window.push(&data.features()[3 * from..3 * to], &data.labels()[2 * from..2 * to]).unwrap();
            let step = Gradients::with_config(&by_hand, &window, &config, state.as_ref(), Level::best());
            let (gradients, last) = step.unwrap();
            for (p, g) in by_hand.params_mut().flat_mut().iter_mut().zip(gradients.params.flat()) {
                *p -= config.learning_rate * g;
            }
            state = Some(last);
        }
        assert_close(trainer.model().params().flat(), by_hand.params().flat(), "by hand");
    }
}

/// One sequence per update on wide layers: the gradient goes straight into the weights. A limit that nothing reaches leaves it where
/// it goes otherwise.
#[test]
fn gradients_that_go_straight_into_the_weights_are_the_same() {
    let mut rng = bptt::Rng::new(9);
    let mut data = Dataset::<f64>::new(3, 2).unwrap();
    for steps in [7, 1, 4, 9, 2] {
        let mut draw = |count| (0..count).map(|_| rng.uniform() - 0.5).collect::<Vec<f64>>();
        data.push(&draw(3 * steps), &draw(2 * steps)).unwrap();
    }
    let elman = Architecture::elman(Activation::Tanh);
    for (architecture, hidden) in [
        (elman.num_layers(2), 225),
        (Architecture::gru().num_layers(2).bidirectional(true), 130),
        (Architecture::lstm().num_layers(2).dropout(0.2), 112),
    ] {
        let model = DynRnn::with_architecture(3, hidden, 2, architecture, 3).unwrap();
        for truncate in [None, Some(3)].into_iter().filter(|cut| cut.is_none() || !architecture.bidirectional)
        {
            let straight = TrainConfig { learning_rate: 0.05, truncate, ..Default::default() };
            let apart = TrainConfig { clip_value: Some(1e9), ..straight.clone() };
            let [(found, model), (expected, other)] = [straight, apart].map(|config| {
                let mut trainer = Trainer::new(model.clone(), config).unwrap();
                let losses = [0; 3].map(|_| trainer.epoch(&data).unwrap());
                (losses, trainer.into_model())
            });
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found.loss - expected.loss).abs() < 1e-12 * expected.loss, "{architecture:?}");
                assert_eq!(found.batches, expected.batches);
            }
            let pairs = model.params().flat().iter().zip(other.params().flat());
            let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-14, "{architecture:?}: {worst:e}");
        }
    }
}
