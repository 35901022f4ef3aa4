"""Writes crates/bptt/tests/data/elementary.txt: exp, tanh and sigmoid in f64, to a thousandth of an ulp. Needs mpmath.

    python tools/make_elementary_fixtures.py

A line holds the bits of x in hexadecimal and, for each function, the bits of the nearest double and what the exact
result is beyond it, in units of that double's spacing.
"""

import math
import pathlib
import random
import struct

from mpmath import exp, log, mp, mpf, tanh

mp.prec = 200
OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "crates/bptt/tests/data/elementary.txt"
LARGEST = mpf(2) ** 1024 - mpf(2) ** 970


def bits(x):
    return struct.pack(">d", x).hex()


def near(x):
    """The double nearest to `x` and its neighbours."""
    x = float(x)
    return [math.nextafter(x, -math.inf), x, math.nextafter(x, math.inf)]


def points():
    draw = random.Random(1)
    for sign in (1, -1):
        for exponent in [*range(-1074, -60, 13), *range(-60, 11), *range(11, 1024, 101)]:
            for _ in range(10 if -60 <= exponent < 11 else 1):
                yield sign * math.ldexp(1 + draw.random(), exponent)
        # Where k and the intervals of the table change.
        for k in range(57):
            yield from near(sign * (k + mpf(1) / 2) * log(2) / 2)
        for k in range(0, 1076, 43):
            yield from near(sign * (k + mpf(1) / 2) * log(2))
        for exponent in range(-2, 5):
            yield from near(sign * mpf(2) ** exponent)
            yield from near(sign * mpf(3) * mpf(2) ** (exponent - 1))
        # Where exp overflows or turns subnormal, and where 1 + e^-x is about to lose its 1.
        for low, high in [(709.7, 709.8), (707, 746), (36, 38.5), (18.5, 20.5)]:
            for _ in range(60):
                yield sign * draw.uniform(low, high)
    for _ in range(500):
        yield draw.uniform(-22, 22)


def rounded(exact):
    """The nearest double, and the rest in units of its spacing."""
    if exact > LARGEST:
        return f"{bits(math.inf)} 0"
    mantissa_exponent = max(int(mp.floor(mp.log(abs(exact), 2))) - 52, -1074) if exact else -1074
    unit = mpf(2) ** mantissa_exponent
    nearest = int(mp.nint(exact / unit))
    value = math.ldexp(nearest, mantissa_exponent)
    return f"{bits(value)} {float((exact - nearest * unit) / unit):.3f}"


def main():
    lines = []
    for x in points():
        e = exp(mpf(x))
        lines.append(" ".join([bits(x), *map(rounded, (e, tanh(mpf(x)), e / (1 + e)))]))
    OUTPUT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(len(lines), "points")


main()
