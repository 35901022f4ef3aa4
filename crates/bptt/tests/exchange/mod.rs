//! Fixtures of other programs' models: a file, inputs, and the outputs that the other program has.

use std::fs;
use std::path::{Path, PathBuf};

use bptt::file::{AnyModel, ModelFile};
use bptt::onnx::node::Tensor;
use bptt::{DynRnn, Float};

/// A folder of `tests/data`.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The folders in a folder of `tests/data`.
pub fn folders(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(data(name)).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

pub fn tensor(folder: &Path, name: &str) -> Tensor {
    Tensor::from_bytes(&fs::read(folder.join(format!("{name}.pb"))).unwrap()).unwrap()
}

/// What the model and the scalings around it make of `x` (batch, time, features).
pub fn whole(file: &ModelFile, x: &Tensor) -> Tensor {
    let values = match &file.model {
        AnyModel::F32(model) => outputs(file, model, x),
        AnyModel::F64(model) => outputs(file, model, x),
    };
    Tensor { shape: vec![x.shape[0], x.shape[1], file.model.output_size()], values }
}

fn outputs<T: Float>(file: &ModelFile, model: &DynRnn<T>, x: &Tensor) -> Vec<f64> {
    let mut features = x.values.clone();
    if let Some(normalizer) = &file.metadata.input_normalizer {
        normalizer.apply_in_place(&mut features).unwrap();
    }
    let features: Vec<T> = features.into_iter().map(T::from_f64).collect();
    let offsets: Vec<usize> = (0..=x.shape[0]).map(|sequence| sequence * x.shape[1]).collect();
    let mut outputs = model.predict_sequences(&features, &offsets).unwrap();
    file.metadata.loss.unwrap_or_default().probabilities(&mut outputs, model.output_size());
    let mut outputs: Vec<f64> = outputs.into_iter().map(T::to_f64).collect();
    if let Some(normalizer) = &file.metadata.label_normalizer {
        normalizer.undo_in_place(&mut outputs).unwrap();
    }
    outputs
}

/// Equal shapes, and numbers that differ by at most `tolerance` of their size or of 1.
pub fn assert_close(folder: &Path, found: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(found.shape, expected.shape, "{}", folder.display());
    for (at, (found, expected)) in found.values.iter().zip(&expected.values).enumerate() {
        let bound = tolerance * expected.abs().max(1.0);
        assert!((found - expected).abs() <= bound, "{}, {at}: {found} {expected}", folder.display());
    }
}
