"""Audio levels in dBFS, and the extent of a word by its energy; numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainer.audio.audio_formats import SAMPLE_RATE

FRAME_SECONDS = 0.02
LONGEST_GAP_SECONDS = 0.25
SHORTEST_WORD_SECONDS = 0.1
BELOW_PEAK_DB = 30.0
ABOVE_FLOOR = 0.4
Wave = NDArray[np.float32]


def _levels(wave: Wave) -> NDArray[np.float64]:
    """Level of each 20 ms frame in dB, smoothed over three frames."""
    size = int(FRAME_SECONDS * SAMPLE_RATE)
    frames = wave[: len(wave) // size * size].reshape(-1, size)
    level = 10 * np.log10(np.mean(np.square(frames, dtype=np.float64), axis=1) + 1e-10)
    return np.convolve(np.pad(level, 1, mode="edge"), np.ones(3) / 3, mode="valid")


def _bridge(edges: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Join stretches of frames [n, 2] that only a short pause separates, such as a stop consonant."""
    joined: list[tuple[int, int]] = []
    for first, last in edges.tolist():
        if joined and (first - joined[-1][1]) * FRAME_SECONDS <= LONGEST_GAP_SECONDS:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined


def endpoints(wave: Wave) -> tuple[int, int]:
    """Start and end, in samples, of the strongest utterance in `wave` [samples] at 16 kHz.

    A frame is speech when it is less than 30 dB below the loudest and 40 % of the way, in dB, from the noise floor
    (10th percentile) up to it; the stretch with most energy is the word. After the energy end-pointer of Rabiner and
    Sambur, "An algorithm for determining the endpoints of isolated utterances" (1975), without its zero crossings.
    """
    size = int(FRAME_SECONDS * SAMPLE_RATE)
    if len(wave) < 2 * size:
        return 0, len(wave)
    level = _levels(wave)
    peak, floor = float(level.max()), float(np.percentile(level, 10))
    active = level >= max(peak - BELOW_PEAK_DB, floor + ABOVE_FLOOR * (peak - floor))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8), [0]]))).reshape(-1, 2)
    stretches = _bridge(edges)
    long_enough = [s for s in stretches if (s[1] - s[0]) * FRAME_SECONDS >= SHORTEST_WORD_SECONDS]
    first, last = max(long_enough or stretches, key=lambda s: float(np.sum(10 ** (level[s[0] : s[1]] / 10))))
    return first * size, last * size


def level_db(wave: Wave) -> float:
    return 10 * float(np.log10(np.mean(np.square(wave, dtype=np.float64)) + 1e-12))


def at_level(wave: Wave, wanted_db: float, of: Wave) -> Wave:
    """`wave` scaled so that its part `of` gets this level."""
    return wave * np.float32(10 ** ((wanted_db - level_db(of)) / 20))
