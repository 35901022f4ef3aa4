//! What counts in a loss, and when it becomes an update: missing labels, weights, classes, windows without labels,
//! gradients of several batches.

use std::ops::ControlFlow;

use bptt::{Activation, Architecture, Dataset, DynRnn, Error, Gradients, Level, Loss, Reduction, Rng};
use bptt::{TrainConfig, Trainer};

/// Sums in `f64` in another order, relative to the largest value. Measured: 6.4e-16.
const ROUNDING: f64 = 1e-13;
const LENGTHS: [usize; 6] = [6, 3, 9, 5, 4, 8];
const LOSSES: [Loss; 5] = [Loss::Mse, Loss::Mae, Loss::Huber { delta: 0.5 }, Loss::Bce, Loss::CrossEntropy];

fn stacks() -> [Architecture; 4] {
    [
        Architecture::elman(Activation::Tanh),
        Architecture::gru(),
        Architecture::lstm().num_layers(2),
        Architecture::gru().num_layers(2).bidirectional(true),
    ]
}

fn model(architecture: Architecture) -> DynRnn<f64> {
    DynRnn::with_architecture(2, 7, 3, architecture, 1).unwrap()
}

/// Sequences of 2 inputs and a class out of 3 at each step, which is a label for every loss.
fn data(lengths: &[usize]) -> Dataset<f64> {
    let mut rng = Rng::new(5);
    let mut data = Dataset::new(2, 3).unwrap();
    for &steps in lengths {
        let features: Vec<f64> = (0..2 * steps).map(|_| 2.0 * rng.uniform() - 1.0).collect();
        let classes: Vec<_> = (0..steps).map(|_| Some((rng.uniform() * 3.0) as usize)).collect();
        data.push_classes(&features, &classes).unwrap();
    }
    data
}

/// `data` with each row's labels as `label` changes them.
fn relabelled(data: &Dataset<f64>, label: impl Fn(usize, f64) -> f64) -> Dataset<f64> {
    let labels = data.labels().iter().enumerate().map(|(at, value)| label(at / 3, *value)).collect();
    Dataset::from_flat_partial(2, 3, data.features().to_vec(), labels, data.offsets().to_vec()).unwrap()
}

fn gradients(stack: Architecture, data: &Dataset<f64>, config: &TrainConfig) -> Gradients<f64> {
    Gradients::with_config(&model(stack), data, config, None, Level::best()).unwrap().0
}

fn close(a: &[f64], b: &[f64], case: &str) {
    let scale = b.iter().fold(f64::MIN_POSITIVE, |most: f64, x| most.max(x.abs()));
    let error = a.iter().zip(b).fold(0.0, |most: f64, (a, b)| most.max((a - b).abs() / scale));
    assert!(a.len() == b.len() && error <= ROUNDING, "{case}: {error:e}");
}

/// Two epochs: the losses, the updates and the parameters.
fn train(stack: Architecture, data: &Dataset<f64>, config: &TrainConfig) -> (Vec<f64>, usize, DynRnn<f64>) {
    let mut trainer = Trainer::new(model(stack), config.clone()).unwrap();
    let (mut losses, mut updates) = (Vec::new(), 0);
    let keep = |stats: &bptt::EpochStats, _: &_| {
        losses.push(stats.loss);
        updates += stats.batches;
        ControlFlow::Continue(())
    };
    trainer.fit(data, 2, keep).unwrap();
    (losses, updates, trainer.into_model())
}

#[test]
fn washed_out_labels_have_no_influence() {
    for stack in stacks() {
        for loss in LOSSES {
            let config = TrainConfig { loss, batch_size: 2, ..Default::default() };
            let (mut one, other) = (data(&LENGTHS), data(&LENGTHS));
            let start = |row: usize| row - one.offsets().iter().filter(|at| **at <= row).max().unwrap();
            let mut other = relabelled(&other, |row, value| if start(row) < 2 { 1.0 - value } else { value });
            assert_ne!(gradients(stack, &one, &config), gradients(stack, &other, &config));
            one.washout(2);
            other.washout(2);
            assert!(one.is_partial());
            assert_eq!(train(stack, &one, &config), train(stack, &other, &config), "{stack:?} {loss}");
            // The inputs of those steps have.
            other.features_mut()[0] += 0.5;
            assert_ne!(gradients(stack, &one, &config), gradients(stack, &other, &config));
        }
    }
}

