//! `bptt export --format c`: one C99 file without dependencies.

use std::fmt::Write;
use std::path::Path;

use bptt::file::ModelFile;
use bptt::{Activation, Cell};

use super::source::Network;
use crate::failure::Failure;

const TEMPLATE: &str = include_str!("templates/network.c.template");

/// The contents of the file that will be at `out`, whose name is that of its functions.
pub fn bytes(file: &ModelFile, out: &Path) -> Result<Vec<u8>, Failure> {
    let network = Network::of(file)?;
    let name = identifier(out);
    let upper = name.to_uppercase();
    let (number, suffix) = if network.single { ("float", "f") } else { ("double", "") };
    let mut text = String::from("/*\n");
    for line in network.description() {
        text.push_str(format!(" * {line}").trim_end());
        text.push('\n');
    }
    let prototypes = prototypes(&network, &name, number);
    let _ = writeln!(
        text,
        " *\n * To use it from another file, declare there what stands before the tables.\n */"
    );
    let _ = writeln!(text, "#include <stdint.h>\n");
    text.push_str(&prototypes);
    for table in &network.tables {
        let (length, numbers) = (table.values.len(), network.numbers(&table.values, suffix));
        let _ = writeln!(text, "\nstatic const {number} {name}_{}[{length}] = {{{numbers}\n}};", table.name);
    }
    text.push('\n');
    let lstm = network.cell == Cell::Lstm;
    let gates = match network.cell {
        Cell::Elman(_) => "1",
        Cell::Gru | Cell::GruResetBefore => "2",
        Cell::Lstm => "4",
    };
    let activation = match network.cell {
        Cell::Elman(Activation::Relu) => format!("sum[0] < 0.0{suffix} ? 0.0{suffix} : sum[0]"),
        Cell::Elman(Activation::Sigmoid) => format!("{name}_sigmoid(sum[0])"),
        _ => format!("{name}_tanh(sum[0])"),
    };
    let offset = format!("input[k] - {name}_input_offset[k]");
    let rest = if network.single { format!("({offset}) - {name}_input_rest[k]") } else { offset };
    let layers = layers(&network, &name, &upper);
    let words = [
        ("p_", format!("{name}_")),
        ("P_", format!("{upper}_")),
        ("t", number.into()),
        ("f", suffix.into()),
        ("uint", if network.single { "uint32_t" } else { "uint64_t" }.into()),
        ("polynomial", network.polynomial(suffix)),
        ("gates", gates.into()),
        ("summed", gates.into()),
        ("activation", activation),
        ("c_argument", if lstm { format!(", {number} *c") } else { String::new() }),
        ("centred", rest),
        ("layers", layers),
    ];
    text.push_str(&network.fill(TEMPLATE, &words));
    Ok(text.into_bytes())
}

/// Sizes, state and functions.
fn prototypes(network: &Network, name: &str, number: &str) -> String {
    let upper = name.to_uppercase();
    let Network { inputs, units, outputs, layers, cell, .. } = network;
    let mut text = format!(
        "enum {{ {upper}_INPUTS = {inputs}, {upper}_UNITS = {units}, {upper}_OUTPUTS = {outputs}, {upper}_LAYERS = {layers} }};\n\n"
    );
    let _ =
        writeln!(text, "/* What is known of a sequence so far; {name}_reset makes it. */\ntypedef struct {{");
    for state in if *cell == Cell::Lstm { &["h", "c"][..] } else { &["h"] } {
        let _ = writeln!(text, "    {number} {state}[{upper}_LAYERS][{upper}_UNITS];");
    }
    let _ = writeln!(text, "}} {name}_state;\n\nvoid {name}_reset({name}_state *state);");
    let arguments = format!("const {number} input[{upper}_INPUTS], {number} output[{upper}_OUTPUTS]");
    let _ = writeln!(text, "void {name}_step({name}_state *state, {arguments});");
    text
}

/// The calls of the layers.
fn layers(network: &Network, name: &str, upper: &str) -> String {
    let calls = (0..network.layers).map(|layer| {
        let (count, x) = match layer {
            0 => ("INPUTS", if network.has("scaled") { "x".into() } else { "input".into() }),
            _ => ("UNITS", format!("state->h[{}]", layer - 1)),
        };
        let memory = if network.cell == Cell::Lstm { format!(", state->c[{layer}]") } else { String::new() };
        format!(
            "    {name}_layer({name}_weight_ih_l{layer}, {name}_weight_hh_l{layer}, {name}_bias_l{layer}, {upper}_{count}, \
             {x},\n        state->h[{layer}]{memory});"
        )
    });
    calls.collect::<Vec<_>>().join("\n")
}

/// The file's name without its ending as a name in C: letters, digits and underscores, in lower case.
fn identifier(path: &Path) -> String {
    let stem = path.file_stem().map_or(String::new(), |stem| stem.to_string_lossy().into_owned());
    let plain: String =
        stem.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    // Names that begin with an underscore are the compiler's, and digits begin numbers.
    if plain.starts_with(|c: char| c.is_ascii_alphabetic()) { plain } else { format!("model_{plain}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_become_names_in_c() {
        for (path, name) in [("Weather.c", "weather"), ("a/my model-2.c", "my_model_2"), ("2b.c", "model_2b")]
        {
            assert_eq!(identifier(Path::new(path)), name);
        }
        assert_eq!(identifier(Path::new("/dev/stdout")), "stdout");
        assert_eq!(identifier(Path::new("_x.c")), "model__x");
    }
}
