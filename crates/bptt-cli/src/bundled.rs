//! The data sets that come with the tool, and how each is trained on. `tools/` has the scripts that made them.

use crate::failure::Failure;

/// A bundled data set.
#[derive(Debug, PartialEq)]
pub struct Bundled {
    /// What `--example` calls it.
    pub name: &'static str,
    /// What reports call it.
    pub title: &'static str,
    /// One line for the list.
    pub description: &'static str,
    /// What messages call the file.
    pub file: &'static str,
    pub csv: &'static str,
    /// The input column that is the naive forecast.
    pub naive: Option<&'static str>,
    /// The column that says which part a sequence belongs to.
    pub split: Option<&'static str>,
}

/// Seattle's weather, what `bptt train` trains on without any argument.
pub const WEATHER: Bundled = Bundled {
    name: "weather",
    title: "Seattle weather 2012–2015 (bundled)",
    description: "48 months of days, 6 inputs: tomorrow's maximum temperature (regression)",
    file: "seattle-weather.csv",
    csv: include_str!("../data/seattle-weather.csv"),
    // "Tomorrow is like today."
    naive: Some("x_temp_max"),
    split: None,
};

const JAPANESE_VOWELS: Bundled = Bundled {
    name: "japanese-vowels",
    title: "Japanese Vowels (bundled)",
    description: "640 utterances of 7–29 steps, 12 inputs: which of 9 men is speaking? (classification)",
    file: "japanese-vowels.csv",
    csv: include_str!("../data/japanese-vowels.csv"),
    naive: None,
    split: Some("part"),
};

const SMALL: Bundled = Bundled {
    name: "small",
    title: "a stream after rain (bundled)",
    description: "15 sequences of 5 rows, 3 inputs: a stream's discharge, the blog post's first experiment (regression)",
    file: "small.csv",
    csv: include_str!("../data/small.csv"),
    naive: None,
    split: None,
};

/// All of them.
pub const ALL: [Bundled; 3] = [WEATHER, JAPANESE_VOWELS, SMALL];

/// The data set of this name.
pub fn find(name: &str) -> Result<&'static Bundled, Failure> {
    const SETS: &[Bundled] = &ALL;
    SETS.iter().find(|set| set.name == name).ok_or_else(|| {
        let names: Vec<_> = SETS.iter().map(|set| set.name).collect();
        Failure::input(format!("example: expected one of {}, found `{name}`", names.join(", ")))
    })
}
