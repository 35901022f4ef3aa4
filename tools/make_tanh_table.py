"""Writes crates/bptt/src/kernel/tanh_table.rs, the tables of tanh in f32. Needs mpmath and numpy.

    python tools/make_tanh_table.py

An interval of |x| is an octave or half of one, but [0, 1/4) and [8, 10), beyond which tanh is 1; so its number is in
the high bits of x. On each, tanh is a polynomial in t = |x| - center, by least squares at Chebyshev points, which is
close to the best possible. The center is a root of a Chebyshev polynomial, where the error is small anyway, moved by
a few ulps to where tanh is all but exactly an f32, so that the constant term has no error. Which root, is tried out:
it decides where partial sums round coarsely because they are larger than the result.
"""

import pathlib

import numpy
from mpmath import cos, lu_solve, matrix, mp, mpf, pi, tanh
from numpy import float32, float64

mp.prec = 200
OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "crates/bptt/src/kernel/tanh_table.rs"
LIMIT = mpf(10)
COLUMNS = 16

HEADER = """//! The tables of `tanh` in f32, written by `tools/make_tanh_table.py`.
//!
//! Row 0 holds the centers, row `i + 1` the coefficients of `tⁱ`; a column is an interval, at the place that the low
//! bits of its number name. Eight intervals are written twice.

#![allow(clippy::excessive_precision)]

/// One number for each interval, in one cache line.
#[repr(align(64))]
pub struct Row(pub [f32; 16]);
"""


def rounded(value):
    return mpf(float(float32(float(value))))


def centers(near):
    """The numbers next to `near` whose tanh is closest to an f32."""
    candidates, x = [], float32(float(near))
    for _ in range(300):
        exact = tanh(mpf(float(x)))
        candidates.append((abs(rounded(exact) - exact), float(x)))
        x = numpy.nextafter(x, float32(99))
    return [mpf(x) for _, x in sorted(candidates)[:3]]


def chebyshev(low, high, count):
    return [(low + high) / 2 + (high - low) / 2 * cos(pi * (i + mpf(1) / 2) / count) for i in range(count)]


def fit(function, known, low, high, terms):
    """`known` and the coefficients after it of a polynomial in x - known[0] that lies close to `function`: least
    squares of the relative error. The first of `known` is the center, the others are coefficients."""
    center, *start = known
    rows, rest = [], []
    for x in chebyshev(low, high, 4 * terms):
        t, scale = x - center, 1 / tanh(x)
        rows.append([t**i * scale for i in range(len(start), terms)])
        rest.append((function(x) - sum(c * t**i for i, c in enumerate(start))) * scale)
    return known + list(lu_solve(matrix(rows), matrix(rest)))


def worst(column, low, high):
    """The largest error in ulp on a sample, summed as the kernel does; f64 stands in for fused multiply-adds."""
    # Most of the sample is close to the lower end, where tanh may cross a power of two.
    x = (float(low) + float(high - low) * numpy.linspace(0, 1, 30001)[:-1] ** 2).astype(float32)
    center, *coefficients = [float32(float(c)) for c in column]
    t = x - center
    t2 = t * t
    t4 = t2 * t2

    def fma(a, b, c):
        return (float64(a) * float64(b) + float64(c)).astype(float32)

    def two(at):
        return fma(t, coefficients[at + 1], coefficients[at])

    def four(at):
        return fma(t2, two(at + 2), two(at))

    high = four(4)
    if len(coefficients) > 8:
        high = fma(t4, two(8), high)
    result = fma(t4, high, four(0))
    exact = numpy.tanh(float64(x))
    return float(numpy.max(numpy.abs(result - exact) / float64(numpy.spacing(exact.astype(float32)))))


def column(low, high, terms):
    """The center and the coefficients on one interval."""
    if low == 0:
        return fit(tanh, [mpf(0), mpf(0), mpf(1)], low, high, terms)
    if high >= LIMIT:
        # Made to end at 1 exactly.
        return fit(lambda x: tanh(x) / tanh(LIMIT), [LIMIT, mpf(1)], low, LIMIT, terms)
    best = None
    for point in chebyshev(low, high, terms):
        for center in centers(point):
            found = fit(tanh, [center, rounded(tanh(center))], low, high, terms)
            error = worst(found, low, high)
            if best is None or error < best[0]:
                best = (error, found)
    print(f"[{float(low)}, {float(high)}): {best[0]:.2f} ulp, center {float(best[1][0]):.3f}")
    return best[1]


def table(entries, parts, terms):
    """The rows for intervals that are octaves in `parts`, placed by number modulo `entries`."""
    columns = [None] * entries
    # An interval's number is the exponent, in which 127 stands for 1, followed by the leading bits of the mantissa.
    low, number = mpf(1) / 4, (127 - 2) * parts
    columns[(number - 1) % entries] = column(mpf(0), low, terms)
    while low < LIMIT:
        high = low + mpf(2) ** (number // parts - 127) / parts
        assert columns[number % entries] is None, "too many intervals"
        columns[number % entries] = column(low, high, terms)
        low, number = high, number + 1
    columns *= COLUMNS // entries
    return [[float32(float(c[i])) if c else float32(0) for c in columns] for i in range(terms + 1)]


def literal(value):
    if value != 0 and abs(value) < 1e-3:
        return numpy.format_float_scientific(value, unique=True, trim="0")
    return numpy.format_float_positional(value, unique=True, trim="0")


def main():
    text = HEADER
    for name, note, entries, parts, terms in [
        ("OCTAVES", "8 intervals, octaves", 8, 1, 10),
        ("HALF_OCTAVES", "16 intervals, half octaves", 16, 2, 8),
    ]:
        text += f"\n/// {note}; degree {terms - 1}.\n"
        text += f"#[rustfmt::skip]\npub static {name}: [Row; {terms + 1}] = [\n"
        for row in table(entries, parts, terms):
            text += "    Row([" + ", ".join(map(literal, row)) + "]),\n"
        text += "];\n"
    OUTPUT.write_text(text, encoding="utf-8")


main()
