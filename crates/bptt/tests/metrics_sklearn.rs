//! `bptt::metrics` against scikit-learn, on the rows in `data/metrics.txt`.
//!
//! `tools/make_metric_fixtures.py` writes that file and documents its format.

use bptt::Float;
use bptt::metrics::{Binary, Multiclass, Regression};

/// One case of the file: its fields by name, in the file's order.
struct Case<'a> {
    name: &'a str,
    fields: Vec<(&'a str, &'a str)>,
}

impl<'a> Case<'a> {
    fn field(&self, key: &str) -> &'a str {
        let found = self.fields.iter().find(|(name, _)| *name == key);
        found.unwrap_or_else(|| panic!("{}: no field {key}", self.name)).1
    }

    fn values<T: std::str::FromStr>(&self, key: &str) -> Vec<T> {
        let parse = |text: &str| text.parse().unwrap_or_else(|_| panic!("{}: {key} {text}", self.name));
        self.field(key).split(' ').map(parse).collect()
    }

    /// Compares `found` with every metric of the case, and checks that no metric was left out.
    fn compare(&self, found: &[(&str, Option<f64>)]) {
        let inputs = ["threshold", "predictions", "labels"];
        let metrics = self.fields.iter().filter(|(key, _)| !inputs.contains(key)).count();
        assert_eq!(metrics, found.len(), "{}: number of metrics", self.name);
        for &(key, found) in found {
            let expected = match self.field(key) {
                "none" => None,
                text => Some(text.parse::<f64>().unwrap()),
            };
            let same = match (expected, found) {
                // Relative, so that an expected 0 must be met exactly.
                (Some(a), Some(b)) => (a - b).abs() <= 1e-12 * a.abs().max(b.abs()),
                (a, b) => a == b,
            };
            assert!(same, "{}: {key}: expected {expected:?}, found {found:?}", self.name);
        }
    }
}

fn check_binary<T: Float + std::str::FromStr>(case: &Case) {
    let threshold = case.field("threshold").parse().unwrap();
    let binary = Binary::new::<T>(&case.values("predictions"), &case.values("labels"), threshold).unwrap();
    let counts = binary.confusion;
    assert_eq!((binary.count, binary.threshold), (case.values::<T>("labels").len(), threshold));
    case.compare(&[
        ("true_positives", Some(counts.true_positives as f64)),
        ("false_positives", Some(counts.false_positives as f64)),
        ("true_negatives", Some(counts.true_negatives as f64)),
        ("false_negatives", Some(counts.false_negatives as f64)),
        ("accuracy", Some(binary.accuracy)),
        ("precision", Some(binary.precision)),
        ("recall", Some(binary.recall)),
        ("specificity", Some(binary.specificity)),
        ("f1", Some(binary.f1)),
        ("roc_auc", binary.roc_auc),
        ("pr_auc", binary.pr_auc),
    ]);
}

fn check_regression<T: Float + std::str::FromStr>(case: &Case) {
    let regression = Regression::new::<T>(&case.values("predictions"), &case.values("labels")).unwrap();
    assert_eq!(regression.count, case.values::<T>("labels").len());
    case.compare(&[
        ("mae", Some(regression.mae)),
        ("rmse", Some(regression.rmse)),
        ("mape", regression.mape),
        ("r2", Some(regression.r2)),
        ("within_5", Some(regression.within_5)),
        ("within_10", Some(regression.within_10)),
    ]);
}

fn check_multiclass(case: &Case) {
    let labels: Vec<usize> = case.values("labels");
    let probabilities: Vec<f64> = case.values("predictions");
    let classes = probabilities.len() / labels.len();
    let scores = Multiclass::new(&probabilities, &labels, classes).unwrap();
    assert_eq!(scores.count, labels.len());
    let mut found = vec![
        ("accuracy".to_owned(), scores.accuracy),
        ("macro_f1".to_owned(), scores.macro_f1),
        ("weighted_f1".to_owned(), scores.weighted_f1),
        ("log_loss".to_owned(), scores.log_loss),
    ];
    for (c, class) in scores.classes.iter().enumerate() {
        found.push((format!("precision_{c}"), class.precision));
        found.push((format!("recall_{c}"), class.recall));
        found.push((format!("f1_{c}"), class.f1));
        found.push((format!("support_{c}"), class.support as f64));
    }
    found.extend(scores.confusion.iter().enumerate().map(|(at, n)| (format!("confusion_{at}"), *n as f64)));
    let found: Vec<(&str, Option<f64>)> =
        found.iter().map(|(key, value)| (key.as_str(), Some(*value))).collect();
    case.compare(&found);
}

#[test]
fn metrics_equal_scikit_learn() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/metrics.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let mut checked = 0;
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    while let Some(header) = lines.next() {
        let parts: Vec<&str> = header.split(' ').collect();
        let &["case", kind, dtype, name] = parts.as_slice() else { panic!("not a case: {header}") };
        let fields = lines.by_ref().take_while(|line| *line != "end");
        let case = Case { name, fields: fields.map(|line| line.split_once(' ').unwrap()).collect() };
        match (kind, dtype) {
            ("binary", "float32") => check_binary::<f32>(&case),
            ("binary", "float64") => check_binary::<f64>(&case),
            ("regression", "float32") => check_regression::<f32>(&case),
            ("regression", "float64") => check_regression::<f64>(&case),
            ("multiclass", "float64") => check_multiclass(&case),
            other => panic!("{name}: {other:?}"),
        }
        checked += 1;
    }
    assert_eq!(checked, 29, "cases in {path}");
}
