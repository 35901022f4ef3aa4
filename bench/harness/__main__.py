"""bench/compare: the same training by bptt and its rivals, side by side in one run. See bench/README.md."""

import argparse
import sys
import tempfile

import contestant
import grid
import report
import selftest
import tasks
from check import Unequal
from match import play

QUICK_SEQUENCES = 4096


def arguments():
    parser = argparse.ArgumentParser(
        prog="bench/compare",
        description="Trains the same networks with bptt, scalar Rust, PyTorch and JAX, checks that their losses are "
        "equal and then times them in turn.",
    )
    add = parser.add_argument
    add("--task", choices=["small", "fraud", "custom", "all"], default="all", help="all: small and fraud")
    add("--data", metavar="CSV", help="Kaggle's creditcard.csv for fraud, instead of made-up data")
    add("--batch-size", type=int, nargs="+", metavar="N", help="sequences per update (default: the task's)")
    add("--dtype", choices=["f32", "f64"], nargs="+", default=["f32", "f64"])
    add("--contestants", choices=contestant.NAMES, nargs="+", help="(default: all that are installed)")
    add("--levels", nargs="+", help="bptt's levels: best, all, or names (default: best)", default=["best"])
    add("--rounds", type=int, help="turns of each contestant (default: 7; 5 of the grid)")
    add("--min-ms", type=int, help="shortest turn, in milliseconds (default: 200; 30 of the grid)")
    add("--quick", action="store_true", help="5 short rounds on less data, rivals not tuned; no record")
    add("--no-record", action="store_true", help="print the table only")
    add("--self-test", action="store_true", help="check that unequal losses are refused, and end")
    custom = parser.add_argument_group("--task custom")
    add = custom.add_argument
    add("--shape", type=int, nargs=3, default=[6, 32, 1], metavar=("I", "H", "O"))
    add("--steps", type=int, default=30)
    add("--sequences", type=int, default=1024)
    add("--activation", choices=["tanh", "relu"], default="tanh")
    add("--learning-rate", type=float, default=0.01)
    add = parser.add_argument_group("the grid").add_argument
    add("--grid", action="store_true", help="cells, sizes and batches of all kinds, training and prediction")
    add("--rows", metavar="REGEX", help="those rows whose name it is found in")
    add("--full", action="store_true", help="all rows, which takes hours, instead of a selection")
    add("--check-only", action="store_true", help="compare the losses and take no times")
    add("--record", metavar="CSV", help="a file to add the rows to, instead of today's")
    return settled(parser.parse_args(), parser)


def settled(options, parser):
    """The options with what follows from others."""
    options.tune = not options.quick
    if options.quick:
        options.rounds, options.min_ms, options.no_record = 5, 20, True
    options.rounds = options.rounds or (5 if options.grid else 7)
    options.min_ms = options.min_ms or (30 if options.grid else 200)
    if options.rounds < 5:
        parser.error("fewer than 5 rounds say nothing")
    if options.check_only:
        options.rounds = 0
    if not options.grid and (options.rows or options.full or options.check_only or options.record):
        parser.error("--rows, --full, --check-only and --record belong to --grid")
    return options


def chosen_tasks(options):
    if options.task in ("small", "all"):
        yield tasks.small()
    if options.task in ("fraud", "all"):
        task = tasks.fraud(options.data)
        yield task.first(QUICK_SEQUENCES) if options.quick else task
    if options.task == "custom":
        yield tasks.custom(
            options.shape,
            options.steps,
            options.sequences,
            options.activation,
            options.learning_rate,
            [32],
        )


def chosen_levels(options, available):
    found = []
    for name in options.levels:
        wanted = {"best": available[-1:], "all": available}.get(name, [name])
        if not set(wanted) <= set(available):
            sys.exit(f"bench/compare: no level `{name}` here; there are {', '.join(available)}")
        found += wanted
    # Lowest first, each once.
    return [level for level in available if level in found]


def chosen_contestants(options):
    found = []
    for name in options.contestants or contestant.NAMES:
        if contestant.installed(name):
            found.append(name)
        elif options.contestants:
            sys.exit(f"bench/compare: {name} is not installed; bench/setup installs it")
        else:
            say(f"{name} is not installed and takes no part")
    # bptt first: the others are compared with it.
    return sorted(found, key=contestant.NAMES.index)


def say(text):
    print(text, file=sys.stderr, flush=True)


def play_all(options, entered):
    """The matches, each printed when it ends."""
    matches = []
    for task in chosen_tasks(options):
        for dtype in options.dtype:
            for batch_size in options.batch_size or task.batch_sizes:
                if not 0 < batch_size <= task.sequences:
                    sys.exit(f"bench/compare: {task.name} has {task.sequences} sequences, not {batch_size}")
                # Without a last batch that would be smaller.
                whole = task.first(task.sequences // batch_size * batch_size)
                with tempfile.TemporaryDirectory() as directory:
                    tasks.write(whole, dtype, directory)
                    match = play(whole, dtype, batch_size, directory, entered, options, say)
                if match:
                    matches.append(match)
                    print(report.table(match), end="\n\n", flush=True)
    return matches


def main():
    options = arguments()
    program = contestant.build()
    if options.self_test:
        sys.exit(0 if selftest.run(program) else 1)
    if options.grid:
        try:
            sys.exit(0 if grid.run(program, options, say) else 1)
        except contestant.Failure as error:
            sys.exit(f"bench/compare: {error}")
    available = contestant.levels(program)
    levels = chosen_levels(options, available)
    entered = []
    try:
        for name in chosen_contestants(options):
            entered += contestant.start(name, program, levels)
        matches = play_all(options, entered)
    except (Unequal, contestant.Failure) as error:
        sys.exit(f"bench/compare: {error}")
    finally:
        for entrant in entered:
            entrant.close()
    if not options.no_record and matches:
        print(f"recorded in {report.record(matches, available[-1])}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        say("bench/compare: interrupted; rows of the grid that were played are recorded")
        sys.exit(130)
