"""The table on the screen and the record in a file."""

import csv
import platform
import re
import subprocess
from datetime import datetime
from pathlib import Path

from contestant import BENCH, CORES
from tasks import REPOSITORY

COLUMNS = [
    "date",
    "task",
    "contestant",
    "dtype",
    "batch_size",
    "threads",
    "ns_per_timestep_median",
    "ns_per_timestep_min",
    "ns_per_timestep_max",
    "ratio_to_bptt",
    "versions",
    "cores",
]


def best_threads(timings):
    """Of each rival the thread count with the best median; all of bptt's."""
    best = {}
    for timing in timings:
        one = timing.contestant
        key = one.label, one.threads if one.is_bptt else None
        if key not in best or timing.median < best[key].median:
            best[key] = timing
    return list(best.values())


def table(match):
    """A match as text."""
    per_update = "1 sequence" if match.batch_size == 1 else f"{match.batch_size} sequences"
    lines = [
        f"{match.task.describe()}; {match.dtype}, {per_update} per update",
        f"losses equal to {match.deviation:.1e} over {match.epochs} epochs of {match.updates} updates",
        f"  {'contestant':<22} threads   ns per timestep        (from – to)   ÷ bptt  variant",
    ]
    for timing in best_threads(match.timings):
        spread = f"({timing.low:,.1f} – {timing.high:,.1f})"
        ratio = "" if timing.ratio is None else f"{timing.ratio:,.2f}"
        contestant, about = timing.contestant, timing.about
        lines.append(
            f"  {contestant.label:<22} {about['threads']:>7} {timing.median:>17,.1f} {spread:>22}"
            f" {ratio:>8}  {about['variant']}".rstrip()
        )
    return "\n".join(lines)


def output_of(*command):
    try:
        found = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, cwd=REPOSITORY)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def rust_versions():
    """The commit (with `-dirty` where files were changed since) and the compiler of the Rust contestants."""
    commit = output_of("git", "describe", "--always", "--dirty", "--abbrev=9")
    return f"bptt {commit}; {' '.join(output_of('rustc', '--version').split()[:2])}"


def machine(level):
    """A name for this kind of machine: the processor's model and bptt's best level on it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    model = found[1] if found else platform.processor() or platform.machine()
    model = re.sub(r"\((r|tm)\)|@.*", " ", model.lower())
    return "-".join([*re.findall(r"[a-z0-9]+", model), level])


def rows(matches, now, rust):
    for match in matches:
        for timing in match.timings:
            about = timing.about
            versions = [about.get("version", rust), about["variant"]]
            yield [
                now.isoformat(timespec="minutes"),
                match.task.name,
                timing.contestant.label,
                match.dtype,
                match.batch_size,
                about["threads"],
                f"{timing.median:.2f}",
                f"{timing.low:.2f}",
                f"{timing.high:.2f}",
                "" if timing.ratio is None else f"{timing.ratio:.3f}",
                "; ".join(filter(None, versions)),
                CORES,
            ]


def record(matches, level, directory=BENCH / "record"):
    """Adds the matches to today's file for this kind of machine; returns its path."""
    now = datetime.now()
    path = Path(directory) / machine(level) / f"{now.date().isoformat()}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    with open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow(COLUMNS)
        writer.writerows(rows(matches, now, rust_versions()))
    return path
