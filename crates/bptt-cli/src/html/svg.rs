//! One chart: axes, curves and marks as inline SVG.
//!
//! The `<svg>` element is the plot area itself, and its labels overflow into CSS margins. Places are
//! percentages of that area, which CSS stretches as it likes; curves, whose coordinates cannot be
//! percentages, lie in a nested view that is stretched without stretching their strokes. So a chart fits
//! any width and its text has the size that the style sheet says.

use super::scale::{Scale, Tick};
use super::text::escape;

/// How wide a character of a label is taken to be, in CSS pixels: wide digits at 12 pixels.
const CHARACTER: f64 = 7.2;
/// The width of the plot area on a phone, where labels are tightest.
const NARROW: f64 = 270.0;
/// The extent of the nested view of curves, in either direction.
const EXTENT: f64 = 1000.0;

pub struct Axis {
    pub name: String,
    pub scale: Scale,
    pub ticks: Vec<Tick>,
}

/// The form of the plot area.
#[derive(Clone, Copy, PartialEq)]
pub enum Shape {
    /// This many CSS pixels high and as wide as there is room.
    Wide(u32),
    /// As high as it is wide.
    Square,
}

/// A chart under construction.
pub struct Chart {
    /// What a screen reader says.
    name: String,
    shape: Shape,
    x: Axis,
    y: Axis,
    margins: Margins,
    /// Curves, in the coordinates of the nested view.
    curves: String,
    /// What lies above the curves.
    marks: String,
}

/// The room around the plot area, in CSS pixels.
#[derive(Clone, Copy)]
pub struct Margins {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    /// The right margin where the card is wide enough for labels at the ends of curves.
    pub right_when_wide: f64,
}

impl Chart {
    pub fn new(name: String, shape: Shape, x: Axis, y: Axis) -> Self {
        let margins = Margins::of(&x, &y);
        Self { name, shape, x, y, margins, curves: String::new(), marks: String::new() }
    }

    pub fn margins(&mut self) -> &mut Margins {
        &mut self.margins
    }

    /// A curve through `points`; points without a place interrupt it, and one between two interruptions
    /// becomes a dot.
    pub fn curve(&mut self, points: impl IntoIterator<Item = (f64, f64)>, class: &str) {
        let (mut path, mut dots) = (String::new(), String::new());
        let mut piece: Vec<(f64, f64)> = Vec::new();
        let mut finish = |piece: &mut Vec<(f64, f64)>| {
            if let [(x, y)] = piece[..] {
                dots.push_str(&dot(x, y));
            }
            if piece.len() > 1 {
                for (index, (x, y)) in piece.iter().enumerate() {
                    // A pair that follows a move draws a line.
                    path.push_str(if index == 0 { "M" } else { " " });
                    path.push_str(&format!("{} {}", coordinate(*x), coordinate(*y)));
                }
            }
            piece.clear();
        };
        for point in points {
            match self.place(point) {
                Some(place) => piece.push(place),
                None => finish(&mut piece),
            }
        }
        finish(&mut piece);
        self.path(&path, &format!("line {class}"));
        self.path(&dots, &format!("dots {class}"));
    }

    /// A dot at each of `points`, in layers, since what overlaps in one path looks like a single dot.
    pub fn cloud(&mut self, points: &[(f64, f64)], class: &str) {
        const LAYERS: usize = 8;
        for layer in 0..LAYERS {
            let points = points.iter().skip(layer).step_by(LAYERS);
            let dots: String =
                points.filter_map(|point| self.place(*point)).map(|(x, y)| dot(x, y)).collect();
            self.path(&dots, &format!("dots cloud {class}"));
        }
    }

