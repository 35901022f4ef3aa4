//! Outputs, losses, gradients and whole trainings against PyTorch, on the files in `data/pytorch`.
//!
//! `tools/make_pytorch_fixtures.py` writes those files and documents their format. Errors are relative to the
//! largest magnitude of the tensor (see `oracle::tensor_error`).

mod oracle;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::str::FromStr;

use bptt::{Activation, Dataset, Dim, DynRnn, Float, Gradients, Level, Model, Predictor, Reduction, Rnn};
use bptt::{TrainConfig, Trainer, TypedDataset};
use oracle::{NAMES, Oracle, convert, sequences, tensor_error, worse};

/// Twenty epochs of training included. Measured: 4.2e-15 and 2.1e-6.
fn bound<T: Float>() -> f64 {
    if T::LINE == 8 { 1e-13 } else { 1e-5 }
}

/// The head of a file and one of its cases, by field name.
struct Case<'a> {
    path: &'a str,
    fields: HashMap<&'a str, &'a str>,
}

impl<'a> Case<'a> {
    fn text(&self, key: &str) -> &'a str {
        self.fields.get(key).unwrap_or_else(|| panic!("{}: no field {key}", self.path))
    }

    fn values<T: FromStr>(&self, key: &str) -> Vec<T> {
        let parse = |text: &str| text.parse().unwrap_or_else(|_| panic!("{}: {key}: {text}", self.path));
        self.text(key).split(' ').map(parse).collect()
    }

    fn reduction(&self) -> Reduction {
        Reduction::from_name(self.text("reduction")).unwrap()
    }

    fn config(&self) -> TrainConfig {
        let (learning_rate, batch_size) = (self.values("learning_rate")[0], self.values("batch_size")[0]);
        TrainConfig { learning_rate, batch_size, reduction: self.reduction(), ..Default::default() }
    }

    fn model<T: Float + FromStr>(&self) -> DynRnn<T> {
        let sizes = self.values::<usize>("sizes");
        let activation = Activation::from_name(self.text("activation")).unwrap();
        let mut model = DynRnn::new(sizes[0], sizes[1], sizes[2], activation, 0).unwrap();
        for name in NAMES {
            model.params_mut().set(name, &self.values(&format!("init.{name}"))).unwrap();
        }
        model
    }

    fn data<T: Float + FromStr>(&self) -> Dataset<T> {
        let sizes = self.values::<usize>("sizes");
        let mut offsets = vec![0];
        for length in self.values::<usize>("lengths") {
            offsets.push(offsets[offsets.len() - 1] + length);
        }
        Dataset::from_flat(sizes[0], sizes[2], self.values("features"), self.values("labels"), offsets)
            .unwrap()
    }

    /// Checks tensors, named as `kind.NAME` in the file, and remembers the worst error.
    fn check<T: Float + FromStr>(&self, worst: &mut f64, what: &str, found: &[T], expected: &[f64]) {
        let error = tensor_error(found, expected);
        *worst = worse(*worst, error);
        let case = format!("{} {} {}", self.path, self.text("activation"), self.text("reduction"));
        assert!(error <= bound::<T>(), "{case}: {what}: error {error:e}");
    }
}

/// One face of the library at one level: prediction, gradient and training.
fn check_face<I: Dim, H: Dim, O: Dim, T: Float + FromStr>(
    case: &Case,
    model: Model<I, H, O, T>,
    data: &Dataset<T, I, O>,
    level: Level,
) -> f64 {
    let mut worst = 0.0;
    let mut outputs = vec![T::ZERO; data.labels().len()];
    let mut predictor = Predictor::with_level(&model, level).unwrap();
    predictor.predict_sequences_into(data.features(), data.offsets(), &mut outputs).unwrap();
    case.check(&mut worst, "outputs", &outputs, &case.values("outputs"));

    let gradients = Gradients::of(&model, data, case.reduction(), level).unwrap();
    case.check(&mut worst, "loss", &[T::from_f64(gradients.loss)], &case.values("loss"));
    for name in NAMES {
        let (found, key) = (gradients.params.get(name).unwrap(), format!("grad.{name}"));
        case.check(&mut worst, &key, &found, &case.values(&key));
    }

    let expected: Vec<f64> = case.values("epoch_losses");
    let mut losses = Vec::new();
    let mut trainer = Trainer::with_level(model, case.config(), level).unwrap();
    trainer
        .fit(data, expected.len(), |stats, _| {
            losses.push(T::from_f64(stats.loss));
            ControlFlow::Continue(())
        })
        .unwrap();
    case.check(&mut worst, "epoch losses", &losses, &expected);
    for name in NAMES {
        let (found, key) = (trainer.model().params().get(name).unwrap(), format!("final.{name}"));
        case.check(&mut worst, &key, &found, &case.values(&key));
    }
    worst
}

