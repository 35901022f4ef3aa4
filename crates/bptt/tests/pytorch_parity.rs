//! Outputs, losses, gradients and whole trainings against PyTorch, on the files in `data/pytorch`.
//!
//! Errors are relative to the largest magnitude of the tensor (see `oracle::tensor_error`). Sizes are numbers here; that
//! they change no bit where they are in the type, on these files too, is shown in `typed/`.

mod oracle;
mod pytorch_cases;

use std::ops::ControlFlow;
use std::str::FromStr;

use bptt::{Float, Gradients, Level, Predictor, Trainer};
use oracle::{NAMES, Oracle, convert, sequences, tensor_error, worse};
use pytorch_cases::Case;

/// Twenty epochs of training included. Measured: 4.2e-15 and 2.1e-6.
fn bound<T: Float>() -> f64 {
    if T::LINE == 8 { 1e-13 } else { 1e-5 }
}

/// Checks tensors, named as `kind.NAME` in the file, and remembers the worst error.
fn check<T: Float>(case: &Case, worst: &mut f64, what: &str, found: &[T], expected: &[f64]) {
    let error = tensor_error(found, expected);
    *worst = worse(*worst, error);
    let name = format!("{} {} {}", case.path, case.text("activation"), case.text("reduction"));
    assert!(error <= bound::<T>(), "{name}: {what}: error {error:e}");
}

/// Prediction, gradient and training at one level.
fn check_level<T: Float + FromStr>(case: &Case, level: Level) -> f64 {
    let (model, data) = (case.model::<T>(), case.data::<T>());
    let mut worst = 0.0;
    let mut outputs = vec![T::ZERO; data.labels().len()];
    let mut predictor = Predictor::with_level(&model, level).unwrap();
    predictor.predict_sequences_into(data.features(), data.offsets(), &mut outputs).unwrap();
    check(case, &mut worst, "outputs", &outputs, &case.values("outputs"));

    let gradients = Gradients::of(&model, &data, case.reduction(), level).unwrap();
    check(case, &mut worst, "loss", &[T::from_f64(gradients.loss)], &case.values("loss"));
    for name in NAMES {
        let (found, key) = (gradients.params.get(name).unwrap(), format!("grad.{name}"));
        check(case, &mut worst, &key, &found, &case.values(&key));
    }

    let expected: Vec<f64> = case.values("epoch_losses");
    let mut losses = Vec::new();
    let mut trainer = Trainer::with_level(model, case.config(), level).unwrap();
    trainer
        .fit(&data, expected.len(), |stats, _| {
            losses.push(T::from_f64(stats.loss));
            ControlFlow::Continue(())
        })
        .unwrap();
    check(case, &mut worst, "epoch losses", &losses, &expected);
    for name in NAMES {
        let (found, key) = (trainer.model().params().get(name).unwrap(), format!("final.{name}"));
        check(case, &mut worst, &key, &found, &case.values(&key));
    }
    worst
}

/// The reference that `levels.rs` relies on, against PyTorch as well.
fn check_oracle<T: Float + FromStr>(case: &Case) {
    let mut worst = 0.0;
    let mut oracle = Oracle::<T>::of(&case.model::<T>());
    let (data, config) = (sequences::<T, T>(&case.data()), case.config());
    let outputs: Vec<T> = data.iter().flat_map(|(x, _)| oracle.predict(x)).collect();
    check(case, &mut worst, "oracle outputs", &outputs, &case.values("outputs"));
    let (loss, grad) = oracle.gradients(&data, config.reduction);
    check(case, &mut worst, "oracle loss", &[T::from_f64(loss)], &case.values("loss"));
    for (name, tensor) in NAMES.into_iter().zip(grad.all()) {
        check(case, &mut worst, name, tensor, &case.values(&format!("grad.{name}")));
    }
    let expected: Vec<f64> = case.values("epoch_losses");
    let mut epoch = |_| oracle.epoch(&data, config.batch_size, config.learning_rate, config.reduction);
    let losses: Vec<f64> = (0..expected.len()).map(&mut epoch).collect();
    check(case, &mut worst, "oracle losses", &convert::<f64, T>(&losses), &expected);
    for (name, tensor) in NAMES.into_iter().zip(oracle.params.all()) {
        check(case, &mut worst, name, tensor, &case.values(&format!("final.{name}")));
    }
}

/// Checks every case of every file of one element type.
fn check_files<T: Float + FromStr>() {
    let mut worst = 0.0;
    pytorch_cases::each::<T>(|case| {
        check_oracle::<T>(case);
        for level in Level::available() {
            worst = worse(worst, check_level::<T>(case, level));
        }
    });
    println!("largest error in {}: {worst:e}", T::DTYPE);
}

#[test]
fn f32_equals_pytorch() {
    check_files::<f32>();
}

#[test]
fn f64_equals_pytorch() {
    check_files::<f64>();
}
