"""Tables at a threshold: conditions, speakers, phrases, latency."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scored_streams import random_evaluation, recording, scored, words
from trainer.evaluation import curve, errors
from trainer.streams.stream_set import Part, Word

SEEDS = st.integers(0, 2**32 - 1)


def spoken(name: str, missed: set[int], count: int = 12, speakers: int = 3):
    """Each word is detected 0.2 s after its end, but for the missed ones."""
    said = words(count, speakers=speakers)
    made = recording(name, said[-1].end + 4, words=said, condition=name, counts_false_accepts=False)
    return scored(made, {word.end + 0.2: 0.9 for n, word in enumerate(said) if n not in missed})


def test_misses_by_condition_stand_in_the_order_of_the_streams():
    rows = errors.by_condition([spoken("clean", set()), spoken("noise, 5 dB", {0, 1, 3})], 0.5)
    assert [(row.name, row.count, row.wrong, row.rate) for row in rows] == [
        ("clean", 12, 0, 0.0), ("noise, 5 dB", 12, 3, 0.25),
    ]  # fmt: skip
    assert (rows[0].low, rows[1].high) == (None, None), "three speakers say little"
    (row,) = errors.by_condition([spoken("clean", set(), speakers=12)], 0.5)
    assert (row.low, row.high) == (0, 0.25), "none of twelve speakers"


def test_the_weakest_speaker_stands_first():
    rows = errors.by_speaker([spoken("clean", {1, 4}, 15), spoken("noise", {1, 2}, 15)], 0.5)
    assert [(row.name, row.count, row.wrong) for row in rows] == [
        ("speaker 1", 10, 3), ("speaker 2", 10, 1), ("speaker 0", 10, 0),
    ]  # fmt: skip
    assert rows[0].low < rows[0].rate < rows[0].high
    assert [row.name for row in errors.by_speaker([spoken("clean", set(), speakers=0)], 0.5)] == ["unknown speaker"]


def confusable(events: dict[float, float]):
    phrases = ("char vis", "travis", "char vis", "")
    parts = [Part(start=10.0 * n, end=10.0 * n + 2, clip=f"{n}.wav", phrase=said) for n, said in enumerate(phrases, 1)]
    return scored(recording("other", 3600.0, parts=parts, condition="other words"), events)


def test_phrases_that_wake_the_detector_are_counted_as_often_as_they_are_said():
    found = errors.by_phrase([confusable({11.0: 0.9, 12.4: 0.9, 21.5: 0.4, 41.0: 0.9, 90.0: 0.9})], 0.5)
    assert [(row.name, row.count, row.wrong, row.rate, row.false_accepts) for row in found] == [
        ("char vis", 2, 1, 0.5, 2), ("travis", 1, 0, 0.0, 0),
    ]  # fmt: skip


def test_a_detection_is_of_what_was_said_before_it():
    parts = [Part(start=0.0, end=2.0, phrase="first"), Part(start=2.3, end=4.0, phrase="second")]
    for seconds, phrase in ((0.5, "first"), (2.4, "first"), (2.6, "first"), (2.7, "second"), (4.9, "second")):
        assert errors.part_before(parts, seconds).phrase == phrase, seconds
    assert errors.part_before(parts, 5.1) is None


def test_false_accepts_by_condition_have_hours_of_their_own():
    streams = [confusable({11.0: 0.9}), scored(recording("hum", 7200.0, condition="noise"), {}), spoken("clean", set())]
    rows = errors.accepts_by_condition(streams, 0.5)
    assert [(row.condition, row.count, row.hours) for row in rows] == [("other words", 1, 1.0), ("noise", 0, 2.0)]
    assert rows[1].text == "below 1.5 per hour (none in 2.00 h)"


def test_latency_counts_from_the_end_of_the_word_and_may_be_negative():
    said = [Word(start=2.0, end=3.0), Word(start=6.0, end=7.0), Word(start=10.0, end=11.0)]
    made = recording("one", words=said)
    found = errors.latency([scored(made, {2.8: 0.9, 7.5: 0.9})], 0.5)
    assert (found.words, found.median) == (2, pytest.approx(0.15)) and found.p90 == pytest.approx(0.43)
    assert errors.latency([scored(made, {})], 0.5) is None and errors.latency([], 0.5) is None


@given(SEEDS, st.floats(0.1, 0.9))
def test_every_table_adds_up(seed: int, threshold: float):
    streams = random_evaluation(np.random.default_rng(seed), 0.1, 10)
    point = curve.at_threshold(streams, threshold)
    for rows in (errors.by_condition(streams, threshold), errors.by_speaker(streams, threshold)):
        assert sum(row.wrong for row in rows) == point.misses and sum(row.count for row in rows) == 30
        assert all(row.low is None or 0 <= row.low <= row.high <= 1 for row in rows)
    rows = errors.accepts_by_condition(streams, threshold)
    assert sum(row.count for row in rows) == point.false_accepts
    assert sum(row.hours for row in rows) == pytest.approx(curve.hours(streams))
    assert sum(row.false_accepts for row in errors.by_phrase(streams, threshold)) <= point.false_accepts
    late = errors.latency(streams, threshold)
    assert (late.words if late else 0) == 30 - point.misses
