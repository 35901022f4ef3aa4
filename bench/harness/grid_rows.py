"""The rows of the grid: which work of which network on which batches."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from tasks import SEED, as_bytes

GATES = {"elman": 1, "gru": 3, "lstm": 4}
# What PyTorch's dispatcher takes for a timestep of a batch, and floating-point operations per nanosecond: rough, and
# only to choose how many batches an epoch has.
DISPATCH_NS, SPEED = 50_000, 100
# An epoch shall take so long, in nanoseconds, and have so many batches at most.
EPOCH_NS, BATCHES = 30e6, 40


@dataclass(frozen=True)
class Row:
    """One row: one output, tanh in Elman layers; with `ragged`, lengths are uniform in 1..`steps`."""

    work: str
    cell: str
    input: int
    hidden: int
    steps: int
    batch_size: int
    dtype: str = "f32"
    ragged: bool = False

    output = 1
    activation = "tanh"

    @property
    def name(self):
        lengths = f"1..{self.steps}" if self.ragged else f"{self.steps}"
        return f"{self.work} {self.cell} {self.input}-{self.hidden} T{lengths} B{self.batch_size} {self.dtype}"

    @property
    def learning_rate(self):
        """The loss has to move within a few updates, and not to diverge."""
        return 1 / (8 + self.hidden)

    @property
    def parameters(self):
        h = self.hidden
        return GATES[self.cell] * h * (self.input + h + 2) + h + 1

    @property
    def operations(self):
        """Floating-point operations per timestep; prediction is a third of training."""
        i, h = self.input, self.hidden
        training = 6 * GATES[self.cell] * (i * h + h * h) + 6 * h
        return training if self.work == "train" else training / 3

    @property
    def products(self):
        """Multiply-adds of a batch's timestep, forward; a step takes one sequence."""
        return GATES[self.cell] * self.hidden * (self.input + self.hidden) * self.batch_size

    @property
    def batches(self):
        batch = self.steps * (DISPATCH_NS + self.batch_size * self.operations / SPEED)
        return int(np.clip(EPOCH_NS / batch, 1 if self.work == "train" else 2, BATCHES))

    @property
    def sequences(self):
        return self.batches * self.batch_size

    def write(self, directory):
        """Writes the files that the contestants read: bell-shaped features; labels are running sums of the first."""
        rng = np.random.default_rng(SEED)
        lengths = np.full(self.sequences, self.steps)
        if self.ragged:
            lengths = rng.integers(1, self.steps, self.sequences, endpoint=True)
        features = rng.normal(size=(lengths.sum(), self.input))
        parts = np.split(features[:, 0], np.cumsum(lengths)[:-1])
        # Not around zero: the readout's bias has something to learn at once, whatever the size.
        labels = 1 + np.tanh(np.concatenate([np.cumsum(part) for part in parts]))
        weights = rng.uniform(-1, 1, self.parameters) / np.sqrt(self.hidden)
        for name, values in {"features": features, "labels": labels, "weights": weights}.items():
            as_bytes(values, self.dtype).tofile(Path(directory) / f"{name}.bin")
        lengths.astype("<i8").tofile(Path(directory) / "lengths.bin")


