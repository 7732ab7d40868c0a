"""Live audio in cells of half a second, and the choice of the cells that a recording keeps."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainer.audio.audio_formats import SAMPLE_RATE

if TYPE_CHECKING:
    from trainer.detector.detector import Detector, Piece

CELL_SECONDS = 0.5
CELL_SAMPLES = round(CELL_SECONDS * SAMPLE_RATE)
CONTEXT_SECONDS = 3.0
"""Kept before and after a cell that a model reacts to: a window of a detector and the sentence around it."""
BLOCK_SECONDS = 30.0
"""Length of a stretch that is kept at random."""


@dataclass(frozen=True)
class Cell:
    """The `number`-th half second of a recording, from 0: int16 samples [n] at 16 kHz, fewer in the last one, and the
    highest smoothed probability of the windows that end in it."""

    number: int
    samples: NDArray[np.int16]
    score: float = 0.0

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True)
class Rule:
    """Keep cells with a score of at least `above`, CONTEXT_SECONDS around them, and a random `share` of the rest."""

    above: float
    share: float
    seed: int = 0


def cells(pieces: Iterable[Piece]) -> Iterator[Cell]:
    """Pieces of audio at 16 kHz as cells."""
    rest, number = np.empty(0, np.int16), 0
    for piece in pieces:
        rest = np.concatenate([rest, _as_int16(piece)])
        while len(rest) >= CELL_SAMPLES:
            yield Cell(number, rest[:CELL_SAMPLES])
            rest, number = rest[CELL_SAMPLES:], number + 1
    if len(rest):
        yield Cell(number, rest)


def _as_int16(piece: Piece) -> NDArray[np.int16]:
    if piece.dtype == np.int16:
        return np.asarray(piece, np.int16)
    return np.asarray(np.rint(np.clip(piece, -1, 1) * 32767), np.int16)


def scored(audio: Iterable[Cell], detector: Detector) -> Iterator[Cell]:
    """The cells with their scores. Raises ModelFailed."""
    from trainer.detector.detector import Smoother  # onnxruntime takes a third of a second to import

    stream, smoother = detector.stream(), Smoother(detector.file)
    for cell in audio:
        smooth = smoother.push(stream.push(cell.samples))
        yield replace(cell, score=float(smooth.max(initial=0.0)))


def choose(audio: Iterable[Cell], rule: Rule | None) -> Iterator[tuple[Cell, bool]]:
    """Every cell and whether it is kept, with a rule CONTEXT_SECONDS late; without one, all are kept."""
    if rule is None:
        yield from ((cell, True) for cell in audio)
        return
    context = round(CONTEXT_SECONDS / CELL_SECONDS)
    waiting, hits = deque[Cell](), deque[int]()

    def decided() -> tuple[Cell, bool]:
        cell = waiting.popleft()
        while hits and hits[0] < cell.number - context:
            hits.popleft()
        return cell, bool(hits) or _drawn(cell.number, rule)

    for cell in audio:
        waiting.append(cell)
        if cell.score >= rule.above:
            hits.append(cell.number)
        if len(waiting) > context:
            yield decided()
    while waiting:
        yield decided()


def _drawn(number: int, rule: Rule) -> bool:
    """Whether the block of the `number`-th cell is one of the random share."""
    block = number // round(BLOCK_SECONDS / CELL_SECONDS)
    return random.Random(f"{rule.seed} {block}").random() < rule.share
