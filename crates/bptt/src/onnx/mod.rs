//! ONNX files: models for other runtimes.
//!
//! [`export`] writes a graph of standard operators (operator set 14) around one `RNN`, `GRU` or `LSTM` per layer:
//!
//! | name | shape | what |
//! |---|---|---|
//! | input `input` | `[batch, time, input_size]` | the features as they are in the data: the scaling is in the graph |
//! | input `h_0`, with LSTM `c_0` | `[num_layers · directions, batch or 1, hidden_size]` | initial states; may be left out, and are then zeros |
//! | output `output` | `[batch, time, output_size]` | predictions on the labels' scale, or probabilities |
//! | output `h_n`, with LSTM `c_n` | `[num_layers · directions, batch, hidden_size]` | final states, in PyTorch's order; may be left out |
//!
//! `batch` and `time` are whatever comes. An initial state is an input with an initializer, which is ONNX's way to give a
//! default; one of batch 1 serves all sequences. Everything is in the model's element type but the scaling, which is in
//! `double` between two casts, as it is in bptt. The metadata of the [model file](crate::file) goes into `metadata_props`
//! under the same keys.

mod array;
mod axes;
mod error;
mod export;
mod fields;
mod graph;
mod import;
mod network;
pub mod node;
mod operators;
mod proto;
mod read;
mod reader;
mod readout;
mod recurrent;
mod tensor;
mod wire;

pub use error::OnnxError;

use crate::file::ModelFile;

/// The bytes of an ONNX file.
///
/// ```
/// use bptt::file::{Metadata, ModelFile};
/// use bptt::{Architecture, DynRnn, onnx};
/// let model = DynRnn::<f32>::with_architecture(3, 8, 1, Architecture::lstm().num_layers(2), 1)?;
/// let file = ModelFile { model: model.into(), metadata: Metadata::default() };
/// assert_eq!(onnx::import(&onnx::export(&file)?)?, file);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The same [`ModelFile`] always gives the same bytes.
///
/// # Errors
/// What [`ModelFile::to_bytes`] refuses, and [`OnnxError::Graph`] for models too large for the format.
pub fn export(file: &ModelFile) -> Result<Vec<u8>, OnnxError> {
    export::export(file)
}

/// Reads an ONNX file. Whatever the bytes are, it does not panic.
///
/// # Errors
/// An [`OnnxError`] that says what was expected and what was found, of which node or tensor.
pub fn import(bytes: &[u8]) -> Result<ModelFile, OnnxError> {
    import::import(bytes)
}
