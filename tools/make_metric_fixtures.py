"""Writes crates/bptt/tests/data/metrics.txt, the values that tests/metrics_sklearn.rs compares with.

Needs numpy and scikit-learn (written with 1.9). Usage, from anywhere:

    python tools/make_metric_fixtures.py

The format, one record per line, fields separated by single spaces:

    # a comment
    case binary|regression|multiclass float32|float64 NAME    starts a case
    threshold X                                    binary only
    predictions X X X ...                          for binary, the scores; for multiclass (rows, classes) probabilities
    labels X X X ...
    METRIC X                                       the expected value; `none` where it has no answer
    end                                            ends the case

Numbers are the shortest text that reads back as the same value of the case's element type. Metrics are
always float64.
"""

import math
from pathlib import Path

import numpy as np
import sklearn
from sklearn import metrics

OUT = Path(__file__).resolve().parent.parent / "crates/bptt/tests/data/metrics.txt"


def texts(values):
    return " ".join(np.format_float_positional(v, unique=True, trim="-")
                    if v == 0 or 1e-4 <= abs(v) < 1e9 else str(v) for v in values)


def case(kind, dtype, name, predictions, labels, expected, threshold=None):
    lines = [f"case {kind} {dtype} {name}"]
    if threshold is not None:
        lines.append(f"threshold {threshold!r}")
    lines += [f"predictions {texts(predictions)}", f"labels {texts(labels)}"]
    for metric, value in expected.items():
        lines.append(f"{metric} {'none' if value is None else repr(value)}")
    assert not any(isinstance(v, float) and math.isnan(v) for v in expected.values()), name
    return lines + ["end"]


def binary(name, scores, labels, threshold, dtype="float64"):
    scores = np.asarray(scores, dtype)
    labels = np.asarray(labels, "int64")
    # In the element type, as the library compares.
    chosen = (scores >= scores.dtype.type(threshold)).astype("int64")
    tn, fp, fn, tp = metrics.confusion_matrix(labels, chosen, labels=[0, 1]).ravel().tolist()
    wide = scores.astype("float64")
    positives = int(labels.sum())
    both = 0 < positives < len(labels)
    expected = {
        "true_positives": tp,
        "false_positives": fp,
        "true_negatives": tn,
        "false_negatives": fn,
        "accuracy": float(metrics.accuracy_score(labels, chosen)),
        "precision": float(metrics.precision_score(labels, chosen, zero_division=0)),
        "recall": float(metrics.recall_score(labels, chosen, zero_division=0)),
        "specificity": float(metrics.recall_score(labels, chosen, pos_label=0, zero_division=0)),
        "f1": float(metrics.f1_score(labels, chosen, zero_division=0)),
        "roc_auc": float(metrics.roc_auc_score(labels, wide)) if both else None,
        "pr_auc": float(metrics.average_precision_score(labels, wide)) if positives else None,
    }
    return case("binary", dtype, name, scores, labels, expected, threshold)


def regression(name, predictions, labels, dtype="float64"):
    predictions = np.asarray(predictions, dtype)
    labels = np.asarray(labels, dtype)
    # scikit-learn computes in the inputs' type; the library always in float64.
    p, y = predictions.astype("float64"), labels.astype("float64")
    nonzero = y != 0
    mape = metrics.mean_absolute_percentage_error(y[nonzero], p[nonzero]) if nonzero.any() else None
    expected = {
        "mae": float(metrics.mean_absolute_error(y, p)),
        "rmse": float(metrics.root_mean_squared_error(y, p)),
        "mape": None if mape is None else float(mape),
        "r2": float(metrics.r2_score(y, p)),
        "within_5": float(np.mean(np.abs(p - y) <= 0.05 * np.abs(y))),
        "within_10": float(np.mean(np.abs(p - y) <= 0.1 * np.abs(y))),
    }
    return case("regression", dtype, name, predictions, labels, expected)


def multiclass(name, probabilities, labels, dtype="float64"):
    probabilities = np.asarray(probabilities, dtype)
    count = probabilities.shape[1]
    chosen, wide = probabilities.argmax(1), probabilities.astype("float64")
    every = {"labels": list(range(count)), "zero_division": 0}
    expected = {
        "accuracy": float(metrics.accuracy_score(labels, chosen)),
        "macro_f1": float(metrics.f1_score(labels, chosen, average="macro", **every)),
        "weighted_f1": float(metrics.f1_score(labels, chosen, average="weighted", **every)),
        "log_loss": float(metrics.log_loss(labels, wide, labels=list(range(count)))),
    }
    by_class = metrics.precision_recall_fscore_support(labels, chosen, **every)
    for c in range(count):
        for metric, values in zip(("precision", "recall", "f1", "support"), by_class):
            expected[f"{metric}_{c}"] = float(values[c])
    matrix = metrics.confusion_matrix(labels, chosen, labels=list(range(count)))
    for at, value in enumerate(matrix.ravel()):
        expected[f"confusion_{at}"] = float(value)
    return case("multiclass", dtype, name, probabilities.ravel(), np.asarray(labels), expected)


