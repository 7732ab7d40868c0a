"""Scores of a stream as a device hears it: smoothing, detections, and misses at a rate of false accepts; numpy only.

A detection is what the user notices: the smoothed probability reaches the threshold, then the detector is silent for a
while. Miss rate against false accepts per hour of such detections is how keyword spotting is measured on streams (Chen,
Parada and Heigold, "Small-footprint keyword spotting using deep neural networks", ICASSP 2014).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HOP_SECONDS = 0.1
"""A window is scored about this often; what the features allow decides exactly."""
SMOOTHING_SECONDS = 0.2
REFRACTORY_SECONDS = 1.0
LATEST_SECONDS = 1.0
"""A detection up to this long after the end of a word counts as heard."""


@dataclass(frozen=True)
class Track:
    """The smoothed probabilities [n] of one recording, the k-th of the window that ends after k+1 hops. `words` [w, 2]
    holds start and end of each word in seconds; a recording that must not wake the detector has none."""

    probability: NDArray[np.float64]
    words: NDArray[np.float64]
    hop_seconds: float = HOP_SECONDS

    @property
    def hours(self) -> float:
        return len(self.probability) * self.hop_seconds / 3600


@dataclass(frozen=True)
class Point:
    """One operating point: `misses` of `words` at a threshold, `false_accepts` in `hours` without the word."""

    threshold: float
    misses: int
    words: int
    false_accepts: int
    hours: float

    @property
    def miss_rate(self) -> float:
        return self.misses / self.words


def smooth(
    probability: NDArray[np.floating], hop_seconds: float = HOP_SECONDS, seconds: float = SMOOTHING_SECONDS
) -> NDArray[np.float64]:
    """Causal moving average of probabilities [n], one per hop; the first ones average what there is."""
    width = hops_averaged(hop_seconds, seconds)
    total = np.cumsum(np.concatenate([np.zeros(width), probability.astype(np.float64)]))
    return np.asarray((total[width:] - total[:-width]) / np.minimum(np.arange(1, len(probability) + 1), width))


def hops_averaged(hop_seconds: float, seconds: float) -> int:
    return max(1, round(seconds / hop_seconds))


def hops_silent(hop_seconds: float, seconds: float) -> int:
    """Hops from a detection to the next one that can be."""
    return math.ceil(seconds / hop_seconds - 1e-9)


def fired(probability: NDArray[np.floating], threshold: float, silent: int, first: int = 0) -> list[int]:
    """Indices, from `first` on, at which smoothed probabilities [n] fire; then `silent` hops nothing does."""
    above = np.flatnonzero(probability >= threshold)
    found: list[int] = []
    place = int(np.searchsorted(above, first))
    while place < len(above):
        found.append(int(above[place]))
        place = int(np.searchsorted(above, found[-1] + silent))
    return found


def detections(track: Track, threshold: float) -> NDArray[np.float64]:
    """Times in seconds at which a detector with this threshold fires."""
    silent = hops_silent(track.hop_seconds, REFRACTORY_SECONDS)
    return (np.array(fired(track.probability, threshold, silent), dtype=np.float64) + 1) * track.hop_seconds


def misses(track: Track, threshold: float) -> int:
    """Words of a recording in which, and shortly after which, nothing was detected."""
    fired = detections(track, threshold)[:, None]
    start, end = track.words.T
    slack = track.hop_seconds / 1000  # times are sums of decimal fractions
    heard = (fired >= start - slack) & (fired <= end + LATEST_SECONDS + slack)
    return int((~heard.any(axis=0)).sum())


def _thresholds(negative: Sequence[Track], most: int) -> NDArray[np.float64]:
    """Thresholds just above the highest peaks, falling, at which the count of false accepts up to `most` can change."""
    peaks = []
    for track in negative:
        longest = math.ceil(REFRACTORY_SECONDS / track.hop_seconds)  # hops that can belong to one detection
        peaks.append(np.unique(track.probability)[-longest * (most + 1) - 1 :])
    return np.unique(np.nextafter(np.concatenate(peaks), np.inf))[::-1]


def at_false_accepts(words: Sequence[Track], negative: Sequence[Track], per_hour: float) -> Point | None:
    """The operating point with the lowest threshold at which it and every higher one keep to `per_hour`.

    None when there is no word or nothing without the word to measure by. The threshold is chosen on the same
    recordings, so the miss rate is that of a well-set detector, not of one yet to be set.
    """
    count, hours = sum(len(track.words) for track in words), sum(track.hours for track in negative)
    if not count or not hours:
        return None
    allowed = int(per_hour * hours + 1e-9)
    chosen, accepts = 1.0, 0
    for threshold in _thresholds(negative, allowed):
        found = sum(len(detections(track, threshold)) for track in negative)
        if found > allowed:
            break
        chosen, accepts = float(threshold), found
    return Point(chosen, sum(misses(track, chosen) for track in words), count, accepts, hours)
