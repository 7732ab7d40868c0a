"""The threshold that an export ships: from the hours of the validation stream or, where these are too few, from what
models of other words did; one for the smoothed scores of our detector, one for programs that judge each score alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainer.config import config_file
from trainer.config.schema import Config
from trainer.detector import stream_scores
from trainer.detector.stream_scores import Point
from trainer.evaluation import intervals
from trainer.streams import stream_set
from trainer.streams.stream_set import ScoredStream

PRIOR_RATES = ((2.0, 4.61), (2.4, 3.41), (2.8, 2.00), (3.0, 1.50), (3.2, 0.90), (3.4, 0.40))
"""False accepts per hour at a threshold (logit), pooled over models of six words that scored the same 1.7 h each:
`python -m benchmarks.prior`."""
PRIOR_PRESET = "recommended"


def prior_threshold(config: Config, per_hour: float) -> float | None:
    """The probability at which models of other words had `per_hour` false accepts, interpolated between the logarithms
    of PRIOR_RATES and not beyond them; None for models of another kind, whose scores have another scale.

    The validation stream is minutes of clips. Thresholds without a false accept in it had 0 to 50 per hour in fluent
    speech, depending on the word. Label smoothing pulls the scores of every word to the same scale, so the rate of
    other words at a threshold predicts that of a new word better than its own minutes do.
    """
    like = config_file.preset(PRIOR_PRESET)
    if (config.features.kind, config.model.name, config.loss) != (like.features.kind, like.model.name, like.loss):
        return None
    logits, rates = zip(*reversed(PRIOR_RATES), strict=True)
    logit = float(np.interp(math.log(per_hour), np.log(rates), logits))
    return 1 / (1 + math.exp(-logit))


@dataclass(frozen=True)
class Shipped:
    """The operating point in the validation stream at the threshold that an export ships.

    `bound_per_hour`: with 90 % confidence there are at most so many false accepts per hour, from the
    `long_false_accepts` in the `long_hours` of long recordings. None: those were too few, and the threshold is the
    prior.
    """

    point: Point
    bound_per_hour: float | None = None
    long_hours: float = 0.0
    long_false_accepts: int = 0


def choose(streams: Sequence[ScoredStream], config: Config, prior: float | None = None) -> Shipped | None:
    """The threshold to ship: the lowest one that keeps to the budget with 90 % confidence in the long recordings, the
    prior where their hours are too few (`prior`, or that for smoothed scores), or a higher one where all recordings
    show, with the same confidence, more false accepts than the budget. None without words, or without hours and
    prior."""
    per_hour = config.training.false_accepts_per_hour
    long = [each for each in streams if each.recording.is_long]
    long_hours = sum(each.track.hours for each in long)
    promised = _promised_threshold(streams, per_hour, long_hours)
    least = (prior or prior_threshold(config, per_hour)) if promised is None else promised
    hours = sum(each.track.hours for each in streams if each.recording.counts_false_accepts)
    if least is None or not hours:
        return None
    allowed = 0
    while intervals.least_expected(allowed + 1) <= per_hour * hours:
        allowed += 1
    contradicted = stream_set.operating_point(streams, allowed / hours)
    if contradicted is None:
        return None
    point = contradicted if contradicted.threshold >= least else stream_set.point_at(streams, least)
    count = stream_set.point_at(long, point.threshold).false_accepts
    if promised is None:
        return Shipped(point, None, long_hours, count)
    return Shipped(point, float(intervals.most_expected(count)) / long_hours, long_hours, count)


def _promised_threshold(streams: Sequence[ScoredStream], per_hour: float, hours: float) -> float | None:
    """The lowest threshold that keeps to the budget with 90 % confidence in the `hours` of long recordings."""
    allowed = intervals.allowed(per_hour, hours)
    if allowed is None:
        return None
    counted = [each for each in streams if each.recording.words or each.recording.is_long]
    point = stream_set.operating_point(counted, allowed / hours)
    return None if point is None else point.threshold


MATCHED_FALSE_ACCEPTS = 10
"""Numbers of false accepts, from 0, at which the thresholds of unsmoothed and of smoothed scores are compared."""


def choose_unsmoothed(alone: Sequence[ScoredStream], scored: Sequence[ScoredStream], config: Config) -> Shipped | None:
    """The threshold to ship for programs that judge every score alone, from their scores `alone` of the same streams:
    as `choose` does or, without hours and prior, at the budget. None without words or other sound.

    The prior is known for smoothed scores. It rises by as much (logit, median) as thresholds of unsmoothed scores lie
    higher at the same number of false accepts in these streams.
    """
    per_hour = config.training.false_accepts_per_hour
    prior = prior_threshold(config, per_hour)
    if prior is not None and (rise := _rise(alone, scored)) is not None:
        prior = 1 / (1 + math.exp(-(_logit(prior) + rise)))
    if shipped := choose(alone, config, prior):
        return shipped
    point = stream_set.operating_point(alone, per_hour)
    return None if point is None else Shipped(point)


def _logit(probability: float) -> float:
    bounded = min(max(probability, 1e-12), 1 - 1e-12)
    return math.log(bounded / (1 - bounded))


def _rise(alone: Sequence[ScoredStream], scored: Sequence[ScoredStream]) -> float | None:
    """By how much (logit, median) thresholds for `alone` lie above those for `scored` at equal false accepts."""
    if not any(each.recording.counts_false_accepts for each in scored):
        return None
    higher, lower = ([_logit(each) for each in _thresholds(streams)] for streams in (alone, scored))
    return max(0.0, float(np.median(np.subtract(higher, lower))))  # a stream of seconds may say less


def _thresholds(streams: Sequence[ScoredStream]) -> list[float]:
    """The lowest threshold for each number of false accepts below MATCHED_FALSE_ACCEPTS."""
    negative = [each.track for each in streams if each.recording.counts_false_accepts]
    thresholds, counts = stream_scores.false_accept_steps(negative, MATCHED_FALSE_ACCEPTS)
    beyond = np.searchsorted(np.maximum.accumulate(counts), np.arange(MATCHED_FALSE_ACCEPTS), side="right")
    return [float(each) for each in thresholds[beyond - 1]]
