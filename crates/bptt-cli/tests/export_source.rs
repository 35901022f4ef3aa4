//! `bptt export --format c` and `--format rust`: what they write compiles without a warning and computes what bptt does.

mod common;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use bptt::file::{AnyModel, Metadata, ModelFile};
use bptt::{Activation, Architecture, DynRnn, Float, Loss, Normalization, Normalizer, Rng};

use common::Folder;

const STEPS: usize = 12;

/// A network with its file's name, and what it should answer.
struct Case {
    name: String,
    single: bool,
    inputs: usize,
    outputs: usize,
    /// (T, I)
    x: Vec<f64>,
    /// (T, O)
    expected: Vec<f64>,
}

/// The network in the type `T`, with the scaling and the loss that `number` stands for, as a model file in `folder`.
fn case<T: Float>(
    folder: &Folder,
    number: usize,
    architecture: Architecture,
    wrap: fn(DynRnn<T>) -> AnyModel,
) -> Case {
    let (inputs, units, outputs) = (3, 7, 3);
    let model = DynRnn::<T>::with_architecture(inputs, units, outputs, architecture, number as u64).unwrap();
    let mut rng = Rng::new(number as u64);
    // Numbers as they are in data: pressures, counts, shares; and what f32 holds exactly.
    let x: Vec<f64> = (0..STEPS)
        .flat_map(|_| [1000.0 + 30.0 * rng.uniform(), 500.0 * rng.uniform() - 250.0, rng.uniform()])
        .map(|x| f64::from(x as f32))
        .collect();
    let loss = [Loss::Mse, Loss::Bce, Loss::CrossEntropy][number % 3];
    let labels = Normalizer::from_parts(Normalization::MinMax, vec![-3.0, 0.5, 100.0], vec![7.0, 1.0, 0.125]);
    let metadata = Metadata {
        input_columns: ["pressure */ of ??/", "count\\", "share"].map(String::from).to_vec(),
        loss: Some(loss),
        classes: if loss == Loss::CrossEntropy { ["a", "b", "c"].map(String::from).to_vec() } else { vec![] },
        input_normalizer: Some(Normalizer::fit(Normalization::ZScore, &x, inputs).unwrap()),
        label_normalizer: (loss == Loss::Mse).then(|| labels.unwrap()),
        ..Default::default()
    };
    let mut scaled = x.clone();
    metadata.input_normalizer.as_ref().unwrap().apply_in_place(&mut scaled).unwrap();
    let scaled: Vec<T> = scaled.into_iter().map(T::from_f64).collect();
    let mut y = model.predict(&scaled).unwrap();
    loss.probabilities(&mut y, outputs);
    let mut expected: Vec<f64> = y.into_iter().map(T::to_f64).collect();
    if let Some(labels) = &metadata.label_normalizer {
        labels.undo_in_place(&mut expected).unwrap();
    }
    let name = format!("net{number}");
    let file = ModelFile { model: wrap(model), metadata };
    folder.file(&format!("{name}.safetensors"), file.to_bytes().unwrap());
    Case { name, single: T::DTYPE == "float32", inputs, outputs, x, expected }
}

/// All cells, with one and two layers, in both types.
fn cases(folder: &Folder) -> Vec<Case> {
    let elman = Activation::ALL.map(Architecture::elman);
    let gated = [Architecture::gru(), Architecture::lstm(), Architecture::gru_reset_before()];
    let cells = elman.into_iter().chain(gated);
    let architectures = cells.flat_map(|cell| [cell, cell.num_layers(2)]);
    let mut cases = Vec::new();
    for (at, architecture) in architectures.enumerate() {
        cases.push(case::<f32>(folder, 2 * at, architecture, AnyModel::F32));
        cases.push(case::<f64>(folder, 2 * at + 1, architecture, AnyModel::F64));
    }
    cases
}

fn literals(values: &[f64]) -> String {
    values.iter().fold(String::new(), |mut text, value| {
        let _ = write!(text, "{value:e},");
        text
    })
}

/// Whether `program` is on this machine; without it there is nothing to test.
fn is_there(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("skipped: there is no `{program}`");
    }
    found
}

/// Compiles without a word, runs, and compares what is printed: two passes over each case, a number a line.
fn check(folder: &Folder, mut compiler: Command, cases: &[Case]) {
    let output = compiler.current_dir(folder.path("")).output().unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && messages.is_empty(), "{messages}");
    let output = Command::new(folder.path("program")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut found = text.lines().map(|line| line.parse::<f64>().unwrap());
    for case in cases {
        for pass in 0..2 {
            for (at, expected) in case.expected.iter().enumerate() {
                let found = found.next().unwrap();
                // Of the output's scale: labels go from −3 to 100.
                let bound = if case.single { 1e-6 } else { 1e-12 } * expected.abs().max(1.0);
                let error = (found - expected).abs();
                assert!(error <= bound, "{} pass {pass}, {at}: {found}, not {expected}", case.name);
            }
        }
    }
    assert_eq!(found.next(), None);
}

