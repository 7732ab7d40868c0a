"""Miss rate against false accepts per hour, on streams whose answer is known and beside another measurement."""

import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scored_streams import random_evaluation, recording, scored, words
from trainer.detector import stream_scores
from trainer.detector.stream_scores import Track
from trainer.evaluation import curve, errors, intervals
from trainer.system.workspace import PROJECT_ROOT

SHARED = PROJECT_ROOT.parent / "shared"
SEEDS = st.integers(0, 2**32 - 1)


def spoken(peaks: dict[float, float], count: int = 3, **values: object):
    """Words that end at 2.7, 6.7, 10.7, ... seconds."""
    said = words(count, speakers=0)
    return scored(recording("words", said[-1].end + 4, words=said, counts_false_accepts=False, **values), peaks)


def test_every_number_of_false_accepts_has_its_lowest_threshold():
    other = scored(recording(seconds=7200.0), {10.0: 0.9, 500.0: 0.8, 900.0: 0.7, 900.1: 0.69, 2000.0: 0.6})
    found = curve.curve([spoken({2.5: 0.95, 6.5: 0.75, 10.5: 0.65}), other])
    assert [(each.false_accepts, each.misses) for each in found[:4]] == [(0, 2), (1, 2), (2, 1), (3, 0)]
    assert [each.threshold for each in found[:4]] == [np.nextafter(value, 1) for value in (0.9, 0.8, 0.7, 0.6)]
    assert [each.false_accepts_per_hour for each in found[:3]] == [0.0, 0.5, 1.0] and found[2].miss_rate == 1 / 3


def test_a_budget_takes_the_lowest_threshold_that_keeps_to_it():
    other = scored(recording(seconds=36000.0), {10.0 * n: 0.9 - 0.1 * n for n in range(1, 8)})
    found = curve.curve([spoken({2.5: 0.85}), other])
    for per_hour, accepts in ((0.0, 0), (0.09, 0), (0.1, 1), (0.3, 3), (0.5, 5)):
        assert curve.at_rate(found, per_hour).false_accepts == accepts, per_hour
    assert curve.at_rate(found, -1) is None and curve.at_rate([], 1.0) is None


def test_detections_beside_the_words_of_a_recording_that_counts_are_false_accepts():
    made = recording("talk", 3600.0, words=words(1), counts_false_accepts=True)
    talk = scored(made, {2.5: 0.9, 3.7: 0.9, 4.8: 0.8, 100.0: 0.7})  # the word may be heard from 2.0 to 3.7 s
    assert curve.false_accepts([talk], 0.5) == 2
    assert curve.hours([talk]) == pytest.approx((3600 - 1.8) / 3600), "18 hops belong to the word"
    assert [each.false_accepts for each in curve.curve([talk])[:3]] == [0, 1, 2]


def test_a_false_accept_that_moves_into_a_word_does_not_hide_that_a_higher_threshold_has_it():
    talk = scored(recording("talk", 3600.0, words=words(1)), {3.8: 0.9, 3.5: 0.8})
    found = curve.curve([talk])
    assert [each.false_accepts for each in found] == [0, 1, 0] and found[2].threshold < 0.8
    assert curve.at_rate(found, 0.0) == found[0] and curve.at_rate(found, 1.1).threshold < 0.8


def test_a_stream_of_words_alone_says_nothing_of_false_accepts():
    alone = spoken({2.5: 0.9, 5.0: 0.9})
    assert curve.hours([alone]) == 0 and curve.curve([alone]) == [] and curve.at_threshold([alone], 0.5) is None


def test_a_curve_is_worth_drawing_once_misses_and_false_accepts_change():
    flat, words_alone = {10.0: 0.9, 500.0: 0.8, 900.0: 0.7}, {2.5: 0.95, 6.5: 0.75, 10.5: 0.65}
    other = scored(recording(seconds=7200.0), flat)
    assert curve.bends(curve.curve([spoken(words_alone), other]))
    assert not curve.bends(curve.curve([spoken(dict.fromkeys(words_alone, 0.99)), other])), "no word is ever missed"
    assert not curve.bends(curve.curve([spoken(words_alone), scored(recording(seconds=7200.0), {})]))
    assert not curve.bends([])


def test_without_words_there_is_no_miss_rate():
    first = curve.curve([scored(recording(), {5.0: 0.9})])[0]
    assert (first.miss_rate, first.low, first.high, first.misses) == (None, None, None, 0)


