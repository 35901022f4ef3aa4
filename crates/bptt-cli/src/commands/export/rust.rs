//! `bptt export --format rust`: one Rust module without dependencies, for programs with and without the standard library.

use std::fmt::Write;

use bptt::file::ModelFile;
use bptt::{Activation, Cell};

use super::source::Network;
use crate::failure::Failure;

const TEMPLATE: &str = include_str!("templates/network.rs.template");

/// The contents of the file.
pub fn bytes(file: &ModelFile) -> Result<Vec<u8>, Failure> {
    let network = Network::of(file)?;
    let number = if network.single { "f32" } else { "f64" };
    let mut text = String::new();
    for line in network.description() {
        text.push_str(format!("//! {line}").trim_end());
        text.push('\n');
    }
    text.push_str("//!\n//! A module of its own: `mod` it. It needs nothing but `core`.\n");
    text.push_str("#![allow(dead_code, clippy::all)]\n\n");
    text.push_str(&declarations(&network, number));
    for table in &network.tables {
        let (name, length) = (table.name.to_uppercase(), table.values.len());
        let numbers = network.numbers(&table.values, "");
        let _ = writeln!(text, "\nstatic {name}: [{number}; {length}] = [{numbers}\n];");
    }
    text.push('\n');
    let lstm = network.cell == Cell::Lstm;
    let activation = match network.cell {
        Cell::Elman(Activation::Relu) => "if sum(0) < 0.0 { 0.0 } else { sum(0) }",
        Cell::Elman(Activation::Sigmoid) => "sigmoid(sum(0))",
        _ => "tanh(sum(0))",
    };
    let offset = "input[k] - INPUT_OFFSET[k]";
    let words = [
        ("t", number.to_owned()),
        ("uint", if network.single { "u32" } else { "u64" }.into()),
        ("polynomial", network.polynomial("")),
        ("activation", activation.into()),
        ("c_argument", if lstm { format!(", c: &mut [{number}; UNITS]") } else { String::new() }),
        ("c_zero", if lstm { ", c: [[0.0; UNITS]; LAYERS]".into() } else { String::new() }),
        ("centred", if network.single { format!("({offset}) - INPUT_REST[k]") } else { offset.into() }),
        ("layers", layers(&network)),
    ];
    text.push_str(&network.fill(TEMPLATE, &words));
    Ok(text.into_bytes())
}

/// Sizes and state.
fn declarations(network: &Network, number: &str) -> String {
    let Network { inputs, units, outputs, layers, cell, .. } = network;
    let mut text = String::new();
    for (name, size, what) in [
        ("INPUTS", inputs, "Inputs of a timestep."),
        ("UNITS", units, "Units of a layer."),
        ("OUTPUTS", outputs, "Outputs of a timestep."),
        ("LAYERS", layers, "Layers."),
    ] {
        let _ = writeln!(text, "/// {what}\npub const {name}: usize = {size};");
    }
    text.push_str(
        "\n/// What is known of a sequence so far.\n#[derive(Clone, Debug, PartialEq)]\npub struct State {\n",
    );
    let _ = writeln!(text, "    /// The hidden units.\n    pub h: [[{number}; UNITS]; LAYERS],");
    if *cell == Cell::Lstm {
        let _ = writeln!(text, "    /// The memory cells.\n    pub c: [[{number}; UNITS]; LAYERS],");
    }
    text.push_str("}\n");
    text
}

/// The calls of the layers.
fn layers(network: &Network) -> String {
    let calls = (0..network.layers).map(|layer| {
        let x = match layer {
            0 => if network.has("scaled") { "&x" } else { "input" }.to_owned(),
            // A copy, as the state is written to.
            _ => format!("&{{ self.h[{}] }}", layer - 1),
        };
        let memory = if network.cell == Cell::Lstm { format!(", &mut self.c[{layer}]") } else { String::new() };
        format!(
            "        layer(&WEIGHT_IH_L{layer}, &WEIGHT_HH_L{layer}, &BIAS_L{layer}, {x}, &mut self.h[{layer}]{memory});"
        )
    });
    calls.collect::<Vec<_>>().join("\n")
}
