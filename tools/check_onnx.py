#!/usr/bin/env python3
"""Train, export and run models: does ONNX Runtime say what bptt says?

For every cell, with one, two and three layers, in one and in both directions,
with every scaling and every task, this trains a small model with the tool,
exports it, lets `onnx.checker` look at the file (shapes included) and compares
ONNX Runtime's outputs with `bptt predict`, sequence by sequence, all sequences
of one length as a batch:

    |ONNX Runtime - bptt| <= 1e-5 * max(1, |bptt|)

Models in double are compared with ONNX's reference implementation (1e-12), and
with ONNX Runtime after an export in single precision.

Models of one direction are also run in two halves, the final states of the
first being the initial states of the second: that has to give the same. Each
file is imported again, which has to give the model file byte for byte. And the
Python of docs/onnx.md is run.

    python tools/check_onnx.py target/release/bptt

needs numpy, onnx and onnxruntime. It says what it compared, and ends with an
error where something differs.
"""

import csv
import itertools
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

LENGTHS = [7, 7, 7, 4, 4, 9, 1, 1, 5, 5, 5, 7]
CELLS = [
    ["--cell", "elman", "--activation", "tanh"],
    ["--cell", "elman", "--activation", "relu"],
    ["--cell", "elman", "--activation", "sigmoid"],
    ["--cell", "gru"],
    ["--cell", "lstm"],
    ["--cell", "gru-reset-before"],
]
# Task, scaling.
WAYS = [
    ("regression", "zscore"),
    ("regression", "minmax"),
    ("regression", "none"),
    ("binary", "zscore"),
    ("classification", "minmax"),
]
TOLERANCE = 1e-5


def label(task, x, before):
    rise = x - before
    if task == "regression":
        return f"{1000 + 50 * rise:.3f}", f"{rise:.3f}"
    if task == "binary":
        return (str(int(rise > 0)),)
    return (["down", "same", "up"][(rise > -0.3) + (rise > 0.3)],)


def write_data(path, task, scaling):
    rng = random.Random(7)
    columns = 2 if task == "regression" else 1
    # A year is a number whose offset would lose its digits in single precision.
    year = 0 if scaling == "none" else 2012
    lines = ["name,t,x1,x2,x3," + ",".join(f"y{k + 1}" for k in range(columns))]
    for sequence, length in enumerate(LENGTHS * 3):
        before = 0.0
        for t in range(length):
            x = rng.uniform(-1, 1)
            # Numbers that single precision holds exactly.
            row = [x, rng.uniform(-2, 3), year + rng.choice([0, 0.25, 0.5, 1])]
            row = [repr(float(np.float32(value))) for value in row]
            lines.append(
                ",".join([f"s{sequence}", str(t), *row, *label(task, x, before)])
            )
            before = x
    path.write_text("\n".join(lines) + "\n")


def sequences(path):
    """Features (T, I) by sequence."""
    found = {}
    with open(path) as file:
        for row in csv.DictReader(file):
            values = [row["x1"], row["x2"], row["x3"]]
            found.setdefault(row["name"], []).append(values)
    return {name: np.array(rows, np.float32) for name, rows in found.items()}


def predictions(bptt, model, data, task):
    """What `bptt predict` says: (T, O) by sequence."""
    out = run(bptt, "predict", model, data)
    rows = list(csv.reader(out.splitlines()))
    keep = {
        "regression": lambda title: title.startswith("prediction"),
        "binary": lambda title: title == "prediction",
        "classification": lambda title: title.startswith("p_"),
    }[task]
    columns = [k for k, title in enumerate(rows[0]) if keep(title)]
    found = {}
    for row in rows[1:]:
        found.setdefault(row[0], []).append([float(row[k]) for k in columns])
    return {name: np.array(values) for name, values in found.items()}


def run(bptt, *words):
    result = subprocess.run(
        [bptt, *map(str, words)], capture_output=True, text=True, check=False
    )
    if result.returncode:
        sys.exit(f"bptt {' '.join(map(str, words))}: {result.stderr}")
    return result.stdout


