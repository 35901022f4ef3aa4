//! The metadata entries of a model file: texts by key, some of them JSON.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::shown;
use super::{AnyModel, FORMAT, FORMAT_VERSION, FileError, Metadata, ModelFile, Task, either};
use crate::cell::Layout;
use crate::dim::Dyn;
use crate::{Activation, Cell, DynRnn, Float, Loss, Normalization, Normalizer};

/// Entries as read.
pub(crate) type Entries<'a> = BTreeMap<&'a str, &'a str>;

/// The entry `columns`.
#[derive(Serialize, Deserialize)]
struct Columns {
    inputs: Vec<String>,
    labels: Vec<String>,
    sequence: Option<String>,
    time: Option<String>,
}

/// How the features were scaled.
const INPUTS: &str = "input_normalization";
/// How the labels were scaled.
const LABELS: &str = "label_normalization";

/// The entries [`INPUTS`] and [`LABELS`].
#[derive(Serialize, Deserialize)]
struct Scaling {
    kind: String,
    offset: Vec<f64>,
    scale: Vec<f64>,
}

/// What the metadata says about the model.
#[derive(Clone, Copy)]
pub(crate) struct Architecture {
    pub network: crate::Architecture,
    pub double: bool,
    pub input_size: usize,
    pub hidden_size: usize,
    pub output_size: usize,
}

/// All entries for `file` but the checksum.
pub(crate) fn write(file: &ModelFile) -> BTreeMap<&'static str, String> {
    let ModelFile { model, metadata } = file;
    let columns = Columns {
        inputs: metadata.input_columns.clone(),
        labels: metadata.label_columns.clone(),
        sequence: metadata.sequence_column.clone(),
        time: metadata.time_column.clone(),
    };
    let mut entries = either!(model, model => architecture(model));
    entries.extend([
        ("format", FORMAT.to_owned()),
        ("format_version", FORMAT_VERSION.to_string()),
        ("columns", json(&columns)),
        ("training", json(&metadata.training)),
    ]);
    let scaling = |normalizer: &Normalizer| {
        json(&Scaling {
            kind: normalizer.kind().name().to_owned(),
            offset: normalizer.offset().to_vec(),
            scale: normalizer.scale().to_vec(),
        })
    };
    let classes = (!metadata.classes.is_empty()).then(|| json(&metadata.classes));
    let optional = [
        ("loss", metadata.loss.map(|loss| loss.name().to_owned())),
        ("classes", classes),
        (INPUTS, metadata.input_normalizer.as_ref().map(scaling)),
        (LABELS, metadata.label_normalizer.as_ref().map(scaling)),
        ("task", metadata.task.map(|task| task.name().to_owned())),
        ("threshold", metadata.threshold.map(|threshold| threshold.to_string())),
        ("window", metadata.window.map(|window| window.to_string())),
    ];
    entries.extend(optional.into_iter().filter_map(|(key, value)| Some((key, value?))));
    entries
}

/// The entries for cell, layers, type and sizes.
pub(super) fn architecture<T: Float>(model: &DynRnn<T>) -> BTreeMap<&'static str, String> {
    let network = model.architecture();
    let mut entries = BTreeMap::from([
        ("cell", network.cell.name().to_owned()),
        ("num_layers", network.num_layers.to_string()),
        ("bidirectional", network.bidirectional.to_string()),
        ("dropout", network.dropout.to_string()),
        ("dtype", T::DTYPE.to_owned()),
        ("input_size", model.input_size().to_string()),
        ("hidden_size", model.hidden_size().to_string()),
        ("output_size", model.output_size().to_string()),
    ]);
    if let Some(activation) = network.cell.activation() {
        entries.insert("activation", activation.name().to_owned());
    }
    entries
}

/// JSON of texts and finite numbers, which cannot fail.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Refuses files of other programs, other files of this one, and those of newer releases.
pub(crate) fn check_format(entries: &Entries<'_>, format: &str, supported: u32) -> Result<(), FileError> {
    match entries.get("format") {
        Some(found) if *found == format => {}
        Some(&FORMAT) => return Err(FileError::Kind { expected: CHECKPOINT, found: MODEL }),
        Some(&super::checkpoint::FORMAT) => {
            return Err(FileError::Kind { expected: MODEL, found: CHECKPOINT });
        }
        other => return Err(FileError::Foreign { format: other.map(|format| shown(format)) }),
    }
    let found: u64 = number(entries, "format_version", "a whole number from 1 on")?;
    if found > u64::from(supported) {
        return Err(FileError::NewerVersion { supported, found });
    }
    if found == 0 { Err(invalid("format_version", "a whole number from 1 on", "0")) } else { Ok(()) }
}

/// The kinds of files.
const MODEL: &str = "a model";
const CHECKPOINT: &str = "a checkpoint of a training";

impl Architecture {
    pub fn layout(self) -> Layout<Dyn, Dyn, Dyn> {
        let Self { input_size, hidden_size, output_size, .. } = self;
        Layout { input: Dyn(input_size), hidden: Dyn(hidden_size), output: Dyn(output_size) }
    }

