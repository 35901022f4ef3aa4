"""The grid: every row by bptt and its rivals, with one thread and with all; equal losses first, then times in turn."""

import re
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass

import contestant
import grid_record
import grid_rows
from check import Unequal, check
from match import PAUSE

# At least so many epochs and updates are compared.
CHECK_EPOCHS, CHECK_UPDATES = 3, 4
# Batches on which contestants find their quickest way.
TUNED = 5
# A round of all contestants that takes so many seconds is repeated less often: 3 times.
LONG_ROUND, LONG_ROUNDS = 2.5, 3
# Multiply-adds of a batch's timestep below which no rival has been seen to gain by a second thread.
SECOND_THREAD = 20_000
# A rival that takes so many times as long as the quickest one is played once, in the first round, and no more.
HOPELESS = 4
# The side of the matrices whose product tells what the machine can do.
PRODUCT = 2048


@dataclass
class Entry:
    """A contestant's part in a row."""

    name: str
    threads: int
    about: dict
    # Nanoseconds per timestep, by round.
    times: list

    @property
    def median(self):
        return statistics.median(self.times)

    def ratio_to(self, other):
        """The median over the rounds of this one's time over the other's."""
        return statistics.median(a / b for a, b in zip(self.times, other.times, strict=False))


@dataclass
class Result:
    row: grid_rows.Row
    # The largest relative difference of the losses.
    deviation: float
    entries: list

    def bptt(self, threads):
        """bptt's entry; with one thread where there is no other."""
        mine = [entry for entry in self.entries if entry.name == "bptt"]
        return next((entry for entry in mine if entry.threads == threads), mine[0])

    def best(self, threads, reference):
        """The rival with the lowest ratio to bptt's `reference` among those with at most so many threads."""
        rivals = (e for e in self.entries if e.name != "bptt" and e.threads <= threads)
        return min(rivals, key=lambda entry: entry.ratio_to(reference), default=None)


def rows(options):
    """The rows asked for."""
    found = grid_rows.full() if options.full else grid_rows.quick() if options.quick else grid_rows.chosen()
    found = [row for row in found if re.search(options.rows or "", row.name)]
    if not found:
        sys.exit(f"bench/compare: no row matches `{options.rows}`")
    return found


def play(row, contestants, options):
    """Plays one row; without rounds, compares losses only."""
    taking_part = []
    with tempfile.TemporaryDirectory() as directory:
        row.write(directory)
        for one in contestants:
            if one.name != "bptt" and one.threads > 1 and row.products < SECOND_THREAD:
                continue
            # JAX compiles for a number of batches; others find their quickest way on a few.
            tune = row.batches if one.name == "jax" else min(row.batches, TUNED) if options.rounds else 0
            if one.setup(row, row.dtype, row.batch_size, directory, tune * options.tune) is None:
                taking_part.append(one)
    epochs = max(CHECK_EPOCHS, -(-CHECK_UPDATES // row.batches))
    curves = {f"{c.label}, {c.threads} threads": c.losses(row.batches, epochs) for c in taking_part}
    deviation = check(curves, row.dtype)
    entries = [Entry(c.name, c.threads, c.about, []) for c in taking_part]
    if options.rounds:
        times(row, list(zip(taking_part, entries, strict=True)), options)
    return Result(row, deviation, entries)


def times(row, pairs, options):
    """Fills in the times: A B C A B C and so on; a round before them warms up and tells who needs no more."""
    start = time.perf_counter()
    first = turn(row, pairs, options)
    rounds = options.rounds
    if time.perf_counter() - start > LONG_ROUND:
        rounds = min(rounds, LONG_ROUNDS)
    quickest = min((t for t, (_, entry) in zip(first, pairs, strict=True) if entry.name != "bptt"), default=0.0)
    hopeful = [pair for t, pair in zip(first, pairs, strict=True) if pair[1].name == "bptt" or t <= HOPELESS * quickest]
    for number in range(rounds):
        playing = pairs if number == 0 else hopeful
        for (_, entry), found in zip(playing, turn(row, playing, options), strict=True):
            entry.times.append(found)


def turn(row, pairs, options):
    """A turn of each."""
    found = []
    for one, _ in pairs:
        found.append(one.time(row.batches, options.min_ms))
        if one.threads > 1:
            time.sleep(PAUSE)
    return found


def peaks(contestants):
    """What PyTorch's product of matrices reaches, in GFLOP/s, by element type and threads."""
    found = {}
    for one in (one for one in contestants if one.name == "pytorch"):
        for dtype in ("f32", "f64"):
            seconds = one.ask(command="product", size=PRODUCT, dtype=dtype, threads=one.threads)["seconds"]
            found[dtype, one.threads] = 2 * PRODUCT**3 / seconds / 1e9
    return found


def run(program, options, say):
    """Plays the rows and records each when it ends; returns whether all losses were equal."""
    wanted, failed, path = rows(options), [], None
    contestants = []
    try:
        contestants += contestant.for_grid(program)
        level = contestant.levels(program)[-1]
        record = None if options.no_record or not options.rounds else grid_record.Record(level, options.record)
        found = peaks(contestants) if options.rounds else {}
        if record:
            record.add_peaks(found)
        for (dtype, threads), speed in found.items():
            print(f"product of {PRODUCT}² matrices, {dtype}, {threads} threads: {speed:.0f} GFLOP/s")
        print(grid_record.HEAD, flush=True)
        for row in wanted:
            try:
                result = play(row, contestants, options)
            except Unequal as error:
                failed.append(row.name)
                say(f"{row.name}: {error}")
                continue
            print(grid_record.line(result), flush=True)
            if record:
                path = record.add(result)
    finally:
        for one in contestants:
            one.close()
    if path:
        print(f"recorded in {path}")
    if failed:
        say(f"{len(failed)} of {len(wanted)} rows are not compared, for their losses differ: {', '.join(failed)}")
    return not failed
