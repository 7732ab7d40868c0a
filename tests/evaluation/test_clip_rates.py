"""Rates per clip: confusion, ROC and DET, on scores whose answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.evaluation import clip_rates

LABELS = ["positive", "positive", "negative", "hard_negative", "negative", "background"]
SCORES = np.array([0.9, 0.4, 0.5, 0.95, 0.1, 0.0])


def test_clips_called_the_word_are_counted_by_label():
    rows = clip_rates.by_label(LABELS, SCORES, 0.5)
    assert [(row.label, row.clips, row.accepted, row.correct) for row in rows] == [
        ("positive", 2, 1, 1), ("negative", 2, 1, 1), ("hard_negative", 1, 1, 0), ("background", 1, 0, 1),
    ]  # fmt: skip
    found = clip_rates.rates_by_label(LABELS, SCORES, 0.5)
    assert (found.true_positives, found.false_negatives, found.false_positives, found.true_negatives) == (1, 1, 2, 2)


def test_the_points_go_from_nothing_to_everything():
    found = clip_rates.points(LABELS, SCORES)
    assert (found.fpr[0], found.fnr[0], found.fpr[-1], found.fnr[-1]) == (0, 1, 1, 0)
    assert found.fpr.tolist() == [0, 0.25, 0.25, 0.5, 0.5, 0.75, 1] and found.fnr.tolist() == [1, 1, 0.5, 0.5, 0, 0, 0]
    assert found.area == pytest.approx(5 / 8) and found.equal_error_rate == pytest.approx(0.5)


def test_a_perfect_model_has_no_error_and_without_words_there_is_no_curve():
    found = clip_rates.points(["positive", "negative"], np.array([0.9, 0.1]))
    assert (found.area, found.equal_error_rate) == (1, 0)
    assert clip_rates.points(["negative"], np.array([0.1])) is None
    assert clip_rates.points(["positive"], np.array([0.1])) is None
    assert clip_rates.points([], np.empty(0)) is None


def test_the_scale_of_a_det_chart_has_an_end():
    assert clip_rates.probit(np.array([0.0, 0.5, 1.0]), 100) == pytest.approx([-2.5758, 0, 2.5758], abs=1e-3)


@given(st.integers(0, 2**32 - 1), st.integers(0, 3))
def test_the_points_are_the_rates_at_their_thresholds(seed: int, digits: int):
    rng = np.random.default_rng(seed)
    labels = ["positive", "negative", *rng.choice(LABELS, 80)]
    score = np.round(rng.beta(1, 2, len(labels)), digits)
    found = clip_rates.points(labels, score)
    for threshold, fpr, fnr in zip(found.threshold, found.fpr, found.fnr, strict=True):
        expected = clip_rates.rates_by_label(labels, score, threshold)
        assert (expected.fpr, expected.fnr) == (pytest.approx(fpr), pytest.approx(fnr))
    word = np.array(labels) == "positive"
    pairs = score[word][:, None] - score[~word]
    assert found.area == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    assert 0 <= found.equal_error_rate <= 1


def test_a_chart_gets_no_more_points_than_it_can_show():
    rng = np.random.default_rng(0)
    word = rng.random(20_000) < 0.3
    found = clip_rates.points(np.where(word, "positive", "negative").tolist(), rng.normal(word, 1))
    few = clip_rates.thinned(found)
    assert len(few.fpr) <= clip_rates.MOST_POINTS and (few.fpr[0], few.fnr[-1]) == (0, 0)
    assert few.area == pytest.approx(found.area, abs=1e-3)
