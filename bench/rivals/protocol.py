"""The contestants' side of the line protocol; bench/README.md describes it.

A contestant is made from a `Task` and has `variants`, `choose(variant)`, `about()`, `reset()` to the initial weights,
`least_epochs(updates)`, `losses(updates, epochs)` and `train(updates, epochs)`.
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


class Task:
    """A `setup` request with its numbers read."""

    def __init__(self, request):
        i, h, o = self.sizes = (request["input"], request["hidden"], request["output"])
        self.steps, self.batch_size = request["steps"], request["batch_size"]
        self.dtype, self.activation = request["dtype"], request["activation"]
        self.learning_rate, self.threads = request["learning_rate"], request["threads"]
        directory = Path(request["directory"])
        shape = (request["sequences"] // self.batch_size, self.batch_size, self.steps)
        self.features = time_major(self.read(directory / "features.bin").reshape(*shape, i))
        self.labels = time_major(self.read(directory / "labels.bin").reshape(*shape, o))
        shapes = [(h, i), (h, h), (h,), (h,), (o, h), (o,)]
        cuts = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
        parts = np.split(self.read(directory / "weights.bin"), cuts)
        values = (part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
        self.weights = dict(zip(NAMES, values, strict=True))

    def read(self, path):
        return np.fromfile(path, dtype={"f32": "<f4", "f64": "<f8"}[self.dtype])


def time_major(array):
    """(updates, B, T, n) to (updates, T, B, n)."""
    return np.ascontiguousarray(array.swapaxes(1, 2))


class Session:
    def __init__(self, make):
        self.make = make
        self.contestant = None
        self.task = None
        # Epochs in a timed piece, as the last one needed.
        self.epochs = None

    def answer(self, request):
        command = request["command"]
        if command == "setup":
            # The one before goes first, and its memory with it.
            self.contestant, self.epochs = None, None
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
        raise ValueError(f"no command `{command}`")

    def tune(self, updates):
        """Keeps the variant that is the quickest here: the median of five turns each, taken in turn."""
        times = {variant: [] for variant in self.contestant.variants}
        for _ in range(5):
            for variant, found in times.items():
                self.contestant.choose(variant)
                found.append(self.piece(updates, self.contestant.least_epochs(updates)))
        self.contestant.choose(min(times, key=lambda variant: statistics.median(times[variant])))

    def time(self, updates, at_least):
        """One piece between two looks at the clock, with as many epochs as `at_least` seconds need."""
        if self.epochs is None:
            self.epochs = self.contestant.least_epochs(updates)
        while True:
            elapsed = self.piece(updates, self.epochs)
            if elapsed >= at_least:
                timesteps = self.epochs * updates * self.task.batch_size * self.task.steps
                return elapsed * 1e9 / timesteps
            self.epochs *= min(max(math.ceil(at_least / elapsed * 1.2), 2), 1000)

    def piece(self, updates, epochs):
        """The seconds that so many epochs take, after an untimed piece from the initial weights."""
        self.contestant.reset()
        # Compiles what is to be compiled and brings code and data into the caches.
        self.contestant.train(updates, self.contestant.least_epochs(updates))
        start = time.perf_counter()
        self.contestant.train(updates, epochs)
        return time.perf_counter() - start


def serve(make):
    """Answers requests until stdin ends, or an exception ends the program."""
    # Whatever a library prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    session = Session(make)
    for line in sys.stdin:
        answer = session.answer(json.loads(line))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
