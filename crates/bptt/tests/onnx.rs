//! ONNX files: ONNX's own node tests, graphs of other exporters, our own graphs and back, and bytes that are neither.
//!
//! `tools/make_onnx_fixtures.py` writes the files in `data/onnx`. That ONNX Runtime computes what bptt computes is checked by
//! `tools/check_onnx.py`.
#![cfg(feature = "onnx")]

mod exchange;

use std::fs;
use std::path::PathBuf;

use bptt::file::{AnyModel, Metadata, ModelFile, Task};
use bptt::onnx::node::{Direction, Inputs, Node, Operator, SingleNode, Tensor};
use bptt::onnx::{OnnxError, export, import};
use bptt::{Activation, Architecture, Cell, DynRnn, Float, Loss, Normalization, Normalizer};
use exchange::{assert_close, data, folders, tensor, whole};
use proptest::prelude::*;

#[test]
fn onnx_own_node_tests_pass() {
    let folders = folders("onnx/node");
    assert_eq!(folders.len(), 18, "peepholes and layout 1 among them");
    for folder in folders {
        let node = SingleNode::from_bytes(&fs::read(folder.join("model.onnx")).unwrap()).unwrap();
        let inputs: Vec<Tensor> =
            (0..node.inputs().len()).map(|at| tensor(&folder, &format!("input_{at}"))).collect();
        for (at, found) in node.run(&inputs).unwrap().iter().enumerate() {
            assert_close(&folder, found, &tensor(&folder, &format!("output_{at}")), 1e-6);
        }
    }
}

#[test]
fn graphs_of_other_exporters_are_taken() {
    let folders = folders("onnx/graph");
    assert_eq!(folders.len(), 12);
    for folder in folders {
        let bytes = fs::read(folder.join("model.onnx")).unwrap();
        let file = import(&bytes).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let x = tensor(&folder, "x");
        assert_close(&folder, &whole(&file, &x), &tensor(&folder, "y"), 1e-5);
        // What came in goes out, and comes in again.
        assert_eq!(import(&export(&file).unwrap()).unwrap(), file, "{}", folder.display());
    }
}

#[test]
fn what_other_exporters_say_is_read() {
    let read =
        |name: &str| import(&fs::read(data("onnx/graph").join(name).join("model.onnx")).unwrap()).unwrap();
    let lstm = read("torch-lstm-2-both-dynamo");
    assert_eq!(lstm, read("torch-lstm-2-both-script"));
    assert_eq!(lstm.model.architecture(), Architecture::lstm().num_layers(2).bidirectional(true));
    let relu = read("torch-rnn-state-script");
    assert_eq!(relu.model.architecture().cell, Cell::Elman(Activation::Relu));
    assert_eq!((relu.metadata.task, relu.metadata.loss), (Some(Task::Binary), Some(Loss::Bce)));
    let scaled = read("hand-lstm-scaled-softmax").metadata;
    assert_eq!(scaled.task, Some(Task::Classification));
    assert_eq!(scaled.input_normalizer.unwrap().scale(), [2.0, 1.0, 0.25]);
    // Backwards only: half of a network that goes both ways.
    let reverse = read("hand-gru-reverse-gemm").model;
    assert_eq!(reverse.architecture(), Architecture::gru().num_layers(2).bidirectional(true));
    assert_eq!(reverse.hidden_size(), 4);
    // Where nothing is said, the reset gate acts before the product.
    for name in ["hand-gru-reset-before-2-both", "hand-gru-reset-before-reverse"] {
        let expected = Architecture::gru_reset_before().num_layers(2).bidirectional(true);
        assert_eq!(read(name).model.architecture(), expected);
    }
}