    /// Reads the architecture; the sizes are at least 1.
    pub fn read(entries: &Entries<'_>) -> Result<Self, FileError> {
        let cell = match name(entries, "cell", &Cell::NAMES)? {
            "elman" => {
                let activations = Activation::ALL.map(Activation::name);
                let activation = Activation::from_name(name(entries, "activation", &activations)?);
                Cell::Elman(activation.unwrap_or_default())
            }
            cell => Cell::from_name(cell, Activation::default()).unwrap_or(Cell::Gru),
        };
        let layers = number(entries, "num_layers", "a whole number from 1 on")?;
        // The first version of the format had neither.
        let bidirectional = entries.contains_key("bidirectional")
            && name(entries, "bidirectional", &["false", "true"])? == "true";
        let dropout = match entries.contains_key("dropout") {
            true => number(entries, "dropout", "a number from 0 on, below 1")?,
            false => 0.0,
        };
        let network =
            crate::Architecture::new(cell).num_layers(layers).bidirectional(bidirectional).dropout(dropout);
        if let Err(error) = network.check() {
            return Err(invalid("num_layers", "an architecture that can be", &error.to_string()));
        }
        let double = name(entries, "dtype", &[f32::DTYPE, f64::DTYPE])? == f64::DTYPE;
        let size = |key| match number(entries, key, "a whole number from 1 on")? {
            0 => Err(invalid(key, "a whole number from 1 on", "0")),
            size => Ok(size),
        };
        let (input_size, hidden_size) = (size("input_size")?, size("hidden_size")?);
        Ok(Self { network, double, input_size, hidden_size, output_size: size("output_size")? })
    }
}

/// Reads everything that is not the architecture, and checks it against `model`.
pub(crate) fn read_metadata(entries: &Entries<'_>, model: &AnyModel) -> Result<Metadata, FileError> {
    let columns: Columns = parse_json(entries, "columns", "JSON with the columns' names")?;
    let window = "a whole number from 1 on";
    let mut metadata = Metadata {
        input_columns: columns.inputs,
        label_columns: columns.labels,
        sequence_column: columns.sequence,
        time_column: columns.time,
        window: entries.get("window").map(|_| number(entries, "window", window)).transpose()?,
        task: None,
        loss: None,
        classes: Vec::new(),
        threshold: entries.get("threshold").map(|_| number(entries, "threshold", "a number")).transpose()?,
        input_normalizer: read_normalizer(entries, INPUTS)?,
        label_normalizer: read_normalizer(entries, LABELS)?,
        training: parse_json(entries, "training", "JSON with texts")?,
    };
    if entries.contains_key("task") {
        metadata.task = Task::from_name(name(entries, "task", &Task::ALL.map(Task::name))?);
    }
    if entries.contains_key("loss") {
        metadata.loss = Loss::from_name(name(entries, "loss", &Loss::NAMES)?);
    }
    if entries.contains_key("classes") {
        metadata.classes = parse_json(entries, "classes", "JSON with the classes' names")?;
    }
    metadata.check(model)?;
    Ok(metadata)
}

fn read_normalizer(entries: &Entries<'_>, key: &'static str) -> Result<Option<Normalizer>, FileError> {
    let Some(text) = entries.get(key) else { return Ok(None) };
    let Scaling { kind, offset, scale } = parse_json(entries, key, "JSON with kind, offset and scale")?;
    let Some(kind) = Normalization::from_name(&kind) else {
        let names = Normalization::ALL.map(Normalization::name);
        return Err(invalid(key, &format!("kind {}", one_of(&names)), &shown(&kind)));
    };
    Normalizer::from_parts(kind, offset, scale)
        .map(Some)
        .map_err(|error| invalid(key, &format!("finite offsets and scales above 0 ({error})"), &shown(text)))
}

pub(super) fn text<'a>(entries: &Entries<'a>, key: &'static str) -> Result<&'a str, FileError> {
    entries.get(key).copied().ok_or(FileError::MissingEntry { key })
}

/// An entry that is one of `names`.
fn name<'a>(entries: &Entries<'a>, key: &'static str, names: &[&str]) -> Result<&'a str, FileError> {
    let text = text(entries, key)?;
    if names.contains(&text) { Ok(text) } else { Err(invalid(key, &one_of(names), &shown(text))) }
}

fn number<N: FromStr>(entries: &Entries<'_>, key: &'static str, expected: &str) -> Result<N, FileError> {
    let text = text(entries, key)?;
    text.parse().map_err(|_| invalid(key, expected, &shown(text)))
}

pub(super) fn parse_json<V: DeserializeOwned>(
    entries: &Entries<'_>,
    key: &'static str,
    expected: &str,
) -> Result<V, FileError> {
    let text = text(entries, key)?;
    let refuse = |error| invalid(key, expected, &format!("{} ({error})", shown(text)));
    serde_json::from_str(text).map_err(refuse)
}

fn one_of(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
}

pub(super) fn invalid(key: &'static str, expected: &str, found: &str) -> FileError {
    FileError::Entry { key, expected: expected.to_owned(), found: format!("`{found}`") }
}