def test_a_refractory_time_of_its_own_is_kept_to():
    peaks = {10.0: 0.9, 11.5: 0.9, 13.0: 0.9}
    assert [curve.false_accepts([scored(recording(), peaks, refractory=r)], 0.5) for r in (1.0, 2.0, 5.0)] == [3, 2, 1]


def test_silence_after_a_detection_does_not_reach_into_the_next_recording():
    one, two = (scored(recording(name, 10.0), {at: 0.9}) for name, at in (("one", 10.0), ("two", 0.1)))
    _, counts = stream_scores.false_accept_steps([one.track, two.track], 5)
    assert counts.max() >= 2


def test_none_in_some_hours_is_told_as_a_bound():
    assert curve.rate_text(0, 3.0) == "below 1 per hour (none in 3.00 h)"
    assert curve.rate_text(0, 24.0) == "below 0.12 per hour (none in 24.00 h)"
    assert curve.rate_text(2, 4.0) == "0.5 per hour (2 in 4.00 h; 95 %: 0.061 to 1.8)"
    assert curve.rate_text(0, 0.02) == "below 150 per hour (none in 0.02 h)"
    assert curve.rate_text(30, 0.02) == "1,500 per hour (30 in 0.02 h; 95 %: 1,012 to 2,141)"
    assert "unknown" in curve.rate_text(0, 0.0)


def test_the_interval_of_a_count_is_that_of_the_tables():
    """Of Garwood, and of every table of the Poisson distribution since."""
    for count, low, high in ((1, 0.0253, 5.572), (2, 0.2422, 7.225), (10, 4.795, 18.39), (100, 81.36, 121.6)):
        assert intervals.of_count(count) == (pytest.approx(low, rel=1e-3), pytest.approx(high, rel=1e-3))
    assert intervals.of_count(0) == (0, 3)


def by_hand(track: Track, threshold: float) -> int:
    """False accepts, hop by hop."""
    silent_until, count = -1, 0
    for hop, value in enumerate(track.probability.tolist()):
        if value >= threshold and hop >= silent_until:
            silent_until = hop + stream_scores.refractory_hops(track.hop_seconds, track.refractory_seconds)
            seconds = (hop + 1) * track.hop_seconds
            count += not any(start - 1e-4 <= seconds <= end + 1.0001 for start, end in track.words.tolist())
    return count


@given(SEEDS, st.integers(1, 15), st.sampled_from([0.08, 0.1]), st.booleans())
def test_counts_are_those_of_a_detector_at_every_threshold(seed: int, silent: int, hop: float, coarse: bool):
    rng = np.random.default_rng(seed)
    said = np.array([[2.0, 2.7], [9.3, 9.9]])
    tracks = []
    for _ in range(2):
        probability = rng.random(150) ** 2
        tracks.append(Track(np.round(probability, 1) if coarse else probability, said, hop, silent * hop))
    thresholds, counts = stream_scores.false_accept_steps(tracks, 10_000)
    assert len(thresholds) == len(np.unique(np.concatenate([track.probability for track in tracks])))
    for threshold, count in zip(thresholds.tolist(), counts.tolist(), strict=True):
        assert count == sum(by_hand(track, threshold) for track in tracks)


@given(SEEDS)
@settings(max_examples=20)
def test_a_kept_curve_answers_every_budget_as_all_thresholds_would(seed: int):
    streams = random_evaluation(np.random.default_rng(seed), 1.0, 20)
    counting = [each.track for each in streams if each.recording.counts_false_accepts]
    thresholds, counts = stream_scores.false_accept_steps(counting, 60)
    found, span = curve.curve(streams), curve.hours(streams)
    for allowed in range(0, int(60 * span)):
        over = np.flatnonzero(counts > allowed)
        last = (over[0] if len(over) else len(counts)) - 1
        assert curve.at_rate(found, allowed / span).threshold == thresholds[last]


def test_a_long_curve_is_thinned_where_it_does_not_matter():
    counts = np.arange(5000)
    kept = curve._point_indices(counts)
    assert len(kept) <= curve.MOST_POINTS and kept[: curve.EXACT_POINTS].tolist() == list(range(curve.EXACT_POINTS))
    assert kept[-1] == 4999


def test_three_hours_take_less_than_two_seconds():
    streams = random_evaluation(np.random.default_rng(0), 3.0, 100)
    began = time.process_time()
    assert len(curve.curve(streams)) > 100
    assert time.process_time() - began < 2


