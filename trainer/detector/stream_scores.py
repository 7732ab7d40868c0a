"""Scoring of streams: smoothing, detections, false accepts and misses at a false-accept rate; numpy only.

The detector fires when the smoothed probability reaches the threshold, and not again within the refractory time.
Keyword spotting on streams is measured by the miss rate against the false accepts per hour of such detections (Chen,
Parada and Heigold, "Small-footprint keyword spotting using deep neural networks", ICASSP 2014).
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HOP_SECONDS = 0.1
"""Approximate time between two scores; the features decide the exact one."""
SMOOTHING_SECONDS = 0.2
REFRACTORY_SECONDS = 1.0
LATEST_SECONDS = 1.0
"""A detection up to this long after the end of a word counts as a hit."""


@dataclass(frozen=True)
class Track:
    """Smoothed probabilities [n] of one recording, the k-th of the window that ends after k+1 hops; `words` [w, 2]
    holds start and end of each word in seconds, none in a negative recording."""

    probability: NDArray[np.float64]
    words: NDArray[np.float64]
    hop_seconds: float = HOP_SECONDS
    refractory_seconds: float = REFRACTORY_SECONDS

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
    """Causal moving average of probabilities [n], one per hop; the first ones average fewer."""
    width = smoothing_hops(hop_seconds, seconds)
    total = np.cumsum(np.concatenate([np.zeros(width), probability.astype(np.float64)]))
    return np.asarray((total[width:] - total[:-width]) / np.minimum(np.arange(1, len(probability) + 1), width))


def smoothing_hops(hop_seconds: float, seconds: float) -> int:
    return max(1, round(seconds / hop_seconds))


def refractory_hops(hop_seconds: float, seconds: float) -> int:
    """Least number of hops between two detections."""
    return math.ceil(seconds / hop_seconds - 1e-9)


def firing_hops(probability: NDArray[np.floating], threshold: float, refractory: int, first: int = 0) -> list[int]:
    """Indices from `first` on at which smoothed probabilities [n] fire, at least `refractory` hops apart."""
    above = np.flatnonzero(probability >= threshold).tolist()
    hops: list[int] = []
    index = bisect_left(above, first)
    while index < len(above):
        hops.append(above[index])
        index = bisect_left(above, hops[-1] + refractory)
    return hops


def _refractory(track: Track) -> int:
    return refractory_hops(track.hop_seconds, track.refractory_seconds)


def _firing_hops(track: Track, threshold: float) -> NDArray[np.int64]:
    return np.array(firing_hops(track.probability, threshold, _refractory(track)), dtype=np.int64)


def word_hops(track: Track) -> NDArray[np.int64]:
    """The first hop at which a detection is a hit of each word, and the first one after the last [w, 2].

    Times are sums of decimal fractions, hence the tolerance of a thousandth of a hop.
    """
    begin, end = track.words[:, 0] / track.hop_seconds, (track.words[:, 1] + LATEST_SECONDS) / track.hop_seconds
    return np.stack([np.ceil(begin - 1e-3) - 1, np.floor(end + 1e-3)], axis=1).astype(np.int64)


def outside(track: Track) -> NDArray[np.bool_]:
    """Whether a detection at each hop [n] is a false accept, as it is a hit of no word."""
    mask = np.ones(len(track.probability), bool)
    for first, last in np.maximum(word_hops(track), 0).tolist():
        mask[first:last] = False
    return mask


def detections(track: Track, threshold: float) -> NDArray[np.float64]:
    """Times in seconds at which a detector with this threshold fires."""
    return np.asarray((_firing_hops(track, threshold) + 1) * np.float64(track.hop_seconds))


def false_accepts(track: Track, threshold: float) -> NDArray[np.int64]:
    """Hops of the false accepts of a detector with this threshold."""
    hops = _firing_hops(track, threshold)
    return hops[outside(track)[hops]]


def latencies(track: Track, threshold: float) -> NDArray[np.float64]:
    """Seconds [w] from the end of each word to its first detection, negative before the end; NaN for a missed word."""
    never, bounds = np.iinfo(np.int64).max, word_hops(track)
    hops = np.append(_firing_hops(track, threshold), never)
    first = hops[np.searchsorted(hops, bounds[:, 0])]
    late = (first + 1.0) * track.hop_seconds - track.words[:, 1]
    return np.where(first < bounds[:, 1], late, np.nan)


def misses(track: Track, threshold: float) -> int:
    """Number of words without a hit."""
    return int(np.isnan(latencies(track, threshold)).sum())


def _add(above: list[int], firing: list[int], hop: int, refractory: int) -> tuple[list[int], list[int]]:
    """Add a hop that reaches the threshold; returns the detections that appear and those that disappear.

    Detections from the hop on move until one coincides with an old one; the following ones stay.
    """
    insort(above, hop)
    begin = bisect_left(firing, hop)
    if begin and hop - firing[begin - 1] < refractory:
        return [], []
    new = [hop]
    while True:
        following, end = bisect_left(above, new[-1] + refractory), bisect_left(firing, new[-1] + refractory, begin)
        if following == len(above) or (end < len(firing) and firing[end] == above[following]):
            break
        new.append(above[following])
    old = firing[begin:end]
    firing[begin:end] = new
    return new, old


def false_accept_steps(tracks: Sequence[Track], most: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Falling thresholds at which the number of false accepts can change, and these numbers, up to the first above
    `most`. The tracks are of one detector; each threshold lies just above the next peak that would count."""
    refractory = max(_refractory(track) for track in tracks)
    gap = np.full(refractory, -np.inf)  # so that no refractory time reaches into the next recording
    probability = np.concatenate([part for track in tracks for part in (track.probability, gap)])
    counts = np.concatenate([part for track in tracks for part in (outside(track), gap == 0)]).tolist()
    order = np.argsort(-probability, kind="stable")[: len(probability) - refractory * len(tracks)]
    values, starts = np.unique(-probability[order], return_index=True)
    hops, ends = order.tolist(), [*starts[1:].tolist(), len(order)]
    steps, accepts, done = [], 0, 0
    above: list[int] = []
    firing: list[int] = []
    for end in ends:
        steps.append(accepts)
        if accepts > most:
            break
        for hop in hops[done:end]:
            new, old = _add(above, firing, hop, refractory)
            accepts += sum(counts[each] for each in new) - sum(counts[each] for each in old)
        done = end
    return np.nextafter(-values[: len(steps)], np.inf), np.array(steps)


def at_false_accepts(words: Sequence[Track], negative: Sequence[Track], per_hour: float) -> Point | None:
    """The operating point with the lowest threshold such that it and every higher one keep to `per_hour`.

    None without words or without negative recordings. The threshold is chosen on the same recordings, so the miss rate
    is optimistic.
    """
    count, hours = sum(len(track.words) for track in words), sum(track.hours for track in negative)
    if not count or not hours:
        return None
    allowed = int(per_hour * hours + 1e-9)
    thresholds, counts = false_accept_steps(negative, allowed)
    last = len(counts) - 1 - int(counts[-1] > allowed)
    chosen, accepts = float(thresholds[last]), int(counts[last])
    return Point(chosen, sum(misses(track, chosen) for track in words), count, accepts, hours)
