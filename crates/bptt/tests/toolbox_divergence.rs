//! A loss that is not a number is an error, whatever the cell and the loss: no update is made of it, nothing hides it,
//! and nothing of it stays behind.

use std::ops::ControlFlow;

use bptt::{Activation, Architecture, Dataset, DynRnn, Error, Float, Level, Loss, Reduction, Rng};
use bptt::{TrainConfig, Trainer};

const LOSSES: [Loss; 5] = [Loss::Mse, Loss::Mae, Loss::Huber { delta: 0.5 }, Loss::Bce, Loss::CrossEntropy];

/// All cells, alone and in stacks.
fn architectures() -> Vec<Architecture> {
    let elman = Architecture::elman;
    let gated = [Architecture::gru(), Architecture::gru_reset_before(), Architecture::lstm()];
    let cells = [elman(Activation::Tanh), elman(Activation::Relu), gated[0], gated[1], gated[2]];
    let stacks =
        |cell: Architecture| [cell, cell.num_layers(2).dropout(0.3), cell.num_layers(2).bidirectional(true)];
    cells.into_iter().flat_map(stacks).chain([elman(Activation::Sigmoid).num_layers(2)]).collect()
}

/// Ragged sequences.
fn data<T: Float>() -> Dataset<T> {
    sequences([6, 1, 9, 3, 4, 2, 8])
}

/// Sequences of 2 inputs and 3 labels, which suit every loss.
fn sequences<T: Float>(lengths: [usize; 7]) -> Dataset<T> {
    let mut rng = Rng::new(11);
    let mut data = Dataset::new(2, 3).unwrap();
    for steps in lengths {
        let features: Vec<T> = (0..2 * steps).map(|_| T::from_f64(2.0 * rng.uniform() - 1.0)).collect();
        let classes: Vec<_> = (0..steps).map(|_| Some((rng.uniform() * 3.0) as usize)).collect();
        data.push_classes(&features, &classes).unwrap();
    }
    data
}

fn model<T: Float>(architecture: Architecture) -> DynRnn<T> {
    DynRnn::with_architecture(2, 9, 3, architecture, 1).unwrap()
}

fn bits<T: Float>(model: &DynRnn<T>) -> Vec<u64> {
    model.params().flat().iter().map(|value| value.to_f64().to_bits()).collect()
}

/// The parameters after `epochs` whole epochs and the first `batches` batches of the next.
fn replay<T: Float>(start: DynRnn<T>, config: &TrainConfig, (epochs, batches): (usize, usize)) -> Vec<u64> {
    let mut trainer = Trainer::new(start, config.clone()).unwrap();
    trainer.fit(&data(), epochs, |_, _| ControlFlow::Continue(())).unwrap();
    if batches > 0 {
        let part: Vec<usize> = (0..batches * config.batch_size).collect();
        trainer.epoch(&data().subset(&part).unwrap()).unwrap();
    }
    bits(trainer.model())
}

/// Steps that are much too large. A squared error's gradient grows with the error; those of the other losses are limited,
/// so that the steps have to go beyond the type's numbers by themselves.
fn check_divergence<T: Float>(architecture: Architecture, loss: Loss, batch_size: usize) {
    let most = if T::LINE == 8 { f64::MAX } else { f64::from(f32::MAX) };
    let (learning_rate, reduction) =
        if loss == Loss::Mse { (100.0, Reduction::Mean) } else { (0.9 * most, Reduction::Sum) };
    let config = TrainConfig { learning_rate, reduction, loss, batch_size, ..Default::default() };
    let start = model::<T>(architecture);
    let mut trainer = Trainer::new(start.clone(), config.clone()).unwrap();
    let error = trainer.fit(&data(), 2000, |_, _| ControlFlow::Continue(()));
    let case = format!("{architecture:?} {loss} {batch_size} {}", T::DTYPE);
    let Err(Error::NonFiniteLoss { epoch, batch }) = error else { panic!("{case}: {error:?}") };
    assert_eq!(epoch, trainer.epochs(), "{case}");
    assert!((epoch, batch) > (1, 1), "{case}: some batch must have been trained on");
    assert_eq!(bits(trainer.model()), replay(start, &config, (epoch - 1, batch - 1)), "{case}");
}

#[test]
fn divergence_leaves_the_parameters_of_before_the_failing_update() {
    for architecture in architectures() {
        for loss in LOSSES {
            check_divergence::<f32>(architecture, loss, 1);
            check_divergence::<f32>(architecture, loss, 3);
            check_divergence::<f64>(architecture, loss, 2);
        }
    }
}

/// A NaN in a single parameter.
fn check_nan<T: Float>(architecture: Architecture, loss: Loss, level: Level) {
    let names: Vec<String> =
        model::<T>(architecture).params().shapes().map(|(name, _)| name.into()).collect();
    for name in names {
        for batch_size in [1, 4] {
            let mut broken = model::<T>(architecture);
            let mut values = broken.params().get(&name).unwrap();
            let last = values.len() - 1;
            values[last] = T::from_f64(f64::NAN);
            broken.params_mut().set(&name, &values).unwrap();
            let before = bits(&broken);
            let config = TrainConfig { loss, batch_size, ..Default::default() };
            let mut trainer = Trainer::with_level(broken, config, level).unwrap();
            let case = format!("{architecture:?} {loss} {level} {name}");
            let expected = Error::NonFiniteLoss { epoch: 1, batch: 1 };
            assert_eq!(trainer.epoch(&data()), Err(expected), "{case}");
            assert!(trainer.evaluate(&data()).unwrap().is_nan(), "{case}");
            assert_eq!(bits(trainer.model()), before, "{case}");
        }
    }
}

#[test]
fn no_cell_and_no_loss_hides_nan() {
    for level in Level::available() {
        for architecture in architectures() {
            for loss in LOSSES {
                check_nan::<f32>(architecture, loss, level);
                check_nan::<f64>(architecture, loss, level);
            }
        }
    }
}

/// Neither a failed epoch nor a NaN that an evaluation met stays in the buffers, where the next batch could meet it.
#[test]
fn a_failure_leaves_nothing_behind() {
    for architecture in architectures() {
        for batch_size in [1, 7] {
            // What dropout draws would be other after one more pass.
            let architecture = architecture.dropout(0.0);
            let config = TrainConfig { batch_size, loss: Loss::Bce, ..Default::default() };
            // In the rows that ragged sequences leave out.
            let mut broken = sequences::<f64>([9; 7]);
            broken.features_mut().iter_mut().for_each(|x| *x = f64::NAN);
            let mut trainer = Trainer::new(model(architecture), config.clone()).unwrap();
            let mut fresh = Trainer::new(model::<f64>(architecture), config).unwrap();
            for _ in 0..2 {
                assert!(matches!(trainer.epoch(&broken), Err(Error::NonFiniteLoss { batch: 1, .. })));
                assert!(trainer.evaluate(&broken).unwrap().is_nan());
                let loss = fresh.epoch(&data()).unwrap().loss;
                assert!(loss.is_finite());
                assert_eq!(trainer.epoch(&data()).unwrap().loss, loss, "{architecture:?}");
                assert_eq!(bits(trainer.model()), bits(fresh.model()), "{architecture:?}");
            }
        }
    }
}
