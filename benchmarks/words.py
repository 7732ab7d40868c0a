"""Processor time of several words in one listener: `python -m benchmarks.words MODEL MODEL...`.

MODEL is a model folder; all have the same front end. Noise is heard hop by hop, on one core. The
table tells the share of a core for one word, for all of them each on its own, and for all on one front end.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.detector import detector
from trainer.detector.detector import Detector, Piece, Stream

SECONDS, REPEATS = 60, 3


def share_of_core(streams: Callable[[], list[Stream]], pieces: list[Piece]) -> float:
    """The lowest share of several rounds, each with new streams."""
    shares = []
    for _ in range(REPEATS):
        every, start = streams(), time.process_time()
        for piece in pieces:
            for stream in every:
                stream.push_all(piece)
        shares.append((time.process_time() - start) / SECONDS)
    return min(shares)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    models: list[Detector] = [detector.load(path, threads=1) for path in parser.parse_args().models]
    first, *others = models
    if any(model.front_end != first.front_end for model in others):
        parser.error("These models have different front ends. Name models of the same features, window and hop.")
    noise = np.random.default_rng(0).integers(-1000, 1000, SECONDS * SAMPLE_RATE, dtype=np.int16)
    pieces: list[Piece] = [noise[at : at + first.hop_samples] for at in range(0, len(noise), first.hop_samples)]
    rows: dict[str, Callable[[], list[Stream]]] = {
        "one word": lambda: [first.stream()],
        f"{len(models)} words, each on its own": lambda: [model.stream() for model in models],
        f"{len(models)} words on one front end": lambda: [first.stream(others)],
    }
    print("| listener | % of a core |\n| --- | --- |")
    for name, streams in rows.items():
        print(f"| {name} | {100 * share_of_core(streams, pieces):.1f} |", flush=True)


if __name__ == "__main__":
    main()
