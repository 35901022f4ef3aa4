//! Model files: what is written comes back, and nothing else is taken for a model.
#![cfg(feature = "safetensors")]

use std::collections::BTreeMap;

use bptt::file::{AnyModel, FORMAT_VERSION, FileError, Metadata, ModelFile, Task};
use bptt::{Activation, Architecture, DynRnn, Float, Loss, Normalization, Normalizer};
use proptest::prelude::*;
use serde_json::{Value, json};

fn metadata() -> Metadata {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let train = [0.1, -7.0, 1e300, 0.2, 1e-300, -1e300, 0.7, 3.0, 1e299];
    Metadata {
        input_columns: names(&["temperature", "humidity \"rel\"", "Druck µ\n"]),
        label_columns: names(&["rain", "snow"]),
        sequence_column: Some("station".into()),
        time_column: Some("time".into()),
        window: Some(24),
        task: Some(Task::Binary),
        loss: Some(Loss::Bce),
        classes: Vec::new(),
        threshold: Some(0.1 + 0.2),
        input_normalizer: Normalizer::fit(Normalization::ZScore, &train, 3).map(Some).unwrap(),
        label_normalizer: Normalizer::fit(Normalization::MinMax, &train[2..6], 2).map(Some).unwrap(),
        training: BTreeMap::from([("epochs".into(), "10".into()), ("learning_rate".into(), "0.001".into())]),
    }
}

fn single() -> ModelFile {
    let model = DynRnn::<f32>::new(3, 4, 2, Activation::Sigmoid, 1).unwrap().into();
    ModelFile { model, metadata: metadata() }
}

fn double() -> ModelFile {
    let model = DynRnn::<f64>::new(3, 4, 2, Activation::Relu, 2).unwrap().into();
    ModelFile { model, metadata: metadata() }
}

fn refused(bytes: &[u8]) -> FileError {
    let error = ModelFile::from_bytes(bytes).expect_err("this must not load");
    assert!(!error.to_string().is_empty());
    error
}

/// A file taken apart: its header and its data.
struct Parts {
    header: Value,
    data: Vec<u8>,
}

impl Parts {
    fn of(file: &ModelFile) -> Self {
        let bytes = file.to_bytes().unwrap();
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        assert_eq!(length % 8, 0);
        let header = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
        Self { header, data: bytes[8 + length..].to_vec() }
    }

    fn entry(mut self, key: &str, value: &str) -> Self {
        self.header["__metadata__"][key] = value.into();
        self
    }

    fn without_entry(mut self, key: &str) -> Self {
        self.header["__metadata__"].as_object_mut().unwrap().remove(key);
        self
    }

    /// The file as it is, its checksum no longer right.
    fn bytes(&self) -> Vec<u8> {
        let header = serde_json::to_vec(&self.header).unwrap();
        [&(header.len() as u64).to_le_bytes()[..], &header, &self.data].concat()
    }

    /// The file with the right checksum, taken as the documentation says.
    fn signed(self) -> Vec<u8> {
        let mut covered = Vec::new();
        let number = |covered: &mut Vec<u8>, number: usize| covered.extend((number as u64).to_le_bytes());
        let text = |covered: &mut Vec<u8>, text: &[u8]| {
            number(covered, text.len());
            covered.extend(text);
        };
        let mut tensors: BTreeMap<String, Value> = serde_json::from_value(self.header.clone()).unwrap();
        let entries = tensors.remove("__metadata__").unwrap();
        let mut entries: BTreeMap<String, String> = serde_json::from_value(entries).unwrap();
        entries.remove("crc32");
        number(&mut covered, entries.len());
        for (key, value) in &entries {
            text(&mut covered, key.as_bytes());
            text(&mut covered, value.as_bytes());
        }
        number(&mut covered, tensors.len());
        for (name, tensor) in &tensors {
            text(&mut covered, name.as_bytes());
            text(&mut covered, tensor["dtype"].as_str().unwrap().as_bytes());
            let shape: Vec<usize> = serde_json::from_value(tensor["shape"].clone()).unwrap();
            number(&mut covered, shape.len());
            shape.into_iter().for_each(|size| number(&mut covered, size));
            let [start, end]: [usize; 2] = serde_json::from_value(tensor["data_offsets"].clone()).unwrap();
            text(&mut covered, &self.data[start..end]);
        }
        self.entry("crc32", &format!("{:08x}", crc32fast::hash(&covered))).bytes()
    }
}

