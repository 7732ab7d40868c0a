"""The headline of a model: its words, its verdict and its next step, and that it never says more than was measured."""

import numpy as np
import pytest

from tests.scored_streams import random_other, recording, scored, words
from trainer.evaluation import curve, headline, intervals, point_text
from trainer.evaluation.operating_point import OperatingPoint


def point(missed: int | None = 3, of: int = 60, long: tuple[int, float] | None = (0, 4.7), **values) -> OperatingPoint:
    """An operating point of an evaluation, with this many false accepts in hours of long recordings."""
    count, hours = long or (None, None)
    rate = None if missed is None else missed / of
    known = {
        "checkpoint": "epoch_0003.ckpt", "epoch": 3, "threshold": 0.5, "threshold_from": "evaluation",
        "measured_on": "evaluation", "words": of if missed is not None else 0, "misses": missed, "miss_rate": rate,
        "false_accepts": count, "hours": hours, "long_false_accepts": count, "long_hours": hours,
    }  # fmt: skip
    return OperatingPoint.model_validate(known | values)


CLIPS = {"long": None, "false_accepts": 0, "hours": 14.5 / 60}
VALIDATED, LOOK_ALIKES = CLIPS | {"measured_on": "validation_stream"}, CLIPS | {"false_accepts": 9}
SYNTHETIC = CLIPS | {"hours": 3.4, "synthetic_hours": 3.2}
TRUSTED = "At most 1 false alarm in 2 hours (checked on 4.7 h)."


@pytest.mark.parametrize(
    ("missed", "heard_text", "verdict", "action"),
    [
        (0, "Hears all of 60 words.", "good", "take it away"),
        (1, "Hears 98 of 100.", "good", "take it away"),
        (5, "Hears 9 of 10.", "good", "take it away"),
        (12, "Hears 8 of 10.", "usable", "add recordings"),
        (23, "Hears 6 of 10.", "not yet", "add recordings"),
        (None, "Words heard: unknown.", "unknown", "evaluate"),
    ],
)
def test_words_heard_are_counted_out_of_ten_or_a_hundred(missed, heard_text, verdict, action):
    shown = headline.of(point(missed))
    assert (shown.text, shown.verdict, shown.action) == (f"{heard_text} {TRUSTED}", verdict, action)


@pytest.mark.parametrize(
    ("measured", "alarms", "verdict", "action"),
    [
        ({"long": (0, 30.0)}, "At most 1 false alarm in 13 hours (checked on 30 h).", "good", "take it away"),
        ({"long": (3, 4.7)}, "At most 1.5 false alarms an hour (checked on 4.7 h).", "usable", "add speech"),
        ({"long": (0, 0.25)}, "False alarms unknown: 15 minutes checked.", "unknown", "add speech"),
        (CLIPS, "False alarms unknown: 14 minutes checked.", "unknown", "add speech"),
        (VALIDATED, "False alarms unknown: 14 minutes checked.", "unknown", "evaluate"),
        ({"long": (40, 4.0)}, "About 10 false alarms an hour (4 h checked).", "not yet", "reduce false alarms"),
        (LOOK_ALIKES, "False alarms unknown: 14 minutes checked.", "unknown", "add speech"),
        ({"false_accepts": 40, "hours": 5.0}, TRUSTED, "good", "take it away"),
        (SYNTHETIC, "False alarms unknown: only synthetic speech checked.", "unknown", "add speech"),
        ({"synthetic_hours": 3.2}, TRUSTED, "good", "take it away"),
    ],
)  # fmt: skip
def test_false_alarms_come_with_the_hours_checked(measured, alarms, verdict, action):
    shown = headline.of(point(5, **measured))
    assert (shown.text, shown.verdict, shown.action) == (f"Hears 9 of 10. {alarms}", verdict, action)
    assert shown.advice


@pytest.mark.parametrize(
    ("synthetic", "heard_text", "verdict", "action"),
    [
        (60, "Hears 9 of 10 synthetic words.", "unknown", "add recordings"),
        (31, "Hears 9 of 10 synthetic words.", "unknown", "add recordings"),
        (30, "Hears 9 of 10.", "good", "take it away"),
    ],
)
def test_words_of_synthetic_voices_prove_nothing_about_people(synthetic, heard_text, verdict, action):
    shown = headline.of(point(5, synthetic_words=synthetic))
    assert (shown.text, shown.verdict, shown.action) == (f"{heard_text} {TRUSTED}", verdict, action)
    assert headline.of(point(0, synthetic_words=60)).text.startswith("Hears all of 60 synthetic words.")


@pytest.mark.parametrize(("synthetic", "told"), [(0, "60 words"), (20, "60 words"), (60, "60 synthetic words")])
def test_synthetic_words_are_called_so_wherever_they_are_counted(synthetic, told):
    measured = point(synthetic_words=synthetic)
    assert f"3 of {told} missed" in " ".join(point_text.lines(measured))
    assert told in point_text.measured_on(measured)


def test_any_number_of_hours_of_clips_proves_nothing():
    shown = headline.of(point(long=None, false_accepts=0, hours=100.0))
    assert shown.verdict == "unknown" and shown.hours == 0 and shown.bound_per_hour is None
    assert shown.advice == "Add 5 h of speech without the word: public sound, or recordings of your room."


def test_the_hours_to_add_count_the_false_alarms_there_were():
    shown = headline.of(point(5, long=(3, 4.7)))
    assert shown.advice == "Add 9 h of speech without the word: public sound, or recordings of your room."
    assert intervals.most_expected(3) / (4.7 + 9) <= headline.GOOD_PER_HOUR < intervals.most_expected(3) / (4.7 + 8)


def test_nothing_measured_has_no_headline():
    assert headline.of(None) is None
    assert headline.of(point(long=None, measured_on=None)) is None
    assert headline.documents(None) == {"operating_point": None, "headline": None}


@pytest.mark.parametrize("per_hour", [0.011, 0.34, 0.5, 0.51, 0.99, 1.0, 1.001, 1.44, 7.0])
def test_a_bound_in_words_is_never_smaller_than_the_bound(per_hour):
    count, unit = headline._at_most(per_hour).split(" false alarm")
    hours = float(unit.split()[1]) if " in " in unit else 1.0
    assert float(count) / hours >= per_hour - 1e-9


@pytest.mark.parametrize("count", [0, 1, 4])
def test_at_the_threshold_right_above_the_next_peak_nine_of_ten_promises_hold(count):
    """The threshold is chosen on the very recordings, as `budget` does, and its true rate is known here."""
    rng, hours, peaks_per_hour, trials = np.random.default_rng(1), 10.0, 30.0, 4000
    held = 0
    for _ in range(trials):
        peaks = np.sort(rng.random(rng.poisson(hours * peaks_per_hour)))[::-1]
        held += peaks_per_hour * (1 - peaks[count]) <= intervals.most_expected(count) / hours
    assert held / trials == pytest.approx(intervals.PROMISE, abs=0.02)


def test_concatenated_clips_are_not_a_long_recording():
    said = scored(recording("words", 40.0, words=words(6), counts_false_accepts=False), {})
    long, clips = scored(recording("talk", 7200.0), {10: 0.9}), random_other(np.random.default_rng(0), "clips", 60.0)
    assert [each.recording.is_long for each in (said, long, clips)] == [False, True, False]
    assert curve.hours([long]) == 2.0 and curve.false_accepts([long], 0.5) == 1
