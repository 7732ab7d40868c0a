"""The curve of the miss rate against false accepts per hour, and its point within a budget."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from trainer.detector import stream_scores
from trainer.evaluation import intervals
from trainer.evaluation.evaluations import CurvePoint
from trainer.streams.stream_set import ScoredStream

MOST_PER_HOUR = 60.0
"""End of the curve; a detector with more false accepts is useless."""
MOST_POINTS, EXACT_POINTS = 200, 120
"""Most points of a curve, and how many of the lowest counts of false accepts are all included."""
FEWEST_STEPS = 3
"""Different numbers of misses, and of false accepts, with which a curve is worth a look."""
Floats = NDArray[np.float64]


def hours(streams: Sequence[ScoredStream]) -> float:
    """Hours in which a detection is a false accept: without the words and the time in which a detection is a hit."""
    return sum(_hours(each) for each in streams if each.recording.counts_false_accepts)


def _hours(stream: ScoredStream) -> float:
    word_seconds = np.sum(~stream_scores.outside(stream.track)) * stream.hop_seconds
    return float(max(0.0, stream.recording.seconds - word_seconds) / 3600)


def false_accepts(streams: Sequence[ScoredStream], threshold: float) -> int:
    counting = [each.track for each in streams if each.recording.counts_false_accepts]
    return sum(len(stream_scores.false_accepts(track, threshold)) for track in counting)


def missed(streams: Sequence[ScoredStream], thresholds: Floats) -> NDArray[np.bool_]:
    """Whether each word, in the order of the recordings, is missed at each threshold [w, p]."""
    tracks = [each.track for each in streams if each.recording.words]
    per_track = [
        np.stack([np.isnan(stream_scores.latencies(track, value)) for value in thresholds.tolist()], axis=1)
        for track in tracks
    ]
    return np.concatenate(per_track) if per_track else np.empty((0, len(thresholds)), bool)


def sources(streams: Sequence[ScoredStream]) -> list[str]:
    """The source of each word [w]: its speaker, else its clip, else the word itself."""
    return [
        f"speaker {word.speaker}" if word.speaker else f"clip {word.clip or (each.recording.name, number)}"
        for each in streams
        for number, word in enumerate(each.recording.words)
    ]


def _point_indices(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of the operating points among falling thresholds with these counts of false accepts.

    For each count it is the last index before any larger count. A count falls when a detection moves into a word; then
    the index of the largest count is included too, so that `at_rate` stops there.
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


def curve(streams: Sequence[ScoredStream]) -> list[CurvePoint]:
    """Operating points by falling threshold, from no false accept on; empty without audio in which false accepts count.

    Miss rates are over all words of all recordings.
    """
    counting = [each.track for each in streams if each.recording.counts_false_accepts and len(each.probability)]
    span = hours(streams)
    if not counting or not span:
        return []
    most = int(MOST_PER_HOUR * span)
    thresholds, counts = stream_scores.false_accept_steps(counting, most)
    indices = _point_indices(counts[counts <= most])
    return points(streams, thresholds[indices], counts[indices], span)


def points(
    streams: Sequence[ScoredStream], thresholds: Floats, counts: NDArray[np.int64], span: float
) -> list[CurvePoint]:
    """The operating points at these thresholds, with these `counts` of false accepts in `span` hours."""
    is_missed = missed(streams, thresholds)
    bounds = intervals.bounds(is_missed, intervals.numbered(sources(streams)))
    low, high = ([None] * len(thresholds), [None] * len(thresholds)) if bounds is None else bounds.tolist()
    columns = (thresholds.tolist(), counts.tolist(), is_missed.sum(axis=0).tolist(), low, high)
    return [
        CurvePoint(
            threshold=threshold,
            false_accepts=count,
            false_accepts_per_hour=count / span,
            misses=misses,
            miss_rate=misses / len(is_missed) if len(is_missed) else None,
            low=least,
            high=most,
        )
        for threshold, count, misses, least, most in zip(*columns, strict=True)
    ]


def at_threshold(streams: Sequence[ScoredStream], threshold: float) -> CurvePoint | None:
    """The operating point at any threshold; None without audio in which false accepts count."""
    if not (span := hours(streams)):
        return None
    return points(streams, np.array([threshold]), np.array([false_accepts(streams, threshold)]), span)[0]


def at_rate(points: Sequence[CurvePoint], per_hour: float) -> CurvePoint | None:
    """The point with the lowest threshold such that it and every higher one keep to a budget; None when none does."""
    within = list(takewhile(lambda point: point.false_accepts_per_hour <= per_hour * (1 + 1e-9), points))
    return within[-1] if within else None


def bends(points: Sequence[CurvePoint]) -> bool:
    """Whether a drawing of the points shows how misses trade for false accepts: at least FEWEST_STEPS of each."""
    counts = len({point.false_accepts for point in points})
    misses = len({point.misses for point in points})
    return min(counts, misses) >= FEWEST_STEPS


def short(value: float, digits: int = 2) -> str:
    """A number with this many significant digits, or all of its integer part."""
    return f"{value:.{digits}g}" if value < 10**digits - 0.5 else f"{value:,.0f}"


def rate_text(false_accepts: int, hours: float) -> str:
    """A rate of false accepts with its 95 % interval; for no false accept the bound (`intervals.RULE_OF_THREE`)."""
    if not hours:
        return "unknown, as there is no audio without the word"
    low, high = (bound / hours for bound in intervals.of_count(false_accepts))
    if not false_accepts:
        return f"below {short(high)} per hour (none in {hours:.2f} h)"
    bounds = f"95 %: {short(low)} to {short(high)}"
    return f"{short(false_accepts / hours, 3)} per hour ({false_accepts:,} in {hours:.2f} h; {bounds})"
