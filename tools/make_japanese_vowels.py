#!/usr/bin/env python3
"""Write crates/bptt-cli/data/japanese-vowels.csv: who is speaking?

Source: "Japanese Vowels" (M. Kudo, J. Toyama, M. Shimbo: Multidimensional
curve classification using passing-through regions, Pattern Recognition
Letters 20, 1999), UCI Machine Learning Repository, as the files
JapaneseVowels_{TRAIN,TEST}.ts of the Python package aeon 1.6.0.

Licence: CC BY 4.0, as stated by the repository.

640 utterances of the vowels /ae/ by nine men, 7 to 29 steps long; each step
is 12 coefficients of a linear prediction analysis (LPC cepstrum). Columns,
one row a step:

    name      the utterance, such as train-001; names the sequence
    part      train (270 utterances) or test (370), as published
    t         the step, from 1
    x1..x12   the coefficients, no unit, with the digits of the source
    y         the speaker, speaker-1 to speaker-9, in the last row of each
              utterance; empty before: one label for the whole sequence

Run, from anywhere:

    pip install --no-deps aeon==1.6.0
    python tools/make_japanese_vowels.py

The file it writes is the same, byte for byte, on every run.
"""

import importlib.util
import pathlib

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "crates/bptt-cli/data/japanese-vowels.csv"
COUNTS = {"train": [30] * 9, "test": [31, 35, 88, 44, 29, 24, 40, 50, 29]}


def utterances(path):
    """(12 lists of equally many texts, class) of each."""
    data = path.read_text(encoding="utf-8").split("@data\n", 1)[1]
    for line in data.splitlines():
        *columns, label = line.strip().split(":")
        columns = [column.split(",") for column in columns]
        assert len(columns) == 12 and len({len(column) for column in columns}) == 1
        yield columns, int(label)


def main():
    folder = pathlib.Path(importlib.util.find_spec("aeon").origin).parent / "datasets/data/JapaneseVowels"
    lines = ["name,part,t," + ",".join(f"x{n}" for n in range(1, 13)) + ",y"]
    for part, counts in COUNTS.items():
        found = [0] * 9
        for number, (columns, label) in enumerate(utterances(folder / f"JapaneseVowels_{part.upper()}.ts"), 1):
            found[label - 1] += 1
            steps = len(columns[0])
            assert 7 <= steps <= 29
            for t in range(steps):
                values = ",".join(column[t] for column in columns)
                speaker = f"speaker-{label}" if t + 1 == steps else ""
                lines.append(f"{part}-{number:03},{part},{t + 1},{values},{speaker}")
        assert found == counts, (part, found)
    OUTPUT.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    print(f"{OUTPUT.name}: {len(lines) - 1} rows, {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