/// Scalings whose numbers single precision does not have.
fn metadata(outputs: usize, loss: Loss) -> Metadata {
    let normalizer = |columns: usize| {
        let offset = (0..columns).map(|k| 2012.1 + k as f64 / 3.0).collect();
        Normalizer::from_parts(Normalization::ZScore, offset, vec![0.1; columns]).unwrap()
    };
    let mut metadata = Metadata {
        input_columns: ["a", "b \"quoted\"", "µ\n"].map(str::to_owned).to_vec(),
        sequence_column: Some("station".into()),
        window: Some(7),
        loss: Some(loss),
        input_normalizer: Some(normalizer(3)),
        ..Metadata::default()
    };
    metadata.training.insert("epochs".into(), "10".into());
    match loss {
        Loss::CrossEntropy => {
            metadata.task = Some(Task::Classification);
            metadata.classes = (0..outputs).map(|class| format!("class {class}")).collect();
            metadata.label_columns = vec!["kind".into()];
            metadata.label_normalizer =
                Some(Normalizer::from_parts(Normalization::None, vec![0.0], vec![1.0]).unwrap());
        }
        Loss::Bce => {
            metadata.task = Some(Task::Binary);
            metadata.threshold = Some(0.1 + 0.2);
        }
        _ => {
            metadata.task = Some(Task::Regression);
            metadata.label_normalizer = Some(normalizer(outputs));
        }
    }
    metadata
}

fn file<T: Float>(architecture: Architecture, outputs: usize, loss: Loss) -> ModelFile
where
    AnyModel: From<DynRnn<T>>,
{
    let model = DynRnn::<T>::with_architecture(3, 4, outputs, architecture, 5).unwrap();
    ModelFile { model: model.into(), metadata: metadata(outputs, loss) }
}

fn architectures() -> Vec<Architecture> {
    let cells = Activation::ALL.map(Architecture::elman).into_iter();
    let mut all = Vec::new();
    let gated = [Architecture::gru(), Architecture::gru_reset_before(), Architecture::lstm()];
    for cell in cells.chain(gated) {
        for (layers, both) in [(1, false), (1, true), (2, false), (3, true)] {
            let dropout = if layers > 1 { 0.25 } else { 0.0 };
            all.push(cell.num_layers(layers).bidirectional(both).dropout(dropout));
        }
    }
    all
}

#[test]
fn our_graphs_come_back_bit_by_bit() {
    for architecture in architectures() {
        for loss in [Loss::Mse, Loss::Bce, Loss::CrossEntropy] {
            for file in [file::<f32>(architecture, 2, loss), file::<f64>(architecture, 2, loss)] {
                let bytes = export(&file).unwrap();
                let back = import(&bytes).unwrap_or_else(|error| panic!("{architecture:?}: {error}"));
                assert_eq!(back, file);
                assert_eq!(back.to_bytes().unwrap(), file.to_bytes().unwrap(), "bit by bit");
                assert_eq!(export(&back).unwrap(), bytes, "always the same bytes");
            }
        }
    }
    let bare = ModelFile { metadata: Metadata::default(), ..file::<f64>(Architecture::gru(), 1, Loss::Mse) };
    assert_eq!(import(&export(&bare).unwrap()).unwrap(), bare);
}