#[test]
fn a_weight_of_0_is_a_missing_label() {
    for stack in stacks() {
        for loss in LOSSES {
            for reduction in Reduction::ALL {
                let config = TrainConfig { loss, reduction, batch_size: 2, ..Default::default() };
                let dropped = |row: usize| row % 3 == 1 || row / 9 == 2;
                let missing =
                    relabelled(&data(&LENGTHS), |row, value| if dropped(row) { f64::NAN } else { value });
                let mut weighted = data(&LENGTHS);
                let weights = (0..weighted.rows()).map(|row| if dropped(row) { 0.0 } else { 1.0 }).collect();
                weighted.set_weights(weights).unwrap();
                let (a, b) = (train(stack, &missing, &config), train(stack, &weighted, &config));
                assert_eq!(a, b, "{stack:?} {loss} {reduction}");
            }
        }
    }
}

#[test]
fn weights_scale_what_they_belong_to() {
    for stack in stacks() {
        for loss in LOSSES {
            let config = TrainConfig { loss, reduction: Reduction::Sum, ..Default::default() };
            let plain = data(&LENGTHS);
            let mut weighted = plain.clone();
            weighted.set_weights(vec![3.0; plain.rows()]).unwrap();
            let (a, b) = (gradients(stack, &weighted, &config), gradients(stack, &plain, &config));
            close(&[a.loss], &[3.0 * b.loss], "loss");
            let tripled: Vec<f64> = b.params.flat().iter().map(|g| 3.0 * g).collect();
            close(a.params.flat(), &tripled, "gradients");
            // A mean is taken over the weights, in which a common factor falls out.
            let config = TrainConfig { reduction: Reduction::Mean, ..config };
            let (a, b) = (gradients(stack, &weighted, &config), gradients(stack, &plain, &config));
            close(&[a.loss], &[b.loss], "mean loss");
            close(a.params.flat(), b.params.flat(), "mean gradients");
        }
    }
}

#[test]
fn class_weights_of_1_are_none_and_of_0_leave_a_class_out() {
    let data = data(&LENGTHS);
    for stack in stacks() {
        for (loss, classes) in [(Loss::Bce, 2), (Loss::CrossEntropy, 3)] {
            let config = TrainConfig { loss, batch_size: 2, ..Default::default() };
            let ones = TrainConfig { class_weights: Some(vec![1.0; classes]), ..config.clone() };
            let (a, b) = (gradients(stack, &data, &ones), gradients(stack, &data, &config));
            close(&[a.loss], &[b.loss], "loss");
            close(a.params.flat(), b.params.flat(), "gradients");
            let mut weights = vec![1.0; classes];
            weights[1] = 0.0;
            let first = TrainConfig { class_weights: Some(weights), ..config.clone() };
            // With cross-entropy class 1 is a whole timestep's, otherwise the elements' whose label is 1.
            let class = |row: usize| data.labels()[3 * row + 1] == 1.0;
            let without = relabelled(&data, |row, value| match loss {
                Loss::CrossEntropy if class(row) => f64::NAN,
                Loss::Bce if value == 1.0 => f64::NAN,
                _ => value,
            });
            let (a, b) = (gradients(stack, &data, &first), gradients(stack, &without, &config));
            close(&[a.loss], &[b.loss], "loss without a class");
            close(a.params.flat(), b.params.flat(), "gradients without a class");
        }
    }
}

/// A single label of a timestep's classes is none.
#[test]
fn cross_entropy_needs_all_labels_of_a_timestep() {
    let config = TrainConfig { loss: Loss::CrossEntropy, ..Default::default() };
    for column in 0..3 {
        let whole = relabelled(&data(&LENGTHS), |row, value| if row == 4 { f64::NAN } else { value });
        let mut part = data(&LENGTHS);
        part.labels_mut()[3 * 4 + column] = f64::NAN;
        let stack = Architecture::gru();
        assert_eq!(gradients(stack, &part, &config), gradients(stack, &whole, &config));
        let weighted = TrainConfig { class_weights: Some(vec![0.5, 1.0, 2.0]), ..config.clone() };
        assert_eq!(gradients(stack, &part, &weighted), gradients(stack, &whole, &weighted));
    }
}

