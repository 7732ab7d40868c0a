"""The threshold that ships: the prior, how it follows the budget, and when a word's own hours overrule it."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.scored_streams import recording, scored, words
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.engine.training import shipped_threshold, validation
from trainer.streams import stream_set
from trainer.streams.stream_set import Part

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


def point_of(scored_streams, config):
    shipped = shipped_threshold.choose(scored_streams, config)
    assert shipped.bound_per_hour is None, "too few hours for a promise"
    return shipped.point


def test_the_threshold_rises_as_the_budget_falls_and_stays_within_what_was_measured():
    budgets = [20.0, 4.61, 3.0, 2.0, 1.0, 0.5, 0.4, 0.01]
    found = [shipped_threshold.prior_threshold(RECOMMENDED, each) for each in budgets]
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
    assert (
        shipped_threshold.prior_threshold(other, 1.0) is None and shipped_threshold.choose(streams(0.5), other) is None
    )


def test_a_stream_of_minutes_does_not_lower_the_threshold_and_its_rates_are_told_at_it():
    config = with_budget(0.5)
    for peaks in ((), (0.3,), (0.9, 0.2)):
        point = point_of(streams(*peaks), config)
        assert point.threshold == shipped_threshold.prior_threshold(config, 0.5)
        assert (point.misses, point.words, point.false_accepts) == (3, 6, 0)
        assert point.hours == pytest.approx(0.42)


def test_one_peak_above_it_is_no_proof_and_two_are():
    config = with_budget(0.5)
    one = point_of(streams(0.99, 0.3), config)
    assert one.threshold == shipped_threshold.prior_threshold(config, 0.5) and one.false_accepts == 1
    two = point_of(streams(0.99, 0.972, 0.3), config)
    assert two.threshold == np.nextafter(0.972, 1) and two.false_accepts == 1 and two.misses == 4


def test_without_other_audio_or_words_there_is_none():
    assert shipped_threshold.choose(streams()[:1], RECOMMENDED) is None
    assert shipped_threshold.choose(streams(0.5)[1:], RECOMMENDED) is None


@pytest.mark.parametrize(("hours", "peaks"), [(4.7, ()), (8.0, (0.9,)), (8.0, (0.2, 0.1))])
def test_hours_of_long_recordings_choose_the_threshold_and_bound_its_false_accepts(hours, peaks):
    """With 90 % confidence: none in 4.6 h, or one in 7.8 h, promise at most one in two hours."""
    config = with_budget(0.5)
    shipped = shipped_threshold.choose(streams(*peaks, hours=hours), config)
    assert shipped.bound_per_hour <= 0.5 and shipped.long_hours == pytest.approx(hours)
    assert shipped.long_false_accepts == shipped.point.false_accepts <= (hours > 7.8)
    assert shipped.point.threshold < shipped_threshold.prior_threshold(config, 0.5), "more is heard than with the prior"


def test_a_promise_takes_a_threshold_above_the_peaks_that_it_cannot_allow():
    config = with_budget(0.5)
    shipped = shipped_threshold.choose(streams(0.975, 0.972, 0.3, hours=8.0), config)
    assert shipped.point.threshold == np.nextafter(0.972, 1) and shipped.long_false_accepts == 1
    fewer = shipped_threshold.choose(streams(0.975, 0.972, 0.3, hours=5.0), config)
    assert fewer.point.threshold == np.nextafter(0.975, 1) and fewer.long_false_accepts == 0


def test_hours_choose_the_threshold_of_models_without_a_prior_too():
    other = with_budget(0.5).model_copy(update={"loss": RECOMMENDED.loss.model_copy(update={"label_smoothing": 0.0})})
    assert shipped_threshold.choose(streams(0.5, hours=2.0), other) is None
    assert shipped_threshold.choose(streams(0.5, hours=5.0), other).point.threshold == np.nextafter(0.5, 1)


def test_hours_of_clips_do_not_promise_anything():
    *words_only, other = streams(0.3, hours=9.0)
    clips = other.recording.model_copy(update={"parts": [Part(start=0, end=1, label="negative")]})
    shipped = shipped_threshold.choose([*words_only, replace(other, recording=clips)], with_budget(0.5))
    assert shipped.bound_per_hour is None and shipped.long_hours == 0
    long = other.recording.model_copy(update={"parts": [Part(start=0, end=1, label="stream")]})
    shipped = shipped_threshold.choose([*words_only, replace(other, recording=long)], with_budget(0.5))
    assert shipped.bound_per_hour is not None


def test_a_row_of_metrics_holds_what_is_shipped():
    shipped = shipped_threshold.choose(streams(0.5, hours=5.0), with_budget(0.5))
    budget = shipped.point
    assert validation.shipped_of_row(validation.stream_row(budget, shipped)) == shipped
    before = {name: value for name, value in validation.stream_row(budget, shipped).items() if "long" not in name}
    del before["shipped_bound_per_hour"]
    assert validation.shipped_of_row(before) == shipped_threshold.Shipped(budget), "a row of an earlier version"


def sharper(scored_streams, rise: float):
    """The same streams with logits that lie higher by `rise`, as scores do that are not smoothed."""
    return [
        replace(each, probability=1 / (1 + (1 / np.maximum(each.probability, 1e-9) - 1) * math.exp(-rise)))
        for each in scored_streams
    ]


def test_without_smoothing_the_prior_rises_as_the_scores_of_other_sound_do():
    smooth, config = streams(*(0.3 + 0.05 * n for n in range(12))), with_budget(3.0)
    prior = shipped_threshold.prior_threshold(config, 3.0)
    shipped = shipped_threshold.choose_unsmoothed(sharper(smooth, 0.7), smooth, config)
    assert math.log(shipped.point.threshold / (1 - shipped.point.threshold)) == pytest.approx(
        math.log(prior / (1 - prior)) + 0.7, abs=1e-6
    )
    assert shipped.bound_per_hour is None and shipped.point == stream_set.point_at(
        sharper(smooth, 0.7), shipped.point.threshold
    ), "its rates are those of unsmoothed scores"
    lower = shipped_threshold.choose_unsmoothed(sharper(smooth, -0.7), smooth, config)
    assert lower.point.threshold == pytest.approx(prior), "a stream too short to tell does not lower it"


def test_without_smoothing_hours_are_counted_as_the_program_counts_them():
    long = streams(0.975, 0.972, 0.3, hours=8.0)
    sharp = sharper(long, 0.7)
    config = with_budget(0.5)
    assert shipped_threshold.choose_unsmoothed(sharp, long, config) == shipped_threshold.choose(sharp, config)
    other = RECOMMENDED.model_copy(update={"model": RECOMMENDED.model.model_copy(update={"name": "dense"})})
    few = sharper(streams(0.5, 0.6, hours=1.0), 0.7)
    assert shipped_threshold.choose(few, other) is None
    at_budget = shipped_threshold.choose_unsmoothed(few, few, other)
    assert at_budget.point == stream_set.operating_point(few, other.training.false_accepts_per_hour)
    assert shipped_threshold.choose_unsmoothed(few[:1], few[:1], RECOMMENDED) is None, "no other sound"


def test_a_row_keeps_the_threshold_for_programs_that_do_not_smooth():
    shipped = shipped_threshold.choose(streams(0.5, hours=5.0), with_budget(0.5))
    row = validation.stream_row(shipped.point, None, shipped)
    assert validation.shipped_of_row(row, "unsmoothed") == shipped and validation.shipped_of_row(row) is None
