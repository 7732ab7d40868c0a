"""Two evaluations at the same rate of false accepts: whether one is better, or luck."""

import numpy as np
import pytest

from tests.scored_streams import evaluation, random_other, random_words, words
from trainer.evaluation import comparison
from trainer.streams.stream_set import ScoredStream


def streams(seed: int, share: float, count: int = 120, other: list[ScoredStream] | None = None) -> list[ScoredStream]:
    """Words of which this share is heard, and audio without them."""
    rng = np.random.default_rng(seed)
    return [random_words(rng, "clean", words(count, speakers=30), share), *(other or [random_other(rng, "o", 3600.0)])]


def compared(one: list[ScoredStream], two: list[ScoredStream], per_hour: float = 20.0) -> comparison.Comparison:
    return comparison.compare(evaluation(one), one, evaluation(two), two, per_hour)


def test_a_clear_difference_is_told_as_one():
    other = [random_other(np.random.default_rng(0), "o", 3600.0)]
    weak, strong = streams(1, 0.3, other=other), streams(2, 0.95, other=other)
    found = compared(weak, strong)
    assert found.significant and found.difference < 0 and found.low <= found.difference <= found.high < 0
    told = comparison.sentence(found, "run A", "run B")
    assert told.startswith("At 20 false accepts per hour run A misses ") and "run B is better" in told
    turned = compared(strong, weak)
    assert "run B is better" in comparison.sentence(turned, "run B", "run A")


def test_the_same_is_no_difference_and_luck_is_no_more_than_noise():
    found = compared(streams(1, 0.8), streams(1, 0.8))
    assert (found.difference, found.low, found.high) == (0, 0, 0)
    assert "no difference" in comparison.sentence(found, "A", "B")
    luck = compared(streams(1, 0.8), streams(3, 0.8))
    assert not luck.significant and "not significant" in comparison.sentence(luck, "A", "B")


def test_equal_models_are_told_apart_about_once_in_twenty_times():
    def drawn(seed: int) -> list[ScoredStream]:
        return streams(seed, 0.8, 60, [random_other(np.random.default_rng(seed), "o", 1200.0)])

    told = [compared(drawn(2 * seed), drawn(2 * seed + 1)).significant for seed in range(20)]
    assert sum(told) <= 3


def test_a_threshold_that_few_false_accepts_decide_makes_the_interval_wider():
    """The same words, heard alike: only where the threshold lies differs, by one false accept."""
    one = streams(1, 0.8)
    quiet = [one[0], random_other(np.random.default_rng(8), "o", 3600.0, bumps=0)]
    assert compared(one, one, 1.0).high == 0
    found = compared(one, quiet, 1.0)
    assert found.low < found.high


def test_of_few_speakers_a_difference_is_unknown():
    """Equal models were told apart in every third of such comparisons between two speakers."""
    rng = np.random.default_rng(0)
    one, two = ([random_words(rng, "clean", words(9, speakers=4)), random_other(rng, "o", 600.0)] for _ in range(2))
    found = compared(one, two)
    assert found.low is None and not found.significant
    assert "it is unknown" in comparison.sentence(found, "A", "B")


def test_what_did_not_hear_the_same_is_not_compared():
    one = streams(1, 0.8, 20)
    first, second = evaluation(one), evaluation(one, streams_key="other", streams_title="a long recording")
    with pytest.raises(ValueError, match="scored different streams"):
        comparison.compare(first, one, second, one, 1.0)
    fewer = streams(1, 0.8, 10)
    with pytest.raises(ValueError, match="same words"):
        comparison.compare(first, one, evaluation(fewer), fewer, 1.0)
    with pytest.raises(ValueError, match="These streams contain no words"):
        comparison.compare(evaluation(one[1:]), one[1:], evaluation(one[1:]), one[1:], 1.0)
