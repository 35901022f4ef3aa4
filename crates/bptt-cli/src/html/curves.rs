//! The loss over the epochs, and the learning rate below it.

use super::EpochPoint;
use super::page::{Figure, Key};
use super::scale::{Scale, Tick};
use super::svg::{Axis, Chart, Shape, width};
use super::text::{short, whole};
use super::thin;

/// How many slices of the horizontal axis keep their extremes: a slice is about a pixel or two wide.
const COLUMNS: usize = 500;
/// The height of the loss curves in CSS pixels.
const HEIGHT: u32 = 280;

type Points = Vec<(f64, f64)>;

/// The figure, or nothing if no epoch has a finite loss.
pub fn loss(history: &[EpochPoint]) -> Option<Figure> {
    let finite =
        |points: Points| -> Points { points.into_iter().filter(|point| point.1.is_finite()).collect() };
    let train = finite(history.iter().map(|point| (point.epoch as f64, point.loss)).collect());
    let validation: Points =
        history.iter().filter_map(|point| Some((point.epoch as f64, point.validation?))).collect();
    let validation = finite(validation);
    if train.is_empty() && validation.is_empty() {
        return None;
    }
    let curves = [("train", "c1", train), ("validation", "c2", validation)];
    let curves: Vec<_> = curves.into_iter().filter(|curve| !curve.2.is_empty()).collect();

    let mut chart = loss_chart(history, &curves);
    for (_, class, points) in &curves {
        chart.curve(thin::by_column(points, COLUMNS), class);
    }
    end_labels(&mut chart, &curves);
    let best = history.iter().rev().find(|point| point.best);
    if let Some(best) = best {
        mark_best(&mut chart, best);
    }
    let strip = rate_strip(history, &mut chart);
    let keys = curves.iter().map(|(name, class, _)| Key::line(class, name)).collect();
    let unfinished = history.iter().filter(|point| !point.loss.is_finite()).count();
    let note = match unfinished {
        0 => None,
        count => {
            Some(format!("The loss was not finite in {} of {} epochs.", whole(count), whole(history.len())))
        }
    };
    let caption =
        if curves.len() == 1 { "Loss by epoch" } else { "Loss by epoch, in training and validation" };
    Some(Figure { note, keys, direct: true, ..Figure::new(caption, chart.finish() + &strip) })
}

fn loss_chart(history: &[EpochPoint], curves: &[(&str, &str, Points)]) -> Chart {
    let scale = Scale::maybe_log(curves.iter().flat_map(|curve| curve.2.iter().map(|point| point.1)));
    let y_name = if scale.is_log() { "loss, logarithmic" } else { "loss" };
    let y = Axis { name: y_name.into(), scale, ticks: scale.ticks(5, false) };
    let ends: Vec<String> = curves
        .iter()
        .filter_map(|(name, _, points)| Some(format!("{name} ends at {}", short(points.last()?.1))))
        .collect();
    let name = format!("Loss over {} epochs: {}", whole(history.len()), ends.join(", "));
    Chart::new(name, Shape::Wide(HEIGHT), epochs(history, "epoch"), y)
}

/// The horizontal axis: from the first epoch to the last.
fn epochs(history: &[EpochPoint], name: &str) -> Axis {
    let numbers = || history.iter().map(|point| point.epoch);
    let (first, last) = (numbers().min().unwrap_or(0) as f64, numbers().max().unwrap_or(0) as f64);
    let scale = if first < last { Scale::exact(first, last) } else { Scale::exact(first - 1.0, first + 1.0) };
    let mut ticks = scale.ticks(4, true);
    if first == last {
        // The neighbours of the only epoch do not exist.
        ticks.retain(|tick| tick.at == first);
    }
    Axis { name: name.into(), scale, ticks }
}

