//! After the first epoch, and after the first prediction, nothing is allocated: whatever the cell, the layers, the loss,
//! the optimizer and the settings.

mod counting;

use std::ops::ControlFlow;

use bptt::{Activation, Architecture, Dataset, DynRnn, Float, Level, Loss, Optimizer, Predictor};
use bptt::{Stepper, Stream, TrainConfig, Trainer};
use counting::{LENGTHS, allocations, check_prediction, check_training};

fn check_run_time<T: Float>(hidden: usize) {
    let mut data = Dataset::<T>::new(3, 2).unwrap();
    for steps in LENGTHS {
        data.push(&vec![T::ONE; 3 * steps], &vec![T::ZERO; 2 * steps]).unwrap();
    }
    for activation in Activation::ALL {
        let model = DynRnn::new(3, hidden, 2, activation, 1).unwrap();
        check_training(&model, &data);
        check_prediction(&model, &data);
    }
}

#[test]
fn a_plain_network_allocates_nothing_after_the_first_epoch() {
    for hidden in [5, 10, 33] {
        check_run_time::<f32>(hidden);
        check_run_time::<f64>(hidden);
    }
}

/// One more line for each optimizer.
fn optimizers() -> Vec<Optimizer> {
    let momentum = Optimizer::Sgd { momentum: 0.9, dampening: 0.1, nesterov: false, weight_decay: 0.01 };
    let amsgrad = Optimizer::AdamW { betas: (0.9, 0.99), eps: 1e-8, weight_decay: 0.1, amsgrad: true };
    vec![Optimizer::sgd(), momentum, Optimizer::adam(), amsgrad, Optimizer::rmsprop(), Optimizer::adagrad()]
}

/// Hidden units of a layer that counts as large, whatever the cell, with a panel that is not full.
const LARGE: usize = 225;

const LOSSES: [Loss; 5] = [Loss::Mse, Loss::Mae, Loss::Huber { delta: 0.5 }, Loss::Bce, Loss::CrossEntropy];

/// Every cell in one layer, in two, in both directions, and with dropout.
fn architectures() -> Vec<Architecture> {
    let cells = [
        Architecture::elman(Activation::Tanh),
        Architecture::elman(Activation::Relu),
        Architecture::gru(),
        Architecture::gru_reset_before(),
        Architecture::lstm(),
    ];
    let stacks = |cell: Architecture| {
        [
            cell,
            cell.num_layers(2),
            cell.bidirectional(true),
            cell.num_layers(2).bidirectional(true).dropout(0.3),
        ]
    };
    cells.into_iter().flat_map(stacks).chain(cells.map(|cell| cell.num_layers(2).dropout(0.5))).collect()
}

/// Every way from a gradient to an update, one by one and all together.
fn ways(bidirectional: bool) -> Vec<TrainConfig> {
    let truncate = if bidirectional { None } else { Some(3) };
    let plain = TrainConfig { batch_size: 2, shuffle: Some(1), ..Default::default() };
    vec![
        plain.clone(),
        TrainConfig { truncate, ..plain.clone() },
        TrainConfig { accumulate: 2, ..plain.clone() },
        TrainConfig { clip_norm: Some(0.1), ..plain.clone() },
        TrainConfig { clip_value: Some(0.01), ..plain.clone() },
        TrainConfig { truncate, accumulate: 3, clip_norm: Some(0.1), clip_value: Some(0.01), ..plain },
    ]
}

/// Sequences of these lengths, as labels for any loss; with `partial` every third timestep is not labelled.
fn classes<T: Float>(lengths: &[usize], partial: bool) -> Dataset<T> {
    let mut data = Dataset::new(3, 2).unwrap();
    for &steps in lengths {
        let class = |t: usize| if partial && t % 3 == 1 { None } else { Some(t % 2) };
        data.push_classes(&vec![T::ONE; 3 * steps], &(0..steps).map(class).collect::<Vec<_>>()).unwrap();
    }
    data
}

/// The first epochs over each of `data` make room; no later one does, in whatever order they come.
fn check_epochs<T: Float>(architecture: Architecture, config: &TrainConfig, data: &[&Dataset<T>]) {
    check_epochs_of(5, architecture, config, data);
}

/// The same with so many hidden units.
fn check_epochs_of<T: Float>(
    hidden: usize,
    architecture: Architecture,
    config: &TrainConfig,
    data: &[&Dataset<T>],
) {
    let model = DynRnn::<T>::with_architecture(3, hidden, 2, architecture, 1).unwrap();
    let mut trainer = Trainer::new(model, config.clone()).unwrap();
    let start = allocations();
    for data in data {
        trainer.epoch(*data).unwrap();
    }
    let before = allocations();
    assert!(before > start);
    for data in data.iter().rev().chain(data) {
        trainer.epoch(*data).unwrap();
        trainer.fit(*data, 2, |_, _| ControlFlow::Continue(())).unwrap();
    }
    assert_eq!(allocations(), before, "{architecture:?} {config:?}");
}

