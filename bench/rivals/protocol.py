"""The contestants' side of the line protocol; bench/README.md describes it.

A contestant is made from a `Task` (or raises `Skip`) and has `variants`, `choose(variant)`, `about()`, `reset()` to the
initial weights, `least_epochs(updates)`, `losses(updates, epochs)` and `run(updates, epochs)`.
"""

import json
import math
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np

NAMES = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "fc.weight", "fc.bias"]


GATES = {"elman": 1, "gru": 3, "lstm": 4}
# An epoch that takes so long need not be run once untimed: cold caches are nothing beside it.
WARM = 0.1
# Variants are compared for about so many seconds.
TUNING = 1.0
# Sequences whose errors are compared with others', where nothing is trained.
COMPARED = 256


class Skip(Exception):
    """The task is fine, but this contestant has no code for it."""


class Task:
    """A `setup` request with its numbers read."""

    def __init__(self, request):
        i, h, o = self.sizes = (request["input"], request["hidden"], request["output"])
        self.steps, self.batch_size = request["steps"], request["batch_size"]
        self.dtype, self.activation = request["dtype"], request["activation"]
        self.cell, self.work = request.get("cell", "elman"), request.get("work", "train")
        self.learning_rate, self.threads = request["learning_rate"], request["threads"]
        self.directory = Path(request["directory"])
        self.updates = request["sequences"] // self.batch_size
        self.lengths = self.read_lengths(request.get("ragged", False))
        self.features, self.labels = self.rows("features.bin", i), self.rows("labels.bin", o)
        g = GATES[self.cell] * h
        shapes = [(g, i), (g, h), (g,), (g,), (o, h), (o,)]
        cuts = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
        parts = np.split(self.read("weights.bin"), cuts)
        values = (part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
        self.weights = dict(zip(NAMES, values, strict=True))

    def read(self, name):
        return np.fromfile(self.directory / name, dtype={"f32": "<f4", "f64": "<f8"}[self.dtype])

    def read_lengths(self, ragged):
        """(updates, B), longest first within a batch, which `order` undoes; None where all are as long as `steps`."""
        if not ragged:
            return None
        lengths = np.fromfile(self.directory / "lengths.bin", dtype="<i8").reshape(self.updates, self.batch_size)
        self.order = np.argsort(-lengths, axis=1, kind="stable")
        self.starts = np.cumsum(lengths.ravel()) - lengths.ravel()
        return np.take_along_axis(lengths, self.order, axis=1)

    def rows(self, name, width):
        """(updates, T, B, width), time-major; zeros after the end of shorter sequences."""
        values = self.read(name)
        if self.lengths is None:
            return time_major(values.reshape(self.updates, self.batch_size, self.steps, width))
        values = values.reshape(-1, width)
        found = np.zeros((self.updates, self.batch_size, self.steps, width), values.dtype)
        starts = np.take_along_axis(self.starts.reshape(self.order.shape), self.order, axis=1)
        for place, length in np.ndenumerate(self.lengths):
            found[place][:length] = values[starts[place] : starts[place] + length]
        return time_major(found)

    def mask(self):
        """(updates, T, B, 1): 1 where a sequence has a row."""
        steps = np.arange(self.steps)[None, :, None, None]
        return (steps < self.lengths[:, None, :, None]).astype(self.features.dtype)

    def timesteps(self, updates):
        if self.lengths is None:
            return updates * self.batch_size * self.steps
        return int(self.lengths[:updates].sum())

    def errors(self, outputs):
        """The mean squared error of each sequence in the driver's order, from outputs (T, B, O) per batch."""
        found = []
        for number, batch in enumerate(outputs):
            squares = (np.asarray(batch, np.float64) - self.labels[number]) ** 2
            if self.lengths is None:
                found += squares.mean(axis=(0, 2)).tolist()
                continue
            errors = np.empty(self.batch_size)
            for m, (place, length) in enumerate(zip(self.order[number], self.lengths[number], strict=True)):
                errors[place] = squares[:length, m].mean()
            found += errors.tolist()
        return found[:COMPARED]


def time_major(array):
    """(updates, B, T, n) to (updates, T, B, n)."""
    return np.ascontiguousarray(array.swapaxes(1, 2))


class Session:
    def __init__(self, make):
        self.make = make
        self.contestant = None
        self.task = None
        # Epochs in a timed piece, as the last one needed, and how long each took.
        self.epochs = None
        self.epoch = 0.0

    def answer(self, request):
        command = request["command"]
        if command == "setup":
            # The one before goes first, and its memory with it.
            self.contestant, self.epochs, self.epoch = None, None, 0.0
            self.task = Task(request)
            self.contestant = self.make(self.task)
            if request["tune"]:
                self.tune(request["tune"])
            return self.contestant.about()
        if command == "losses":
            self.contestant.reset()
            return {"losses": self.contestant.losses(request["updates"], request["epochs"])}
        if command == "time":
            return {"ns_per_timestep": self.time(request["updates"], request["min_ms"] / 1e3)}
        if command == "product":
            return {"seconds": self.make.product(request["size"], request["dtype"], request["threads"])}
        raise ValueError(f"no command `{command}`")

    def tune(self, updates):
        """Keeps the variant that is the quickest here: the median of five turns each, fewer of long ones, in turn."""
        if len(self.contestant.variants) == 1:
            return
        times = {variant: [] for variant in self.contestant.variants}
        for turns in range(5):
            if turns % 2 and sum(map(sum, times.values())) > TUNING:
                break
            for variant, found in times.items():
                self.contestant.choose(variant)
                found.append(self.piece(updates, self.contestant.least_epochs(updates)))
        self.contestant.choose(min(times, key=lambda variant: statistics.median(times[variant])))
        self.epoch = 0.0

    def time(self, updates, at_least):
        """One piece between two looks at the clock, with as many epochs as `at_least` seconds need."""
        if self.epochs is None:
            self.epochs = self.contestant.least_epochs(updates)
        while True:
            elapsed = self.piece(updates, self.epochs)
            if elapsed >= at_least:
                return elapsed * 1e9 / (self.epochs * self.task.timesteps(updates))
            self.epochs *= min(max(math.ceil(at_least / elapsed * 1.2), 2), 1000)

    def piece(self, updates, epochs):
        """The seconds that so many epochs take, after an untimed piece from the initial weights."""
        self.contestant.reset()
        if self.epoch < WARM:
            # Compiles what is to be compiled and brings code and data into the caches.
            self.contestant.run(updates, self.contestant.least_epochs(updates))
        start = time.perf_counter()
        self.contestant.run(updates, epochs)
        elapsed = time.perf_counter() - start
        self.epoch = elapsed / epochs
        return elapsed


def serve(make):
    """Answers requests until stdin ends, or an exception ends the program."""
    # Whatever a library prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    session = Session(make)
    for line in sys.stdin:
        try:
            answer = session.answer(json.loads(line))
        except Skip as reason:
            answer = {"skip": str(reason)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
