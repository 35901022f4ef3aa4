//! Pictures of predictions: against the truth, and along sequences.

use super::page::{Figure, Key};
use super::scale::{Scale, Tick};
use super::svg::{Axis, Chart, Shape, width};
use super::text::{escape, short, shorten, whole};
use super::{ClassChart, SequenceChart, thin};

/// How many classes of a [`ClassChart`] are drawn: as many as can be told apart.
pub const CLASSES: usize = 5;
/// How many slices of a curve keep their extremes.
const COLUMNS: usize = 250;
/// How many points of a cloud are drawn.
const CLOUD: usize = 1500;
/// The height of a sequence in CSS pixels.
const HEIGHT: u32 = 170;
/// How many characters of a name fit above a plot on a phone.
const NAME: usize = 36;
/// The width of the plot area on a phone, which has to hold all labels of times.
const NARROW: f64 = 270.0;

/// Every prediction against its truth, on equal axes.
pub fn predicted_actual(pairs: &[(f64, f64)], unit: &str) -> Figure {
    let pairs: Vec<_> =
        pairs.iter().copied().filter(|pair| pair.0.is_finite() && pair.1.is_finite()).collect();
    let drawn = thin::evenly(&pairs, CLOUD);
    let scale = Scale::around(drawn.iter().flat_map(|pair| [pair.0, pair.1]));
    let unit = if unit.is_empty() { String::new() } else { format!(" ({})", shorten(unit, NAME / 2)) };
    let axis = |name: &str| {
        let mut ticks = scale.ticks(4, false);
        ticks.retain(|tick| !tick.fine);
        Axis { name: format!("{name}{unit}"), scale, ticks }
    };
    let name = format!("Predicted against actual values of {} rows", whole(pairs.len()));
    let mut chart = Chart::new(name, Shape::Square, axis("actual"), axis("predicted"));
    chart.rule((0.0, 0.0), (1.0, 1.0), "guess");
    let points: Vec<_> = drawn.iter().map(|&(predicted, actual)| (actual, predicted)).collect();
    chart.cloud(&points, "c1");
    chart.text((1.0, 0.0), (-10.0, -14.0), "end", "dashed: a perfect prediction");
    let note = (drawn.len() < pairs.len())
        .then(|| format!("{} of {} rows, evenly chosen.", whole(drawn.len()), whole(pairs.len())));
    Figure { note, ..Figure::new("Predicted and actual", chart.finish()) }
}

/// One figure per sequence, the prediction over the truth.
pub fn sequences(target: &str, charts: &[SequenceChart]) -> Vec<Figure> {
    charts.iter().map(|chart| sequence(target, chart)).collect()
}

fn sequence(target: &str, sequence: &SequenceChart) -> Figure {
    let truth: Vec<_> = sequence.truth.iter().map(|value| value.unwrap_or(f64::NAN)).collect();
    let scale = Scale::around(truth.iter().chain(&sequence.prediction).copied());
    let y = Axis { name: shorten(target, NAME), scale, ticks: scale.ticks(4, false) };
    let rows = truth.len().max(sequence.prediction.len());
    let name = format!("{}: predicted and true {target} over {} rows", sequence.name, whole(rows));
    let x = time_axis(&sequence.times, rows);
    let mut chart = Chart::new(name, Shape::Wide(HEIGHT), x, y);
    // Where there is more than a row in a pixel or two, thick curves would be one blot.
    let dense = if rows > COLUMNS { " dense" } else { "" };
    chart.curve(numbered(&truth), &format!("truth{dense}"));
    chart.curve(numbered(&sequence.prediction), &format!("c2{dense}"));
    Figure::new(&escape(&sequence.name), chart.finish())
}

/// What the curves of [`sequences`] are.
pub fn sequence_keys() -> Vec<Key> {
    vec![Key::line("truth", "truth"), Key::line("c2", "prediction")]
}

/// One figure per sequence, a curve per class.
pub fn class_sequences(charts: &[ClassChart]) -> Vec<Figure> {
    charts.iter().map(class_sequence).collect()
}

fn class_sequence(sequence: &ClassChart) -> Figure {
    const STYLES: [&str; CLASSES] = ["c1", "c2", "c3", "c4", "c5"];
    let scale = Scale::exact(0.0, 1.0);
    let y = Axis { name: "probability".into(), scale, ticks: scale.ticks(2, false) };
    let drawn = &sequence.probabilities[..sequence.probabilities.len().min(CLASSES)];
    let rows = drawn.iter().map(|class| class.1.len()).max().unwrap_or(0);
    let truth = sequence.truth.as_deref();
    let of = truth.map_or(String::new(), |truth| format!(", truly {truth}"));
    let name =
        format!("{}{of}: probability of {} classes over {} rows", sequence.name, drawn.len(), whole(rows));
    let x = time_axis(&sequence.times, rows);
    let mut chart = Chart::new(name, Shape::Wide(HEIGHT), x, y);
    let mut keys = Vec::new();
    // The most important class comes last, so that it lies on top.
    for ((class, values), style) in drawn.iter().zip(STYLES).rev() {
        let right = truth == Some(class.as_str());
        chart.curve(numbered(values), &format!("{style}{}", if right { " thick" } else { "" }));
        let last = values.iter().rev().find(|value| value.is_finite());
        let last = last.map_or(String::new(), |last| format!(" {}", two_decimals(*last)));
        keys.push(Key::line(style, &format!("{}{last}", shorten(class, 32))).emphasised(right));
    }
    keys.reverse();
    let caption = match truth {
        Some(truth) => format!("{} <span>truth: {}</span>", escape(&sequence.name), escape(truth)),
        None => escape(&sequence.name),
    };
    Figure { keys, ..Figure::new(&caption, chart.finish()) }
}