fn round_trip<T: Float>(mut model: DynRnn<T>, bias: T, predictions: fn(&AnyModel) -> Vec<T>)
where
    AnyModel: From<DynRnn<T>>,
{
    let bias = vec![bias; model.output_size()];
    model.params_mut().set("fc.bias", &bias).unwrap();
    let file = ModelFile { model: model.into(), metadata: Metadata::default() };
    let bytes = file.to_bytes().unwrap();
    let back = ModelFile::from_bytes(&bytes).unwrap();
    assert_eq!(back, file);
    assert_eq!(back.to_bytes().unwrap(), bytes, "bit by bit");
    assert_eq!(predictions(&back.model), predictions(&file.model));
}

#[test]
fn what_was_saved_comes_back_bit_by_bit() {
    for (i, h, o) in [(1, 1, 1), (3, 5, 1), (2, 17, 3), (29, 10, 1)] {
        for activation in Activation::ALL {
            round_trip(DynRnn::<f32>::new(i, h, o, activation, 7).unwrap(), -0.0, |model| match model {
                AnyModel::F32(model) => model.predict(&vec![0.3; 5 * model.input_size()]).unwrap(),
                AnyModel::F64(_) => panic!("not f32"),
            });
            round_trip(DynRnn::<f64>::new(i, h, o, activation, 7).unwrap(), 5e-324, |model| match model {
                AnyModel::F64(model) => model.predict(&vec![0.3; 5 * model.input_size()]).unwrap(),
                AnyModel::F32(_) => panic!("not f64"),
            });
        }
    }
}

#[test]
fn metadata_comes_back_and_the_bytes_are_always_the_same() {
    for file in [single(), double()] {
        let bytes = file.to_bytes().unwrap();
        assert_eq!(ModelFile::from_bytes(&bytes).unwrap(), file);
        for _ in 0..10 {
            assert_eq!(file.clone().to_bytes().unwrap(), bytes);
        }
        assert_eq!(Parts::of(&file).signed(), Parts::of(&file).bytes(), "the documented checksum");
    }
    let any = single().model;
    assert_eq!((any.input_size(), any.hidden_size(), any.output_size()), (3, 4, 2));
    assert_eq!(
        (any.dtype(), any.architecture(), any.parameter_count()),
        ("float32", Architecture::elman(Activation::Sigmoid), 46)
    );
    assert_eq!(double().model.dtype(), "float64");
}

#[test]
fn every_architecture_comes_back() {
    let elman = Architecture::elman(Activation::Relu);
    for cell in [elman, Architecture::gru(), Architecture::lstm(), Architecture::gru_reset_before()] {
        for (layers, both) in [(1, true), (2, false), (3, true)] {
            let dropout = if layers > 1 { 0.25 } else { 0.0 };
            let architecture = cell.num_layers(layers).bidirectional(both).dropout(dropout);
            let model = DynRnn::<f32>::with_architecture(2, 5, 3, architecture, 9).unwrap();
            let mut metadata = Metadata { task: Some(Task::Classification), ..Default::default() };
            metadata.loss = Some(Loss::CrossEntropy);
            metadata.classes = ["a", "b", "c\n"].map(str::to_owned).to_vec();
            metadata.label_columns = vec!["y".into()];
            let file = ModelFile { model: model.into(), metadata };
            let back = ModelFile::from_bytes(&file.to_bytes().unwrap()).unwrap();
            assert_eq!(back, file);
            assert_eq!(back.model.architecture(), architecture);
        }
    }
}

/// A file of the first version, which knew one cell, one layer and one direction, and no loss.
#[test]
fn files_of_the_first_version_are_read() {
    let mut file = single();
    file.metadata.loss = None;
    let old =
        Parts::of(&file).entry("format_version", "1").without_entry("bidirectional").without_entry("dropout");
    assert_eq!(ModelFile::from_bytes(&old.signed()).unwrap(), file);
}

#[test]
fn truncated_and_longer_files_are_refused() {
    for file in [single(), double()] {
        let mut bytes = file.to_bytes().unwrap();
        for length in 0..bytes.len() {
            let error = refused(&bytes[..length]);
            let cut = matches!(error, FileError::FileLength { expected, found } if expected > found);
            assert!(cut || length < 8, "{length}: {error}");
        }
        bytes.push(0);
        assert!(matches!(refused(&bytes), FileError::FileLength { .. }));
    }
}

