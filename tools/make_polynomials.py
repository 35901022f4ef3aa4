"""Prints the polynomial coefficients in crates/bptt/src/kernel/elementary.rs and the powers of two in
crates/bptt/src/kernel/x86/powers.rs. Needs mpmath and numpy.

    python tools/make_polynomials.py

`tail`: 1 - e^-2r = 2r + c2 r^2 + ... + cn r^n on |r| <= ln 2 / 4, with the smallest possible maximum of the relative
error. `decay`: e^-r - 1 = -r + c2 r^2 + ... on |r| <= ln 2 / (2 parts), of the absolute error. Both by the exchange
algorithm of Remez.

Powers: 2^(j / parts) rounded, and the rest, divided by what was rounded.
"""

import numpy
from mpmath import cos, expm1, log, lu_solve, matrix, mp, mpf, nstr, pi

mp.prec = 200
ROUNDED = mpf("1.0001")  # The reduction rounds, so r may pass its limit by a little.


class Tail:
    limit = log(2) / 4 * ROUNDED

    @staticmethod
    def weight(r):
        """What an error in the factor of r^2 becomes as a relative error of the whole."""
        return abs(r * r / expm1(-2 * r))

    @staticmethod
    def target(r):
        return (-expm1(-2 * r) - 2 * r) / r**2


class Decay:
    def __init__(self, parts):
        self.limit = log(2) / (2 * parts) * ROUNDED

    @staticmethod
    def weight(r):
        return r * r

    @staticmethod
    def target(r):
        return (expm1(-r) + r) / r**2


def error(function, coefficients, r):
    value = sum(c * r**i for i, c in enumerate(coefficients))
    return (value - function.target(r)) * function.weight(r)


def extrema(function, coefficients, count):
    """The largest |error| in each stretch of one sign, on a grid."""
    grid = [function.limit * cos(pi * (i + mpf(1) / 3) / 2000) for i in range(2000)]
    found = []
    for r in grid:
        e = error(function, coefficients, r)
        if found and (found[-1][1] > 0) == (e > 0):
            if abs(e) > abs(found[-1][1]):
                found[-1] = (r, e)
        else:
            found.append((r, e))
    assert len(found) >= count, "too few alternations"
    while len(found) > count:
        found.pop(0 if abs(found[0][1]) < abs(found[-1][1]) else -1)
    return [r for r, _ in found]


def remez(function, terms):
    """The best `terms` coefficients of the factor of r^2, and the maximum error."""
    # Anything but r = 0, where the weight vanishes.
    points = [function.limit * cos(pi * (i + mpf(1) / 3) / (terms + 1)) for i in range(terms + 1)]
    for _ in range(12):
        rows = [[r**i for i in range(terms)] + [(-1) ** n / function.weight(r)] for n, r in enumerate(points)]
        solution = lu_solve(matrix(rows), matrix([function.target(r) for r in points]))
        coefficients = list(solution)[:terms]
        points = extrema(function, coefficients, terms + 1)
    return coefficients, max(abs(error(function, coefficients, r)) for r in points)


def powers(parts, rounded):
    exact = [mpf(2) ** (mpf(j) / parts) for j in range(parts)]
    found = [rounded(float(power)) for power in exact]
    return found, [rounded(float(power / mpf(float(f)) - 1)) for power, f in zip(exact, found)]


for name, function, terms, digits in [
    ("tail, f32", Tail, 6, 10),
    ("tail, f64", Tail, 11, 18),
    ("decay, f32", Decay(16), 2, 8),
    ("decay, f64", Decay(8), 6, 17),
]:
    coefficients, worst = remez(function, terms)
    print(f"{name}: error {nstr(worst, 3)} (2^{nstr(log(worst, 2), 4)})")
    for i, c in enumerate(coefficients):
        print(f"  c{i + 2} = {nstr(c, digits)}")

for name, parts, rounded in [("f32", 16, numpy.float32), ("f64", 8, numpy.float64)]:
    for row in powers(parts, rounded):
        print(f"powers, {name}: [{', '.join(str(number) for number in row)}]")
