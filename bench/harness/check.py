"""The condition before any time counts: all contestants' losses are equal."""

import math

# The largest relative difference of an epoch's loss.
TOLERANCE = {"f64": 1e-9, "f32": 1e-5}
# The losses must move by so many tolerances, or being equal would mean nothing.
MOVEMENT = 100


class Unequal(Exception):
    """The contestants do not do the same work."""


def deviation(curve, reference):
    """The largest relative difference; infinite where the curves cannot be compared."""
    numbers = [*curve, *reference]
    if len(curve) != len(reference) or not all(x is not None and math.isfinite(x) for x in numbers):
        return math.inf
    return max(abs(a - b) / abs(b) if b else math.inf for a, b in zip(curve, reference, strict=True))


def movement(curve):
    return (max(curve) - min(curve)) / max(curve)


def check(curves, dtype):
    """Compares all curves with the first; returns the largest deviation or raises `Unequal`."""
    tolerance = TOLERANCE[dtype]
    (first, reference), *others = curves.items()
    # A curve that is empty or not finite deviates from itself.
    if not reference or deviation(reference, reference) > tolerance:
        raise Unequal(f"{first}: the losses {reference} are not numbers")
    if movement(reference) < MOVEMENT * tolerance:
        raise Unequal(f"{first}: the losses {reference} hardly move; equal ones would prove nothing")
    worst = 0.0
    for label, curve in others:
        found = deviation(curve, reference)
        if not found <= tolerance:
            raise Unequal(
                f"the losses of {label} and {first} differ by {found:.1e} (allowed: {tolerance:.0e}):\n"
                f"  {label}: {curve}\n  {first}: {reference}"
            )
        worst = max(worst, found)
    return worst


def refused(curves, dtype):
    """Whether the check refuses them."""
    try:
        check(curves, dtype)
    except Unequal:
        return True
    return False
