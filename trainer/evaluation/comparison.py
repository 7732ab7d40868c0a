"""Two evaluations on the same streams at the same false accepts per hour, and whether they differ by more than noise.

Both are drawn again with the same speakers or clips at once (a paired bootstrap: Efron and Tibshirani, 1993; Bisani and
Ney, ICASSP 2004), so what both find hard is no difference. The audio without the word is drawn again too, minute by
minute (blocks: Künsch, "The jackknife and the bootstrap for general stationary observations", Annals of Statistics
1989), and each draw chooses its threshold anew, as a few false accepts decide where that lies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.detector import stream_scores
from trainer.evaluation import budget, curve, intervals, point_text
from trainer.evaluation.evaluations import CurvePoint, Evaluation
from trainer.streams.stream_set import Heard

BLOCK_SECONDS = 60.0
Rates = NDArray[np.float64]
Counts = NDArray[np.float32]


@dataclass(frozen=True)
class Comparison:
    """Miss rates at `per_hour`, and the second less the first with its 95 % interval (None: no interval is known)."""

    per_hour: float
    words: int
    first: CurvePoint
    second: CurvePoint
    difference: float
    low: float | None
    high: float | None

    @property
    def beyond_noise(self) -> bool:
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def check(first: Evaluation, second: Evaluation) -> None:
    """Raises ValueError when the two did not hear the same."""
    if first.streams_key != second.streams_key:
        raise ValueError(
            f"The two evaluations scored different streams ({first.streams_title}; {second.streams_title}), so their "
            "rates cannot be compared. Evaluate both with the same streams."
        )


@dataclass(frozen=True)
class Drawn:
    """One evaluation drawn again: in each draw false accepts [d, p] and miss rate [d, p] at the thresholds of its
    curve, and hours [d]."""

    accepts: Counts
    hours: Counts
    miss_rates: Rates

    def at(self, per_hour: float) -> Rates:
        """The miss rate at a budget in each draw [d]."""
        over = self.accepts > per_hour * self.hours[:, None] * (1 + 1e-6)
        place = np.where(over.any(axis=1), over.argmax(axis=1) - 1, self.accepts.shape[1] - 1)
        return np.asarray(self.miss_rates[np.arange(len(place)), np.maximum(place, 0)])


def draw(evaluation: Evaluation, heard: Sequence[Heard]) -> Drawn:
    """Draw an evaluation again; this takes a second, and is the same for every budget."""
    thresholds = np.array([point.threshold for point in evaluation.curve])
    counts, hours = _blocks(heard, thresholds)
    weights = intervals.drawn(len(hours), stream=1)
    sources = intervals.numbered(curve.sources(heard))
    return Drawn(weights @ counts, weights @ hours, intervals.drawn_rates(curve.missed(heard, thresholds), sources))


def compare(
    first: Evaluation,
    first_heard: Sequence[Heard],
    second: Evaluation,
    second_heard: Sequence[Heard],
    per_hour: float,
    draw: Callable[[Evaluation, Sequence[Heard]], Drawn] = draw,
) -> Comparison:
    """Compare two evaluations at a budget of false accepts per hour; `draw` may be one that remembers.

    Raises ValueError when they did not hear the same streams, or there is nothing to compare.
    """
    check(first, second)
    sources = curve.sources(first_heard)
    if sources != curve.sources(second_heard):
        raise ValueError("The two evaluations do not contain the same words. Evaluate both again.")
    if not sources:
        raise ValueError("These streams contain no words, so there is no miss rate to compare.")
    one, other = (budget.choose(each, per_hour).point for each in (first, second))
    low, high = None, None
    count = intervals.count_of(intervals.numbered(sources))
    if count >= intervals.FEWEST_SOURCES:
        rates = [draw(*each).at(per_hour) for each in ((first, first_heard), (second, second_heard))]
        low, high = np.percentile(rates[1] - rates[0], intervals.percentiles(count)).tolist()
    return Comparison(per_hour, len(sources), one, other, (other.misses - one.misses) / len(sources), low, high)


def _blocks(heard: Sequence[Heard], thresholds: NDArray[np.float64]) -> tuple[Counts, Counts]:
    """False accepts at each threshold in each minute without the word [b, p], and the hours of each [b]."""
    counts, hours = [], []
    for each in heard:
        if not each.recording.counts_false_accepts or not len(each.probability):
            continue
        track = each.track
        size = max(1, round(BLOCK_SECONDS / each.hop_seconds))
        block = np.arange(len(each.probability)) // size
        accepts = np.zeros((block[-1] + 1, len(thresholds)), np.float32)
        for place, threshold in enumerate(thresholds.tolist()):
            np.add.at(accepts[:, place], block[stream_scores.false_accepts(track, threshold)], 1)
        counts.append(accepts)
        hours.append(np.bincount(block, stream_scores.outside(track)).astype(np.float32) * each.hop_seconds / 3600)
    return np.concatenate(counts), np.concatenate(hours).astype(np.float32)


def sentence(compared: Comparison, first: str, second: str) -> str:
    """In plain words which of the two, by their names, misses fewer words, and whether that is more than noise."""
    at = f"At {compared.per_hour:g} false accepts per hour {first} misses"
    rates = f"{point_text.percent(compared.first.misses / compared.words)} of {compared.words:,} words and {second} "
    rates += point_text.percent(compared.second.misses / compared.words)
    if compared.low is None or compared.high is None:
        return f"{at} {rates}; {intervals.TOO_FEW}, it is unknown whether that is more than noise."
    least, most = (100 * value for value in sorted((compared.low, compared.high)))
    bounds = f"95 %: {least:+.1f} to {most:+.1f} points"
    if not compared.difference and not compared.beyond_noise:
        return f"{at} {rates}: no difference ({bounds})."
    if compared.beyond_noise:
        better = second if compared.difference < 0 else first
        return f"{at} {rates}: {better} is better, by more than noise (difference {bounds})."
    return f"{at} {rates}: the difference is no more than noise ({bounds}). More words or speakers may show one."
