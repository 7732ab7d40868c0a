"""Scoring of streams: smoothing, detections, false accepts and misses at a false-accept rate; numpy only.

A detection is what the user notices: the smoothed probability reaches the threshold, then the detector is silent for a
while. Miss rate against false accepts per hour of such detections is how keyword spotting is measured on streams (Chen,
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
    above = np.flatnonzero(probability >= threshold).tolist()
    found: list[int] = []
    place = bisect_left(above, first)
    while place < len(above):
        found.append(above[place])
        place = bisect_left(above, found[-1] + silent)
    return found


def _silent(track: Track) -> int:
    return hops_silent(track.hop_seconds, track.refractory_seconds)


def places(track: Track) -> NDArray[np.int64]:
    """First hop in which a word counts as heard, and the first one after the last [w, 2].

    Times are sums of decimal fractions, so a hop a thousandth off is still in time.
    """
    begin, end = track.words[:, 0] / track.hop_seconds, (track.words[:, 1] + LATEST_SECONDS) / track.hop_seconds
    return np.stack([np.ceil(begin - 1e-3) - 1, np.floor(end + 1e-3)], axis=1).astype(np.int64)


def outside(track: Track) -> NDArray[np.bool_]:
    """The hops [n] in which no word counts as heard: a detection there is a false accept."""
    found = np.ones(len(track.probability), bool)
    for first, last in np.maximum(places(track), 0).tolist():
        found[first:last] = False
    return found


def detections(track: Track, threshold: float) -> NDArray[np.float64]:
    """Times in seconds at which a detector with this threshold fires."""
    return (np.array(fired(track.probability, threshold, _silent(track)), dtype=np.float64) + 1) * track.hop_seconds


def false_accepts(track: Track, threshold: float) -> NDArray[np.int64]:
    """Hops of the false accepts of a detector with this threshold."""
    found = np.array(fired(track.probability, threshold, _silent(track)), dtype=np.int64)
    return found[outside(track)[found]]


def latencies(track: Track, threshold: float) -> NDArray[np.float64]:
    """Seconds [w] from the end of each word to its first detection, negative before the end; NaN for a missed word."""
    never, bounds = np.iinfo(np.int64).max, places(track)
    found = np.array([*fired(track.probability, threshold, _silent(track)), never])
    first = found[np.searchsorted(found, bounds[:, 0])]
    late = (first + 1.0) * track.hop_seconds - track.words[:, 1]
    return np.where(first < bounds[:, 1], late, np.nan)


def misses(track: Track, threshold: float) -> int:
    """Words of a recording in which, and shortly after which, nothing was detected."""
    return int(np.isnan(latencies(track, threshold)).sum())


def _add(above: list[int], fires: list[int], hop: int, silent: int) -> tuple[list[int], list[int]]:
    """Let one more hop reach the threshold; returns the detections that are new, and those that are none any more.

    From the hop on, detections move until one falls on an old one again: what follows that stays.
    """
    insort(above, hop)
    place = bisect_left(fires, hop)
    if place and hop - fires[place - 1] < silent:
        return [], []
    new = [hop]
    while True:
        following, end = bisect_left(above, new[-1] + silent), bisect_left(fires, new[-1] + silent, place)
        if following == len(above) or (end < len(fires) and fires[end] == above[following]):
            break
        new.append(above[following])
    old = fires[place:end]
    fires[place:end] = new
    return new, old


def false_accept_steps(tracks: Sequence[Track], most: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Every threshold, falling, at which the count of false accepts can change, and that count: up to the first above
    `most`. The tracks are of one detector; each threshold lies just above the next peak that would count."""
    silent = max(_silent(track) for track in tracks)
    gap = np.full(silent, -np.inf)  # between two recordings, so that one is not silent for the other
    probability = np.concatenate([part for track in tracks for part in (track.probability, gap)])
    counts = np.concatenate([part for track in tracks for part in (outside(track), gap == 0)]).tolist()
    order = np.argsort(-probability, kind="stable")[: len(probability) - silent * len(tracks)]
    values, starts = np.unique(-probability[order], return_index=True)
    hops, ends = order.tolist(), [*starts[1:].tolist(), len(order)]
    found, accepts, done = [], 0, 0
    above: list[int] = []
    fires: list[int] = []
    for end in ends:
        found.append(accepts)
        if accepts > most:
            break
        for hop in hops[done:end]:
            new, old = _add(above, fires, hop, silent)
            accepts += sum(counts[each] for each in new) - sum(counts[each] for each in old)
        done = end
    return np.nextafter(-values[: len(found)], np.inf), np.array(found)


def at_false_accepts(words: Sequence[Track], negative: Sequence[Track], per_hour: float) -> Point | None:
    """The operating point with the lowest threshold at which it and every higher one keep to `per_hour`.

    None when there is no word or nothing without the word to measure by. The threshold is chosen on the same
    recordings, so the miss rate is that of a well-set detector, not of one yet to be set.
    """
    count, hours = sum(len(track.words) for track in words), sum(track.hours for track in negative)
    if not count or not hours:
        return None
    allowed = int(per_hour * hours + 1e-9)
    thresholds, counts = false_accept_steps(negative, allowed)
    last = len(counts) - 1 - int(counts[-1] > allowed)
    chosen, accepts = float(thresholds[last]), int(counts[last])
    return Point(chosen, sum(misses(track, chosen) for track in words), count, accepts, hours)
