//! The page around the pictures: cards, tables, settings.

use super::style::STYLE;
use super::text::escape;
use super::{Fact, MetricTable, Plot, Report, TargetReport};
use super::{classification, curves, sequences};

/// A picture with its caption; only [`Figure::caption`] and [`Figure::body`] are HTML.
pub struct Figure {
    pub caption: String,
    pub keys: Vec<Key>,
    pub body: String,
    pub note: Option<String>,
    pub size: Size,
    /// Whether the curves bear their names where there is room, so that the keys are only for phones.
    pub direct: bool,
}

/// How much of the page's width a figure needs.
#[derive(Clone, Copy, PartialEq)]
pub enum Size {
    Third,
    Half,
    Whole,
}

/// A sample of how something is drawn, and what it is.
pub struct Key {
    class: String,
    text: String,
    strong: bool,
}

impl Figure {
    pub fn new(caption: &str, body: String) -> Self {
        Self {
            caption: caption.to_owned(),
            keys: Vec::new(),
            body,
            note: None,
            size: Size::Third,
            direct: false,
        }
    }

    fn html(&self) -> String {
        let class = if self.direct { " direct" } else { "" };
        let keys = keys(&self.keys);
        let note = note(self.note.as_deref());
        let Self { caption, body, .. } = self;
        format!(
            "<figure class=\"card{class}\"><figcaption>{caption}</figcaption>{keys}{body}{note}</figure>\n"
        )
    }
}

impl Key {
    /// The key of a curve of this class.
    pub fn line(class: &str, text: &str) -> Self {
        Self { class: format!("stroke {class}"), text: text.to_owned(), strong: false }
    }

    /// The key of a coloured field of this class.
    pub fn block(class: &str, text: &str) -> Self {
        Self { class: format!("block {class}"), text: text.to_owned(), strong: false }
    }

    pub fn emphasised(mut self, strong: bool) -> Self {
        self.strong = strong;
        self
    }
}

/// The whole file.
pub fn render(report: &Report) -> String {
    let title = escape(&report.title);
    let mut out = format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<header><p class="eyebrow">Training report</p><h1>{title}</h1></header>
<main>
"#
    );
    out.push_str(&facts(&report.summary));
    if let Some(loss) = curves::loss(&report.history) {
        out.push_str(&format!("<section><h2>Training</h2>\n{}</section>\n", loss.html()));
    }
    if report.targets.len() > 1 {
        out.push_str(&contents(&report.targets));
    }
    for (index, target) in report.targets.iter().enumerate() {
        out.push_str(&section(index, target));
    }
    out.push_str(&settings(&report.settings));
    if !report.command.is_empty() {
        out.push_str(&format!(
            "<section><h2>Command</h2>\n<pre>{}</pre></section>\n",
            command(&report.command)
        ));
    }
    out.push_str(&format!("</main>\n<footer>{}</footer>\n</body>\n</html>\n", escape(&report.footer)));
    out
}

fn facts(facts: &[Fact]) -> String {
    if facts.is_empty() {
        return String::new();
    }
    let mut out = String::from("<dl class=\"facts\">\n");
    for fact in facts {
        // A sentence would be too large at the size of a number.
        let class = if fact.value.chars().count() > 12 { " sentence" } else { "" };
        let (label, value) = (escape(&fact.label), escape(&fact.value));
        let note = fact
            .note
            .as_deref()
            .map_or(String::new(), |note| format!("<dd class=\"note\">{}</dd>", escape(note)));
        out.push_str(&format!("<div class=\"card{class}\"><dt>{label}</dt><dd>{value}</dd>{note}</div>\n"));
    }
    out + "</dl>\n"
}

/// Links to the label columns.
fn contents(targets: &[TargetReport]) -> String {
    let links = targets.iter().enumerate();
    let links: String = links
        .map(|(index, target)| format!("<a href=\"#target-{}\">{}</a> ", index + 1, escape(&target.name)))
        .collect();
    format!("<nav aria-label=\"Label columns\">{links}</nav>\n")
}

