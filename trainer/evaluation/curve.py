"""Miss rate against false accepts per hour: every operating point that matters, and the one that a budget allows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainer.detector import stream_scores
from trainer.evaluation import intervals
from trainer.evaluation.evaluations import CurvePoint
from trainer.streams.stream_set import Heard

MOST_PER_HOUR = 60.0
"""Where the curve ends: nobody keeps a detector that wakes more often."""
MOST_POINTS, EXACT_POINTS = 200, 120
"""So many counts of false accepts are kept, the lowest ones all."""
Floats = NDArray[np.float64]


def hours(heard: Sequence[Heard]) -> float:
    """Hours in which a detection is a false accept: without the words, and the second in which each may be heard."""
    return sum(_hours(each) for each in heard if each.recording.counts_false_accepts)


def _hours(heard: Heard) -> float:
    of_words = np.sum(~stream_scores.outside(heard.track)) * heard.hop_seconds
    return float(max(0.0, heard.recording.seconds - of_words) / 3600)


def false_accepts(heard: Sequence[Heard], threshold: float) -> int:
    counting = [each.track for each in heard if each.recording.counts_false_accepts]
    return sum(len(stream_scores.false_accepts(track, threshold)) for track in counting)


def missed(heard: Sequence[Heard], thresholds: Floats) -> NDArray[np.bool_]:
    """Whether each word, in the order of the recordings, is missed at each threshold [w, p]."""
    tracks = [each.track for each in heard if each.recording.words]
    per_track = [
        np.stack([np.isnan(stream_scores.latencies(track, value)) for value in thresholds.tolist()], axis=1)
        for track in tracks
    ]
    return np.concatenate(per_track) if per_track else np.empty((0, len(thresholds)), bool)


def sources(heard: Sequence[Heard]) -> list[str]:
    """Where each word [w] comes from: its speaker, else its clip, else itself."""
    return [
        f"speaker {word.speaker}" if word.speaker else f"clip {word.clip or (each.recording.name, number)}"
        for each in heard
        for number, word in enumerate(each.recording.words)
    ]


def _kept(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of the operating points among falling thresholds with these counts of false accepts.

    For each number that a budget may allow it is the last place before any count is larger. A count falls again when
    a detection moves into a word; then the place of the largest is kept too, so that a walk down the points ends there.
    """
    largest = np.maximum.accumulate(counts)
    first = np.flatnonzero(np.diff(largest, prepend=-1))
    last = np.append(first[1:], len(counts)) - 1
    most = len(first)
    if most > MOST_POINTS:
        rest = np.geomspace(EXACT_POINTS, most - 1, MOST_POINTS - EXACT_POINTS).astype(np.int64)
        chosen = np.unique(np.concatenate([np.arange(EXACT_POINTS), rest]))
        first, last = first[chosen], last[chosen]
    return np.unique(np.concatenate([first[counts[first] != counts[last]], last]))


def curve(heard: Sequence[Heard]) -> list[CurvePoint]:
    """Operating points by falling threshold, from no false accept on; empty where there is no time to have one in.

    Miss rates are over all words of all recordings, their intervals as in `intervals`.
    """
    counting = [each.track for each in heard if each.recording.counts_false_accepts and len(each.probability)]
    span = hours(heard)
    if not counting or not span:
        return []
    most = int(MOST_PER_HOUR * span)
    thresholds, counts = stream_scores.false_accept_steps(counting, most)
    kept = _kept(counts[counts <= most])
    return points(heard, thresholds[kept], counts[kept], span)


def points(heard: Sequence[Heard], thresholds: Floats, counts: NDArray[np.int64], span: float) -> list[CurvePoint]:
    """The operating points at these thresholds, with these `counts` of false accepts in `span` hours."""
    wrong = missed(heard, thresholds)
    bounds = intervals.bounds(wrong, intervals.numbered(sources(heard)))
    low, high = ([None] * len(thresholds), [None] * len(thresholds)) if bounds is None else bounds.tolist()
    misses = wrong.sum(axis=0).tolist()
    return [
        CurvePoint(
            threshold=threshold,
            false_accepts=count,
            false_accepts_per_hour=count / span,
            misses=of_words,
            miss_rate=of_words / len(wrong) if len(wrong) else None,
            low=least,
            high=most,
        )
        for threshold, count, of_words, least, most in zip(
            thresholds.tolist(), counts.tolist(), misses, low, high, strict=True
        )
    ]


def at_threshold(heard: Sequence[Heard], threshold: float) -> CurvePoint | None:
    """The operating point at any threshold; None where there is no time to have a false accept in."""
    if not (span := hours(heard)):
        return None
    return points(heard, np.array([threshold]), np.array([false_accepts(heard, threshold)]), span)[0]


def at_rate(points: Sequence[CurvePoint], per_hour: float) -> CurvePoint | None:
    """The point with the lowest threshold at which it and every higher one keep to a budget; None when none does."""
    chosen = None
    for point in points:
        if point.false_accepts_per_hour > per_hour * (1 + 1e-9):
            break
        chosen = point
    return chosen


def short(value: float, digits: int = 2) -> str:
    """A number with so many significant digits, or all that stand before the point."""
    return f"{value:.{digits}g}" if value < 10**digits - 0.5 else f"{value:,.0f}"


def rate_text(false_accepts: int, hours: float) -> str:
    """A rate in words, with its 95 % interval. None at all is no proof of none: with 95 % confidence it is below three
    in that time (see `intervals.RULE_OF_THREE`)."""
    if not hours:
        return "unknown, as there was no audio without the word"
    low, high = (bound / hours for bound in intervals.of_count(false_accepts))
    if not false_accepts:
        return f"below {short(high)} per hour (none in {hours:.2f} h)"
    bounds = f"95 %: {short(low)} to {short(high)}"
    return f"{short(false_accepts / hours, 3)} per hour ({false_accepts:,} in {hours:.2f} h; {bounds})"
