"""Does the grid catch a contestant that does other work, and does its record say what was played?"""

import math
import tempfile
from dataclasses import replace
from pathlib import Path

import contestant
import draw
import grid_record
import summary
from check import refused
from contestant import Contestant
from grid import Entry, Result
from grid_rows import Row, chosen, full, quick

# A row for each kind of work, cell and lengths.
ROWS = [
    Row("train", "elman", 3, 5, 7, 4, "f64"),
    Row("train", "gru", 3, 5, 7, 4, "f64"),
    Row("train", "lstm", 3, 5, 7, 4, "f32"),
    Row("train", "lstm", 3, 5, 7, 4, "f64", ragged=True),
    Row("predict", "gru", 3, 5, 7, 4, "f64", ragged=True),
    Row("predict", "elman", 3, 5, 7, 1, "f32"),
    Row("step", "lstm", 3, 5, 7, 1, "f32"),
]


def losses(one, row, rate=1.0):
    """A contestant's losses of the row, or None where it sits out."""
    one.rate = rate
    with tempfile.TemporaryDirectory() as directory:
        row.write(directory)
        reason = one.setup(row, row.dtype, row.batch_size, directory, 0)
    return None if reason else one.losses(row.batches, 4)


def relu(row):
    """The row with another activation; LSTM and GRU, which have none to choose, in its place as Elman."""
    found = replace(row, cell="elman")
    object.__setattr__(found, "activation", "relu")
    return found


def against_rivals(program):
    """Every kind of row by bptt and each rival that is installed: as it is, and doing other work."""
    names = ["bptt", *filter(contestant.installed, contestant.RIVALS)]
    mine, *rivals = [Contestant(name, contestant.command(name, program)) for name in names]
    try:
        for row in ROWS:
            reference = losses(mine, row)
            # Another learning rate, or another cell on the same data.
            other = losses(mine, row, 1.01) if row.work == "train" else losses(mine, relu(row))
            yield f"{row.name}: other work is refused", refused({"bptt": reference, "other": other}, row.dtype)
            for rival in rivals:
                theirs = losses(rival, row)
                if theirs is not None:
                    passes = not refused({"bptt": reference, rival.name: theirs}, row.dtype)
                    yield f"{row.name}: {rival.name} passes", passes
    finally:
        for one in (mine, *rivals):
            one.close()


def records():
    """A record written out, read again and drawn."""
    row = Row("train", "lstm", 128, 128, 50, 64)
    about = {"variant": "", "version": "1"}
    entries = [
        Entry("bptt", 1, about, [2.0, 2.0, 2.0]),
        Entry("bptt", 2, about, [1.0, 1.0, 1.0]),
        Entry("pytorch", 1, about, [4.0, 5.0, 60.0]),
        Entry("pytorch", 2, about, [3.0, 3.0, 30.0]),
    ]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "a-grid.csv"
        record = grid_record.Record("none", path)
        record.add_peaks({("f32", 1): 100.0, ("f32", 2): 190.0})
        # Played twice: the later counts.
        record.add(Result(row, 0.0, [*entries[:2], Entry("pytorch", 1, about, [1.0, 1.0, 1.0]), entries[3]]))
        record.add(Result(row, 0.0, entries))
        found, products = summary.outcomes(path)
        yield "a row played twice is one", len(found) == 1
        one = found[0]
        yield "its name is the row's", one.name == row.name
        yield "ratios are medians of the rounds' ratios", (one.all, one.one, one.gain) == (3.0, 2.5, 2.0)
        yield "the quickest rival", one.rival == "pytorch (2)"
        yield "speeds", math.isclose(one.gflops, row.operations, rel_tol=1e-6)
        yield "products", products == {("f32", 1): 100.0, ("f32", 2): 190.0}
        picture = draw.picture(found)
        yield "a point in each panel", picture.count(f"<title>{row.name}") == 2
        yield "a summary", "1 rows, median 3.00" in summary.summary(found, products)


def names():
    """Names tell rows apart."""
    for kind in (chosen, quick, full):
        found = [row.name for row in kind()]
        yield f"the names of {kind.__name__} differ", len(found) == len(set(found)) and found
    yield "a quick run is part of the whole", set(quick()) <= set(chosen())


def results(program):
    yield from names()
    yield from records()
    yield from against_rivals(program)
