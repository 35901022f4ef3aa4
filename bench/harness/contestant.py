"""The contestants: long-lived processes that answer requests, a line each."""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
MANIFEST = BENCH / "contestants/Cargo.toml"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
SIZES = ["input", "hidden", "output", "steps"]
NAMES = ["bptt-typed", "bptt-dyn", "scalar", "pytorch", "jax"]
# What each is, as a module and as a program.
RIVALS = {
    "pytorch": ("torch", "pytorch_rnn.py"),
    "jax": ("jax", "jax_rnn.py"),
    "onnx": ("onnxruntime", "onnx_rnn.py"),
}
# Compiled programs of JAX are kept here: most of the time of a first run is theirs.
JAX_CACHE = BENCH / ".jax-cache"
# A piece of PyTorch's work: at one sequence per update that is some tenths of a second.
PYTORCH_UPDATES = 200


class Failure(Exception):
    """A contestant that could not do its work."""


@dataclass
class Contestant:
    name: str
    command: list
    threads: int = 1
    level: str | None = None
    # At most so many updates at a time.
    updates: int | None = None
    # A factor on the learning rate; only the self-test uses another than 1.
    rate: float = 1.0

    def __post_init__(self):
        self.about = {}
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | environment(self.name, self.threads),
            encoding="utf-8",
            # Ctrl-C is for the driver, which then closes them.
            start_new_session=True,
        )

    @property
    def label(self):
        return f"{self.name} ({self.level})" if self.level else self.name

    @property
    def is_bptt(self):
        return self.name.startswith("bptt")

    def ask(self, **request):
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except OSError as error:
            raise Failure(f"{self.label}: {error}") from error
        line = self.process.stdout.readline()
        if not line:
            raise Failure(f"{self.label} ended without an answer")
        answer = json.loads(line)
        if "error" in answer:
            raise Failure(f"{self.label}: {answer['error']}")
        return answer

    def setup(self, task, dtype, batch_size, directory, tune):
        """Loads the task; returns why the contestant sits this one out, or None."""
        sizes = {name: getattr(task, name) for name in SIZES}
        answer = self.ask(
            command="setup",
            directory=str(directory),
            **sizes,
            sequences=task.sequences // batch_size * batch_size,
            batch_size=batch_size,
            dtype=dtype,
            activation=task.activation,
            cell=task.cell,
            work=task.work,
            ragged=task.ragged,
            learning_rate=task.learning_rate * self.rate,
            threads=self.threads,
            level=self.level,
            tune=tune,
        )
        self.about = answer
        return answer.get("skip")

    def losses(self, updates, epochs):
        return self.ask(command="losses", updates=updates, epochs=epochs)["losses"]

    def time(self, updates, min_ms):
        updates = min(updates, self.updates or updates)
        return self.ask(command="time", updates=updates, min_ms=min_ms)["ns_per_timestep"]

    def close(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def environment(name, threads):
    """What must be said before a library starts."""
    if name != "jax":
        return {}
    found = {
        "PJRT_NPROC": str(threads),
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": os.environ.get("JAX_COMPILATION_CACHE_DIR", str(JAX_CACHE)),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
    }
    if threads == 1:
        found["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    return found


def build():
    """The Rust contestants' program: that of BENCH_PROGRAM, or built, where it is not up to date."""
    if "BENCH_PROGRAM" in os.environ:
        return os.environ["BENCH_PROGRAM"]
    command = ["cargo", "build", "--release", "--manifest-path", str(MANIFEST)]
    found = subprocess.run(
        [*command, "--message-format", "json-render-diagnostics"],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    messages = [json.loads(line) for line in found.stdout.splitlines()]
    return next(m["executable"] for m in messages if m.get("executable"))


def levels(program):
    """The names of bptt's levels on this machine, lowest first."""
    found = subprocess.run([program, "levels"], stdout=subprocess.PIPE, encoding="utf-8", check=True)
    return found.stdout.split()


def installed(name):
    return name not in RIVALS or importlib.util.find_spec(RIVALS[name][0]) is not None


def command(name, program):
    """How a rival, or bptt's run-time face, is started."""
    return [sys.executable, str(BENCH / "rivals" / RIVALS[name][1])] if name in RIVALS else [program, "dyn"]


def for_grid(program):
    """All that take part in the grid, each with one thread and with all; bptt first."""
    for name in ["bptt", *RIVALS]:
        if not installed(name):
            continue
        yield from (Contestant(name, command(name, program), threads) for threads in sorted({1, CORES}))


def start(name, program, chosen_levels):
    """The processes of one contestant: one for each thread count, or for each level, of bptt's best one too for all threads."""
    if name in RIVALS:
        updates = PYTORCH_UPDATES if name == "pytorch" else None
        return [Contestant(name, command(name, program), threads, updates=updates) for threads in sorted({1, CORES})]
    mode = [program, name.removeprefix("bptt-")]
    if name == "scalar":
        return [Contestant(name, mode)]
    one = [Contestant(name, mode, level=level) for level in reversed(chosen_levels)]
    more = [Contestant(name, mode, CORES, level=chosen_levels[-1])] if CORES > 1 else []
    return one + more
