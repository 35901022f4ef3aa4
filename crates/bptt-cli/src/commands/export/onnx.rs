//! `bptt export --format onnx`: a graph for ONNX Runtime and others. The library writes it: [`bptt::onnx`].

use bptt::file::ModelFile;

use crate::failure::Failure;

/// The contents of the file.
pub fn bytes(file: &ModelFile) -> Result<Vec<u8>, Failure> {
    bptt::onnx::export(file).map_err(Failure::input)
}