/// A C program that takes every case through its sequence twice, with a reset in between.
fn c_program(cases: &[Case]) -> String {
    let mut text = String::from("#include <stdio.h>\n");
    for Case { name, .. } in cases {
        let _ = writeln!(text, "#include \"{name}.c\"");
    }
    text.push_str("\nint main(void)\n{\n");
    for Case { name, single, inputs, outputs, x, .. } in cases {
        let t = if *single { "float" } else { "double" };
        let x = if *single { literals(x).replace(',', "f,") } else { literals(x) };
        let _ = write!(
            text,
            "    {{\n        static const {t} x[] = {{{x}}};\n        static {name}_state state;\n        \
             for (int pass = 0; pass < 2; pass++) {{\n            {name}_reset(&state);\n            \
             for (int t = 0; t < {STEPS}; t++) {{\n                {t} y[{outputs}];\n                \
             {name}_step(&state, x + {inputs} * t, y);\n                \
             for (int n = 0; n < {outputs}; n++) {{\n                    printf(\"%.17g\\n\", (double)y[n]);\n                \
             }}\n            }}\n        }}\n    }}\n"
        );
    }
    text.push_str("    return 0;\n}\n");
    text
}

#[test]
fn c_compiles_without_warnings_and_predicts_the_same() {
    let folder = Folder::new();
    let cases = cases(&folder);
    for Case { name, .. } in &cases {
        folder.ok(&format!("export {name}.safetensors --format c"));
        let text = folder.read(&format!("{name}.c"));
        assert!(text.contains("bytes of state for each sequence"), "{text}");
        assert!(!text.contains("math.h") && !text.contains("malloc"), "{text}");
    }
    folder.file("main.c", c_program(&cases));
    // For `tools/check_arm`, which takes the same program to a Cortex-M.
    if let Ok(keep) = std::env::var("BPTT_KEEP_EXPORT") {
        fs::create_dir_all(&keep).unwrap();
        for (file, contents) in folder.snapshot() {
            fs::write(Path::new(&keep).join(file), contents).unwrap();
        }
    }
    if !is_there("cc") {
        return;
    }
    let mut compiler = Command::new("cc");
    compiler.args("-std=c99 -O1 -Wall -Wextra -Wpedantic -Wconversion -Werror".split(' '));
    compiler.args(["main.c", "-o", "program"]);
    check(&folder, compiler, &cases);
}

#[test]
fn rust_compiles_without_warnings_and_without_std_and_predicts_the_same() {
    let folder = Folder::new();
    let cases = cases(&folder);
    let (mut program, mut library) = (String::new(), String::from("#![no_std]\n"));
    for Case { name, .. } in &cases {
        folder.ok(&format!("export {name}.safetensors --format rust"));
        let _ = writeln!(program, "mod {name};");
        let _ = writeln!(library, "pub mod {name};");
    }
    program.push_str("fn main() {\n");
    for Case { name, single, inputs, x, .. } in &cases {
        let t = if *single { "f32" } else { "f64" };
        let (rows, x) = (x.len() / inputs, literals(x));
        let _ = write!(
            program,
            "    let x: [{t}; {rows} * {inputs}] = [{x}];\n    let mut state = {name}::State::new();\n    \
             for _ in 0..2 {{\n        state.reset();\n        for x in x.chunks({inputs}) {{\n            \
             for y in state.step(x.try_into().unwrap()) {{\n                println!(\"{{y:e}}\");\n            \
             }}\n        }}\n    }}\n"
        );
    }
    program.push_str("}\n");
    folder.file("main.rs", program);
    folder.file("library.rs", library);
    if !is_there("rustc") {
        return;
    }
    let rustc = |arguments: &str| {
        let mut compiler = Command::new("rustc");
        compiler.args("--edition 2024 -D warnings".split(' ')).args(arguments.split(' '));
        compiler
    };
    let output = rustc("--crate-type rlib --emit metadata library.rs").current_dir(folder.path("")).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    check(&folder, rustc("-C opt-level=1 main.rs -o program"), &cases);
}

#[test]
fn what_cannot_be_a_step_is_refused() {
    let folder = Folder::new();
    let both = Architecture::gru().bidirectional(true);
    let model = AnyModel::F32(DynRnn::with_architecture(1, 2, 1, both, 1).unwrap());
    let file = ModelFile { model, metadata: Metadata::default() };
    folder.file("both.safetensors", file.to_bytes().unwrap());
    let mut model = DynRnn::<f32>::with_architecture(1, 2, 1, Architecture::gru(), 1).unwrap();
    model.params_mut().set("fc.bias", &[0.5]).unwrap();
    let file = ModelFile { model: AnyModel::F32(model), metadata: Metadata::default() };
    folder.file("one.safetensors", file.to_bytes().unwrap());
    for format in ["c", "rust"] {
        folder.refused(
            &format!("export both.safetensors --format {format}"),
            &["both.safetensors", "in one direction", "bidirectional"],
        );
        folder.refused(&format!("export one.safetensors --format {format} --dtype f64"), &["--dtype"]);
    }
}
