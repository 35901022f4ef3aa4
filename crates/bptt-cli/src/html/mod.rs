//! The report of a training as one HTML file that needs nothing else: no script, no font, no image from
//! elsewhere.
//!
//! [`render`] turns a [`Report`], which is plain data, into the file's text. The charts are inline SVG
//! whose horizontal positions are percentages, so that they follow the width of a phone, a screen or a
//! page of paper while their text keeps its size; tables that are too wide scroll inside their card.

mod classification;
mod curves;
mod page;
mod scale;
mod sequences;
mod style;
mod svg;
#[cfg(test)]
mod tests;
mod text;
mod thin;

pub use page::render;

/// Everything that the page shows, in the order in which it shows it, but for the command, which comes
/// late.
pub struct Report {
    /// What was learnt, such as `temperature from weather.csv`.
    pub title: String,
    /// The command line that made the report.
    pub command: String,
    /// The headline numbers, shown as cards.
    pub summary: Vec<Fact>,
    /// One point per epoch; any number of them.
    pub history: Vec<EpochPoint>,
    /// One per label column.
    pub targets: Vec<TargetReport>,
    /// Names and values of the settings in force.
    pub settings: Vec<(String, String)>,
    /// One line: program, version, date.
    pub footer: String,
}

/// One headline number.
pub struct Fact {
    pub label: String,
    pub value: String,
    /// A remark below the value, such as what a naive guess would score.
    pub note: Option<String>,
}

/// What the training knew at the end of one epoch.
pub struct EpochPoint {
    pub epoch: usize,
    pub loss: f64,
    /// Absent without validation data and in epochs that skip it.
    pub validation: Option<f64>,
    pub learning_rate: f64,
    /// Whether the saved weights are those of this epoch; of several, the last counts.
    pub best: bool,
}

/// Scores and pictures of one label column.
pub struct TargetReport {
    pub name: String,
    pub tables: Vec<MetricTable>,
    pub plots: Vec<Plot>,
}

/// Scores, one row per measure and one column per part of the data.
pub struct MetricTable {
    /// The columns: `train`, `validation`, `test`.
    pub parts: Vec<String>,
    /// Name of the measure, and its value on each part, as text.
    pub rows: Vec<(String, Vec<String>)>,
    /// A line below, such as the score of a naive baseline.
    pub note: Option<String>,
}

/// One picture, or one group of like pictures.
///
/// Values that are not finite are left out; long curves are thinned to what a screen can show.
pub enum Plot {
    /// False-positive rate and true-positive rate.
    Roc { points: Vec<(f64, f64)>, auc: Option<f64> },
    /// Recall and precision; `positives` is the share of positives, the precision of guessing.
    PrecisionRecall { points: Vec<(f64, f64)>, average_precision: Option<f64>, positives: f64 },
    /// Counts by row, row = truth, column = prediction.
    Confusion { classes: Vec<String>, counts: Vec<usize> },
    /// The scores of every class.
    PerClass { rows: Vec<ClassRow> },
    /// `(predicted, actual)`; the unit may be empty.
    PredictedActual { pairs: Vec<(f64, f64)>, unit: String },
    /// Predicted sequences over the truth.
    Sequences { charts: Vec<SequenceChart> },
    /// The probabilities of the most likely classes along sequences.
    ClassSequences { charts: Vec<ClassChart> },
}

/// One class of [`Plot::PerClass`]; a score that is undefined may be NaN.
pub struct ClassRow {
    pub class: String,
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    pub support: usize,
}

/// A predicted sequence and the truth.
pub struct SequenceChart {
    pub name: String,
    /// What the file calls the time of each row; where absent, rows are numbered.
    pub times: Vec<String>,
    /// `None` where the file has no label.
    pub truth: Vec<Option<f64>>,
    pub prediction: Vec<f64>,
}

/// How likely the model found some classes at each row of a sequence.
pub struct ClassChart {
    pub name: String,
    /// As in [`SequenceChart`].
    pub times: Vec<String>,
    /// The sequence's class, if it has one and it is known.
    pub truth: Option<String>,
    /// Classes in order of importance; the first [`sequences::CLASSES`] are drawn.
    pub probabilities: Vec<(String, Vec<f64>)>,
}
