//! `bptt export --format onnx`: a graph for ONNX Runtime and others. The library writes it: [`bptt::onnx`].

use bptt::file::{AnyModel, ModelFile};

use crate::failure::Failure;

/// The contents of the file.
pub fn bytes(file: &ModelFile) -> Result<Vec<u8>, Failure> {
    bptt::onnx::export(file).map_err(Failure::input)
}

/// What the user should know about the file.
pub fn note(file: &ModelFile) -> &'static str {
    match file.model {
        AnyModel::F32(_) => "",
        AnyModel::F64(_) => {
            " (in double; ONNX Runtime has recurrent operators in float only: --dtype f32 is for it)"
        }
    }
}
