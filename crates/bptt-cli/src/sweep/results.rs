//! What came of each training, in one CSV file that a later run goes on with.

use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::output::Output;

/// One training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub data: String,
    pub choice: String,
    pub fixed: String,
    pub seed: u64,
    /// `ok` or `diverged`.
    pub status: String,
    /// What the next three are.
    pub metric: String,
    pub train: Option<f64>,
    pub validation: Option<f64>,
    pub test: Option<f64>,
    pub epochs: usize,
    pub best_epoch: Option<usize>,
    pub parameters: usize,
    pub seconds: f64,
}

impl Row {
    /// Whether this is the training of these settings: choice, what all have, and seed.
    pub fn is(&self, data: &str, (choice, fixed, seed): (&str, &str, u64)) -> bool {
        self.data == data && self.choice == choice && self.fixed == fixed && self.seed == seed
    }
}

/// The rows of a file; none where there is no file.
pub fn read(path: &Path) -> Result<Vec<Row>, Failure> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let wrong = |error: csv::Error| {
        Failure::input(format!("{}: expected the results of a sweep, found: {error}", path.display()))
    };
    csv::Reader::from_path(path).map_err(wrong)?.deserialize().map(|row| row.map_err(wrong)).collect()
}

/// Writes all rows.
pub fn write(output: &Output, rows: &[Row]) -> Result<(), Failure> {
    output.write(|out| {
        let mut csv = csv::Writer::from_writer(out as &mut dyn Write);
        for row in rows {
            csv.serialize(row).map_err(io::Error::other)?;
        }
        csv.flush()
    })
}
