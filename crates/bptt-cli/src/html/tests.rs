//! The page as a whole: nothing of the user's is markup, every tag is closed, odd data do no harm.

use super::*;

const NASTY: &str = r#"<script>alert("x")</script>&'"#;

fn point(epoch: usize, loss: f64) -> EpochPoint {
    EpochPoint { epoch, loss, validation: Some(loss * 1.5), learning_rate: 0.01, best: epoch == 1 }
}

fn empty() -> Report {
    Report {
        title: "t".into(),
        command: String::new(),
        summary: vec![],
        history: vec![],
        targets: vec![],
        settings: vec![],
        footer: "f".into(),
    }
}

/// A report with every kind of plot, whose every text is `text` and whose every number is `value`.
fn every_kind(text: &str, value: f64, length: usize) -> Report {
    let text = || text.to_owned();
    let pairs = vec![(value, value); length];
    let sequence = SequenceChart {
        name: text(),
        times: vec![text(); length],
        truth: vec![Some(value); length],
        prediction: vec![value; length],
    };
    let classes = ClassChart {
        name: text(),
        times: vec![],
        truth: Some(text()),
        probabilities: vec![(text(), vec![value; length])],
    };
    let row = ClassRow { class: text(), precision: value, recall: value, f1: value, support: 3 };
    let plots = vec![
        Plot::Roc { points: pairs.clone(), auc: Some(value) },
        Plot::PrecisionRecall { points: pairs.clone(), average_precision: Some(value), positives: value },
        Plot::Confusion { classes: vec![text()], counts: vec![7] },
        Plot::PerClass { rows: vec![row] },
        Plot::PredictedActual { pairs, unit: text() },
        Plot::Sequences { charts: vec![sequence] },
        Plot::ClassSequences { charts: vec![classes] },
    ];
    let table = MetricTable { parts: vec![text()], rows: vec![(text(), vec![text()])], note: Some(text()) };
    Report {
        title: text(),
        command: text(),
        summary: vec![Fact { label: text(), value: text(), note: Some(text()) }],
        history: (1..=length).map(|epoch| point(epoch, value)).collect(),
        targets: vec![TargetReport { name: text(), tables: vec![table], plots }],
        settings: vec![(text(), text())],
        footer: text(),
    }
}

/// Fails unless every tag is closed in its turn and nothing but a tag has angle brackets.
fn check(html: &str) {
    const VOID: [&str; 3] = ["!DOCTYPE", "meta", "br"];
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains('>'), "a stray > in {}", &rest[..start]);
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "quotes in <{tag}>");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "</{name}>");
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
        rest = &rest[end + 1..];
        if name == "style" && !tag.starts_with('/') {
            rest = &rest[rest.find("</style>").unwrap()..];
        }
    }
    assert!(open.is_empty(), "{open:?} left open");
    for odd in ["http", "<script", "NaN", "inf", "url(", "@import"] {
        assert!(!html.contains(odd), "{odd} in the page");
    }
}

#[test]
fn texts_of_the_user_are_never_markup() {
    let page = render(&every_kind(NASTY, 0.5, 3));
    check(&page);
    assert!(page.contains("<title>&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;&#39;</title>"));
    assert!(!page.contains("alert(\""));
}

#[test]
fn odd_numbers_do_no_harm() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -f64::MAX, f64::MIN_POSITIVE, 0.0, -0.0];
    for value in odd {
        for length in [0, 1, 2, 5000] {
            check(&render(&every_kind("a", value, length)));
        }
    }
}

#[test]
fn an_empty_report_is_a_page() {
    let page = render(&empty());
    check(&page);
    assert!(!page.contains("<svg") && !page.contains("<h2>"));
    let hollow = [
        Plot::Confusion { classes: vec![], counts: vec![] },
        Plot::PerClass { rows: vec![] },
        Plot::Sequences { charts: vec![] },
        Plot::ClassSequences { charts: vec![] },
    ];
    let target = TargetReport { name: "y".into(), tables: vec![], plots: hollow.into() };
    check(&render(&Report { targets: vec![target], ..empty() }));
}

#[test]
fn a_single_epoch_is_a_dot() {
    let page = render(&Report { history: vec![point(1, 0.25)], ..empty() });
    check(&page);
    assert!(page.contains("class=\"dots c1\"") && page.contains("best: epoch 1 · 0.3750"), "{page}");
}

#[test]
fn epochs_without_a_loss_are_left_out_and_mentioned() {
    let history = [0.5, f64::NAN, 0.25, f64::INFINITY].iter().enumerate();
    let history = history.map(|(index, loss)| point(index + 1, *loss)).collect();
    let page = render(&Report { history, ..empty() });
    check(&page);
    assert!(page.contains("The loss was not finite in 2 of 4 epochs."));
}

#[test]
fn the_learning_rate_is_drawn_if_it_changes() {
    let history = |rate: fn(usize) -> f64| {
        (1..=50).map(|epoch| EpochPoint { learning_rate: rate(epoch), ..point(epoch, 1.0) }).collect()
    };
    let constant = render(&Report { history: history(|_| 0.01), ..empty() });
    let falling = render(&Report { history: history(|epoch| 0.01 / epoch as f64), ..empty() });
    check(&falling);
    assert!(
        !constant.contains("Learning rate") && falling.contains("Learning rate, between 0.0002 and 0.01")
    );
}

#[test]
fn long_trainings_make_small_files() {
    let history: Vec<_> = (1..=100_000)
        .map(|epoch| {
            let noise = (epoch * 7919 % 1013) as f64 / 1013.0;
            EpochPoint { learning_rate: 0.1 / epoch as f64, ..point(epoch, (1.0 + noise) / epoch as f64) }
        })
        .collect();
    let mut report = every_kind("a", 0.5, 50_000);
    report.history = history;
    let page = render(&report);
    check(&page);
    assert!(page.len() < 400_000, "{} bytes", page.len());
}

#[test]
fn several_label_columns_have_links() {
    let target = |name: &str| TargetReport { name: name.into(), tables: vec![], plots: vec![] };
    let page = render(&Report { targets: vec![target("a"), target("b")], ..empty() });
    check(&page);
    assert!(page.contains("<a href=\"#target-2\">b</a>") && page.contains("id=\"target-2\""));
}

#[test]
fn every_chart_and_figure_says_what_it_is() {
    let page = render(&every_kind("a", 0.5, 3));
    assert_eq!(
        page.matches("<svg class=\"chart").count(),
        page.matches("role=\"img\" aria-label=\"").count()
    );
    assert_eq!(page.matches("<figure").count(), page.matches("<figcaption>").count());
}
