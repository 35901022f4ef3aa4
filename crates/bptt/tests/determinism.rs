//! The same seed gives the same bits; training stops where it is told to; what cannot work is a typed error.

use std::ops::ControlFlow;

use bptt::{Activation, Dataset, DynRnn, Error, Float, Level, Reduction, Rng, TrainConfig, Trainer};

fn random<T: Float>(rng: &mut Rng, count: usize, size: f64) -> Vec<T> {
    (0..count).map(|_| T::from_f64(size * (2.0 * rng.uniform() - 1.0))).collect()
}

/// Sequences of 3 inputs and 2 labels, both up to `size`.
fn data<T: Float>(size: f64) -> Dataset<T> {
    let mut rng = Rng::new(11);
    let mut data = Dataset::new(3, 2).unwrap();
    for steps in [6, 1, 9, 3, 4, 2, 8] {
        data.push(&random(&mut rng, 3 * steps, size), &random(&mut rng, 2 * steps, size)).unwrap();
    }
    data
}

fn model<T: Float>(activation: Activation, seed: u64) -> DynRnn<T> {
    DynRnn::new(3, 18, 2, activation, seed).unwrap()
}

fn bits<T: Float>(values: &[T]) -> Vec<u64> {
    values.iter().map(|value| value.to_f64().to_bits()).collect()
}

/// The bits of ten epochs' losses and of the parameters after them.
fn run<T: Float>(level: Level, batch_size: usize, seed: u64, shuffle: Option<u64>) -> [Vec<u64>; 2] {
    let config = TrainConfig { batch_size, shuffle, ..TrainConfig::default() };
    let mut trainer = Trainer::with_level(model::<T>(Activation::Tanh, seed), config, level).unwrap();
    let mut losses = Vec::new();
    let callback = |stats: &bptt::EpochStats, _: &_| {
        losses.push(stats.loss);
        ControlFlow::Continue(())
    };
    trainer.fit(&data(1.0), 10, callback).unwrap();
    [bits(&losses), bits(trainer.model().params().flat())]
}

fn check_seeds<T: Float>() {
    for level in Level::available() {
        for batch_size in [1, 3] {
            let first = run::<T>(level, batch_size, 1, Some(1));
            assert_eq!(first, run::<T>(level, batch_size, 1, Some(1)), "{level}");
            for (seed, shuffle) in [(2, Some(1)), (1, Some(2)), (1, None)] {
                let [losses, params] = run::<T>(level, batch_size, seed, shuffle);
                assert_ne!(losses, first[0], "{level}");
                assert_ne!(params, first[1], "{level}");
            }
        }
    }
}

#[test]
fn a_seed_decides_every_bit() {
    check_seeds::<f32>();
    check_seeds::<f64>();
}

#[test]
fn single_epochs_are_the_same_as_one_fit() {
    let config = TrainConfig { shuffle: Some(3), ..TrainConfig::default() };
    let mut whole = Trainer::new(model::<f32>(Activation::Relu, 1), config.clone()).unwrap();
    let mut single = Trainer::new(model::<f32>(Activation::Relu, 1), config).unwrap();
    let last = whole.fit(&data(1.0), 5, |_, _| ControlFlow::Continue(())).unwrap().unwrap();
    let stats: Vec<_> = (0..5).map(|_| single.epoch(&data(1.0)).unwrap()).collect();
    assert_eq!(stats[4], last);
    assert_eq!((last.epoch, last.batches, last.timesteps), (5, 7, 33));
    assert_eq!(whole.model(), single.model());
}