#[test]
fn a_changed_byte_is_found_or_harmless() {
    for file in [single(), double()] {
        let bytes = file.to_bytes().unwrap();
        for position in 0..bytes.len() {
            for mask in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x29, 0xff] {
                let mut bytes = bytes.clone();
                bytes[position] ^= mask;
                if let Ok(other) = ModelFile::from_bytes(&bytes) {
                    assert_eq!(other, file, "byte {position}, mask {mask:#x}");
                }
            }
        }
        let mut bytes = bytes;
        *bytes.last_mut().unwrap() ^= 1;
        let error = refused(&bytes);
        assert!(
            matches!(error, FileError::Checksum { .. }) && error.to_string().contains("altered or damaged")
        );
    }
}

#[test]
fn files_of_other_programs_are_refused_by_name() {
    for bytes in [&b""[..], b"abc", b"time,temperature\n1,2\n", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P"] {
        assert!(matches!(refused(bytes), FileError::NotSafetensors { .. }));
    }
    let tensor = json!({"dtype": "F32", "shape": [1], "data_offsets": [0, 4]});
    let foreign = |header: Value| refused(&Parts { header, data: vec![0; 4] }.bytes());
    assert_eq!(foreign(json!({"w": tensor})), FileError::Foreign { format: None });
    let torch = foreign(json!({"__metadata__": {"format": "pt"}, "w": tensor}));
    assert_eq!(torch, FileError::Foreign { format: Some("pt".into()) });
    assert!(matches!(foreign(json!({"__metadata__": {"format": 3}})), FileError::NotSafetensors { .. }));
    assert!(matches!(foreign(json!([1, 2])), FileError::NotSafetensors { .. }));
    assert!(matches!(foreign(json!({})), FileError::FileLength { .. }));
    let deep = [&60_000u64.to_le_bytes()[..], &[b'['; 60_000]].concat();
    assert!(matches!(refused(&deep), FileError::NotSafetensors { .. }));
}

#[test]
fn offsets_that_overflow_are_refused() {
    // The crate's own length check adds these up and overflows.
    let mut header = serde_json::Map::new();
    let size = (1u64 << 61) - 1;
    for n in 0..8 {
        let tensor = json!({"dtype": "U8", "shape": [size], "data_offsets": [n * size, (n + 1) * size]});
        header.insert(format!("t{n}"), tensor);
    }
    let error = refused(&Parts { header: header.into(), data: Vec::new() }.bytes());
    assert!(matches!(error, FileError::FileLength { .. }), "{error}");
}

#[test]
fn newer_versions_and_unknown_entries_are_named() {
    let version = |version: &str| refused(&Parts::of(&single()).entry("format_version", version).bytes());
    assert_eq!(version("3"), FileError::NewerVersion { supported: FORMAT_VERSION, found: 3 });
    for bad in ["0", "-1", "one", "", "1.0", "99999999999999999999999"] {
        assert!(matches!(version(bad), FileError::Entry { key: "format_version", .. }), "{bad}");
    }
    let unknown = [
        ("cell", "transformer", "`elman` or `gru` or `lstm` or `gru-reset-before`"),
        ("num_layers", "two", "a whole number from 1 on"),
        ("activation", "gelu", "`tanh` or `relu` or `sigmoid`"),
        ("dtype", "bfloat16", "`float32` or `float64`"),
        ("hidden_size", "0", "a whole number from 1 on"),
        ("input_size", "many", "a whole number from 1 on"),
        ("output_size", "99999999999999999999999", "a whole number from 1 on"),
    ];
    for (key, value, expected) in unknown {
        let error = refused(&Parts::of(&single()).entry(key, value).bytes());
        let (expected, found) = (expected.to_owned(), format!("`{value}`"));
        assert_eq!(error, FileError::Entry { key, expected, found });
        let error = refused(&Parts::of(&single()).without_entry(key).bytes());
        assert_eq!(error, FileError::MissingEntry { key });
    }
    // A file of another cell or with more layers has other tensors.
    let other = |key, value| refused(&Parts::of(&single()).entry(key, value).bytes());
    assert!(matches!(other("cell", "lstm"), FileError::Shape { .. }));
    assert!(matches!(other("bidirectional", "true"), FileError::MissingTensor { .. }));
    assert_eq!(other("num_layers", "2"), FileError::MissingTensor { name: "bias_hh_l1".into() });
    for layers in ["0", "18446744073709551615"] {
        assert!(
            matches!(other("num_layers", layers), FileError::Entry { key: "num_layers", .. }),
            "{layers}"
        );
    }
    assert!(matches!(other("dropout", "0.5"), FileError::Entry { .. }));
    // Whatever a file says, a message stays short and on one line.
    let error = refused(&Parts::of(&single()).entry("cell", &"\x1b\n".repeat(10_000)).bytes()).to_string();
    assert!(error.len() < 600 && !error.contains(['\x1b', '\n']), "{error}");
}

