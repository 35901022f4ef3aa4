"""The grid's lines on the screen and its record in a file."""

import csv
from datetime import datetime
from pathlib import Path

from contestant import BENCH, CORES
from report import machine, rust_versions

COLUMNS = [
    "date",
    "work",
    "cell",
    "dtype",
    "input",
    "hidden",
    "steps",
    "batch_size",
    "lengths",
    "parameters",
    "contestant",
    "threads",
    "ns_per_timestep_median",
    "ns_per_timestep_min",
    "ns_per_timestep_max",
    "gflops",
    "ratio_to_bptt",
    "ratio_to_bptt_one_thread",
    "deviation",
    "rounds",
    "versions",
    "cores",
]
HEAD = (
    f"{'row':<38} {'bptt ns: 1':>11} {f'{CORES} threads':>11} {'GFLOP/s':>9}"
    f"   {'÷ with 1':>9} {'÷ with all':>10}  quickest rival with 1, with all"
)


def number(value):
    """Four digits, or as many as there are before the point."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def line(result):
    """A row as a line: bptt's times, and how many times that the quickest rival takes, with one thread and with all."""
    one, best = result.bptt(1), result.bptt(CORES)
    if not one.times:
        return f"{result.row.name:<38} losses equal to {result.deviation:.1e}"
    rivals = result.best(1, one), result.best(CORES, best)
    ratios = [
        "" if rival is None else f"{rival.ratio_to(mine):.2f}" for rival, mine in zip(rivals, (one, best), strict=True)
    ]
    names = ["" if rival is None else f"{rival.name} ({rival.threads}) {number(rival.median)}" for rival in rivals]
    speed = result.row.operations / best.median
    return (
        f"{result.row.name:<38} {number(one.median):>11} {number(best.median):>11} {speed:>9.1f}"
        f"   {ratios[0]:>9} {ratios[1]:>10}  {', '.join(names)}"
    )


class Record:
    """A file that rows are added to, one by one."""

    def __init__(self, level, path=None):
        self.now = datetime.now()
        self.rust = rust_versions()
        name = f"{self.now.date().isoformat()}-grid.csv"
        self.path = Path(path) if path else BENCH / "record" / machine(level) / name

    def write(self, rows):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self.path.exists()
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            if is_new:
                writer.writeheader()
            writer.writerows(rows)
        return self.path

    def add_peaks(self, peaks):
        """What a product of matrices reaches, as lines of the contestant `product`."""
        date = self.now.isoformat(timespec="minutes")
        self.write(
            {
                "date": date, "work": "product", "dtype": dtype, "contestant": "pytorch", "threads": threads,
                "gflops": f"{speed:.1f}", "cores": CORES,
            }
            for (dtype, threads), speed in peaks.items()
        )  # fmt: skip

    def add(self, result):
        """A line for each contestant and thread count; returns the file's path."""
        one, best, row = result.bptt(1), result.bptt(CORES), result.row
        return self.write(
            {
                "date": self.now.isoformat(timespec="minutes"),
                "work": row.work,
                "cell": row.cell,
                "dtype": row.dtype,
                "input": row.input,
                "hidden": row.hidden,
                "steps": row.steps,
                "batch_size": row.batch_size,
                "lengths": "ragged" if row.ragged else "equal",
                "parameters": row.parameters,
                "contestant": entry.name,
                "threads": entry.threads,
                "ns_per_timestep_median": f"{entry.median:.2f}",
                "ns_per_timestep_min": f"{min(entry.times):.2f}",
                "ns_per_timestep_max": f"{max(entry.times):.2f}",
                "gflops": f"{row.operations / entry.median:.2f}",
                "ratio_to_bptt": f"{entry.ratio_to(best):.3f}",
                "ratio_to_bptt_one_thread": f"{entry.ratio_to(one):.3f}",
                "deviation": f"{result.deviation:.1e}",
                "rounds": len(entry.times),
                "versions": "; ".join(filter(None, [entry.about.get("version", self.rust), entry.about["variant"]])),
                "cores": CORES,
            }
            for entry in result.entries
        )