/// One label column: small cards side by side, wide ones in rows of their own.
fn section(index: usize, target: &TargetReport) -> String {
    let mut out = format!("<section id=\"target-{}\"><h2>{}</h2>\n", index + 1, escape(&target.name));
    let mut row = Row { cards: target.tables.iter().map(table).collect(), most: 3 };
    for plot in &target.plots {
        let figure = match plot {
            Plot::Roc { points, auc } => classification::roc(points, *auc),
            Plot::PrecisionRecall { points, average_precision, positives } => {
                classification::precision_recall(points, *average_precision, *positives)
            }
            Plot::Confusion { classes, counts } => classification::confusion(classes, counts),
            Plot::PerClass { rows } => classification::per_class(rows),
            Plot::PredictedActual { pairs, unit } => sequences::predicted_actual(pairs, unit),
            Plot::Sequences { charts } => {
                row.flush(&mut out);
                let figures = sequences::sequences(&target.name, charts);
                group(&mut out, "Predictions over the truth", &sequences::sequence_keys(), &figures);
                continue;
            }
            Plot::ClassSequences { charts } => {
                row.flush(&mut out);
                group(&mut out, "Probabilities along sequences", &[], &sequences::class_sequences(charts));
                continue;
            }
        };
        row.add(&figure, &mut out);
    }
    row.flush(&mut out);
    out + "</section>\n"
}

/// Cards that will stand side by side.
struct Row {
    cards: Vec<String>,
    /// How many of the cards there is room for.
    most: usize,
}

impl Row {
    fn add(&mut self, figure: &Figure, out: &mut String) {
        if figure.size != Size::Third {
            self.flush(out);
            self.most = if figure.size == Size::Half { 2 } else { 1 };
        }
        self.cards.push(figure.html());
        if self.cards.len() == self.most && self.most < 3 {
            self.flush(out);
        }
    }

    /// Writes the cards gathered so far, in as many lines as they need.
    fn flush(&mut self, out: &mut String) {
        if !self.cards.is_empty() {
            // Four are better as two and two than as three and one.
            let columns = if self.cards.len() == 4 { 2 } else { self.cards.len().min(3) };
            let cards = self.cards.concat();
            out.push_str(&format!("<div class=\"row\" style=\"--n:{columns}\">\n{cards}</div>\n"));
        }
        *self = Self { cards: Vec::new(), most: 3 };
    }
}

fn group(out: &mut String, heading: &str, shared: &[Key], figures: &[Figure]) {
    if figures.is_empty() {
        return;
    }
    let columns = figures.len().min(2);
    let figures: String = figures.iter().map(Figure::html).collect();
    let keys = keys(shared);
    out.push_str(&format!(
        "<h3>{heading}</h3>{keys}\n<div class=\"row\" style=\"--n:{columns}\">\n{figures}</div>\n"
    ));
}

/// The parts of the data side by side.
fn table(table: &MetricTable) -> String {
    let mut out =
        String::from("<figure class=\"card\"><figcaption>Scores</figcaption><div class=\"scroll\">");
    out.push_str("<table class=\"metrics\"><thead><tr><td></td>");
    for part in &table.parts {
        out.push_str(&format!("<th scope=\"col\">{}</th>", escape(part)));
    }
    out.push_str("</tr></thead><tbody>");
    for (name, values) in &table.rows {
        out.push_str(&format!("<tr><th scope=\"row\">{}</th>", escape(name)));
        for value in values {
            out.push_str(&format!("<td>{}</td>", escape(value)));
        }
        out.push_str("</tr>");
    }
    out + "</tbody></table></div>" + &note(table.note.as_deref()) + "</figure>\n"
}

fn settings(settings: &[(String, String)]) -> String {
    if settings.is_empty() {
        return String::new();
    }
    let rows: String = settings
        .iter()
        .map(|(name, value)| format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(name), escape(value)))
        .collect();
    format!("<section><h2>Settings</h2>\n<dl class=\"card settings\">\n{rows}</dl></section>\n")
}

/// The command line, which rather breaks between options than within one.
fn command(line: &str) -> String {
    let options = line.split(" --").enumerate();
    let options = options.map(|(index, option)| match index {
        0 => format!("<span>{}</span>", escape(option)),
        _ => format!(" <span>--{}</span>", escape(option)),
    });
    options.collect()
}

fn keys(keys: &[Key]) -> String {
    if keys.is_empty() {
        return String::new();
    }
    let items: String = keys
        .iter()
        .map(|key| {
            let strong = if key.strong { " class=\"strong\"" } else { "" };
            format!("<li{strong}><i class=\"{}\"></i>{}</li>", key.class, escape(&key.text))
        })
        .collect();
    format!("<ul class=\"keys\">{items}</ul>")
}

fn note(note: Option<&str>) -> String {
    note.map_or(String::new(), |note| format!("<p class=\"note\">{}</p>", escape(note)))
}