#[test]
fn sizes_that_the_tensors_do_not_have_are_refused_before_anything_is_allocated() {
    for size in [5, 1 << 40, u64::MAX] {
        let error = refused(&Parts::of(&single()).entry("hidden_size", &size.to_string()).bytes());
        let size = size as usize;
        assert_eq!(
            error,
            FileError::Shape { name: "bias_hh_l0".into(), expected: vec![size], found: vec![4] }
        );
    }
}

#[test]
fn missing_extra_and_misshapen_tensors_are_named() {
    let mut renamed = Parts::of(&single());
    let tensor = renamed.header.as_object_mut().unwrap().remove("fc.bias").unwrap();
    renamed.header["linear.bias"] = tensor;
    assert_eq!(refused(&renamed.bytes()), FileError::MissingTensor { name: "fc.bias".into() });

    let mut extra = Parts::of(&single());
    let end = extra.data.len();
    extra.header["weight_ih_l1"] = json!({"dtype": "F32", "shape": [1], "data_offsets": [end, end + 4]});
    extra.data.extend([0; 4]);
    assert_eq!(refused(&extra.bytes()), FileError::UnknownTensor { name: "weight_ih_l1".into() });

    let mut turned = Parts::of(&single());
    turned.header["fc.weight"]["shape"] = json!([4, 2]);
    let error = refused(&turned.bytes());
    assert_eq!(error.to_string(), "tensor `fc.weight`: expected shape [2, 4], found [4, 2]");

    let mut integers = Parts::of(&single());
    integers.header["bias_hh_l0"]["dtype"] = "I32".into();
    let error = FileError::Dtype { name: "bias_hh_l0".into(), expected: "F32", found: "I32".into() };
    assert_eq!(refused(&integers.bytes()), error);
    let error = refused(&Parts::of(&double()).entry("dtype", "float32").bytes());
    assert!(matches!(error, FileError::Dtype { expected: "F32", .. }));
    let error = refused(&Parts::of(&single()).without_entry("crc32").bytes());
    assert_eq!(error, FileError::MissingEntry { key: "crc32" });
}