# By cell: input, hidden, steps, batch size.
TRAIN = {
    "elman": [
        (1, 1, 10, 1), (2, 2, 200, 16), (4, 4, 10, 256), (4, 5, 50, 1), (4, 5, 50, 32), (8, 8, 200, 16),
        (8, 10, 10, 256), (8, 10, 1000, 1), (8, 16, 50, 16), (16, 32, 200, 1), (16, 32, 50, 32),
        (16, 32, 10, 256), (16, 32, 1000, 16), (64, 64, 50, 1), (64, 64, 200, 16), (64, 64, 50, 64),
        (128, 128, 50, 1), (128, 128, 50, 64), (128, 128, 10, 256), (128, 256, 50, 1),
        (128, 256, 50, 32), (256, 256, 200, 16), (256, 512, 50, 1), (256, 512, 50, 16), (256, 512, 50, 64),
        (512, 1024, 50, 1), (512, 1024, 50, 64), (1024, 2048, 25, 128),
    ],
    "gru": [
        (4, 5, 50, 1), (8, 10, 50, 16), (16, 16, 10, 256), (32, 32, 50, 1), (32, 32, 50, 32),
        (64, 64, 50, 64), (128, 128, 50, 1), (128, 128, 50, 64), (128, 256, 50, 16), (256, 512, 50, 1),
        (256, 512, 50, 64), (512, 1024, 20, 64),
    ],
}  # fmt: skip
TRAIN["lstm"] = TRAIN["gru"]
TRAIN_F64 = {
    "elman": [(4, 5, 50, 1), (16, 32, 50, 32), (64, 64, 50, 1), (128, 128, 50, 64), (256, 512, 50, 64)],
    "gru": [(32, 32, 50, 32), (128, 128, 50, 64)],
    "lstm": [(32, 32, 50, 32), (128, 128, 50, 64)],
}
RAGGED = {
    "elman": [(8, 10, 200, 16), (16, 32, 50, 32), (64, 64, 50, 64), (128, 128, 50, 64), (256, 512, 50, 64)],
    "gru": [(32, 32, 50, 32), (128, 128, 50, 64)],
    "lstm": [(32, 32, 50, 32), (128, 128, 50, 64), (128, 256, 50, 64)],
}
PREDICT = {
    "elman": [
        (4, 5, 50, 1), (4, 5, 50, 256), (32, 32, 50, 1), (32, 32, 50, 32), (64, 64, 50, 1), (128, 128, 50, 1),
        (128, 128, 50, 64), (256, 512, 50, 1), (256, 512, 50, 64), (512, 1024, 50, 64),
    ],
    "gru": [
        (4, 5, 50, 1), (32, 32, 50, 1), (32, 32, 50, 32), (128, 128, 50, 1), (128, 128, 50, 64), (256, 512, 50, 1),
        (256, 512, 50, 64),
    ],
}  # fmt: skip
PREDICT["lstm"] = PREDICT["gru"]
PREDICT_F64 = {"elman": [(128, 128, 50, 64)], "lstm": [(128, 128, 50, 64)]}
PREDICT_RAGGED = {"elman": [(64, 64, 50, 64)], "lstm": [(128, 128, 50, 64)]}
STEP = dict.fromkeys(GATES, [(4, 5, 50, 1), (32, 32, 50, 1), (128, 128, 50, 1), (512, 512, 50, 1)])

QUICK = {
    ("train", "elman", 4, 5, 50, 1), ("train", "elman", 64, 64, 50, 64), ("train", "gru", 32, 32, 50, 32),
    ("train", "lstm", 128, 128, 50, 64), ("predict", "lstm", 32, 32, 50, 1), ("step", "elman", 32, 32, 50, 1),
}  # fmt: skip


def chosen():
    """The rows that are looked at unless all are asked for."""
    for work, table, options in [
        ("train", TRAIN, {}),
        ("train", TRAIN_F64, {"dtype": "f64"}),
        ("train", RAGGED, {"ragged": True}),
        ("predict", PREDICT, {}),
        ("predict", PREDICT_F64, {"dtype": "f64"}),
        ("predict", PREDICT_RAGGED, {"ragged": True}),
        ("step", STEP, {}),
    ]:
        for cell, shapes in table.items():
            yield from (Row(work, cell, *shape, **options) for shape in shapes)


def quick():
    """A handful of them."""
    keys = ((row, (row.work, row.cell, row.input, row.hidden, row.steps, row.batch_size)) for row in chosen())
    return (row for row, key in keys if key in QUICK and row.dtype == "f32" and not row.ragged)


def full():
    """Every cell with every size on every batch: hours."""
    hidden = [1, 2, 4, 5, 8, 10, *(2**n for n in range(4, 12))]
    batches, lengths = [1, 16, 32, 64, 128, 256], [10, 50, 200, 1000]
    for work, cell, h, t, b, dtype, ragged in product(
        ["train", "predict"], GATES, hidden, lengths, batches, ["f32", "f64"], [False, True]
    ):
        # One sequence by itself is as long as it is, and what takes minutes an update says nothing new.
        if not (ragged and b == 1) and h * h * t * b < 5e10:
            yield Row(work, cell, min(h, 1024), h, t, b, dtype, ragged)
    yield from (Row("step", cell, h, h, 50, 1, dtype) for cell, h, dtype in product(GATES, hidden, ["f32", "f64"]))
