"""The promises of training control, tested at full length; prints a Markdown table.

python -m soak                            all of them
python -m soak --promise P8 --count 6     one of them, so often
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from soak import crash_points, examples, faulty_disk, kills, liveness, pauses, server_deaths, starts, stops
from soak.promise import Found


@dataclass(frozen=True)
class Promise:
    """A promise by its number in the catalogue, how it is measured, and how often."""

    number: str
    what: str
    measure: Callable[[int], Found]
    count: int
    """0 for all that there are."""


PROMISES = (
    Promise("P1", "kills of forked attempts", kills.measure, 1000),
    Promise("P1-whole", "kills of trainers and supervisors of whole runs", kills.measure_whole, 50),
    Promise("P2", "crashes at chosen points", crash_points.measure, 0),
    Promise("P3", "calls to the disk that fail, one in each run", faulty_disk.measure, 0),
    Promise("P8", "races of starts with one token", starts.measure, 60),
    Promise("P9", "pids given again to a stranger", liveness.measure, 200),
    Promise("P12", "deaths of the server during a training", server_deaths.measure, 50),
    Promise("P13", "pauses, one at each place that listens", pauses.measure, 0),
    Promise("P17", "ends at random moments", stops.measure, 60),
    Promise("P17-silent", "trainers that hang and were asked to stop", stops.measure_silent, 2),
    Promise("machine", "examples of the state machine", examples.measure, 60),
)


def play(promise: Promise, count: int) -> bool:
    """Measure one promise and print its row; whether it was kept."""
    began = time.monotonic()
    found = promise.measure(count)
    print(f"| {promise.number} | {found.cells(promise.what)} | {time.monotonic() - began:.0f} |", flush=True)
    return not found.wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--promise", choices=[promise.number for promise in PROMISES])
    parser.add_argument("--count", type=int)
    given = parser.parse_args()
    chosen = [promise for promise in PROMISES if given.promise in (None, promise.number)]
    print("| test | what happens | broken | figures | seconds |\n| --- | --- | --- | --- | --- |", flush=True)
    kept = [play(promise, given.count or promise.count) for promise in chosen]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