#[test]
fn values_that_make_no_sense_are_refused_even_with_the_right_checksum() {
    let bad = [
        ("task", "clustering"),
        ("threshold", "NaN"),
        ("window", "0"),
        ("window", "-3"),
        ("columns", "{}"),
        ("training", "[1]"),
        ("input_normalization", r#"{"kind":"log","offset":[0,0,0],"scale":[1,1,1]}"#),
        ("input_normalization", r#"{"kind":"zscore","offset":[0,0,0],"scale":[1,0,1]}"#),
        ("label_normalization", r#"{"kind":"zscore","offset":[0,0],"scale":[1]}"#),
        ("label_normalization", r#"{"kind":"zscore","offset":[0,1e999],"scale":[1,1]}"#),
    ];
    for (key, value) in bad {
        let changed = || Parts::of(&single()).entry(key, value);
        let error = refused(&changed().signed());
        assert!(matches!(error, FileError::Entry { key: found, .. } if found == key), "{key}: {error}");
        assert!(matches!(refused(&changed().bytes()), FileError::Checksum { .. }));
    }
    let none = r#"{"kind":"none","offset":[0],"scale":[1]}"#;
    let counts = [
        ("columns", r#"{"inputs":["a"],"labels":[]}"#, "input columns", 3, 1),
        ("columns", r#"{"inputs":[],"labels":["a","b","c"]}"#, "label columns", 2, 3),
        ("input_normalization", none, "columns of the input normalisation", 3, 1),
        ("label_normalization", none, "columns of the label normalisation", 2, 1),
    ];
    for (key, value, what, expected, found) in counts {
        let error = refused(&Parts::of(&single()).entry(key, value).signed());
        assert_eq!(error, FileError::Columns { what, expected, found });
    }
    let mut parts = Parts::of(&single());
    // `bias_hh_l0` comes first, with four elements, then `bias_ih_l0`.
    parts.data[4 * 5..4 * 6].copy_from_slice(&f32::INFINITY.to_le_bytes());
    assert_eq!(refused(&parts.signed()), FileError::NonFinite { name: "bias_ih_l0".into(), index: 1 });
    let note = Parts::of(&single()).entry("note", "ignored").signed();
    assert_eq!(ModelFile::from_bytes(&note).unwrap(), single());
}

#[test]
fn what_could_not_be_read_is_not_written() {
    let change = |change: fn(&mut Metadata)| {
        let mut file = single();
        change(&mut file.metadata);
        file.to_bytes().unwrap_err()
    };
    assert!(matches!(change(|m| m.threshold = Some(f64::NAN)), FileError::Entry { key: "threshold", .. }));
    assert!(matches!(change(|m| m.window = Some(0)), FileError::Entry { key: "window", .. }));
    let columns = change(|m| m.input_columns.truncate(2));
    assert!(matches!(columns, FileError::Columns { expected: 3, found: 2, .. }));
    let note = |m: &mut Metadata| drop(m.training.insert("note".into(), "x".repeat(100_000_000)));
    assert!(matches!(change(note), FileError::HeaderTooLarge { .. }));
    let mut model = DynRnn::<f64>::new(1, 2, 1, Activation::Tanh, 0).unwrap();
    model.params_mut().set("bias_hh_l0", &[0.0, f64::NAN]).unwrap();
    let file = ModelFile { model: model.into(), metadata: Metadata::default() };
    assert_eq!(file.to_bytes().unwrap_err(), FileError::NonFinite { name: "bias_hh_l0".into(), index: 1 });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(ModelFile::from_bytes(&bytes).is_err());
    }

    #[test]
    fn arbitrary_headers_never_panic(header in r#"[{}\[\]":,a-z_0-9 ]{0,60}"#) {
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
        prop_assert!(ModelFile::from_bytes(&bytes).is_err());
    }

    #[test]
    fn arbitrary_offsets_never_panic(shape: Vec<u64>, start: u64, end: u64, size in 0u64..9, data: Vec<u8>) {
        let mut parts = Parts::of(&single());
        parts.header["fc.bias"] = json!({"dtype": "F32", "shape": shape, "data_offsets": [start, end]});
        parts.data.extend(data);
        prop_assert!(ModelFile::from_bytes(&parts.entry("output_size", &size.to_string()).bytes()).is_err());
    }

    #[test]
    fn replaced_stretches_are_refused_or_harmless(at: prop::sample::Index, with: Vec<u8>) {
        let file = single();
        let mut bytes = file.to_bytes().unwrap();
        let at = at.index(bytes.len());
        let end = bytes.len().min(at + with.len());
        bytes[at..end].copy_from_slice(&with[..end - at]);
        if let Ok(other) = ModelFile::from_bytes(&bytes) {
            prop_assert_eq!(other, file);
        }
    }
}

proptest! {
    // Few cases: proptest takes long to make texts.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(50) })]

    #[test]
    fn any_texts_and_numbers_come_back(
        texts: [String; 3],
        pair: (String, String),
        x in prop::num::f64::NORMAL,
        scale in prop::num::f64::POSITIVE,
    ) {
        let mut file = single();
        file.metadata.sequence_column = Some(texts[0].clone());
        file.metadata.input_columns = texts.into();
        file.metadata.training = BTreeMap::from([pair]);
        file.metadata.threshold = Some(x);
        let scale = vec![scale.clamp(5e-324, f64::MAX); 3];
        let normalizer = Normalizer::from_parts(Normalization::MinMax, vec![-x; 3], scale).unwrap();
        file.metadata.input_normalizer = Some(normalizer);
        prop_assert_eq!(ModelFile::from_bytes(&file.to_bytes().unwrap()).unwrap(), file);
    }
}