/// The same through the typed face.
fn check_typed<const I: usize, const H: usize, const O: usize, T: Float + FromStr>(
    case: &Case,
    level: Level,
) -> f64 {
    let flat = case.data::<T>();
    let mut data = TypedDataset::<I, O, T>::typed();
    for (x, labels) in sequences::<T, T>(&flat) {
        data.push(x.as_chunks().0, labels.as_chunks().0).unwrap();
    }
    assert_eq!(data.rows(), flat.rows());
    let model: Rnn<I, H, O, T> = case.model().into_typed().unwrap();
    check_face(case, model, &data, level)
}

fn check_case<T: Float + FromStr>(case: &Case) -> f64 {
    check_oracle::<T>(case);
    let mut worst = 0.0;
    for level in Level::available() {
        worst = worse(worst, check_face(case, case.model::<T>(), &case.data(), level));
        let typed = match case.text("sizes") {
            "3 5 1" => check_typed::<3, 5, 1, T>(case, level),
            "29 10 1" => check_typed::<29, 10, 1, T>(case, level),
            "7 33 4" => check_typed::<7, 33, 4, T>(case, level),
            _ => 0.0,
        };
        worst = worse(worst, typed);
    }
    worst
}

/// The reference that `levels.rs` relies on, against PyTorch as well.
fn check_oracle<T: Float + FromStr>(case: &Case) {
    let mut worst = 0.0;
    let mut oracle = Oracle::<T>::of(&case.model::<T>());
    let (data, config) = (sequences::<T, T>(&case.data()), case.config());
    let outputs: Vec<T> = data.iter().flat_map(|(x, _)| oracle.predict(x)).collect();
    case.check(&mut worst, "oracle outputs", &outputs, &case.values("outputs"));
    let (loss, grad) = oracle.gradients(&data, config.reduction);
    case.check(&mut worst, "oracle loss", &[T::from_f64(loss)], &case.values("loss"));
    for (name, tensor) in NAMES.into_iter().zip(grad.all()) {
        case.check(&mut worst, name, tensor, &case.values(&format!("grad.{name}")));
    }
    let expected: Vec<f64> = case.values("epoch_losses");
    let mut epoch = |_| oracle.epoch(&data, config.batch_size, config.learning_rate, config.reduction);
    let losses: Vec<f64> = (0..expected.len()).map(&mut epoch).collect();
    case.check(&mut worst, "oracle losses", &convert::<f64, T>(&losses), &expected);
    for (name, tensor) in NAMES.into_iter().zip(oracle.params.all()) {
        case.check(&mut worst, name, tensor, &case.values(&format!("final.{name}")));
    }
}

/// Checks every case of every file of one element type.
fn check_files<T: Float + FromStr>() {
    let (mut checked, mut worst) = (0, 0.0);
    for sizes in ["1-1-1", "3-5-1", "29-10-1", "7-33-4"] {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/pytorch");
        let path = format!("{folder}/{sizes}_{}.txt", T::DTYPE);
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace('\r', ""); // Git may have checked the file out with CRLF.
        let (head, cases) = text.split_once("\nactivation: ").unwrap();
        for case in cases.split("\nactivation: ") {
            let (activation, rest) = case.split_once('\n').unwrap();
            let lines = head.lines().filter(|line| !line.starts_with('#')).chain(rest.lines());
            let mut fields: HashMap<_, _> = lines.map(|line| line.split_once(": ").unwrap()).collect();
            fields.insert("activation", activation);
            let case = Case { path: &path, fields };
            assert_eq!(case.text("dtype"), T::DTYPE);
            worst = worse(worst, check_case::<T>(&case));
            checked += 1;
        }
    }
    println!("largest error in {}: {worst:e}", T::DTYPE);
    // 4 shapes, 3 activations, 2 reductions.
    assert_eq!(checked, 24);
}

#[test]
fn f32_equals_pytorch() {
    check_files::<f32>();
}

#[test]
fn f64_equals_pytorch() {
    check_files::<f64>();
}
