"""False accepts and misses as values, and what was heard around them."""

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from tests.scored_streams import random_evaluation, recording, scored, words
from trainer.evaluation import curve, errors
from trainer.streams.stream_set import Part, StreamSet

RATE = 16000


def test_a_false_accept_tells_what_was_said_and_how_sure_the_detector_was():
    part = Part(start=10.0, end=12.0, clip="hard_negative/a.wav", label="hard_negative", speaker="ann", phrase="travis")
    streams = [scored(recording("talk", parts=[part]), {11.9: 0.7, 12.0: 0.95, 30.0: 0.8})]
    first, second = errors.false_accepts(streams, 0.6)
    assert (first.end, first.score, first.phrase, first.speaker) == (pytest.approx(11.9), 0.95, "travis", "ann")
    assert (second.end, second.score, second.clip) == (pytest.approx(30.0), 0.8, "")


def test_a_miss_tells_the_highest_score_while_it_could_have_been_heard():
    said = words(3)
    streams = [scored(recording("clean", words=said, condition="clean"), {2.5: 0.4, 3.6: 0.45, 3.8: 0.9, 6.5: 0.9})]
    found = errors.misses(streams, 0.5)
    assert [(each.clip, each.score) for each in found] == [("positive/2.wav", 0.0), ("positive/0.wav", 0.45)]
    assert (found[1].start, found[1].end, found[1].speaker, found[1].condition) == (2.0, 2.7, "speaker 0", "clean")


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 0.9))
def test_there_are_as_many_events_as_are_counted(seed: int, threshold: float):
    streams = random_evaluation(np.random.default_rng(seed), 0.1, 10)
    point = curve.at_threshold(streams, threshold)
    accepts, missed = errors.false_accepts(streams, threshold), errors.misses(streams, threshold)
    assert (len(accepts), len(missed)) == (point.false_accepts, point.misses)
    assert all(each.score >= threshold for each in accepts)
    assert accepts == sorted(accepts, key=lambda each: -each.score)
    for event in (*accepts, *missed):
        trace = errors.trace(streams, event)
        assert len(trace.seconds) == len(trace.probability) > 0
        assert trace.seconds[0] >= event.start - 2.001 and trace.seconds[-1] <= event.end + 1.501


def streams_of(folder, name: str, seconds: float = 20.0, rate: int = RATE, channels: int = 1) -> StreamSet:
    """A recording whose samples rise with time, so that it can be told where one comes from."""
    wave = np.tile(np.linspace(0, 0.5, round(seconds * rate), dtype=np.float32)[:, None], (1, channels))
    soundfile.write(folder / name, wave, rate)
    made = recording("talk", seconds, path=name)
    return StreamSet(key="k", title="t", folder=str(folder), recordings=[made])


def accept(end: float) -> errors.Event:
    return errors.Event("false_accept", "talk", "speech", end, end, 0.9)


@pytest.mark.parametrize(("name", "rate", "channels"), [("a.wav", RATE, 1), ("a.flac", 44100, 2)])
def test_an_excerpt_lies_around_its_event(tmp_path, name: str, rate: int, channels: int):
    streams = streams_of(tmp_path, name, rate=rate, channels=channels)
    found = errors.excerpt(streams, accept(10.0))
    assert (found.start, found.sample_rate, len(found.wave)) == (8.0, rate, round(3.5 * rate))
    assert found.wave[0] == pytest.approx(0.5 * 8 / 20, abs=1e-3) and found.wave.dtype == np.float32


def test_an_excerpt_ends_where_its_recording_does(tmp_path):
    streams = streams_of(tmp_path, "a.wav")
    assert len(errors.excerpt(streams, accept(1.0)).wave) == 2.5 * RATE
    assert len(errors.excerpt(streams, accept(19.5)).wave) == 2.5 * RATE


def test_a_recording_that_is_gone_or_damaged_gets_a_sentence(tmp_path):
    streams = streams_of(tmp_path, "a.wav")
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(ValueError, match="copy or record it again"):
        errors.excerpt(streams, accept(1.0))
    (tmp_path / "a.wav").unlink()
    with pytest.raises(ValueError, match="no longer exists"):
        errors.excerpt(streams, accept(1.0))
    with pytest.raises(ValueError, match="no recording 'talk'"):
        errors.excerpt(streams.model_copy(update={"recordings": []}), accept(1.0))
    with pytest.raises(ValueError, match="no recording 'talk'"):
        errors.trace([], accept(1.0))