def multiclass_cases(rng):
    def softmax(rows, count, sharpness):
        labels = rng.integers(0, count, rows)
        logits = rng.standard_normal((rows, count)) + sharpness * np.eye(count)[labels]
        powers = np.exp(logits)
        return powers / powers.sum(1, keepdims=True), labels

    yield multiclass("three", *softmax(120, 3, 1.0))
    yield multiclass("nine", *softmax(200, 9, 2.5))
    yield multiclass("two", *softmax(50, 2, 0.5))
    probabilities, labels = softmax(60, 4, 1.0)
    yield multiclass("one-class-never-true", probabilities, np.where(labels == 2, 0, labels))
    yield multiclass("sure-and-wrong", np.eye(3)[[0, 1, 2, 0]], [0, 2, 2, 1])


def binary_cases(rng):
    def noisy(rows, share, spread=0.35):
        labels = (rng.random(rows) < share).astype(int)
        return np.clip(0.3 + 0.4 * labels + spread * rng.standard_normal(rows), 0, 1), labels

    scores, labels = noisy(200, 0.5)
    yield binary("balanced", scores, labels, 0.5)
    yield binary("balanced-high-threshold", scores, labels, 0.8)
    scores, labels = noisy(200, 0.5)
    yield binary("one-decimal-ties", scores.round(1), labels, 0.3)
    yield binary("one-decimal-ties-float32", scores.round(1), labels, 0.7, "float32")
    scores, labels = noisy(300, 0.04)
    yield binary("rare-positives", scores.round(2), labels, 0.5)
    yield binary("rare-positives-low-threshold", scores.round(2), labels, 0.05)
    scores, labels = noisy(300, 0.96)
    yield binary("rare-negatives-float32", scores.round(3), labels, 0.5, "float32")
    logits = rng.standard_normal(100) * 5
    yield binary("logits", logits, rng.random(100) < 1 / (1 + np.exp(-logits)), 0.0)
    yield binary("logits-none-chosen", logits, logits < 0, 1e3)
    yield binary("signed-zeros", [-0.0, 0.0, 0.0, -0.0, 1.0, -1.0], [1, 0, 1, 0, 1, 0], 0.0)
    yield binary("all-equal", [0.25] * 7, [1, 0, 0, 1, 0, 0, 0], 0.25)
    yield binary("only-positives", rng.random(9), [1] * 9, 0.5)
    yield binary("only-negatives", rng.random(9), [0] * 9, 0.5)
    yield binary("perfect", [0.1, 0.2, 0.7, 0.9], [0, 0, 1, 1], 0.5)
    yield binary("reversed", [0.9, 0.7, 0.2, 0.1], [0, 0, 1, 1], 0.5)


def regression_cases(rng):
    labels = rng.standard_normal(150) * 10
    yield regression("normal", labels + rng.standard_normal(150), labels)
    yield regression("close-float32", labels * (1 + 0.08 * rng.standard_normal(150)), labels, "float32")
    counts = rng.poisson(1.2, 200)
    yield regression("counts-with-zeros", (counts + rng.integers(-1, 2, 200)) * 1.0, counts)
    sparse = np.where(rng.random(120) < 0.6, 0, rng.random(120) * 100).round(2)
    yield regression("mostly-zeros", (sparse * rng.uniform(0.85, 1.15, 120)).round(2), sparse)
    yield regression("large-offset", 1e6 + rng.random(80).round(3), 1e6 + rng.random(80).round(3))
    small = 10 ** rng.uniform(-12, 12, 80)
    yield regression("many-magnitudes", small * rng.uniform(0.5, 1.5, 80), small)
    yield regression("all-zeros", [0.0, 0.5, -0.0, 0.0], [0.0, -0.0, 0.0, 0.0])
    yield regression("constant-exact", [2.5] * 6, [2.5] * 6)
    yield regression("constant-not-exact", [2.5, 2.5, 3.0], [2.5] * 3)


def main():
    rng = np.random.default_rng(20240611)
    lines = [
        f"# Written by tools/make_metric_fixtures.py with scikit-learn {sklearn.__version__}; do not edit.",
        "# The format is documented there.",
    ]
    for generated in (binary_cases(rng), regression_cases(rng), multiclass_cases(rng)):
        for one in generated:
            lines += one
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    print(f"{OUT}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
