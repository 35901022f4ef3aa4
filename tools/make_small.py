#!/usr/bin/env python3
"""Write crates/bptt-cli/data/small.csv: a small made-up regression task.

Fifteen sequences of five rows. Each sequence follows a stream, dry at its
start, through five days; the numbers are drawn here and measured nowhere:

    name  the sequence, s01 to s15
    t     the day, 1 to 5
    x1    rain in the hills, mm
    x2    rain in the valley, mm
    x3    air temperature, degrees Celsius, below zero on some days
    y     discharge at the day's end, cubic metres a minute

The day's discharge keeps half of the day before's, gains 0.6 of the hills' and
0.4 of the valley's rain, and loses a fifth of a unit for each degree above
zero; a little noise of the gauge is added to what is written, not carried on.
So y depends on the present row and on all the rows before it.

The magnitudes are meant to be trained on as they are, neither inputs nor
labels normalised, with a very small learning rate (1e-6).

Run, from anywhere, with nothing installed:

    python tools/make_small.py

The file it writes is the same, byte for byte, on every run.
"""

import pathlib
import random

OUTPUT = (
    pathlib.Path(__file__).resolve().parent.parent / "crates/bptt-cli/data/small.csv"
)
SEED = 20
SEQUENCES = 15
STEPS = 5


def main():
    rng = random.Random(SEED)
    lines = ["name,t,x1,x2,x3,y"]
    for sequence in range(1, SEQUENCES + 1):
        discharge = 0.0
        for step in range(1, STEPS + 1):
            hills = round(rng.uniform(1, 80), 2)
            valley = round(rng.uniform(1, 60), 2)
            air = round(rng.uniform(-15, 30), 2)
            discharge = (
                0.5 * discharge + 0.6 * hills + 0.4 * valley - 0.2 * max(air, 0.0)
            )
            discharge = max(discharge, 0.0)
            gauge = discharge + rng.gauss(0.0, 0.5)
            lines.append(
                f"s{sequence:02},{step},{hills:.2f},{valley:.2f},{air:.2f},{gauge:.2f}"
            )

    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_bytes(("\n".join(lines) + "\n").encode("ascii"))
    print(f"{OUTPUT}: {len(lines) - 1} rows")


if __name__ == "__main__":
    main()
