"""One task, element type and batch size: equal losses first, then rounds of timing in turn."""

import statistics
import time
from dataclasses import dataclass

from check import check
from contestant import PYTORCH_UPDATES

# At least so many epochs and updates are compared.
CHECK_EPOCHS, CHECK_UPDATES = 4, 100
# Fewer sequences of a small network are for one thread.
SEQUENCES_FOR_TWO = 32
# Worker threads of the one before must have gone to sleep.
PAUSE = 0.02


@dataclass
class Timing:
    """A contestant's row."""

    contestant: object
    about: dict
    median: float
    low: float
    high: float
    # The median over the rounds of this contestant's time over bptt's.
    ratio: float | None


@dataclass
class Match:
    task: object
    dtype: str
    batch_size: int
    # The largest relative difference of the losses, and over how many epochs of how many updates.
    deviation: float
    epochs: int
    updates: int
    timings: list


def play(task, dtype, batch_size, directory, contestants, options, say):
    """Plays one match between those of `contestants` that have code for it."""
    updates = task.sequences // batch_size
    # The same updates for all, so as many as the slowest gets through.
    checked = min(updates, PYTORCH_UPDATES)
    epochs = max(CHECK_EPOCHS, -(-CHECK_UPDATES // checked))
    taking_part = []
    for contestant in contestants:
        if contestant.is_bptt and contestant.threads > 1 and batch_size < SEQUENCES_FOR_TWO:
            continue
        tune = min(updates, PYTORCH_UPDATES) if options.tune else 0
        reason = contestant.setup(task, dtype, batch_size, directory, tune)
        if reason is None:
            taking_part.append(contestant)
        else:
            say(f"{contestant.label} sits out: {reason}")
    if not taking_part:
        return None
    curves = {f"{c.label}, {c.threads} threads": c.losses(checked, epochs) for c in taking_part}
    deviation = check(curves, dtype)
    times = rounds(taking_part, updates, options)
    return Match(task, dtype, batch_size, deviation, epochs, checked, summarise(taking_part, times))


def rounds(contestants, updates, options):
    """Nanoseconds per timestep, a list for each contestant: A B C A B C and so on; the first round warms up."""
    times = [[] for _ in contestants]
    for number in range(options.rounds + 1):
        for contestant, found in zip(contestants, times, strict=True):
            value = contestant.time(updates, options.min_ms)
            if number > 0:
                found.append(value)
            time.sleep(PAUSE)
    return times


def summarise(contestants, times):
    is_bptt = [contestant.is_bptt for contestant in contestants]
    # Typed before run-time sizes, the best level before others, as they were started.
    reference = times[is_bptt.index(True)] if any(is_bptt) else None
    timings = []
    for contestant, found in zip(contestants, times, strict=True):
        ratio = reference and statistics.median(a / b for a, b in zip(found, reference, strict=True))
        median = statistics.median(found)
        timings.append(Timing(contestant, contestant.about, median, min(found), max(found), ratio))
    return timings
