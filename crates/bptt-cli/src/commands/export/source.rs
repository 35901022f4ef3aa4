//! What `--format rust` and `--format c` have in common: the numbers of a network, and the template that they go into.
//!
//! A template is the code as it will be, with three additions: `@name` stands for what [`fill`] is given under that
//! name, and lines between `@if name ...` and `@end` are there only where one of these features is.

use std::fmt::Write;

use bptt::file::{AnyModel, ModelFile};
use bptt::{Activation, Cell, DynRnn, Float, Loss, Normalization, Normalizer};

use crate::failure::Failure;

/// `1 − e^−2r = r·(2 + r·(…))` for `|r| ≤ ln 2 / 4`: the coefficients from `r²` on, as in the library's kernels
/// (`tools/make_polynomials.py`).
const SINGLE: [f64; 6] = [-2.0, 1.333_333_3, -0.666_661_8, 0.266_668_46, -0.089_220_01, 0.025_402_723];
const DOUBLE: [f64; 11] = [
    -2.0,
    1.333_333_333_333_334_1,
    -0.666_666_666_666_664_1,
    0.266_666_666_666_294_1,
    -0.088_888_888_889_359_2,
    0.025_396_825_454_036_59,
    -0.006_349_206_316_167_856,
    0.001_410_930_911_949_967,
    -0.000_282_187_803_129_591_9,
    0.000_051_423_188_868_612_8,
    -8.550_534_307_485_318e-6,
];

/// A table of constants.
pub struct Table {
    /// In lower case, such as `weight_ih_l0`.
    pub name: String,
    pub values: Vec<f64>,
}

/// A network as its numbers.
pub struct Network {
    pub single: bool,
    pub cell: Cell,
    pub inputs: usize,
    pub units: usize,
    pub outputs: usize,
    pub layers: usize,
    pub tables: Vec<Table>,
    /// Names of parts of the template.
    features: Vec<&'static str>,
    input_columns: Vec<String>,
    output_columns: Vec<String>,
}

impl Network {
    /// The network of `file`.
    pub fn of(file: &ModelFile) -> Result<Self, Failure> {
        let architecture = file.model.architecture();
        if architecture.bidirectional {
            let message = "expected a network in one direction, as a step is all that there is of a sequence, found a \
                           bidirectional one";
            return Err(Failure::input(message));
        }
        let mut network = Self {
            single: matches!(file.model, AnyModel::F32(_)),
            cell: architecture.cell,
            inputs: file.model.input_size(),
            units: file.model.hidden_size(),
            outputs: file.model.output_size(),
            layers: architecture.num_layers,
            tables: Vec::new(),
            features: Vec::new(),
            input_columns: file.metadata.input_columns.clone(),
            output_columns: if file.metadata.classes.is_empty() {
                file.metadata.label_columns.clone()
            } else {
                file.metadata.classes.iter().map(|class| format!("probability of {class}")).collect()
            },
        };
        network.features(file);
        match &file.model {
            AnyModel::F32(model) => network.weights(model),
            AnyModel::F64(model) => network.weights(model),
        }?;
        network.scales(file);
        match network.tables.iter().find(|table| table.values.iter().any(|value| !value.is_finite())) {
            Some(table) => {
                Err(Failure::input(format!("{}: expected finite numbers, found another", table.name)))
            }
            None => Ok(network),
        }
    }

    /// Which parts of the template it needs.
    fn features(&mut self, file: &ModelFile) {
        match self.cell {
            Cell::Elman(Activation::Tanh) => self.features.extend(["elman", "tanh"]),
            Cell::Elman(Activation::Sigmoid) => self.features.extend(["elman", "sigmoid"]),
            Cell::Elman(Activation::Relu) => self.features.push("elman"),
            Cell::Gru => self.features.extend(["gru", "tanh", "sigmoid"]),
            Cell::Lstm => self.features.extend(["lstm", "tanh", "sigmoid"]),
            Cell::GruResetBefore => self.features.extend(["reset_before", "tanh", "sigmoid"]),
        }
        match file.metadata.loss {
            Some(Loss::Bce) => self.features.extend(["bce", "sigmoid"]),
            Some(Loss::CrossEntropy) => self.features.push("softmax"),
            _ => {}
        }
    }

    fn weights<T: Float>(&mut self, model: &DynRnn<T>) -> Result<(), Failure> {
        let get = |name: &str| model.params().get(name).map_err(Failure::input);
        for layer in 0..self.layers {
            let (ih, hh) = (get(&format!("bias_ih_l{layer}"))?, get(&format!("bias_hh_l{layer}"))?);
            let mut bias: Vec<T> = ih.iter().zip(&hh).map(|(a, b)| *a + *b).collect();
            if self.cell == Cell::Gru {
                // The halves of the last gate stay apart.
                bias.truncate(2 * self.units);
                bias.extend(&ih[2 * self.units..]);
                bias.extend(&hh[2 * self.units..]);
            }
            self.table(format!("weight_ih_l{layer}"), &get(&format!("weight_ih_l{layer}"))?);
            self.table(format!("weight_hh_l{layer}"), &get(&format!("weight_hh_l{layer}"))?);
            self.table(format!("bias_l{layer}"), &bias);
        }
        self.table("fc_weight".into(), &get("fc.weight")?);
        self.table("fc_bias".into(), &get("fc.bias")?);
        Ok(())
    }

