//! The grid: a TOML file with the settings of `bptt train`, where a list is a choice.

use std::path::Path;

use serde::Deserialize;
use toml::{Table, Value};

use crate::args::TrainFlags;
use crate::failure::Failure;

/// Settings whose value is a list already; a choice of them is a list of lists.
const LISTS: [&str; 4] = ["inputs", "labels", "class-weights", "betas"];
/// Settings that have no sense here.
const REFUSED: [&str; 6] = ["out", "history", "report", "eval-every", "checkpoint", "checkpoint-every"];

/// One training of the grid.
pub struct Point {
    /// What was chosen, without the seed: `cell=gru hidden-size=16`.
    pub choice: String,
    /// What every training of the grid has: `epochs=50`.
    pub fixed: String,
    pub seed: u64,
    pub flags: TrainFlags,
}

/// Reads a grid: every choice of every setting with every other, in the order of the file.
pub fn read(path: &Path) -> Result<Vec<Point>, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::input(format!("{shown}: expected a TOML file that can be read, found: {error}"))
    })?;
    let table: Table = toml::from_str(&text)
        .map_err(|error: toml::de::Error| Failure::input(format!("{shown}: {}", error.message())))?;
    if let Some(name) = table.keys().find(|name| REFUSED.contains(&name.as_str())) {
        return Err(Failure::input(format!(
            "{shown}: expected no `{name}` in a grid, as there are many trainings"
        )));
    }
    let mut points = vec![(String::new(), Table::new())];
    for (name, value) in &table {
        let choices = choices(name, value);
        if choices.is_empty() {
            return Err(Failure::input(format!(
                "{shown}, `{name}`: expected at least one value, found none"
            )));
        }
        let vary = choices.len() > 1;
        let mut next = Vec::with_capacity(points.len() * choices.len());
        for (title, chosen) in &points {
            for choice in &choices {
                let (mut title, mut chosen): (String, Table) = (title.clone(), chosen.clone());
                if vary && name != "seed" {
                    let gap = if title.is_empty() { "" } else { " " };
                    title += &format!("{gap}{name}={}", plain(choice));
                }
                chosen.insert(name.clone(), choice.clone());
                next.push((title, chosen));
            }
        }
        points = next;
    }
    let single = table.iter().filter(|(name, value)| *name != "seed" && choices(name, value).len() == 1);
    let fixed: Vec<String> = single
        .map(|(name, value)| {
            format!("{name}={}", choices(name, value).first().map_or_else(String::new, plain))
        })
        .collect();
    let fixed = fixed.join(" ");
    points.into_iter().map(|(choice, chosen)| point(choice, &fixed, chosen, &shown.to_string())).collect()
}

fn point(choice: String, fixed: &str, chosen: Table, shown: &str) -> Result<Point, Failure> {
    let flags = TrainFlags::deserialize(Value::Table(chosen)).map_err(|error: toml::de::Error| {
        let what = if choice.is_empty() { String::new() } else { format!(", {choice}") };
        Failure::input(format!("{shown}{what}: {}", error.message().replace('\n', " ")))
    })?;
    let choice = if choice.is_empty() { "as given".to_owned() } else { choice };
    Ok(Point { choice, fixed: fixed.to_owned(), seed: flags.seed.unwrap_or(1), flags })
}

/// The values to try for a setting.
fn choices(name: &str, value: &Value) -> Vec<Value> {
    match value {
        Value::Array(values) if !LISTS.contains(&name) => values.clone(),
        Value::Array(values) if values.iter().any(Value::is_array) => values.clone(),
        value => vec![value.clone()],
    }
}

/// A value without quotes.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join("+"),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(text: &str) -> Result<Vec<Point>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grid.toml");
        std::fs::write(&path, text).unwrap();
        read(&path).map_err(|error| error.to_string().replace(&path.display().to_string(), "grid.toml"))
    }

    #[test]
    fn every_choice_with_every_other() {
        let points =
            grid("cell = [\"gru\", \"lstm\"]\nepochs = 5\nhidden-size = [4, 8]\nseed = [1, 2]").unwrap();
        assert_eq!(points.len(), 8);
        let mut titles: Vec<_> = points.iter().map(|point| point.choice.as_str()).collect();
        titles.dedup();
        assert_eq!(
            titles,
            [
                "cell=gru hidden-size=4",
                "cell=gru hidden-size=8",
                "cell=lstm hidden-size=4",
                "cell=lstm hidden-size=8"
            ]
        );
        assert!(points.iter().all(|point| point.flags.epochs == Some(5) && point.fixed == "epochs=5"));
        let one = grid("inputs = [\"a\", \"b\"]").unwrap();
        assert_eq!((one.len(), one[0].choice.as_str(), one[0].seed), (1, "as given", 1));
        assert_eq!(grid("inputs = [[\"a\"], [\"a\", \"b\"]]").unwrap()[1].choice, "inputs=a+b");
    }

    #[test]
    fn wrong_grids_are_errors() {
        let failure = |text| grid(text).err().unwrap();
        assert!(failure("epoch = [1]").contains("unknown field `epoch`"));
        assert_eq!(failure("epochs = []"), "grid.toml, `epochs`: expected at least one value, found none");
        assert!(failure("out = \"a\"").contains("expected no `out` in a grid"));
        assert!(
            failure("cell = [\"gru\", \"transformer\"]")
                .starts_with("grid.toml, cell=transformer: unknown variant")
        );
    }
}
