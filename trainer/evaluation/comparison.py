"""Comparison of two evaluations on the same streams at the same false accepts per hour: is the difference significant?

A paired bootstrap over speakers or clips (Efron and Tibshirani, 1993; Bisani and Ney, ICASSP 2004). The audio without
the word is resampled in blocks of a minute (Künsch, "The jackknife and the bootstrap for general stationary
observations", Annals of Statistics 1989), and each draw chooses its own threshold, as few false accepts decide it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.detector import stream_scores
from trainer.evaluation import budget, curve, intervals, point_text
from trainer.evaluation.evaluations import CurvePoint, Evaluation
from trainer.streams.stream_set import ScoredStream

BLOCK_SECONDS = 60.0
Rates = NDArray[np.float64]
Counts = NDArray[np.float32]


@dataclass(frozen=True)
class Comparison:
    """Miss rates at `per_hour`, and the second minus the first with its 95 % interval (None: too few sources)."""

    per_hour: float
    words: int
    first: CurvePoint
    second: CurvePoint
    difference: float
    low: float | None
    high: float | None

    @property
    def significant(self) -> bool:
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def check(first: Evaluation, second: Evaluation) -> None:
    """Raises ValueError when the two evaluations are of different streams."""
    if first.streams_key != second.streams_key:
        raise ValueError(
            f"The two evaluations scored different streams ({first.streams_title}; {second.streams_title}), so their "
            "rates cannot be compared. Evaluate both with the same streams."
        )


@dataclass(frozen=True)
class Drawn:
    """Bootstrap draws of an evaluation: false accepts [d, p] and miss rates [d, p] at the thresholds of its curve, and
    hours [d]."""

    accepts: Counts
    hours: Counts
    miss_rates: Rates

    def at(self, per_hour: float) -> Rates:
        """The miss rate at a budget in each draw [d]."""
        over = self.accepts > per_hour * self.hours[:, None] * (1 + 1e-6)
        last = np.where(over.any(axis=1), over.argmax(axis=1) - 1, self.accepts.shape[1] - 1)
        return np.asarray(self.miss_rates[np.arange(len(last)), np.maximum(last, 0)])


def draw(evaluation: Evaluation, streams: Sequence[ScoredStream]) -> Drawn:
    """Resample an evaluation, which takes a second; the draws serve every budget."""
    thresholds = np.array([point.threshold for point in evaluation.curve])
    counts, hours = _blocks(streams, thresholds)
    weights = intervals.drawn(len(hours), stream=1)
    sources = intervals.numbered(curve.sources(streams))
    return Drawn(weights @ counts, weights @ hours, intervals.drawn_rates(curve.missed(streams, thresholds), sources))


def compare(
    first: Evaluation,
    first_streams: Sequence[ScoredStream],
    second: Evaluation,
    second_streams: Sequence[ScoredStream],
    per_hour: float,
    draw: Callable[[Evaluation, Sequence[ScoredStream]], Drawn] = draw,
) -> Comparison:
    """Compare two evaluations at a budget of false accepts per hour; `draw` may cache its results.

    Raises ValueError when they are of different streams or words, or of none.
    """
    check(first, second)
    sources = curve.sources(first_streams)
    if sources != curve.sources(second_streams):
        raise ValueError("The two evaluations do not contain the same words. Evaluate both again.")
    if not sources:
        raise ValueError("These streams contain no words, so there is no miss rate to compare.")
    one, other = (budget.choose(each, per_hour).point for each in (first, second))
    low, high = None, None
    count = intervals.count_of(intervals.numbered(sources))
    if count >= intervals.FEWEST_SOURCES:
        rates = [draw(*each).at(per_hour) for each in ((first, first_streams), (second, second_streams))]
        low, high = np.percentile(rates[1] - rates[0], intervals.percentiles(count)).tolist()
    return Comparison(per_hour, len(sources), one, other, (other.misses - one.misses) / len(sources), low, high)


def _blocks(streams: Sequence[ScoredStream], thresholds: NDArray[np.float64]) -> tuple[Counts, Counts]:
    """False accepts at each threshold in each block without the word [b, p], and the hours of each block [b]."""
    counts, hours = [], []
    for each in streams:
        if not each.recording.counts_false_accepts or not len(each.probability):
            continue
        track = each.track
        size = max(1, round(BLOCK_SECONDS / each.hop_seconds))
        block = np.arange(len(each.probability)) // size
        accepts = np.zeros((block[-1] + 1, len(thresholds)), np.float32)
        for column, threshold in enumerate(thresholds.tolist()):
            np.add.at(accepts[:, column], block[stream_scores.false_accepts(track, threshold)], 1)
        counts.append(accepts)
        hours.append(np.bincount(block, stream_scores.outside(track)).astype(np.float32) * each.hop_seconds / 3600)
    return np.concatenate(counts), np.concatenate(hours).astype(np.float32)


def sentence(compared: Comparison, first: str, second: str) -> str:
    """Which of the two, by their names, misses fewer words, and whether the difference is significant."""
    rates = [point_text.percent(each.misses / compared.words) for each in (compared.first, compared.second)]
    text = f"At {compared.per_hour:g} false accepts per hour {first} misses {rates[0]} of {compared.words:,} words"
    text += f" and {second} {rates[1]}"
    if compared.low is None or compared.high is None:
        return f"{text}; {intervals.TOO_FEW}, it is unknown whether the difference is significant."
    bounds = f"95 %: {100 * compared.low:+.1f} to {100 * compared.high:+.1f} points"
    if compared.significant:
        return f"{text}: {second if compared.difference < 0 else first} is better (difference {bounds})."
    if not compared.difference:
        return f"{text}: no difference ({bounds})."
    return f"{text}: the difference is not significant ({bounds}). More words or speakers may show a difference."