def test_one_clip_in_several_conditions_is_one_source_and_the_interval_as_wide_as_for_one():
    said = words(40, speakers=0)
    peaks = {word.end: 0.9 for word in said[:30]}
    one, two = (
        scored(recording(name, 200.0, words=said, counts_false_accepts=False), peaks) for name in ("clean", "noise")
    )
    other = scored(recording("other", 3600.0), {5.0: 0.5})
    single, double = (curve.curve([*streams, other])[0] for streams in ([one], [one, two]))
    assert (single.low, single.high) == (double.low, double.high) and (single.misses, double.misses) == (10, 20)
    assert single.low < 0.25 < single.high


def test_no_miss_at_all_is_bounded_by_the_rule_of_three():
    low, high = intervals.interval(np.zeros(30, bool), [str(n) for n in range(30)])
    assert low == 0 and high == pytest.approx(0.1)
    assert intervals.interval(np.ones(30, bool), [str(n) for n in range(30)])[0] == pytest.approx(0.9)


def test_of_few_speakers_no_interval_is_known():
    """Of two, draws would lie between the two, and so would hold the true rate two times in three."""
    assert intervals.interval(np.array([True, False]), ["me", "me"]) == (None, None)
    assert intervals.interval(np.array([True, False] * 4), list("abcdabcd")) == (None, None)
    assert intervals.interval(np.empty(0, bool), []) == (None, None)


@pytest.mark.parametrize("speakers", [6, 40])
def test_intervals_hold_what_they_promise(speakers: int):
    """Of 400 samples of speakers with rates of their own, about 95 % of the intervals hold the true mean."""
    rng, held = np.random.default_rng(1), 0
    for _ in range(400):
        rates = rng.beta(2, 6, speakers)
        wrong = rng.random((speakers, 20)) < rates[:, None]
        low, high = intervals.interval(wrong.ravel(), [str(n) for n in np.repeat(np.arange(speakers), 20)])
        held += low <= 0.25 <= high
    assert 366 <= held <= 398


def wakebench():
    sys.path.insert(0, str(SHARED))
    try:
        from wakebench import score
    finally:
        sys.path.remove(str(SHARED))
    return score


@pytest.mark.skipif(not (SHARED / "wakebench").exists(), reason="needs ../shared/wakebench")
@given(SEEDS)
@settings(max_examples=15)
def test_agrees_with_an_independent_measurement(seed: int):
    """wakebench, written on its own, finds the same misses, false accepts, latencies, and nearly the same bounds."""
    score = wakebench()
    streams = random_evaluation(np.random.default_rng(seed))
    times = {each.recording.name: np.arange(1, len(each.probability) + 1) / 10 for each in streams}
    tracks = {each.recording.name: (times[each.recording.name], each.probability) for each in streams}
    spoken = {
        each.recording.name: [word.model_dump() for word in each.recording.words]
        for each in streams if each.recording.words
    }  # fmt: skip
    other = [each for each in streams if not each.recording.words]
    negative = {"speech": {"files": [each.recording.name for each in other], "hours": curve.hours(other)}}
    answer = score.evaluate(tracks, {"positive": spoken, "negative": negative}, smoothing=0)
    found = curve.curve(streams)
    for point in answer["points"]:
        threshold, target = point["threshold"], point["target_fa_per_hour"]
        assert curve.false_accepts(streams, threshold) == point["fa"]["speech"]
        for name, said in point["miss"].items():
            here = [each for each in streams if each.recording.name == name]
            wrong = curve.missed(here, np.array([threshold]))[:, 0]
            assert round(float(wrong.mean()), 4) == said["rate"]
            if 0 < said["rate"] < 1:  # where all draws are alike it tells no interval
                near = max(0.04, 1 / len(set(curve.sources(here))) + 1e-9)  # bounds of draws move by whole sources
                assert intervals.interval(wrong, curve.sources(here)) == pytest.approx(said["ci95"], abs=near)
            late = errors.latency(here, threshold)
            found_late = (late.median, late.p90) if late else (None, None)
            assert found_late == pytest.approx((said["latency_p50"], said["latency_p90"]), abs=1e-3)
        chosen = curve.at_rate(found, target)
        assert chosen.false_accepts <= target * curve.hours(other)
        if chosen.threshold > threshold:  # it looks at one peak in half a second: a count in between was over budget
            between = [each for each in found if threshold < each.threshold < chosen.threshold]
            assert max(each.false_accepts_per_hour for each in between) > target