/// 8 steps in windows of 3: the third is the only one of each sequence to have a label.
#[test]
fn windows_without_labels_teach_nothing() {
    let mut last = Dataset::<f64>::new(2, 3).unwrap();
    let mut rng = Rng::new(3);
    for class in [0, 2, 1] {
        let features: Vec<f64> = (0..16).map(|_| 2.0 * rng.uniform() - 1.0).collect();
        let labels: Vec<f64> = (0..3).map(|c| f64::from(u8::from(c == class))).collect();
        last.push_last(&features, &labels).unwrap();
    }
    for stack in
        [Architecture::elman(Activation::Tanh), Architecture::gru(), Architecture::lstm().num_layers(2)]
    {
        for loss in LOSSES {
            for (batch_size, accumulate, updates) in [(1, 1, 3), (3, 1, 1), (1, 3, 1), (1, 2, 2)] {
                let truncate = Some(3);
                let config = TrainConfig { loss, truncate, batch_size, accumulate, ..Default::default() };
                let (losses, found, _) = train(stack, &last, &config);
                assert_eq!(found, 2 * updates, "{stack:?} {loss}");
                let mut trainer = Trainer::new(model(stack), config).unwrap();
                // Where no update comes between, the loss is that of the whole sequences.
                if updates == 1 {
                    close(&losses[..1], &[trainer.evaluate(&last).unwrap()], "loss");
                }
            }
            // With the first window gone, the second and third would begin from other states.
            let config = TrainConfig { loss, truncate: Some(3), ..Default::default() };
            let mut other = last.clone();
            other.features_mut()[0] += 0.5;
            assert_ne!(train(stack, &last, &config).0, train(stack, &other, &config).0);
        }
    }
}

#[test]
fn batches_that_are_added_up_are_one_batch() {
    let data = data(&[5; 6]);
    for stack in stacks() {
        for loss in LOSSES {
            let one = TrainConfig { loss, batch_size: 1, accumulate: 2, ..Default::default() };
            let two = TrainConfig { loss, batch_size: 2, ..Default::default() };
            let (a, b) = (train(stack, &data, &one), train(stack, &data, &two));
            assert_eq!((a.1, b.1), (6, 6));
            close(&a.0, &b.0, "losses");
            close(a.2.params().flat(), b.2.params().flat(), "parameters");
            // What is left over at the end of an epoch makes an update as well.
            let four = TrainConfig { accumulate: 4, ..one };
            assert_eq!(train(stack, &data, &four).1, 4);
        }
    }
}

#[test]
fn data_without_any_label_are_an_error() {
    let nothing = relabelled(&data(&LENGTHS), |_, _| f64::NAN);
    let mut weightless = data(&LENGTHS);
    weightless.set_weights(vec![0.0; weightless.rows()]).unwrap();
    let mut washed_out = data(&LENGTHS);
    washed_out.washout(9);
    let some = data(&LENGTHS);
    for stack in stacks() {
        for loss in LOSSES {
            let config = TrainConfig { loss, ..Default::default() };
            let mut trainer = Trainer::new(model(stack), config.clone()).unwrap();
            for data in [&nothing, &weightless, &washed_out] {
                assert_eq!(trainer.epoch(data).unwrap_err(), Error::Unlabelled);
                assert_eq!(trainer.evaluate(data).unwrap_err(), Error::Unlabelled);
                let validated =
                    trainer.fit_validated(&some, data, 1, Default::default(), |_, _| unreachable!());
                assert_eq!(validated.unwrap_err(), Error::Unlabelled);
                let found = Gradients::with_config(trainer.model(), data, &config, None, Level::best());
                assert_eq!(found.unwrap_err(), Error::Unlabelled);
                assert_eq!(trainer.model().gradients(data, Reduction::Mean).unwrap_err(), Error::Unlabelled);
            }
            assert_eq!((trainer.model(), trainer.epochs()), (&model(stack), 0));
        }
        let class_weights = Some(vec![0.0; 3]);
        let config = TrainConfig { loss: Loss::CrossEntropy, class_weights, ..Default::default() };
        assert_eq!(Trainer::new(model(stack), config).unwrap().epoch(&some).unwrap_err(), Error::Unlabelled);
    }
}
