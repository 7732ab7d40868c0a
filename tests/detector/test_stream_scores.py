"""Detections on streams, and the miss rate at a rate of false accepts, on tracks whose answer is known."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.detector import stream_scores
from trainer.detector.stream_scores import Track
from trainer.system.workspace import PROJECT_ROOT

NO_WORDS = np.empty((0, 2))
HOUR = 36_000
SHARED = PROJECT_ROOT.parent / "shared"


def track(count: int, peaks: dict[int, float], words: list[tuple[float, float]] | None = None) -> Track:
    """Probability 0 but for these hops."""
    probability = np.zeros(count)
    probability[list(peaks)] = list(peaks.values())
    return Track(probability, np.array(words) if words else NO_WORDS)


def test_smoothing_averages_this_hop_and_the_one_before():
    assert stream_scores.smooth(np.array([1.0, 0.0, 0.5, 0.5])).tolist() == [1.0, 0.5, 0.25, 0.5]


def test_a_detector_that_has_fired_is_silent_for_a_second_and_then_fires_again():
    probability = np.zeros(40)
    probability[4:20] = 0.9
    heard = Track(probability, NO_WORDS)
    assert stream_scores.detections(heard, 0.5).tolist() == pytest.approx([0.5, 1.5])
    assert len(stream_scores.detections(heard, 0.95)) == 0
    finer = Track(probability, NO_WORDS, hop_seconds=0.08)
    assert stream_scores.detections(finer, 0.5).tolist() == pytest.approx([0.4, 1.44]), "13 hops are the first second"


def test_a_word_counts_as_heard_from_its_start_to_a_second_after_its_end():
    words = [(1.0, 1.6)]
    for hop, missed in ((8, 1), (9, 0), (25, 0), (26, 1)):  # hop h ends at (h + 1) / 10 s
        assert stream_scores.misses(track(100, {hop: 0.9}, words), 0.5) == missed, hop


def test_the_threshold_lies_just_above_the_peak_that_would_be_one_false_accept_too_many():
    negative = track(2 * HOUR, {100: 0.9, 5000: 0.8, 9000: 0.7, 9001: 0.69, 20000: 0.6})
    words = track(200, {20: 0.95, 60: 0.75, 120: 0.65}, [(1.5, 2.0), (5.5, 6.0), (11.5, 12.0)])
    point = stream_scores.at_false_accepts([words], [negative], per_hour=1.0)
    assert point is not None and (point.false_accepts, point.hours) == (2, 2.0)
    assert 0.7 < point.threshold < 0.7001
    assert (point.misses, point.words, point.miss_rate) == (1, 3, 1 / 3)


def test_less_audio_than_one_false_accept_takes_allows_none():
    words = track(100, {20: 0.8, 60: 0.6}, [(1.5, 2.0), (5.5, 6.0)])
    point = stream_scores.at_false_accepts([words], [track(HOUR // 4, {50: 0.7})], per_hour=1.0)
    assert point is not None and point.false_accepts == 0 and point.miss_rate == 0.5


def test_without_words_or_without_other_audio_there_is_nothing_to_tell():
    negative, words = track(100, {}), track(100, {}, [(1.0, 2.0)])
    assert stream_scores.at_false_accepts([words], [], 1.0) is None
    assert stream_scores.at_false_accepts([negative], [negative], 1.0) is None


@pytest.mark.skipif(not (SHARED / "wakebench").exists(), reason="needs ../shared/wakebench")
@given(st.integers(0, 2**32 - 1), st.floats(0.2, 20.0))
def test_agrees_with_an_independent_measurement(seed: int, per_hour: float):
    """wakebench, written on its own, comes to the same misses on random tracks."""
    sys.path.insert(0, str(SHARED))
    try:
        from wakebench import score
    finally:
        sys.path.remove(str(SHARED))
    rng = np.random.default_rng(seed)
    raw = [np.clip(rng.normal(0.1, 0.1, 18_000), 0, 1) for _ in range(2)]
    starts = np.arange(2.0, 1790.0, 40.0)
    for start in starts[rng.random(len(starts)) < 0.7]:
        raw[0][int(start * 10) + 4 : int(start * 10) + 9] += rng.uniform(0, 0.5)
    spoken = np.stack([starts, starts + 0.7], 1)
    times = np.arange(1, 18_001) / 10
    smoothed = [score.smooth(times, values, stream_scores.SMOOTHING_SECONDS) for values in raw]
    ours = [stream_scores.smooth(values) for values in raw]
    assert all(np.allclose(a, b) for a, b in zip(ours, smoothed, strict=True))
    point = stream_scores.at_false_accepts([Track(ours[0], spoken)], [Track(ours[1], NO_WORDS)], per_hour)
    assert point is not None
    words = [{"start": start, "end": end} for start, end in spoken]
    latency, _ = score.detections((times, ours[0]), words, point.threshold, 1.0, 1.0)
    assert int(np.isnan(latency).sum()) == point.misses
    fired = len(score.events(times, ours[1], point.threshold))
    allowed = int(per_hour * 0.5 + 1e-9)  # half an hour; a rate that is a rounding below a whole number is that number
    assert fired == point.false_accepts <= allowed
    lower = np.max(ours[1][ours[1] < point.threshold], initial=0.0)
    assert len(score.events(times, ours[1], lower)) > allowed