    fn scales(&mut self, file: &ModelFile) {
        let scaling = |normalizer: &Option<Normalizer>, columns: usize| {
            normalizer.clone().filter(|n| n.kind() != Normalization::None && n.columns() == columns)
        };
        if let Some(normalizer) = scaling(&file.metadata.input_normalizer, self.inputs) {
            self.features.push("scaled");
            self.table("input_offset".into(), normalizer.offset());
            if self.single {
                // What single precision leaves of an offset counts where inputs are far from 0.
                let rest = |x: &f64| x - f64::from(*x as f32);
                self.table("input_rest".into(), &normalizer.offset().iter().map(rest).collect::<Vec<_>>());
            }
            self.table("input_scale".into(), normalizer.scale());
        }
        if let Some(normalizer) = scaling(&file.metadata.label_normalizer, self.outputs) {
            self.features.push("labels");
            self.table("label_offset".into(), normalizer.offset());
            self.table("label_scale".into(), normalizer.scale());
        }
    }

    fn table<T: Float>(&mut self, name: String, values: &[T]) {
        self.tables.push(Table { name, values: values.iter().map(|value| value.to_f64()).collect() });
    }

    /// Whether the template's part of that name is needed.
    pub fn has(&self, feature: &str) -> bool {
        self.features.contains(&feature)
    }

    /// A number in the network's type, with as many digits as it takes.
    pub fn number(&self, value: f64) -> String {
        if self.single { format!("{:e}", value as f32) } else { format!("{value:e}") }
    }

    /// Numbers on lines of at most 100 characters; each followed by `suffix`.
    pub fn numbers(&self, values: &[f64], suffix: &str) -> String {
        let (mut text, mut width) = (String::new(), usize::MAX);
        for value in values {
            let number = format!("{}{suffix},", self.number(*value));
            if width.saturating_add(1 + number.len()) > 100 {
                text.push_str("\n   ");
                width = 3;
            }
            width += 1 + number.len();
            let _ = write!(text, " {number}");
        }
        text
    }

    /// What a user has to know, in lines.
    pub fn description(&self) -> Vec<String> {
        let size = if self.single { 4 } else { 8 };
        let constants: usize = self.tables.iter().map(|table| table.values.len()).sum();
        let rows = self.layers * if self.cell == Cell::Lstm { 2 } else { 1 };
        let units = if self.has("reset_before") { 2 * self.units } else { self.units };
        let stack = units + if self.has("scaled") { self.inputs } else { 0 } + self.outputs;
        let activation = self.cell.activation().map_or(String::new(), |a| format!(" ({a})"));
        let layers = if self.layers == 1 { "layer" } else { "layers" };
        let mut lines = vec![
            format!("Written by bptt {}.", env!("CARGO_PKG_VERSION")),
            String::new(),
            format!(
                "{} {layers} of {} {}{activation} units, {} inputs, {} outputs, in {}.",
                self.layers,
                self.units,
                self.cell,
                self.inputs,
                self.outputs,
                if self.single { "single precision" } else { "double precision" },
            ),
            format!(
                "Memory: {} bytes of constants; {} bytes of state for each sequence;",
                constants * size,
                rows * self.units * size
            ),
            format!("of the stack, about {} bytes for numbers. Nothing is allocated.", stack * size),
        ];
        for (what, names) in [("Inputs", &self.input_columns), ("Outputs", &self.output_columns)] {
            if !names.is_empty() {
                lines.push(String::new());
                let scale = if what == "Inputs" { ", as they were in the training data" } else { "" };
                lines.push(format!("{what}{scale}:"));
                lines
                    .extend(names.iter().enumerate().map(|(at, name)| format!("  {at}: {}", harmless(name))));
            }
        }
        lines
    }

    /// The template with everything filled in; `words` go before the numbers that it takes from the type.
    pub fn fill(&self, template: &str, words: &[(&str, String)]) -> String {
        let mut words: Vec<(String, String)> =
            words.iter().map(|(k, v)| (format!("@{k}"), v.clone())).collect();
        for (name, single, double) in [
            ("two_log2_e", 2.0 * std::f64::consts::LOG2_E, 2.0 * std::f64::consts::LOG2_E),
            ("half_ln_2_hi", 0.346_572_88, 0.346_573_590_279_604_1),
            ("half_ln_2_lo", 7.143_034e-7, 3.685_501_282_583_899e-13),
            // Beyond these, e^−y has no normal number, and tanh is 1.
            ("exp_limit", 87.0, 708.0),
            ("tanh_limit", 10.0, 20.0),
        ] {
            words.push((format!("@{name}"), self.number(if self.single { single } else { double })));
        }
        words.push(("@mantissa".into(), if self.single { "23" } else { "52" }.into()));
        words.push(("@bias".into(), if self.single { "127" } else { "1023" }.into()));
        // The longest first: some begin with others.
        words.sort_by_key(|(key, _)| usize::MAX - key.len());
        let mut text = String::new();
        let mut wanted = true;
        for line in template.lines() {
            if let Some(features) = line.strip_prefix("@if ") {
                wanted = features.split(' ').any(|feature| self.has(feature));
            } else if line == "@end" {
                wanted = true;
            } else if wanted {
                let line = words.iter().fold(line.to_owned(), |line, (key, value)| line.replace(key, value));
                text.push_str(&line);
                text.push('\n');
            }
        }
        text
    }

    /// The polynomial of the activations, whose literals end in `suffix`.
    pub fn polynomial(&self, suffix: &str) -> String {
        let coefficients: &[f64] = if self.single { &SINGLE } else { &DOUBLE };
        let last = coefficients.len() - 1;
        let inner = format!("{}{suffix}", self.number(coefficients[last]));
        let sum = coefficients[..last]
            .iter()
            .rev()
            .fold(inner, |inner, a| format!("{}{suffix} + r * ({inner})", self.number(*a)));
        format!("r * (2.0{suffix} + r * ({sum}))")
    }
}

/// A name from a file as it may stand in a comment of either language.
fn harmless(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_control() || c == '\\' { ' ' } else { c }).collect();
    plain.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?")
}
