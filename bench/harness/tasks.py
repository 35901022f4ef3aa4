"""The tasks: shapes, settings, data and initial weights."""

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SMALL = REPOSITORY / "crates/bptt-cli/data/small.csv"
STEPS = 5
TRAIN_RATIO = 0.8
SEED = 20


@dataclass(frozen=True)
class Task:
    name: str
    input: int
    hidden: int
    output: int
    activation: str
    learning_rate: float
    batch_sizes: list
    # (sequences, steps, input) and (sequences, steps, output), float64
    features: np.ndarray
    labels: np.ndarray

    cell = "elman"
    work = "train"
    ragged = False

    @property
    def sequences(self):
        return len(self.features)

    @property
    def steps(self):
        return self.features.shape[1]

    def first(self, sequences):
        return replace(self, features=self.features[:sequences], labels=self.labels[:sequences])

    def weights(self):
        """The six parameters in PyTorch's order, uniform in ±1/√H as PyTorch draws them, float64."""
        i, h, o = self.input, self.hidden, self.output
        rng = np.random.default_rng(SEED)
        return rng.uniform(-1, 1, h * i + h * h + 2 * h + o * h + o) / np.sqrt(h)

    def describe(self):
        shape = f"{self.input} → {self.hidden} → {self.output}"
        return f"{self.name}: {shape}, {self.activation}, {self.steps} steps, {self.sequences:,} sequences"


def small():
    """The 15 sequences that the tool bundles, 12 of them for training, as they are."""
    with open(SMALL, newline="", encoding="ascii") as file:
        rows = list(csv.DictReader(file))
    values = np.array([[float(row[name]) for name in ("x1", "x2", "x3", "y")] for row in rows])
    features, labels = training_part(values[:, :3], values[:, 3:])
    return Task("small", 3, 5, 1, "relu", 1e-6, [1, 12], features, labels)


def fraud(path=None):
    """Kaggle's card transactions from `path`, or made-up ones of the same shape."""
    features, labels = made_up_transactions() if path is None else read_transactions(path)
    features, labels = training_part(features, labels)
    low, high = features.min(axis=(0, 1)), features.max(axis=(0, 1))
    features = (features - low) / np.where(high > low, high - low, 1)
    return Task("fraud", 29, 10, 1, "tanh", 0.001, [1, 64, 1024], features, labels)


def made_up_transactions():
    """284,807 rows of bell-shaped features; one row in 580 is a fraud, and its features are shifted."""
    rng = np.random.default_rng(SEED)
    labels = (rng.random((284_807, 1)) < 1 / 580).astype(float)
    return rng.normal(size=(len(labels), 29)) + 2 * labels, labels


def read_transactions(path):
    names = [f"V{n}" for n in range(1, 29)] + ["Amount", "Class"]
    with open(path, newline="", encoding="utf-8") as file:
        header = next(csv.reader(file))
        columns = [header.index(name) for name in names]
        values = np.loadtxt(file, delimiter=",", quotechar='"', usecols=columns)
    return values[:, :-1], values[:, -1:]


def custom(shape, steps, sequences, activation, learning_rate, batch_sizes):
    """Any shape: random features; the label is a running sum of the first one."""
    i, h, o = shape
    rng = np.random.default_rng(SEED)
    features = rng.normal(size=(sequences, steps, i))
    labels = np.repeat(np.tanh(np.cumsum(features[..., :1], axis=1)), o, axis=2)
    return Task("custom", i, h, o, activation, learning_rate, batch_sizes, features, labels)


def training_part(features, labels):
    """Cuts rows into sequences and takes the first four fifths; a shorter last sequence is not among them."""
    train = int(-(-len(features) // STEPS) * TRAIN_RATIO)
    cut = (array[: train * STEPS].reshape(train, STEPS, -1) for array in (features, labels))
    return tuple(cut)


def write(task, dtype, directory):
    """Writes the three files that the contestants read."""
    files = {"features": task.features, "labels": task.labels, "weights": task.weights()}
    for name, values in files.items():
        as_bytes(values, dtype).tofile(Path(directory) / f"{name}.bin")


def as_bytes(values, dtype):
    """Little-endian numbers of the type."""
    return values.astype({"f32": "<f4", "f64": "<f8"}[dtype])
