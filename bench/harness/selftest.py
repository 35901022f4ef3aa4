"""Does the check catch a contestant that does other work? Looks at losses only, never at times."""

import math
import tempfile

import grid_selftest
from check import TOLERANCE, deviation, refused
from contestant import Contestant, Failure
from tasks import fraud, small, write


def curves_by_hand():
    """The rule itself, on curves written out here."""
    curve = [1.0, 0.5, 0.25]
    for dtype, tolerance in TOLERANCE.items():
        near = [x * (1 + 0.5 * tolerance) for x in curve]
        far = [*curve[:-1], curve[-1] * (1 + 2 * tolerance)]
        flat = [1.0, 1.0, 1.0 - tolerance]
        yield f"{dtype}: equal curves pass", not refused({"a": curve, "b": near}, dtype)
        yield f"{dtype}: unequal curves are refused", refused({"a": curve, "b": far}, dtype)
        yield f"{dtype}: a third one is looked at", refused({"a": curve, "b": curve, "c": far}, dtype)
        yield f"{dtype}: a curve that does not move is refused", refused({"a": flat, "b": flat}, dtype)
        for bad in ([], curve[:2], [*curve, 0.1], [1.0, None, 0.25], [1.0, math.nan, 0.25]):
            yield f"{dtype}: {bad} is refused", refused({"a": curve, "b": bad}, dtype)
            if bad != curve[:2] and len(bad) < 4:
                yield f"{dtype}: {bad} is refused as the first", refused({"a": bad, "b": bad}, dtype)
    yield "no number is near infinity", deviation([1.0], [math.inf]) == math.inf


def programs(program):
    """The same rule on real programs: as they are, and with a learning rate one per cent off."""
    for task, batch_size in ((small(), 1), (small(), 12), (fraud().first(512), 1), (fraud().first(512), 64)):
        for dtype in TOLERANCE:
            with tempfile.TemporaryDirectory() as directory:
                write(task, dtype, directory)
                name = f"{task.name}, {dtype}, batch size {batch_size}"
                yield from pair(program, task, dtype, batch_size, directory, name)


def pair(program, task, dtype, batch_size, directory, name):
    def losses(mode, rate):
        contestant = Contestant(mode, [program, mode], rate=rate)
        try:
            contestant.setup(task, dtype, batch_size, directory, 0)
            updates = min(task.sequences // batch_size, 200)
            return contestant.losses(updates, max(4, 100 // updates))
        finally:
            contestant.close()

    scalar = losses("scalar", 1.0)
    for mode in ("typed", "dyn"):
        curves = {"scalar": scalar, mode: losses(mode, 1.0)}
        yield f"{name}: {mode} passes", not refused(curves, dtype)
        curves[mode] = losses(mode, 1.01)
        yield f"{name}: {mode} with a learning rate 1 % off is refused", refused(curves, dtype)


def nonsense(program):
    contestant = Contestant("scalar", [program, "scalar"])
    try:
        contestant.losses(1, 1)
    except Failure:
        return True
    finally:
        contestant.close()
    return False


def run(program):
    """Prints what failed; returns whether all passed."""
    results = [
        *curves_by_hand(),
        *programs(program),
        *grid_selftest.results(program),
        ("an error is reported", nonsense(program)),
    ]
    failed = [name for name, passed in results if not passed]
    for name in failed:
        print(f"FAILED: {name}")
    print(f"self-test: {len(results) - len(failed)} of {len(results)} passed")
    return not failed
