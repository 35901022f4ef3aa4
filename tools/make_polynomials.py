"""Prints the polynomial coefficients in crates/bptt/src/kernel/elementary.rs. Needs mpmath.

    python tools/make_polynomials.py

1 - e^-2r = 2r + c2 r^2 + ... + cn r^n on |r| <= ln 2 / 4, with the smallest possible maximum of the relative error,
by the exchange algorithm of Remez.
"""

from mpmath import cos, expm1, log, lu_solve, matrix, mp, mpf, nstr, pi

mp.prec = 200
LIMIT = log(2) / 4 * mpf("1.0001")  # The reduction rounds, so r may pass the limit by a little.


def weight(r):
    """What an error in the factor of r^2 becomes as a relative error of the whole."""
    return abs(r * r / expm1(-2 * r))


def target(r):
    return (-expm1(-2 * r) - 2 * r) / r**2


def error(coefficients, r):
    value = sum(c * r**i for i, c in enumerate(coefficients))
    return (value - target(r)) * weight(r)


def extrema(coefficients, count):
    """The largest |error| in each stretch of one sign, on a grid."""
    grid = [LIMIT * cos(pi * (i + mpf(1) / 3) / 2000) for i in range(2000)]
    found = []
    for r in grid:
        e = error(coefficients, r)
        if found and (found[-1][1] > 0) == (e > 0):
            if abs(e) > abs(found[-1][1]):
                found[-1] = (r, e)
        else:
            found.append((r, e))
    assert len(found) >= count, "too few alternations"
    while len(found) > count:
        found.pop(0 if abs(found[0][1]) < abs(found[-1][1]) else -1)
    return [r for r, _ in found]


def remez(terms):
    """The best `terms` coefficients of the factor of r^2, and the maximum relative error."""
    # Anything but r = 0, where the weight vanishes.
    points = [LIMIT * cos(pi * (i + mpf(1) / 3) / (terms + 1)) for i in range(terms + 1)]
    for _ in range(12):
        rows = [[r**i for i in range(terms)] + [(-1) ** n / weight(r)] for n, r in enumerate(points)]
        solution = lu_solve(matrix(rows), matrix([target(r) for r in points]))
        coefficients = list(solution)[:terms]
        points = extrema(coefficients, terms + 1)
    return coefficients, max(abs(error(coefficients, r)) for r in points)


for name, terms, digits in [("f32", 6, 10), ("f64", 11, 18)]:
    coefficients, worst = remez(terms)
    print(f"{name}: relative error {nstr(worst, 3)} (2^{nstr(log(worst, 2), 4)})")
    for i, c in enumerate(coefficients):
        print(f"  c{i + 2} = {nstr(c, digits)}")