#[test]
fn training_stops_where_the_callback_breaks() {
    let data = data::<f64>(1.0);
    let mut trainer = Trainer::new(model(Activation::Tanh, 1), TrainConfig::default()).unwrap();
    let mut seen = Vec::new();
    let last = trainer.fit(&data, 100, |stats, model| {
        seen.push((stats.epoch, model.clone()));
        if stats.epoch == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(last.unwrap().unwrap().epoch, 4);
    assert_eq!(seen.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!((trainer.epochs(), trainer.model()), (4, &seen[3].1));
    // No epoch at all is no error, and changes nothing.
    assert_eq!(trainer.fit(&data, 0, |_, _| unreachable!()), Ok(None));
    assert_eq!(trainer.into_model(), seen[3].1);
}

/// The parameters after `epochs` whole epochs and the first `batches` batches of the next.
fn replay<T: Float>(
    start: &DynRnn<T>,
    data: &Dataset<T>,
    (config, level): (&TrainConfig, Level),
    (epochs, batches): (usize, usize),
) -> Vec<u64> {
    let mut trainer = Trainer::with_level(start.clone(), config.clone(), level).unwrap();
    trainer.fit(data, epochs, |_, _| ControlFlow::Continue(())).unwrap();
    if batches > 0 {
        let part: Vec<usize> = (0..batches * config.batch_size).collect();
        trainer.epoch(&data.subset(&part).unwrap()).unwrap();
    }
    bits(trainer.model().params().flat())
}

fn all_finite<T: Float>(model: &DynRnn<T>) -> bool {
    model.params().flat().iter().all(|value| value.is_finite())
}

/// Trains with a learning rate so large that the loss overflows at some point.
fn check_divergence<T: Float>(level: Level, activation: Activation, batch_size: usize) {
    let (data, start) = (data::<T>(1.0), model::<T>(activation, 1));
    let config = TrainConfig { learning_rate: 30.0, batch_size, ..TrainConfig::default() };
    let mut trainer = Trainer::with_level(start.clone(), config.clone(), level).unwrap();
    let error = trainer.fit(&data, 1000, |_, _| ControlFlow::Continue(())).unwrap_err();
    let Error::NonFiniteLoss { epoch, batch } = error else { panic!("{error}") };
    let case = format!("{level} {activation} {batch_size} {}: epoch {epoch}, batch {batch}", T::DTYPE);
    assert_eq!(epoch, trainer.epochs(), "{case}");
    assert!((epoch, batch) > (1, 1), "{case}: some batch must have been trained on");
    // Not so for every learning rate: an update can overflow before a loss does.
    assert!(all_finite(trainer.model()), "{case}");
    let found = bits(trainer.model().params().flat());
    assert_eq!(found, replay(&start, &data, (&config, level), (epoch - 1, batch - 1)), "{case}");
}

/// One sequence whose squared error is beyond `T`: the batch that it is in fails, in the first epoch.
fn check_overflow<T: Float>(level: Level, activation: Activation, batch_size: usize) {
    let (mut data, start) = (data::<T>(1.0), model::<T>(activation, 1));
    let huge = T::from_f64(if T::LINE == 8 { 1e200 } else { 1e30 });
    let last_row_of_sequence_3 = data.offsets()[4] - 1;
    data.labels_mut()[2 * last_row_of_sequence_3] = huge;
    let config = TrainConfig { batch_size, ..TrainConfig::default() };
    let mut trainer = Trainer::with_level(start.clone(), config.clone(), level).unwrap();
    let batch = 3 / batch_size + 1;
    let error = trainer.fit(&data, 10, |_, _| ControlFlow::Continue(())).unwrap_err();
    assert_eq!(error, Error::NonFiniteLoss { epoch: 1, batch });
    let case = format!("{level} {activation} {batch_size} {}", T::DTYPE);
    assert!(all_finite(trainer.model()), "{case}");
    assert_ne!(trainer.model(), &start, "{case}");
    let found = bits(trainer.model().params().flat());
    assert_eq!(found, replay(&start, &data, (&config, level), (0, batch - 1)), "{case}");
}

#[test]
fn divergence_is_an_error_that_leaves_the_parameters_before_it() {
    for level in Level::available() {
        for activation in Activation::ALL {
            for batch_size in [1, 2, 3] {
                check_divergence::<f32>(level, activation, batch_size);
                check_divergence::<f64>(level, activation, batch_size);
                check_overflow::<f32>(level, activation, batch_size);
                check_overflow::<f64>(level, activation, batch_size);
            }
        }
    }
}

/// A NaN anywhere in the parameters reaches the loss, whatever the activation does with it.
fn check_nan<T: Float>(level: Level, activation: Activation, batch_size: usize) {
    let names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "fc.weight", "fc.bias"];
    for name in names {
        let mut broken = model::<T>(activation, 1);
        let mut values = broken.params().get(name).unwrap();
        let last = values.len() - 1;
        values[last] = T::from_f64(f64::NAN);
        broken.params_mut().set(name, &values).unwrap();
        let config = TrainConfig { batch_size, ..TrainConfig::default() };
        let before = bits(broken.params().flat());
        let mut trainer = Trainer::with_level(broken, config, level).unwrap();
        let expected = Error::NonFiniteLoss { epoch: 1, batch: 1 };
        assert_eq!(trainer.epoch(&data(1.0)), Err(expected), "{level} {activation} {name}");
        assert_eq!(bits(trainer.model().params().flat()), before, "{level} {activation} {name}");
    }
}

#[test]
fn no_activation_hides_nan() {
    for level in Level::available() {
        for activation in Activation::ALL {
            for batch_size in [1, 3] {
                check_nan::<f32>(level, activation, batch_size);
                check_nan::<f64>(level, activation, batch_size);
            }
        }
    }
}

#[test]
fn settings_out_of_range_are_errors() {
    for learning_rate in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let config = TrainConfig { learning_rate, ..TrainConfig::default() };
        let error = Trainer::new(model::<f32>(Activation::Tanh, 1), config).unwrap_err();
        let Error::Setting { name: "learning_rate", expected, found } = error else { panic!("{error}") };
        assert_eq!((expected, found), ("a positive number", learning_rate.to_string()));
    }
    let config = TrainConfig { batch_size: 0, ..TrainConfig::default() };
    let error = Trainer::new(model::<f32>(Activation::Tanh, 1), config).unwrap_err();
    assert_eq!(error, Error::ZeroSize { what: "batch_size" });
}

#[test]
fn data_that_do_not_fit_are_errors() {
    let mut trainer = Trainer::new(model::<f32>(Activation::Tanh, 1), TrainConfig::default()).unwrap();
    let mut other = Dataset::new(4, 2).unwrap();
    other.push(&[0.0; 4], &[0.0; 2]).unwrap();
    let wrong = Error::Size { what: "input_size of the data", expected: 3, found: 4 };
    assert_eq!(trainer.epoch(&other).unwrap_err(), wrong);
    let mut other = Dataset::new(3, 1).unwrap();
    other.push(&[0.0; 3], &[0.0]).unwrap();
    let wrong = Error::Size { what: "output_size of the data", expected: 2, found: 1 };
    assert_eq!(trainer.epoch(&other).unwrap_err(), wrong);
    assert_eq!(trainer.model().gradients(&other, Reduction::Mean).unwrap_err(), wrong);
    let empty = Dataset::new(3, 2).unwrap();
    let error = Error::Empty { what: "the data" };
    assert_eq!(trainer.epoch(&empty).unwrap_err(), error);
    assert_eq!(trainer.fit(&empty, 0, |_, _| unreachable!()).unwrap_err(), error);
    assert_eq!(trainer.model().gradients(&empty, Reduction::Mean).unwrap_err(), error);
    assert_eq!(trainer.epochs(), 0);
    // Another size than the type's.
    let error = model::<f32>(Activation::Tanh, 1).into_typed::<3, 17, 2>().unwrap_err();
    assert_eq!(error, Error::Size { what: "hidden_size", expected: 17, found: 18 });
}