#[test]
fn the_node_computes_what_the_model_does() {
    // One step of every cell against the model, through the weights that the exporter writes.
    let gated = [Architecture::gru(), Architecture::gru_reset_before(), Architecture::lstm()];
    for architecture in gated.into_iter().chain([Architecture::elman(Activation::Sigmoid)]) {
        let model = DynRnn::<f64>::with_architecture(3, 4, 4, architecture, 5).unwrap();
        let mut model = model;
        // The readout hands the states through.
        let identity: Vec<f64> = (0..16).map(|at| if at % 5 == 0 { 1.0 } else { 0.0 }).collect();
        model.params_mut().set("fc.weight", &identity).unwrap();
        model.params_mut().set("fc.bias", &[0.0; 4]).unwrap();
        let order: &[usize] = match architecture.cell {
            Cell::Elman(_) => &[0],
            Cell::Gru | Cell::GruResetBefore => &[1, 0, 2],
            Cell::Lstm => &[0, 3, 1, 2],
        };
        let gated = |names: &[&str], columns: usize| {
            let mut all = Vec::new();
            for name in names {
                let values = model.params().get(name).unwrap();
                let block = 4 * columns;
                order.iter().for_each(|gate| all.extend_from_slice(&values[gate * block..][..block]));
            }
            all
        };
        let rows = 4 * order.len();
        let tensor = |shape: &[usize], values: Vec<f64>| Tensor { shape: shape.to_vec(), values };
        let (w, r, b) = (
            tensor(&[1, rows, 3], gated(&["weight_ih_l0"], 3)),
            tensor(&[1, rows, 4], gated(&["weight_hh_l0"], 4)),
            tensor(&[1, 2 * rows], gated(&["bias_ih_l0", "bias_hh_l0"], 1)),
        );
        let x = tensor(&[5, 1, 3], (0..15).map(|k| (k as f64 * 0.7).sin()).collect());
        let mut node = Node::new(match architecture.cell {
            Cell::Elman(_) => Operator::Rnn,
            Cell::Gru | Cell::GruResetBefore => Operator::Gru,
            Cell::Lstm => Operator::Lstm,
        });
        node.linear_before_reset = architecture.cell == Cell::Gru;
        if let Cell::Elman(_) = architecture.cell {
            node.activations = vec!["sigmoid".into()];
        }
        let outputs = node.run(&Inputs { b: Some(&b), ..Inputs::new(&x, &w, &r) }).unwrap();
        for (found, expected) in outputs.y.values.iter().zip(model.predict(&x.values).unwrap()) {
            assert!((found - expected).abs() < 1e-14, "{architecture:?}: {found} {expected}");
        }
    }
}

#[test]
fn lengths_and_directions_of_a_node() {
    let tensor = |shape: &[usize], values: &[f64]| Tensor { shape: shape.to_vec(), values: values.to_vec() };
    let (x, w, r) = (
        tensor(&[3, 2, 1], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        tensor(&[1, 1, 1], &[0.1]),
        tensor(&[1, 1, 1], &[1.0]),
    );
    let mut node = Node::new(Operator::Rnn);
    node.activations = vec!["Affine".into()];
    let lengths = Some(&[3, 1][..]);
    let outputs = node.run(&Inputs { sequence_lens: lengths, ..Inputs::new(&x, &w, &r) }).unwrap();
    let near = |found: &[f64], expected: &[f64]| {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?} {expected:?}");
    };
    near(&outputs.y.values, &[0.1, 0.2, 0.4, 0.0, 0.9, 0.0]);
    near(&outputs.y_h.values, &[0.9, 0.2]);
    node.direction = Direction::Reverse;
    let outputs = node.run(&Inputs { sequence_lens: lengths, ..Inputs::new(&x, &w, &r) }).unwrap();
    near(&outputs.y.values, &[0.9, 0.2, 0.8, 0.0, 0.5, 0.0]);
    node.clip = Some(0.6);
    let outputs = node.run(&Inputs { sequence_lens: lengths, ..Inputs::new(&x, &w, &r) }).unwrap();
    near(&outputs.y.values, &[0.6, 0.2, 0.6, 0.0, 0.5, 0.0]);
    let wrong = node.run(&Inputs { sequence_lens: Some(&[4, 1]), ..Inputs::new(&x, &w, &r) }).unwrap_err();
    assert!(wrong.to_string().contains("at most 3 steps, found 4"), "{wrong}");
    let wrong = node.run(&Inputs { b: Some(&x), ..Inputs::new(&x, &w, &r) }).unwrap_err();
    assert!(wrong.to_string().contains("`B`: expected shape [1, 2], found shape [3, 2, 1]"), "{wrong}");
    node.activations = vec!["Gelu".into()];
    assert!(node.run(&Inputs::new(&x, &w, &r)).unwrap_err().to_string().contains("`Gelu`"));
}

/// Files to damage: ours, and one of PyTorch's.
fn victims() -> Vec<Vec<u8>> {
    let ours = file::<f32>(Architecture::gru().bidirectional(true), 2, Loss::Mse);
    let other: PathBuf = data("onnx/graph").join("torch-lstm-2-both-dynamo/model.onnx");
    vec![export(&ours).unwrap(), fs::read(other).unwrap()]
}