/// Writes the names of the curves at their right ends, apart from one another.
fn end_labels(chart: &mut Chart, curves: &[(&str, &str, Points)]) {
    const APART: f64 = 17.0;
    let height = f64::from(HEIGHT);
    let place = |chart: &Chart, points: &Points| {
        points.last().and_then(|point| chart.y(point.1)).map(|y| (1.0 - y) * height)
    };
    let mut labels: Vec<_> = curves
        .iter()
        .filter_map(|(name, class, points)| Some((place(chart, points)?, *name, *class)))
        .collect();
    labels.sort_by(|left, right| left.0.total_cmp(&right.0));
    if let [upper, lower] = &mut labels[..] {
        let missing = (APART - (lower.0 - upper.0)).max(0.0);
        upper.0 -= missing / 2.0;
        lower.0 += missing / 2.0;
        // Below the axis they would meet its labels.
        let below = (lower.0 - height + 2.0).max(0.0);
        lower.0 -= below;
        upper.0 = upper.0.min(lower.0 - APART);
    }
    for (y, name, class) in &labels {
        let at = (1.0, 1.0 - y / height);
        chart.text(at, (8.0, 4.0), &format!("{class} when-wide strong"), name);
    }
    let widest = labels.iter().map(|label| width(label.1)).fold(0.0, f64::max);
    chart.margins().right_when_wide = widest + 16.0;
}

/// A line through the best epoch, a ring on its loss, and its numbers above the plot area.
fn mark_best(chart: &mut Chart, best: &EpochPoint) {
    let epoch = best.epoch as f64;
    let Some(x) = chart.x(epoch) else { return };
    let (value, class) = match best.validation {
        Some(validation) => (validation, "c2"),
        None => (best.loss, "c1"),
    };
    chart.margins().top = 48.0;
    chart.rule((x, 0.0), (x, 1.0), "best");
    chart.ring((epoch, value), class);
    let anchor = match x {
        x if x < 0.35 => "",
        x if x > 0.65 => "end",
        _ => "middle",
    };
    let text = format!("best: epoch {} · {}", whole(best.epoch), short(value));
    chart.text((x, 1.0), (0.0, -7.0), &format!("strong {anchor}"), &text);
}

/// The learning rate as a low chart of its own under the loss, if it changes.
///
/// Both charts get the same margins, so that an epoch lies at the same place in both.
fn rate_strip(history: &[EpochPoint], above: &mut Chart) -> String {
    let rates: Points = history.iter().map(|point| (point.epoch as f64, point.learning_rate)).collect();
    let finite = || rates.iter().map(|rate| rate.1).filter(|rate| rate.is_finite());
    let low = finite().fold(f64::INFINITY, f64::min);
    let high = finite().fold(f64::NEG_INFINITY, f64::max);
    if low >= high || low.is_infinite() {
        return String::new();
    }
    let scale = Scale::maybe_log(finite());
    let ticks = [low, high].map(|at| Tick { at, label: short_rate(at), fine: false }).to_vec();
    let suffix = if scale.is_log() { ", logarithmic" } else { "" };
    let y = Axis { name: format!("learning rate{suffix}"), scale, ticks };
    let mut x = epochs(history, "");
    x.ticks.iter_mut().for_each(|tick| tick.label.clear());
    let name = format!("Learning rate, between {} and {}", short_rate(low), short_rate(high));
    let mut strip = Chart::new(name, Shape::Wide(48), x, y);
    strip.curve(thin::by_column(&steps(&rates), COLUMNS), "ink");
    let (upper, lower) = (above.margins(), strip.margins());
    upper.left = upper.left.max(lower.left);
    // The margins of the two overlap as CSS has it, so the upper one alone has room for both names.
    upper.bottom += 26.0;
    lower.bottom = 10.0;
    (lower.left, lower.right, lower.right_when_wide) = (upper.left, upper.right, upper.right_when_wide);
    strip.finish()
}

/// A rate holds until the next epoch replaces it.
fn steps(rates: &[(f64, f64)]) -> Points {
    let mut points: Points = rates.first().copied().into_iter().collect();
    for pair in rates.windows(2) {
        if pair[0].1 != pair[1].1 {
            points.push((pair[1].0, pair[0].1));
        }
        points.push(pair[1]);
    }
    points
}

/// A learning rate as short as its digits allow.
fn short_rate(rate: f64) -> String {
    let text = short(rate);
    if text.contains('.') && !text.contains('e') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}