fn two_decimals(probability: f64) -> String {
    if (0.0..=1.0).contains(&probability) { format!("{probability:.2}") } else { short(probability) }
}

/// The values at rows 0, 1, 2 …, thinned.
fn numbered(values: &[f64]) -> Vec<(f64, f64)> {
    let points: Vec<_> = values.iter().enumerate().map(|(row, value)| (row as f64, *value)).collect();
    thin::by_column(&points, COLUMNS)
}

/// As many times as fit on a phone, or numbers of rows from 1.
fn time_axis(times: &[String], rows: usize) -> Axis {
    let last = rows.saturating_sub(1) as f64;
    let scale = if rows > 1 { Scale::exact(0.0, last) } else { Scale::exact(-1.0, 1.0) };
    if times.is_empty() {
        return Axis { name: "row".into(), scale, ticks: row_ticks(scale, rows) };
    }
    let end = common_end(times);
    let label =
        |row: usize| times.get(row).map_or(String::new(), |time| shorten(&time[..time.len() - end], 19));
    let widest = (0..rows.min(times.len())).map(|row| width(&label(row))).fold(0.0, f64::max);
    // Labels of times are centred, so the two outermost need half their width outside.
    let fit = ((NARROW / (widest + 18.0)) as usize).clamp(1, 5);
    let step = rows.div_ceil(fit).max(1);
    // Half a step in from the edge, a long label stays within the card.
    let first = if fit < 4 { step / 2 } else { 0 };
    let ticks = (first..rows)
        .step_by(step)
        .map(|row| Tick { at: row as f64, label: label(row), fine: false })
        .collect();
    Axis { name: String::new(), scale, ticks }
}

fn row_ticks(scale: Scale, rows: usize) -> Vec<Tick> {
    let mut ticks = Vec::new();
    for mut tick in Scale::exact(1.0, rows.max(2) as f64).ticks(5, true) {
        // Row 1 lies at 0.
        tick.at -= 1.0;
        if !tick.fine && scale.fraction(tick.at).is_some() && tick.at < rows.max(1) as f64 {
            ticks.push(tick);
        }
    }
    ticks
}

/// The length of what all `times` end in and what says nothing: a midnight, or seconds that are zero.
fn common_end(times: &[String]) -> usize {
    let midnights = [" 00:00:00", "T00:00:00", "T00:00:00Z", " 00:00", "T00:00"];
    let end = midnights
        .into_iter()
        .find(|end| times.iter().all(|time| time.ends_with(end) && time.len() > end.len()));
    let no_seconds = || times.iter().all(|time| time.ends_with(":00") && time.matches(':').count() == 2);
    end.map_or_else(|| if no_seconds() { 3 } else { 0 }, str::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: Axis) -> Vec<String> {
        axis.ticks.into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn rows_count_from_one() {
        assert_eq!(labels(time_axis(&[], 1)), ["1"]);
        assert_eq!(labels(time_axis(&[], 30)), ["10", "20", "30"]);
    }

    #[test]
    fn times_lose_their_midnights_and_fit() {
        let days: Vec<_> = (1..=28).map(|day| format!("2016-02-{day:02} 00:00:00")).collect();
        let shown = labels(time_axis(&days, 28));
        assert!(shown.len() <= 3 && shown.iter().all(|label| label.len() == 10), "{shown:?}");
        assert_eq!(labels(time_axis(&["x".into()], 1)), ["x"]);
        let minutes = ["2016-02-03 04:05:00", "2016-02-03 04:06:00"].map(String::from);
        assert_eq!(labels(time_axis(&minutes, 2)), ["2016-02-03 04:05", "2016-02-03 04:06"]);
    }

    #[test]
    fn at_most_five_classes_are_drawn() {
        let probabilities = (0..9).map(|class| (format!("class {class}"), vec![0.1, 0.2])).collect();
        let chart =
            ClassChart { name: "s".into(), times: vec![], truth: Some("class 1".into()), probabilities };
        let figure = &class_sequences(&[chart])[0];
        assert_eq!(figure.keys.len(), CLASSES);
        assert_eq!(figure.body.matches("<path").count(), CLASSES);
    }
}