/// There is no checksum in an ONNX file: a changed weight is a changed weight. But no change makes reading panic, and what is
/// read is a model that can be written and read again.
#[test]
fn cut_and_flipped_files_are_refused_or_whole_models() {
    for bytes in victims() {
        for length in 0..bytes.len() {
            if let Ok(file) = import(&bytes[..length]) {
                // Cut between two fields at the end, where only names of operators' sets and columns are.
                assert!(file.to_bytes().is_ok(), "{length}");
            }
        }
        let mut damaged = bytes.clone();
        for at in 0..bytes.len() {
            for flip in [1 << (at % 8), 0xff] {
                damaged[at] ^= flip;
                if let Ok(file) = import(&damaged) {
                    assert!(file.to_bytes().is_ok(), "byte {at}");
                }
                damaged[at] ^= flip;
            }
        }
    }
}

/// The first `from` in a file replaced by `to`, which is as long.
fn replaced_in(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    let mut changed = bytes.to_vec();
    changed[at..at + from.len()].copy_from_slice(to.as_bytes());
    changed
}

#[test]
fn errors_name_the_node() {
    let bytes = export(&file::<f32>(Architecture::gru(), 1, Loss::Mse)).unwrap();
    let replaced = |from: &str, to: &str| import(&replaced_in(&bytes, from, to)).unwrap_err();
    // Layers whose reset gates act in different places are no stack.
    let two = export(&file::<f32>(Architecture::gru().num_layers(2), 1, Loss::Mse)).unwrap();
    let error =
        import(&replaced_in(&two, "linear_before_reset", "linear_before_ignor")).unwrap_err().to_string();
    assert!(error.contains("GRU `GRU_Y_l1` (node"), "{error}");
    assert!(error.contains("(GRU, linear_before_reset 0, 4 hidden units), found"), "{error}");
    assert!(error.contains("found GRU, linear_before_reset 1, 4 hidden units"), "{error}");
    // The operator itself, not the names that begin with it.
    let error = replaced("\"\u{7}Squeeze", "\"\u{7}Flatten").to_string();
    assert!(
        error.contains("Flatten `Squeeze_input_l1` (node") && error.contains("found this one"),
        "{error}"
    );
    let error = replaced("W_l0", "V_l0").to_string();
    assert!(error.contains("GRU `GRU_Y_l0`") && error.contains("`V_l0` made before"), "{error}");
    let error = replaced("forward", "upwards").to_string();
    assert!(error.contains("direction forward, reverse or bidirectional, found `upwards`"), "{error}");
    assert!(matches!(import(b"\x08\x07").unwrap_err(), OnnxError::Malformed { .. }));
    let unrolled = fs::read(data("onnx/refused/torch-rnn-unrolled/model.onnx")).unwrap();
    let error = import(&unrolled).unwrap_err().to_string();
    assert!(error.starts_with("MatMul `node_MatMul_") && error.contains("recurrent layers"), "{error}");
    assert!(import(b"").is_err() && import(b"name,t,x1\n").is_err());
}

/// Files that a release has written, which all later ones have to read.
#[test]
fn files_of_earlier_releases_are_read() {
    let folders = folders("onnx/exported");
    assert_eq!(folders.len(), 3);
    for folder in folders {
        let model = ModelFile::from_bytes(&fs::read(folder.join("model.safetensors")).unwrap()).unwrap();
        assert_eq!(
            import(&fs::read(folder.join("model.onnx")).unwrap()).unwrap(),
            model,
            "{}",
            folder.display()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = import(&bytes);
        let _ = SingleNode::from_bytes(&bytes);
        let _ = Tensor::from_bytes(&bytes);
    }

    /// Several stretches of a file replaced by bytes of other places in it: lengths and names that exist, in wrong places.
    #[test]
    fn shuffled_files_never_panic(which in 0..2usize, moves in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1..40usize), 1..6)) {
        let mut bytes = victims().swap_remove(which);
        for (from, to, length) in moves {
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            let length = length.min(bytes.len() - from.max(to));
            bytes.copy_within(from..from + length, to);
        }
        if let Ok(file) = import(&bytes) {
            prop_assert!(file.to_bytes().is_ok());
        }
    }
}
