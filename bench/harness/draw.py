"""The picture of the grid: the quickest rival's time over bptt's, over the size of the network."""

import math
import sys
from html import escape
from pathlib import Path

import summary

BENCH = Path(__file__).resolve().parent.parent
PICTURE = BENCH.parent / "docs/no-crossover.svg"
WIDTH, HEIGHT = 1000, 520
# Edges of the panels: left, width, top, bottom.
PANELS, PANEL_WIDTH, TOP, BOTTOM = (74, 552), 424, 92, 440
# Tones that can be read on white and on black.
INK, FAINT, LINE = "#737b86", "#737b8640", "#d1453b"
COLOURS = {"train": "#2f80d0", "predict": "#c9761b", "step": "#3a9a5b"}
WORKS = {"train": "training", "predict": "prediction of batches", "step": "prediction step by step"}
CELLS = {"elman": "Elman", "gru": "GRU", "lstm": "LSTM"}


class Axis:
    """A logarithmic axis over whole powers of ten."""

    def __init__(self, values, start, end):
        self.low = math.floor(math.log10(min(values)))
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)
        self.start, self.end = start, end

    def place(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def powers(self):
        return range(self.low, self.high + 1)


def text(x, y, content, anchor="middle", size=13, extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" {extra}>{escape(content)}</text>'


def rule(x1, y1, x2, y2, colour=FAINT, width=1):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def marker(cell, x, y, colour, title=""):
    """A circle for Elman, a square for GRU, a triangle for LSTM."""
    shape = {
        "elman": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5"',
        "gru": f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"',
        "lstm": f'<path d="M{x:.1f} {y - 5.5:.1f}l5.5 9.5h-11z"',
    }[cell]
    inside = f"<title>{escape(title)}</title>" if title else ""
    return f'{shape} fill="{colour}" fill-opacity="0.65" stroke="{colour}">{inside}</{shape[1:].split()[0]}>'


def power(exponent):
    """10ⁿ, or the number itself where it is short."""
    digits = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    return f"{10**exponent:g}" if -1 <= exponent <= 3 else "10" + str(exponent).translate(digits)


def panel(left, title, points, axes):
    """One panel: a title, a grid, the line at 1 and the points (outcome, ratio)."""
    x_axis, y_axis = axes
    right = left + PANEL_WIDTH
    parts = [text((left + right) / 2, TOP - 12, title, size=14, extra='font-weight="600"')]
    for exponent in x_axis.powers():
        x = left + x_axis.place(10**exponent)
        parts += [rule(x, TOP, x, BOTTOM), text(x, BOTTOM + 20, power(exponent))]
    for exponent in y_axis.powers():
        y = y_axis.place(10**exponent)
        parts += [rule(left, y, right, y), text(left - 8, y + 4, power(exponent), "end")]
    y = y_axis.place(1)
    parts += [rule(left, y, right, y, LINE, 2), text(right - 4, y + 16, "below: the rival is faster", "end", 12)]
    for one, ratio in points:
        at = left + x_axis.place(one.parameters), y_axis.place(ratio)
        parts.append(marker(one.cell, *at, COLOURS[one.work], f"{one.name}: {ratio:.2f}"))
    return parts


def legend(left, y, works, cells):
    parts = []
    for work in works:
        parts.append(f'<rect x="{left}" y="{y - 10}" width="12" height="12" rx="2" fill="{COLOURS[work]}"/>')
        parts.append(text(left + 18, y, WORKS[work], "start"))
        left += 42 + 7 * len(WORKS[work])
    for cell in cells:
        parts += [marker(cell, left + 6, y - 4, INK), text(left + 18, y, CELLS[cell], "start")]
        left += 42 + 7 * len(CELLS[cell])
    return parts


def picture(found):
    """The whole picture as SVG."""
    x_axis = Axis([one.parameters for one in found], 0, PANEL_WIDTH)
    y_axis = Axis([ratio for one in found for ratio in (one.all, one.one)], BOTTOM, TOP)
    bold = 'font-weight="600"'
    parts = [text(PANELS[0], 30, "How many times bptt's time the quickest rival takes", "start", 17, bold)]
    works = [work for work in WORKS if any(one.work == work for one in found)]
    cells = [cell for cell in CELLS if any(one.cell == cell for one in found)]
    parts += legend(PANELS[0], 56, works, cells)
    every, single = [(one, one.all) for one in found], [(one, one.one) for one in found]
    parts += panel(PANELS[0], "all threads, rivals at their best number", every, (x_axis, y_axis))
    parts += panel(PANELS[1], "one thread on both sides", single, (x_axis, y_axis))
    for left in PANELS:
        parts.append(text(left + PANEL_WIDTH / 2, BOTTOM + 44, "parameters of the network"))
    middle = (TOP + BOTTOM) / 2
    turned = f'transform="rotate(-90 22 {middle:.0f})"'
    parts.append(text(22, middle, "time of the quickest rival ÷ time of bptt", extra=turned))
    note = "Rivals: PyTorch, JAX, and ONNX Runtime for predictions. A point is a cell, size, batch and element type."
    parts.append(text(PANELS[0], HEIGHT - 8, note, "start", 12))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="-apple-system, Segoe UI, Helvetica, Arial, sans-serif" fill="{INK}">'
        "<title>The quickest rival's time over bptt's, over the number of parameters</title>"
    )
    return "\n".join([head, *parts, "</svg>", ""])


def newest():
    """The newest record of the grid."""
    records = sorted((BENCH / "record").glob("*/*-grid.csv"), key=lambda path: path.name)
    return records[-1] if records else sys.exit("bench/draw: no record of the grid; bench/compare --grid makes one")


def draw(record, path=PICTURE):
    """Draws the record and prints what it says."""
    found, products = summary.outcomes(record)
    if not found:
        sys.exit(f"bench/draw: {record} has no row with a rival")
    Path(path).write_text(picture(found), encoding="utf-8")
    print(summary.summary(found, products))
    print(f"drawn in {path}")


if __name__ == "__main__":
    try:
        draw(*(sys.argv[1:3] or [newest()]))
    except (OSError, KeyError, ValueError) as error:
        sys.exit(f"bench/draw: {error!r}")