    fn path(&mut self, path: &str, class: &str) {
        if !path.is_empty() {
            self.curves.push_str(&format!(r#"<path class="{class}" d="{path}"/>"#));
        }
    }

    /// A straight line between two points of the plot area, given as fractions.
    pub fn rule(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        self.marks.push_str(&line(from, to, class));
    }

    /// A ring at a point.
    pub fn ring(&mut self, point: (f64, f64), class: &str) {
        if let (Some(x), Some(y)) = (self.x.scale.fraction(point.0), self.y.scale.fraction(point.1)) {
            let (x, y) = (percent(x), percent(1.0 - y));
            self.marks.push_str(&format!(r#"<circle class="ring {class}" cx="{x}" cy="{y}" r="4.5"/>"#));
        }
    }

    /// Text at a place given in fractions, moved by some CSS pixels.
    pub fn text(&mut self, at: (f64, f64), shift: (f64, f64), class: &str, text: &str) {
        self.marks.push_str(&label(at, shift, class, text));
    }

    /// Where `value` lies on the horizontal axis.
    pub fn x(&self, value: f64) -> Option<f64> {
        self.x.scale.fraction(value)
    }

    /// Where `value` lies on the vertical axis, from the bottom.
    pub fn y(&self, value: f64) -> Option<f64> {
        self.y.scale.fraction(value)
    }

    fn place(&self, (x, y): (f64, f64)) -> Option<(f64, f64)> {
        Some((self.x.scale.fraction(x)? * EXTENT, (1.0 - self.y.scale.fraction(y)?) * EXTENT))
    }

    /// The element.
    pub fn finish(self) -> String {
        let Margins { left, right, top, bottom, right_when_wide } = self.margins;
        let (form, height) = match self.shape {
            Shape::Wide(height) => ("wide", format!(";--h:{height}px")),
            Shape::Square => ("square", String::new()),
        };
        let name = escape(&self.name);
        format!(
            r#"<svg class="chart {form}" style="--l:{left:.0}px;--r:{right:.0}px;--w:{right_when_wide:.0}px;--t:{top:.0}px;--b:{bottom:.0}px{height}" role="img" aria-label="{name}">{}<svg x="0" y="0" width="100%" height="100%" viewBox="0 0 {EXTENT} {EXTENT}" preserveAspectRatio="none" class="curves">{}</svg>{}</svg>"#,
            self.axes(),
            self.curves,
            self.marks
        )
    }

    /// Grid lines, their labels and the axes' names.
    fn axes(&self) -> String {
        let mut out = String::new();
        for tick in self.y.ticks.iter().filter(|tick| !tick.fine) {
            let Some(at) = inside(self.y.scale, tick) else { continue };
            out.push_str(&line((0.0, at), (1.0, at), "grid"));
            out.push_str(&label((0.0, at), (-8.0, 4.0), "end", &tick.label));
        }
        for tick in &self.x.ticks {
            let Some(at) = inside(self.x.scale, tick) else { continue };
            let fine = if tick.fine { " fine" } else { "" };
            out.push_str(&line((at, 0.0), (at, 1.0), &format!("grid{fine}")));
            out.push_str(&label((at, 0.0), (0.0, 18.0), &format!("middle{fine}"), &tick.label));
        }
        out.push_str(&line((0.0, 0.0), (1.0, 0.0), "axis"));
        out.push_str(&label((0.5, 0.0), (0.0, 36.0), "middle name", &self.x.name));
        // Above the label of the uppermost tick.
        let above = if self.margins.top > 40.0 { 32.0 } else { 16.0 };
        out.push_str(&label((0.0, 1.0), (-self.margins.left, -above), "name", &self.y.name));
        out
    }
}

impl Margins {
    fn of(x: &Axis, y: &Axis) -> Self {
        let widest =
            y.ticks.iter().filter(|tick| !tick.fine).map(|tick| width(&tick.label)).fold(0.0, f64::max);
        // The outermost labels stick out by half their width, less their distance from the edge.
        let out = |tick: &Tick, edge: f64| {
            let at = x.scale.fraction(tick.at).unwrap_or(0.5);
            width(&tick.label) / 2.0 - (edge - at).abs() * NARROW
        };
        let left = x.ticks.first().map_or(0.0, |tick| out(tick, 0.0));
        let right = x.ticks.last().map_or(0.0, |tick| out(tick, 1.0)).max(10.0);
        let bottom = match (x.ticks.is_empty(), x.name.is_empty()) {
            (true, true) => 4.0,
            (false, true) => 26.0,
            _ => 44.0,
        };
        let top = if y.name.is_empty() { 10.0 } else { 34.0 };
        Self { left: (widest + 10.0).max(left), right, top, bottom, right_when_wide: right }
    }
}

/// Roughly how wide a label is, in CSS pixels.
pub fn width(label: &str) -> f64 {
    label.chars().count() as f64 * CHARACTER
}

/// The fraction of a tick that lies on its axis.
fn inside(scale: Scale, tick: &Tick) -> Option<f64> {
    scale.fraction(tick.at).filter(|at| (-1e-6..=1.0 + 1e-6).contains(at))
}

fn line(from: (f64, f64), to: (f64, f64), class: &str) -> String {
    let [x1, y1, x2, y2] = [from.0, 1.0 - from.1, to.0, 1.0 - to.1].map(percent);
    format!(r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#)
}

fn label(at: (f64, f64), shift: (f64, f64), class: &str, text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let (x, y) = (percent(at.0), percent(1.0 - at.1));
    format!(
        r#"<text class="{class}" x="{x}" y="{y}" dx="{:.0}" dy="{:.0}">{}</text>"#,
        shift.0,
        shift.1,
        escape(text)
    )
}

/// A line too short to see, of which the round caps remain: a circle that stretching leaves round.
fn dot(x: f64, y: f64) -> String {
    format!("M{} {}h.01", coordinate(x), coordinate(y))
}

/// A coordinate of the nested view: a tenth is finer than a pixel.
fn coordinate(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

fn percent(fraction: f64) -> String {
    let text = format!("{:.2}", fraction * 100.0);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{}%", if text == "-0" { "0" } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let axis = |name: &str| {
            let scale = Scale::exact(0.0, 10.0);
            Axis { name: name.into(), scale, ticks: scale.ticks(5, true) }
        };
        Chart::new("a <chart>".into(), Shape::Square, axis("x"), axis("y"))
    }

    #[test]
    fn a_gap_interrupts_a_curve_and_a_lone_point_is_a_dot() {
        let mut chart = chart();
        let points = [(0.0, 0.0), (1.0, 10.0), (2.0, f64::NAN), (3.0, 5.0), (f64::INFINITY, 1.0), (5.0, 5.0)];
        chart.curve(points, "a");
        let svg = chart.finish();
        assert!(svg.contains(r#"<path class="line a" d="M0 1000 100 0"/>"#), "{svg}");
        assert!(svg.contains(r#"<path class="dots a" d="M300 500h.01M500 500h.01"/>"#), "{svg}");
    }

    #[test]
    fn labels_and_names_are_text() {
        let mut chart = chart();
        chart.text((0.5, 0.25), (4.0, -2.0), "", "a<b");
        let svg = chart.finish();
        assert!(svg.contains(r#"<text class="" x="50%" y="75%" dx="4" dy="-2">a&lt;b</text>"#), "{svg}");
        assert!(svg.contains(r#"aria-label="a &lt;chart&gt;""#), "{svg}");
    }
}
