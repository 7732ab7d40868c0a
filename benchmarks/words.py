"""Processor time of several words in one listener: `python -m benchmarks.words MODEL MODEL...`.

MODEL is a model folder; all have the same front end. Noise is heard hop by hop, on one core. The
table tells the share of a core for one word, for all of them each on its own, and for all on one front end.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from trainer.detector import detector
from trainer.detector.detector import Detector

REPEATS = 5


def percent(first: Detector, others: Sequence[Detector] = ()) -> float:
    """The lowest share of a core of several rounds."""
    return 100 * min(detector.core_share(first, others) for _ in range(REPEATS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    models: list[Detector] = [detector.load(path, threads=1) for path in parser.parse_args().models]
    first, *others = models
    if any(model.front_end != first.front_end for model in others):
        parser.error("These models have different front ends. Name models of the same features, window and hop.")
    print("| listener | % of a core |\n| --- | --- |")
    print(f"| one word | {percent(first):.1f} |")
    print(f"| {len(models)} words, each on its own | {sum(map(percent, models)):.1f} |")
    print(f"| {len(models)} words on one front end | {percent(first, others):.1f} |")


if __name__ == "__main__":
    main()
