//! ONNX files: refused, or read, exported and imported again; single nodes and tensors likewise.
#![no_main]

use bptt::onnx::node::{Inputs, SingleNode, Tensor};
use bptt::onnx::{OnnxError, export, import};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(file) = sound(import(bytes)) {
        let again = export(&file).expect("what was read can be written");
        assert!(import(&again).as_ref() == Ok(&file));
    }
    sound(Tensor::from_bytes(bytes));
    if let Some(single) = sound(SingleNode::from_bytes(bytes)) {
        let rows = |rows: usize, columns: usize| Tensor {
            shape: vec![1, rows, columns],
            values: vec![0.5; rows * columns],
        };
        // Sizes that fit some nodes; the others refuse them.
        for gates in [1, 3, 4] {
            let (x, w, r) = (rows(3, 2), rows(2 * gates, 2), rows(2 * gates, 2));
            sound(single.node().run(&Inputs::new(&x, &w, &r)));
        }
    }
});

/// What was read; a message is one line.
fn sound<T>(outcome: Result<T, OnnxError>) -> Option<T> {
    if let Err(error) = &outcome {
        assert!(!error.to_string().contains(char::is_control), "{error}");
    }
    outcome.ok()
}
