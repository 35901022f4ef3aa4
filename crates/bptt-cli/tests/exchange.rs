//! `bptt export` and `bptt import`: models that leave and come back, and files that are no models.

mod common;

use std::fs;

use common::{Folder, echo_csv, rise_csv};
use serde_json::Value;

#[test]
fn a_model_goes_to_onnx_and_comes_back_byte_for_byte() {
    let folder = Folder::new();
    folder.file("data.csv", echo_csv());
    folder.file("rise.csv", rise_csv());
    for line in [
        "train data.csv --cell lstm --num-layers 2 --dropout 0.2 --bidirectional --hidden-size 3 --epochs 2",
        "train data.csv --cell elman --activation relu --dtype f64 --normalize minmax --hidden-size 3 --epochs 2",
        "train data.csv --cell gru-reset-before --num-layers 2 --bidirectional --hidden-size 3 --epochs 2",
        "train rise.csv --hidden-size 3 --epochs 2 --normalize none",
        "train rise.csv --hidden-size 3 --epochs 2 --threshold 0.3 --window 6 --naive x1",
    ] {
        // The window takes the place of the sequence column.
        if line.contains("window") {
            folder.file("rise.csv", rise_csv().replace("name", "other"));
        }
        folder.ok(line);
        let said = folder.ok("export model.safetensors --format onnx").out;
        assert!(
            said.starts_with("saved model.onnx") && said.contains("--dtype f32") == line.contains("f64"),
            "{said}"
        );
        folder.ok("import onnx model.onnx -o back.safetensors");
        let read = |name: &str| fs::read(folder.path(name)).unwrap();
        assert_eq!(read("back.safetensors"), read("model.safetensors"), "{line}");
    }
}

#[test]
fn a_state_dict_becomes_a_model_that_predicts() {
    let folder = Folder::new();
    folder.file("data.csv", echo_csv());
    folder.ok("train data.csv --cell elman --activation sigmoid --hidden-size 3 --epochs 2 --normalize none");
    // Like a state dict, a model file has the weights under PyTorch's names.
    let run = folder.ok(
        "import pytorch model.safetensors -o back.safetensors --activation sigmoid --labels echo --time t",
    );
    assert!(
        run.out.contains("model: Elman 2 → 3 → 1, sigmoid") && run.out.contains("saved back.safetensors"),
        "{}",
        run.out
    );
    let predict = |model: &str| folder.ok(&format!("predict {model} data.csv")).out;
    // A column's type of scaling decides how many digits are printed.
    assert_eq!(predict("model.safetensors"), predict("back.safetensors"));
    let about: Value = serde_json::from_str(&folder.ok("inspect back.safetensors --json").out).unwrap();
    assert_eq!(about["columns"]["inputs"], serde_json::json!(["x1", "x2"]));
    assert_eq!((&about["columns"]["labels"][0], &about["task"]), (&"echo".into(), &"regression".into()));
    folder.ok("import pytorch model.safetensors --like model.safetensors -o like.safetensors");
    let read = |name: &str| fs::read(folder.path(name)).unwrap();
    assert_eq!(read("like.safetensors"), read("model.safetensors"));
    folder.ok("import pytorch model.safetensors -o binary.safetensors --task binary --inputs a,b --sequence who --time when");
    let about: Value = serde_json::from_str(&folder.ok("inspect binary.safetensors --json").out).unwrap();
    assert_eq!(
        (&about["task"], &about["loss"], &about["columns"]["time"]),
        (&"binary".into(), &"bce".into(), &"when".into())
    );
}

/// A GRU as ONNX has it where nothing else is said.
#[test]
fn a_graph_with_the_reset_gate_before_the_product_becomes_a_model() {
    let folder = Folder::new();
    let graphs = concat!(env!("CARGO_MANIFEST_DIR"), "/../bptt/tests/data/onnx/graph");
    let graph = format!("{graphs}/hand-gru-reset-before-2-both/model.onnx");
    folder.file("model.onnx", fs::read(graph).unwrap());
    let said = folder.ok("import onnx model.onnx --inputs x1,x2,x3 --labels y1,y2 --sequence name").out;
    assert!(said.contains("GRU (reset before the product) 3 → 4 → 2, 2 layers, both directions"), "{said}");
    let about: Value = serde_json::from_str(&folder.ok("inspect model.safetensors --json").out).unwrap();
    assert_eq!(about["model"]["cell"], "gru-reset-before");
    folder.file("data.csv", "name,x1,x2,x3,y1,y2\na,1,2,3,0,0\na,3,2,1,1,0\nb,0,0,0,1,1\nb,1,0,0,0,1\n");
    assert_eq!(folder.ok("predict model.safetensors data.csv").out.lines().count(), 5);
    // PyTorch would take the weights for those of an nn.GRU.
    folder.refused("import pytorch model.safetensors -o m", &["a module of PyTorch", "gru-reset-before"]);
}

#[test]
fn wrong_files_and_flags_are_refused() {
    let folder = Folder::new();
    folder.file("data.csv", echo_csv());
    folder.ok("train data.csv --hidden-size 3 --epochs 2");
    folder.ok("export model.safetensors --format onnx --dtype f32 -o model.onnx");
    folder.refused("export model.safetensors --format onnx --dtype f64", &["--dtype", "f64"]);
    folder.refused("export model.onnx --format onnx", &["model.onnx", "safetensors"]);
    folder.refused("export model.safetensors --format onnx -o model.safetensors", &["another file"]);
    folder.refused("export model.safetensors --format elf", &["elf", "onnx"]);
    folder.refused("import onnx model.safetensors -o m", &["model.safetensors: this is not an ONNX file"]);
    folder.refused("import pytorch model.onnx -o m", &["model.onnx: this is not a safetensors file"]);
    folder.file("state.pt", b"PK\x03\x04");
    folder.refused("import pytorch state.pt -o m", &["state.pt", "save_file", "torch.save"]);
    folder.refused("import pytorch none -o m", &["none: expected a file that can be read"]);
    folder.refused("import pytorch model.safetensors -o m --activation relu", &["--activation", "gru"]);
    folder.refused("import onnx model.onnx -o m --activation relu", &["--activation"]);
    folder.refused("import onnx model.onnx -o m --inputs a", &["--inputs: expected 2", "found 1"]);
    folder.refused("import pytorch model.safetensors -o m --classes a,b", &["--classes", "regression"]);
    folder.refused("import onnx model.onnx -o model.onnx", &["another file"]);
}
