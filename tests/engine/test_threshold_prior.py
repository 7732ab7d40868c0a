"""The threshold prior: for which models it holds, how it follows the budget, and when a word's stream overrules it."""

import math

import numpy as np
import pytest

from tests.scored_streams import recording, scored, words
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.engine.training import validation

RECOMMENDED = config_file.preset("recommended")


def with_budget(per_hour: float) -> Config:
    training = RECOMMENDED.training.model_copy(update={"false_accepts_per_hour": per_hour})
    return RECOMMENDED.model_copy(update={"training": training})


def streams(*peaks: float, hours: float = 0.42):
    """Six words with rising scores, and other audio with these peaks."""
    said, values = words(6), (0.5, 0.9, 0.955, 0.97, 0.975, 0.98)
    spoken = recording("words", 32.0, words=said, counts_false_accepts=False)
    other = recording("other", 3600 * hours)
    return [
        scored(spoken, {word.end: value for word, value in zip(said, values, strict=True)}),
        scored(other, {10.0 * n: value for n, value in enumerate(peaks, 1)}),
    ]


def test_the_threshold_rises_as_the_budget_falls_and_stays_within_what_was_measured():
    budgets = [20.0, 4.61, 3.0, 2.0, 1.0, 0.5, 0.4, 0.01]
    found = [validation.prior_threshold(RECOMMENDED, each) for each in budgets]
    assert found == sorted(found) and found[0] == found[1] and found[-1] == found[-2]
    logits = [math.log(each / (1 - each)) for each in found]
    assert (logits[0], logits[-1]) == (pytest.approx(2.0), pytest.approx(3.4))
    assert 3.2 < logits[-3] < 3.4, "0.5 per hour lies between the rates that were measured at these"


@pytest.mark.parametrize(
    ("group", "changed"),
    [
        ("loss", {"label_smoothing": 0.0}),
        ("loss", {"positive_weight": 2.0}),
        ("model", {"name": "dense"}),
        ("features", {"kind": "log_mel"}),
    ],
)
def test_models_of_another_kind_have_none(group, changed):
    other = RECOMMENDED.model_copy(update={group: getattr(RECOMMENDED, group).model_copy(update=changed)})
    assert validation.prior_threshold(other, 1.0) is None and validation.prior_point(streams(0.5), other) is None


def test_a_stream_of_minutes_does_not_lower_the_threshold_and_its_rates_are_told_at_it():
    config = with_budget(0.5)
    for peaks in ((), (0.3,), (0.9, 0.2)):
        point = validation.prior_point(streams(*peaks), config)
        assert point.threshold == validation.prior_threshold(config, 0.5)
        assert (point.misses, point.words, point.false_accepts) == (3, 6, 0)
        assert point.hours == pytest.approx(0.42)


def test_one_peak_above_it_is_no_proof_and_two_are():
    config = with_budget(0.5)
    one = validation.prior_point(streams(0.99, 0.3), config)
    assert one.threshold == validation.prior_threshold(config, 0.5) and one.false_accepts == 1
    two = validation.prior_point(streams(0.99, 0.972, 0.3), config)
    assert two.threshold == np.nextafter(0.972, 1) and two.false_accepts == 1 and two.misses == 4


def test_without_other_audio_or_words_there_is_none():
    assert validation.prior_point(streams()[:1], RECOMMENDED) is None
    assert validation.prior_point(streams(0.5)[1:], RECOMMENDED) is None
