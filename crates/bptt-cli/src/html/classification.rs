//! Pictures of a classifier: ROC and precision-recall curves, confusion matrix, scores by class.

use super::ClassRow;
use super::page::{Figure, Key, Size};
use super::scale::Scale;
use super::svg::{Axis, Chart, Shape};
use super::text::{escape, percent, short, whole};
use super::thin;

/// How many slices of a curve keep their extremes.
const COLUMNS: usize = 200;
/// How many classes a confusion matrix has at most to fit into a third of the page, and into half.
const SMALL: usize = 4;
const MEDIUM: usize = 10;

/// True-positive rate over false-positive rate, and the diagonal of guessing.
pub fn roc(points: &[(f64, f64)], auc: Option<f64>) -> Figure {
    let area = auc.map(|area| format!("AUC {}", short(area)));
    let name = format!("ROC curve{}", area.as_ref().map_or(String::new(), |area| format!(", {area}")));
    let mut chart = unit_square(name, "false-positive rate", "true-positive rate");
    chart.rule((0.0, 0.0), (1.0, 1.0), "guess");
    chart.text((1.0, 0.0), (-10.0, -36.0), "end big", &area.unwrap_or_default());
    chart.text((1.0, 0.0), (-10.0, -14.0), "end", "dashed: guessing");
    chart.curve(thin::by_column(points, COLUMNS), "c1 thick");
    Figure::new("ROC curve", chart.finish())
}

/// Precision over recall, and the precision of guessing.
pub fn precision_recall(points: &[(f64, f64)], average: Option<f64>, positives: f64) -> Figure {
    let area = average.map(|area| format!("AP {}", short(area)));
    let suffix = area.as_ref().map_or(String::new(), |area| format!(", {area}"));
    let name = format!("Precision-recall curve{suffix}; {} of the rows are positive", percent(positives));
    let mut chart = unit_square(name, "recall", "precision");
    let level = Some(positives).filter(|share| share.is_finite()).map(|share| share.clamp(0.0, 1.0));
    // The texts go where the curve of a useful model is not: at the lower left, clear of the dashed line.
    let base = level.filter(|level| *level < 0.35).unwrap_or(0.0);
    chart.text((0.0, base), (10.0, -34.0), "big", &area.unwrap_or_default());
    if let Some(level) = level {
        chart.rule((0.0, level), (1.0, level), "guess");
        chart.text((0.0, base), (10.0, -12.0), "", &format!("dashed: guessing, {}", percent(level)));
    }
    chart.curve(thin::by_column(points, COLUMNS), "c1 thick");
    Figure::new("Precision and recall", chart.finish())
}

fn unit_square(name: String, x: &str, y: &str) -> Chart {
    let axis = |name: &str| {
        let scale = Scale::exact(0.0, 1.0);
        let mut ticks = scale.ticks(5, false);
        ticks.retain(|tick| !tick.fine);
        Axis { name: name.into(), scale, ticks }
    };
    Chart::new(name, Shape::Square, axis(x), axis(y))
}

/// Counts of truth by prediction. It is a table, so that it can be read aloud, copied and scrolled.
pub fn confusion(classes: &[String], counts: &[usize]) -> Figure {
    let size = classes.len();
    let (form, room) = match size {
        size if size <= SMALL => ("small", Size::Third),
        size if size <= MEDIUM => ("medium", Size::Half),
        _ => ("large", Size::Whole),
    };
    let small = room == Size::Third;
    let level = small && classes.iter().all(|class| class.chars().count() <= 7);
    let upright = if level { "" } else { " upright" };
    let mut table = format!(
        r#"<div class="scroll"><table class="confusion {form}{upright}"><thead><tr><td class="corner"><span>truth ↓</span> <span>predicted →</span></td>"#
    );
    for class in classes {
        let class = escape(class);
        table.push_str(&format!(r#"<th scope="col" title="{class}"><span>{class}</span></th>"#));
    }
    table.push_str("</tr></thead><tbody>");
    for (truth, class) in classes.iter().enumerate() {
        table.push_str(&format!("<tr>{}", row_heading(class)));
        let row = counts.get(truth * size..).unwrap_or_default();
        let row: Vec<usize> = (0..size).map(|index| row.get(index).copied().unwrap_or(0)).collect();
        let total: usize = row.iter().sum();
        for (predicted, &count) in row.iter().enumerate() {
            table.push_str(&cell(count, total, truth == predicted, small));
        }
        table.push_str("</tr>");
    }
    table.push_str("</tbody></table></div>");
    let keys = vec![Key::block("hit", "right"), Key::block("miss", "wrong")];
    let note = Some("The stronger the colour, the larger the share of the row.".into());
    Figure { size: room, keys, note, ..Figure::new("Confusion matrix", table) }
}

/// A class at the start of its row: long names may wrap, short ones would look odd.
fn row_heading(class: &str) -> String {
    let brief = if class.chars().count() <= 12 { r#" class="brief""# } else { "" };
    let class = escape(class);
    format!(r#"<th scope="row" title="{class}"><span{brief}>{class}</span></th>"#)
}

fn cell(count: usize, total: usize, right: bool, small: bool) -> String {
    if count == 0 {
        return format!(r#"<td class="none">{}</td>"#, if small { "0" } else { "·" });
    }
    let share = count as f64 / total as f64;
    let class = if right { "hit" } else { "miss" };
    // Even a single mistake must be visible; beyond 0.6 the text would lose its contrast.
    let alpha = 0.12 + 0.48 * share;
    let below = if small { format!("<small>{}</small>", percent(share)) } else { String::new() };
    let title = percent(share);
    format!(
        r#"<td class="{class}" style="--a:{alpha:.2}" title="{title} of the row">{}{below}</td>"#,
        whole(count)
    )
}

/// Precision, recall and F1 of every class, with bars.
pub fn per_class(rows: &[ClassRow]) -> Figure {
    let mut table = String::from(
        r#"<div class="scroll"><table class="classes"><thead><tr><th scope="col">class</th><th scope="col">precision</th><th scope="col">recall</th><th scope="col">F1</th><th scope="col">rows</th></tr></thead><tbody>"#,
    );
    for row in rows {
        table.push_str(&format!("<tr>{}", row_heading(&row.class)));
        for score in [row.precision, row.recall, row.f1] {
            table.push_str(&bar(score));
        }
        table.push_str(&format!("<td>{}</td></tr>", whole(row.support)));
    }
    table.push_str("</tbody></table></div>");
    Figure::new("Scores by class", table)
}

fn bar(score: f64) -> String {
    if !score.is_finite() {
        return "<td>–</td>".into();
    }
    let length = (score * 100.0).clamp(0.0, 100.0);
    format!(r#"<td class="bar" style="--v:{length:.1}%">{score:.3}</td>"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_without_its_counts_is_a_matrix_of_zeros() {
        let classes: Vec<String> = ["a", "b"].map(String::from).into();
        let body = confusion(&classes, &[3]).body;
        assert_eq!(body.matches(r#"<td class="none">0</td>"#).count(), 3);
        assert!(body.contains(r#"style="--a:0.60" title="100.0 % of the row">3<small>"#), "{body}");
    }

    #[test]
    fn undefined_scores_are_dashes() {
        let row = ClassRow { class: "a".into(), precision: f64::NAN, recall: 0.0, f1: 2.0, support: 12_345 };
        let body = per_class(&[row]).body;
        assert!(
            body.contains("<td>–</td>") && body.contains("--v:100.0%") && body.contains("12,345"),
            "{body}"
        );
    }
}
