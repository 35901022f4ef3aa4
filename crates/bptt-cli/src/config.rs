//! The configuration file of `bptt train`: TOML with the names of the flags.

use std::path::Path;

use serde::{Deserialize, Deserializer};

use crate::args::TrainFlags;
use crate::failure::Failure;

/// Reads a configuration file.
pub fn read(path: &Path) -> Result<TrainFlags, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::input(format!("{shown}: expected a TOML file that can be read, found: {error}"))
    })?;
    parse(&shown.to_string(), &text)
}

/// Reads the text of a configuration file that messages call `shown`.
pub fn parse(shown: &str, text: &str) -> Result<TrainFlags, Failure> {
    toml::from_str(text).map_err(|error| {
        let before = &text[..error.span().map_or(0, |span| span.start.min(text.len()))];
        let line = before.matches('\n').count() + 1;
        let message = error.message().replace('\n', " ");
        let source = text.lines().nth(line - 1).unwrap_or_default().trim();
        Failure::input(format!("{shown}, line {line}, `{source}`: {message}"))
    })
}

/// The flags that are set, as JSON: what [`from_note`] reads.
pub fn note(flags: &TrainFlags) -> Result<String, serde_json::Error> {
    let mut value = serde_json::to_value(flags)?;
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    serde_json::to_string(&value)
}

/// The flags that [`note`] has noted.
pub fn from_note(text: &str) -> Result<TrainFlags, serde_json::Error> {
    serde_json::from_str(text)
}

/// The flags' values where there are some, else the file's.
pub fn merge(flags: TrainFlags, file: TrainFlags) -> TrainFlags {
    macro_rules! either {
        ($($field:ident)*) => {
            TrainFlags { $($field: flags.$field.or(file.$field)),* }
        };
    }
    // A window and a sequence column exclude each other: a flag for one also overrules the file's other.
    let (sequence, window) = match (&flags.sequence, flags.window) {
        (None, None) => (file.sequence.clone(), file.window),
        (sequence, window) => (sequence.clone(), window),
    };
    let merged = either!(data example sequence time inputs labels window naive weight split washout cell hidden_size
        num_layers bidirectional dropout activation dtype epochs batch_size learning_rate loss huber_delta class_weights
        reduction truncate accumulate validation_ratio patience min_delta normalize train_ratio shuffle seed optimizer
        momentum dampening nesterov weight_decay betas eps amsgrad alpha centered lr_decay clip_norm clip_value schedule
        warmup_epochs step_size gamma t_max eta_min plateau_factor plateau_patience task threshold eval_every threads
        out history report checkpoint checkpoint_every);
    TrainFlags { sequence, window, ..merged }
}

/// Columns as a list of names, or as the text of the flag: `inputs = "V1..V28,Amount"`.
pub fn columns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a list of column names, or one text with commas")]
    enum Columns {
        Text(String),
        List(Vec<String>),
    }
    Ok(Some(match Columns::deserialize(deserializer)? {
        Columns::Text(text) => text.split(',').map(str::to_owned).collect(),
        Columns::List(list) => list,
    }))
}

/// A text, or a whole number in its place.
pub fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a whole number, or a text such as \"100b\" or \"10m\"")]
    enum Value {
        Text(String),
        Number(u64),
    }
    Ok(Some(match Value::deserialize(deserializer)? {
        Value::Text(text) => text,
        Value::Number(number) => number.to_string(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Shuffle;

    #[test]
    fn flags_win_over_the_file() {
        let file: TrainFlags =
            toml::from_str("epochs = 7\nhidden-size = 3\ninputs = \"a,b\"\nlabels = [\"c,d\"]\nwindow = 5")
                .unwrap();
        let flags = TrainFlags { epochs: Some(9), shuffle: Some(Shuffle::None), ..Default::default() };
        let merged = merge(flags, file);
        assert_eq!((merged.epochs, merged.hidden_size, merged.window), (Some(9), Some(3), Some(5)));
        assert_eq!(merged.inputs.unwrap(), ["a", "b"]);
        assert_eq!(merged.labels.unwrap(), ["c,d"]);
        assert_eq!(merged.shuffle, Some(Shuffle::None));
    }

    #[test]
    fn a_flag_for_the_sequence_column_overrules_a_window() {
        let file = TrainFlags { window: Some(5), ..Default::default() };
        let flags = TrainFlags { sequence: Some("id".into()), ..Default::default() };
        let merged = merge(flags, file);
        assert_eq!((merged.sequence.as_deref(), merged.window), (Some("id"), None));
    }

    #[test]
    fn flags_that_were_noted_come_back() {
        let text = "inputs = [\"a\"]\nbetas = [0.9, 0.1]\ncell = \"lstm\"\ncheckpoint-every = 5\nlearning-rate = 0.1";
        let noted = note(&parse("a.toml", text).unwrap()).unwrap();
        let expected = "{\"betas\":[0.9,0.1],\"cell\":\"lstm\",\"checkpoint-every\":\"5\",\"inputs\":[\"a\"],\"learning-rate\":0.1}";
        assert_eq!(noted, expected);
        assert_eq!(note(&from_note(&noted).unwrap()).unwrap(), noted);
    }

    #[test]
    fn unknown_names_are_refused() {
        assert!(toml::from_str::<TrainFlags>("epoch = 7").is_err());
        assert!(toml::from_str::<TrainFlags>("activation = \"gelu\"").is_err());
    }
}
