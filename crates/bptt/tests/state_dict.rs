//! State dicts of PyTorch modules: what comes in predicts the same; what is missing, extra or misshapen is named.
//!
//! `tools/make_onnx_fixtures.py` writes the files in `data/state_dict`.
#![cfg(feature = "onnx")]

mod exchange;

use std::fs;

use bptt::file::{AnyModel, FileError, Metadata, ModelFile, from_state_dict};
use bptt::{Activation, Architecture, DynRnn};
use exchange::{assert_close, data, folders, tensor, whole};
use serde_json::{Value, json};

#[test]
fn state_dicts_predict_what_pytorch_does() {
    let folders = folders("state_dict");
    assert_eq!(folders.len(), 6);
    for folder in folders {
        let bytes = fs::read(folder.join("weights.safetensors")).unwrap();
        let model = from_state_dict(&bytes, Activation::Relu).unwrap();
        let double = folder.to_string_lossy().ends_with("f64");
        assert_eq!(model.dtype(), if double { "float64" } else { "float32" });
        let file = ModelFile { model, metadata: Metadata::default() };
        let found = whole(&file, &tensor(&folder, "x"));
        assert_close(&folder, &found, &tensor(&folder, "y"), if double { 1e-12 } else { 1e-6 });
        // A model file is a state dict as well, and comes back bit by bit.
        let back = from_state_dict(&file.to_bytes().unwrap(), Activation::Relu).unwrap();
        assert_eq!(back, file.model);
    }
    // Of a cell that PyTorch does not have it would be another model.
    let model = DynRnn::<f32>::with_architecture(3, 2, 1, Architecture::gru_reset_before(), 1).unwrap();
    let bytes = ModelFile { model: model.into(), metadata: Metadata::default() }.to_bytes().unwrap();
    let error = from_state_dict(&bytes, Activation::Tanh).unwrap_err().to_string();
    assert!(error.contains("a module of PyTorch") && error.contains("gru-reset-before"), "{error}");
    let read = |name: &str| {
        let bytes = fs::read(data("state_dict").join(name).join("weights.safetensors")).unwrap();
        from_state_dict(&bytes, Activation::Relu).unwrap()
    };
    assert_eq!(read("gru-2-both-f32").architecture(), Architecture::gru().num_layers(2).bidirectional(true));
    assert_eq!(read("lstm-3-unbiased-f64").architecture(), Architecture::lstm().num_layers(3));
    assert_eq!(read("rnn-relu-f64").architecture(), Architecture::elman(Activation::Relu));
}

/// A state dict taken apart.
struct Parts {
    header: Value,
    data: Vec<u8>,
}

impl Parts {
    fn new() -> Self {
        let architecture = Architecture::gru().num_layers(2).bidirectional(true);
        let model = DynRnn::<f32>::with_architecture(3, 2, 1, architecture, 1).unwrap();
        let file = ModelFile { model: model.into(), metadata: Metadata::default() };
        let bytes = file.to_bytes().unwrap();
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let mut header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
        header.as_object_mut().unwrap().remove("__metadata__");
        Self { header, data: bytes[8 + length..].to_vec() }
    }

    fn renamed(mut self, from: &str, to: &str) -> Self {
        let tensor = self.header.as_object_mut().unwrap().remove(from).unwrap();
        self.header[to] = tensor;
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let header = serde_json::to_vec(&self.header).unwrap();
        [&(header.len() as u64).to_le_bytes()[..], &header, &self.data].concat()
    }

    fn refused(&self) -> FileError {
        from_state_dict(&self.bytes(), Activation::Tanh).unwrap_err()
    }
}

#[test]
fn what_is_wrong_is_named() {
    assert!(from_state_dict(&Parts::new().bytes(), Activation::Tanh).is_ok());
    let message = |parts: Parts| parts.refused().to_string();
    let lost = Parts::new().renamed("weight_hh_l1_reverse", "weight_hh_l1_backwards");
    assert_eq!(lost.refused(), FileError::UnknownTensor { name: "weight_hh_l1_backwards".into() });
    let lost = Parts::new().renamed("bias_ih_l1", "bias_ih_l2");
    assert_eq!(lost.refused(), FileError::MissingTensor { name: "bias_ih_l1".into() });
    let far = Parts::new().renamed("bias_ih_l1", "bias_ih_l99999999999");
    assert_eq!(far.refused(), FileError::UnknownTensor { name: "bias_ih_l99999999999".into() });
    let two = Parts::new().renamed("bias_ih_l1", "decoder.bias_ih_l1");
    assert!(message(two).contains("expected one recurrent module, found `"));
    let two = Parts::new().renamed("fc.bias", "head.bias");
    assert!(message(two).contains("expected one linear module"));
    let projected = Parts::new().renamed("bias_hh_l0", "weight_hr_l0");
    assert_eq!(projected.refused(), FileError::UnknownTensor { name: "weight_hr_l0".into() });
    let mut turned = Parts::new();
    turned.header["weight_ih_l1"]["shape"] = json!([4, 6]);
    assert_eq!(message(turned), "tensor `weight_ih_l1`: expected shape [6, 4], found [4, 6]");
    let mut gates = Parts::new();
    gates.header["weight_hh_l0"]["shape"] = json!([4, 3]);
    assert!(message(gates).contains("1, 3 or 4 times as many rows as columns in `weight_hh_l0`"));
    let mut whole = Parts::new();
    whole.header["bias_hh_l1"]["dtype"] = json!("I32");
    let expected = FileError::Dtype { name: "bias_hh_l1".into(), expected: "F32", found: "I32".into() };
    assert_eq!(whole.refused(), expected);
    let none = [&2u64.to_le_bytes()[..], b"{}"].concat();
    assert!(from_state_dict(&none, Activation::Tanh).unwrap_err().to_string().contains("recurrent module"));
}

/// Weights have no checksum here: a changed weight is a changed weight, but nothing panics.
#[test]
fn cut_and_flipped_files_are_refused_or_models() {
    let bytes = Parts::new().bytes();
    for length in 0..bytes.len() {
        assert!(from_state_dict(&bytes[..length], Activation::Tanh).is_err(), "{length}");
    }
    for at in 0..bytes.len() {
        for bit in [1 << (at % 8), 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= bit;
            if let Ok(model) = from_state_dict(&damaged, Activation::Tanh) {
                assert!(matches!(model, AnyModel::F32(_)), "byte {at}");
            }
        }
    }
}
