"""The threshold prior: where models like those of the preset `recommended` keep to a budget on words of other users.

The validation stream is minutes of clips. Thresholds without a false accept in it had 0 to 50 per hour in fluent
speech, depending on the word. Label smoothing pulls the scores of every word to the same scale, so the rate of other
words at a threshold predicts that of a new word better than its own minutes do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from trainer.config import config_file
from trainer.config.schema import Config
from trainer.detector.stream_scores import Point
from trainer.evaluation import intervals
from trainer.streams import stream_set
from trainer.streams.stream_set import ScoredStream

RATES = ((2.0, 4.61), (2.4, 3.41), (2.8, 2.00), (3.0, 1.50), (3.2, 0.90), (3.4, 0.40))
"""False accepts per hour at a threshold (logit), pooled over models of six words that scored the same 1.7 h each:
`python -m benchmarks.prior`."""
PRESET = "recommended"


def threshold(config: Config, per_hour: float) -> float | None:
    """The probability at which models of other words had `per_hour` false accepts, interpolated between the logarithms
    of RATES and not beyond them; None for models of another kind, whose scores have another scale."""
    like = config_file.preset(PRESET)
    if (config.features.kind, config.model.name, config.loss) != (like.features.kind, like.model.name, like.loss):
        return None
    logits, rates = zip(*reversed(RATES), strict=True)
    logit = float(np.interp(math.log(per_hour), np.log(rates), logits))
    return 1 / (1 + math.exp(-logit))


def operating_point(streams: Sequence[ScoredStream], config: Config) -> Point | None:
    """The operating point in the validation stream at the threshold prior, or at a higher threshold where that stream
    shows, with 90 % confidence, more false accepts than the budget. None without a prior, words or other audio."""
    per_hour = config.training.false_accepts_per_hour
    prior, negative = threshold(config, per_hour), [each for each in streams if each.recording.counts_false_accepts]
    hours = sum(each.track.hours for each in negative)
    if prior is None or not hours:
        return None
    allowed = 0
    while intervals.least_expected(allowed + 1) <= per_hour * hours:
        allowed += 1
    contradicted = stream_set.operating_point(streams, allowed / hours)
    if contradicted is None:
        return None
    return contradicted if contradicted.threshold >= prior else stream_set.point_at(streams, prior)
