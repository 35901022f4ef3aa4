"""What a record of the grid says: each row's ratio to its quickest rival, and how the rows stand to the targets."""

import csv
import math
import statistics
from dataclasses import dataclass

KEY = ["work", "cell", "dtype", "input", "hidden", "steps", "batch_size", "lengths"]


@dataclass
class Outcome:
    """A row of the grid, as its record has it."""

    work: str
    cell: str
    dtype: str
    hidden: int
    batch_size: int
    ragged: bool
    name: str
    parameters: int
    # bptt's speed with all threads, in GFLOP/s.
    gflops: float
    # The quickest rival's time over bptt's: all threads on both sides, and one on both.
    all: float
    one: float
    # Who that is.
    rival: str
    # PyTorch's time over bptt's, all threads.
    pytorch: float
    # bptt's time with one thread over its time with all.
    gain: float


def outcomes(path):
    """A record's rows, of one played twice the later, and its products of matrices: {(dtype, threads): GFLOP/s}."""
    rows, products = {}, {}
    with open(path, newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if line["work"] == "product":
                at = line["dtype"], int(line["threads"])
                products[at] = max(products.get(at, 0), float(line["gflops"]))
                continue
            played = rows.setdefault(tuple(line[name] for name in KEY), {})
            # The lines of one game follow each other, bptt's first one first.
            if (line["contestant"], line["threads"]) in played:
                played.clear()
            played[line["contestant"], line["threads"]] = line
    found = (outcome(list(played.values())) for played in rows.values())
    return [one for one in found if one], products


def outcome(lines):
    """A row from its lines, or None where there is no rival."""
    mine = {int(line["threads"]): line for line in lines if line["contestant"] == "bptt"}
    rivals = [line for line in lines if line["contestant"] != "bptt"]
    if not rivals or not mine:
        return None
    best = min(rivals, key=lambda line: float(line["ratio_to_bptt"]))
    one = min(float(line["ratio_to_bptt_one_thread"]) for line in rivals if line["threads"] == "1")
    first, most = mine[1], mine[max(mine)]
    ragged = first["lengths"] == "ragged"
    steps = f"1..{first['steps']}" if ragged else first["steps"]
    shape = f"{first['input']}-{first['hidden']} T{steps} B{first['batch_size']}"
    return Outcome(
        first["work"],
        first["cell"],
        first["dtype"],
        int(first["hidden"]),
        int(first["batch_size"]),
        ragged,
        f"{first['work']} {first['cell']} {shape} {first['dtype']}",
        int(first["parameters"]),
        float(most["gflops"]),
        float(best["ratio_to_bptt"]),
        one,
        f"{best['contestant']} ({best['threads']})",
        min((float(line["ratio_to_bptt"]) for line in rivals if line["contestant"] == "pytorch"), default=math.nan),
        float(first["ns_per_timestep_median"]) / float(most["ns_per_timestep_median"]),
    )


# Parts of the grid that are looked at by themselves: a name, which rows, and what of them.
PARTS = [
    (
        "LSTM, f32, equal lengths, 128 to 512 units",
        lambda one: is_plain(one, "lstm") and 128 <= one.hidden <= 512,
        "all",
    ),
    ("GRU, f32, equal lengths", lambda one: is_plain(one, "gru"), "all"),
    ("lengths in 1..T, up to 64 units, PyTorch", lambda one: one.ragged and one.hidden <= 64, "pytorch"),
    ("lengths in 1..T, above 64 units, PyTorch", lambda one: one.ragged and one.hidden > 64, "pytorch"),
    ("gain of all threads over one", lambda one: one.hidden >= 128 and one.batch_size >= 32, "gain"),
]


def is_plain(one, cell):
    return one.cell == cell and one.dtype == "f32" and one.work == "train" and not one.ragged


def parts(found):
    """The least and the median of each part that has rows."""
    for name, belongs, what in PARTS:
        values = [getattr(one, what) for one in found if belongs(one)]
        if values:
            yield f"{name}: {len(values)} rows, median {statistics.median(values):.2f}, least {min(values):.2f}"


def summary(found, products):
    """The whole as text."""
    lines = [
        f"{label}: {len(values)} rows, median {statistics.median(values):.2f}, least {min(values):.2f}, "
        f"{sum(value < 1 for value in values)} below 1"
        for label, values in (
            ("all threads", [one.all for one in found]),
            ("one thread", [one.one for one in found]),
        )
    ]
    close = [one for one in found if min(one.all, one.one) < 1 or one.all < 1.3 and one.hidden <= 512]
    lines += [
        f"  {one.name:<38} {one.all:.2f} with all threads ({one.rival}), {one.one:.2f} with one; "
        f"{one.gflops:.1f} GFLOP/s"
        for one in sorted(close, key=lambda one: one.all)
    ]
    lines += parts(found)
    if products:
        peak = {dtype: max(speed for (d, _), speed in products.items() if d == dtype) for dtype, _ in products}
        lines.append("products of matrices: " + ", ".join(f"{d} {speed:.0f} GFLOP/s" for d, speed in peak.items()))
        lines += [
            f"  {one.name:<38} {one.gflops:.0f} GFLOP/s, {one.gflops / peak[one.dtype]:.0%} of it"
            for one in found
            if one.work == "train" and one.hidden >= 1024 and one.batch_size >= 64 and one.dtype in peak
        ]
    return "\n".join(lines)