def compare(session, data, expected, kind=np.float32):
    """The largest difference, relative to the largest prediction above 1."""
    features = sequences(data)
    worst = 0.0
    for length in sorted({len(rows) for rows in features.values()}):
        names = [name for name, rows in features.items() if len(rows) == length]
        batch = np.stack([features[name] for name in names]).astype(kind)
        [found] = session.run(["output"], {"input": batch})
        for name, rows in zip(names, found):
            scale = np.maximum(1.0, np.abs(expected[name]))
            worst = max(worst, np.max(np.abs(rows - expected[name]) / scale))
    return worst


def compare_halves(session, data):
    """Whole sequences against two halves with the states carried over."""
    features = np.stack([rows for rows in sequences(data).values() if len(rows) == 7])
    [whole] = session.run(["output"], {"input": features})
    names = [output.name for output in session.get_outputs()]
    first = dict(zip(names, session.run(names, {"input": features[:, :3]})))
    states = {
        f"{state}_0": first[f"{state}_n"] for state in "hc" if f"{state}_n" in names
    }
    [second] = session.run(["output"], {"input": features[:, 3:], **states})
    halves = np.concatenate([first["output"], second], axis=1)
    return np.max(np.abs(halves - whole) / np.maximum(1.0, np.abs(whole)))


def check(bptt, folder, cell, layers, both, way, dtype):
    task, scaling = way
    data, model = folder / f"{task}-{scaling}.csv", folder / "model.safetensors"
    graph, back = folder / "model.onnx", folder / "back.safetensors"
    if not data.exists():
        write_data(data, task, scaling)
    flags = [*cell, "--num-layers", layers, "--hidden-size", 5, "--epochs", 3]
    flags += ["--bidirectional", str(both).lower(), "--dtype", dtype]
    if layers > 1:
        flags += ["--dropout", 0.1]
    run(bptt, "train", data, "--task", task, "--normalize", scaling, "-o", model, *flags)
    expected = predictions(bptt, model, data, task)

    run(bptt, "export", model, "--format", "onnx", "-o", graph)
    onnx.checker.check_model(onnx.load(graph), full_check=True)
    run(bptt, "import", "onnx", graph, "-o", back)
    if back.read_bytes() != model.read_bytes():
        sys.exit(f"{flags}: the model does not come back")
    if dtype == "f64":
        # ONNX Runtime has these operators in single precision only; ONNX's own
        # reference has them in both, forwards.
        worst = compare(ReferenceEvaluator(str(graph)), data, expected, np.float64)
        if not worst <= 1e-12:
            sys.exit(f"{flags}, {way}: in double differs by {worst}")
        run(bptt, "export", model, "--format", "onnx", "--dtype", "f32", "-o", graph)
        onnx.checker.check_model(onnx.load(graph), full_check=True)
    options = onnxruntime.SessionOptions()
    # Errors only: it warns of each state that has a default.
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, options)
    worst = compare(session, data, expected)
    if not both:
        worst = max(worst, compare_halves(session, data))
    if not worst <= TOLERANCE:
        sys.exit(f"{flags}, {way}: differs by {worst}")
    return worst


def check_page(bptt, folder):
    """The Python of docs/onnx.md, which is about the model that `bptt train` makes."""
    page = pathlib.Path(__file__).resolve().parent.parent / "docs/onnx.md"
    [block] = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    os.chdir(folder)
    run(bptt, "train", "--epochs", 1)
    run(bptt, "export", "model.safetensors", "--format", "onnx")
    scope = {}
    exec(block, scope)
    os.chdir("/")
    if scope["y"].shape != (1, 5, 1) or not np.isfinite(scope["y"]).all():
        sys.exit("docs/onnx.md: no prediction")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    bptt = pathlib.Path(sys.argv[1]).resolve()
    worst, count = 0.0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        # Every architecture in one way, and every way with some architectures.
        cases = list(itertools.product(CELLS, [1, 2, 3], [False, True], WAYS[:1], ["f32"]))
        cases += list(itertools.product(CELLS[2:], [1, 2], [True], WAYS[1:], ["f32"]))
        cases += list(itertools.product(CELLS[3:], [1, 2], [False], WAYS, ["f64"]))
        for case in cases:
            worst = max(worst, check(bptt, folder, *case))
            count += 1
        check_page(bptt, folder)
    versions = f"onnx {onnx.__version__}, ONNX Runtime {onnxruntime.__version__}"
    print(f"{count} models agree with {versions}: largest difference {worst:.2e}")


if __name__ == "__main__":
    main()