fn check_every_way<T: Float>() {
    let (whole, partial) = (classes::<T>(&LENGTHS, false), classes::<T>(&LENGTHS, true));
    for architecture in architectures() {
        for loss in LOSSES {
            let class_weights = match loss {
                Loss::Bce | Loss::CrossEntropy => Some(vec![0.5, 2.0]),
                _ => None,
            };
            for (number, config) in ways(architecture.bidirectional).into_iter().enumerate() {
                for optimizer in optimizers() {
                    let class_weights = class_weights.clone().filter(|_| number % 2 == 0);
                    let config = TrainConfig { loss, class_weights, optimizer, ..config.clone() };
                    check_epochs(architecture, &config, &[&whole, &partial]);
                }
            }
        }
    }
}

#[test]
fn no_setting_allocates_after_the_first_epoch() {
    check_every_way::<f32>();
    check_every_way::<f64>();
}

/// Few long sequences take other room than many short ones; a trainer keeps both.
#[test]
fn going_back_and_forth_between_data_allocates_nothing() {
    let (long, short) = (classes::<f32>(&[3000, 2], true), classes::<f32>(&[1; 100], false));
    for architecture in architectures() {
        // A single Elman layer has a workspace of its own for squared errors, where no label is missing.
        for loss in [Loss::Mse, Loss::Bce] {
            let config = TrainConfig { batch_size: 50, loss, ..Default::default() };
            check_epochs(architecture, &config, &[&long, &short]);
            let long = classes::<f32>(&[3000, 2], false);
            check_epochs(architecture, &config, &[&long, &short]);
        }
    }
}

/// Large layers go through products of matrices, which have buffers of their own.
#[test]
fn large_layers_allocate_nothing_after_the_first_epoch() {
    let (long, short) = (classes::<f32>(&[40, 2], true), classes::<f32>(&[1; 30], false));
    for architecture in architectures() {
        let config = TrainConfig { batch_size: 20, ..Default::default() };
        check_epochs_of(LARGE, architecture, &config, &[&long, &short]);
    }
    let model = DynRnn::<f32>::new(3, LARGE, 2, Activation::Tanh, 1).unwrap();
    let data = classes::<f32>(&LENGTHS, false);
    check_training(&model, &data);
    let mut outputs = vec![0.0; data.labels().len()];
    let mut predictor = Predictor::new(&model).unwrap();
    let mut predict = || {
        predictor.predict_sequences_into(data.features(), data.offsets(), &mut outputs).unwrap();
        predictor.predict_into(&data.features()[..6], &mut outputs[..4]).unwrap();
        allocations()
    };
    let first = predict();
    assert_eq!(predict(), first);
}

fn check_predictions<T: Float>() {
    let mut data = classes::<T>(&[40; 300], false);
    data.push(&[T::ONE; 3], &[T::ZERO; 2]).unwrap();
    let long = classes::<T>(&[900], false);
    let mut outputs = vec![T::ZERO; data.labels().len()];
    for architecture in architectures() {
        let model = DynRnn::<T>::with_architecture(3, 5, 2, architecture, 1).unwrap();
        for level in Level::available() {
            let mut predictor = Predictor::with_level(&model, level).unwrap();
            let mut both = || {
                for data in [&data, &long] {
                    let outputs = &mut outputs[..data.labels().len()];
                    predictor.predict_sequences_into(data.features(), data.offsets(), outputs).unwrap();
                }
                for steps in 0..9 {
                    predictor.predict_into(&data.features()[..3 * steps], &mut outputs[..2 * steps]).unwrap();
                }
                allocations()
            };
            let first = both();
            assert_eq!(both(), first, "{architecture:?} {level}");
        }
    }
}

#[test]
fn no_architecture_allocates_after_the_first_predictions() {
    check_predictions::<f32>();
    check_predictions::<f64>();
}

/// A timestep of live data never allocates, and what it returns, saves and takes back neither.
fn check_streams<T: Float>() {
    for architecture in architectures().into_iter().filter(|architecture| !architecture.bidirectional) {
        let model = DynRnn::<T>::with_architecture(3, 5, 2, architecture, 1).unwrap();
        for level in Level::available() {
            let stepper = Stepper::with_level(&model, level).unwrap();
            let mut stream = Stream::with_level(&model, level).unwrap();
            let (mut state, mut saved) = (stepper.state().unwrap(), stream.save().unwrap());
            let before = allocations();
            for _ in 0..5 {
                let mut outputs = [T::ZERO; 2];
                stepper.step(&mut state, &[T::ONE; 3], &mut outputs).unwrap();
                assert_eq!(stream.step(&[T::ONE; 3]).unwrap(), &outputs);
                state.save_into(&mut saved).unwrap();
                state.restore(&saved).unwrap();
            }
            stream.reset();
            assert_eq!(allocations(), before, "{architecture:?} {level}");
        }
    }
}

#[test]
fn a_timestep_of_live_data_allocates_nothing() {
    check_streams::<f32>();
    check_streams::<f64>();
}
