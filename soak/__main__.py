"""The promises of training control, tested at full length; prints a Markdown table.

python -m soak                            all of them
python -m soak --promise P8 --count 6     one of them, 6 times
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from soak import crash_points, examples, faulty_disk, kills, liveness, pauses, server_deaths, starts, stops
from soak.promise import Measurement


@dataclass(frozen=True)
class Promise:
    """A promise by its number, its test, and how often it is tested."""

    number: str
    what: str
    measure: Callable[[int], Measurement]
    count: int
    """0: all cases."""


PROMISES = (
    Promise("P1", "kills of forked attempts", kills.measure, 1000),
    Promise("P1-whole", "kills of trainers and supervisors of whole runs", kills.measure_whole, 50),
    Promise("P2", "crashes at chosen points", crash_points.measure, 0),
    Promise("P3", "disk calls that fail, one in each run", faulty_disk.measure, 0),
    Promise("P8", "races of starts with one token", starts.measure, 60),
    Promise("P9", "process ids reused by another program", liveness.measure, 200),
    Promise("P12", "deaths of the server during a training", server_deaths.measure, 50),
    Promise("P13", "pauses, one at each place that checks for requests", pauses.measure, 0),
    Promise("P17", "ends at random moments", stops.measure, 60),
    Promise("P17-silent", "trainers that hang, asked to stop", stops.measure_silent, 2),
    Promise("machine", "examples of the state machine", examples.measure, 60),
)


def play(promise: Promise, count: int) -> bool:
    """Test one promise and print its row; returns whether it holds."""
    start = time.monotonic()
    measured = promise.measure(count)
    print(f"| {promise.number} | {measured.cells(promise.what)} | {time.monotonic() - start:.0f} |", flush=True)
    return not measured.wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--promise", choices=[promise.number for promise in PROMISES])
    parser.add_argument("--count", type=int)
    arguments = parser.parse_args()
    chosen = [promise for promise in PROMISES if arguments.promise in (None, promise.number)]
    print("| test | what happens | broken | figures | seconds |\n| --- | --- | --- | --- | --- |", flush=True)
    held = [play(promise, arguments.count or promise.count) for promise in chosen]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
