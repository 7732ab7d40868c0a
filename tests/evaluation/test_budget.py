"""A budget picks a threshold, says what it costs, and writes it into the model that was evaluated."""

from dataclasses import replace

import numpy as np
import pytest

from tests.scored_streams import evaluation, random_other, recording, scored, words
from trainer.detector import detector_file
from trainer.detector.detector_file import MODEL, ColumnFacts, DetectorFile, Parity, Threshold
from trainer.evaluation import budget, headline, operating_point
from trainer.run.runs import Run
from trainer.streams.stream_set import SYNTHETIC
from trainer.system import durable


def heard_in(hours: float, accepts: int):
    """Six words, of which two are missed above 0.55 and 0.75, and so many false accepts from 0.9 down."""
    said = words(6)
    spoken = recording("words", 32.0, words=said, counts_false_accepts=False)
    other, peaks = recording("other", 3600 * hours), (0.95, 0.75, 0.55, 0.95, 0.95, 0.95)
    return [
        scored(spoken, {word.end: value for word, value in zip(said, peaks, strict=True)}),
        scored(other, {10.0 * n: 0.9 - 0.1 * n for n in range(1, accepts + 1)}),
    ]


def test_a_choice_says_what_it_costs_and_for_how_much_the_hours_suffice():
    choice = budget.choose(evaluation(heard_in(4.0, 8)), 0.5)
    assert choice.point.false_accepts == 2
    (first, second) = budget.sentences(choice)
    assert first.startswith("At threshold 0.6000, 1 of 6 words are missed (16.7 %, with 95 % confidence ")
    assert first.endswith("; false accepts: 0.5 per hour (2 in 4.00 h; 95 %: 0.061 to 1.8).")
    assert second == (
        "This threshold is an estimate: clips alone are not enough to promise 0.5 per hour, which takes 4.61 h of long "
        "recordings without a false accept."
    )
    assert "below 0.75 per hour (none in 4.00 h)" in budget.sentences(budget.choose(choice.evaluation, 0.1))[0]


def test_enough_long_recordings_turn_the_estimate_into_a_promise():
    streams = heard_in(1.6, 8)
    estimate = budget.choose(evaluation(streams), 5.0)
    choice = budget.promise(evaluation(streams), streams, 5.0)
    assert estimate.point.false_accepts == 8 and choice.point.false_accepts == 4
    assert choice.bound_per_hour == pytest.approx(7.994 / 1.6, abs=1e-3), "half of chi-square(10), 90 %"
    assert choice.long_hours == pytest.approx(1.6) and choice.point.threshold > estimate.point.threshold
    assert budget.sentences(choice)[1] == (
        "With 90 % confidence there are at most 5 per hour in recordings like these (1.60 h of long recordings)."
    )


def test_few_long_recordings_promise_nothing():
    streams = heard_in(0.45, 2)
    choice = budget.promise(evaluation(streams), streams, 5.0)
    assert choice.bound_per_hour is None and choice.point == budget.choose(evaluation(streams), 5.0).point
    assert budget.sentences(choice)[1] == (
        "This threshold is an estimate: 0.45 h of long recordings are too few to promise 5 per hour, which takes "
        "0.461 h of long recordings without a false accept. The smallest budget that they can support is 5.12 per hour."
    )


def test_synthetic_speech_promises_nothing_and_is_called_so():
    said, other = heard_in(8.0, 8)
    synthetic = other.recording.model_copy(update={"condition": SYNTHETIC})
    streams = [said, replace(other, recording=synthetic)]
    assert budget.promise(evaluation([said, other]), [said, other], 5.0).bound_per_hour is not None
    choice = budget.promise(evaluation(streams), streams, 5.0)
    assert (choice.bound_per_hour, choice.long_hours, choice.synthetic_hours) == (None, 0.0, pytest.approx(8.0))
    assert budget.sentences(choice)[1] == "Of these hours, 8.00 are synthetic speech."
    assert "clips and synthetic speech are not enough to promise" in budget.sentences(choice)[2]


def test_a_promise_keeps_to_the_budget_in_clips_too():
    clips = random_other(np.random.default_rng(3), "clips", 600.0)
    streams = [*heard_in(0.6, 0), clips]
    choice = budget.promise(evaluation(streams), streams, 5.0)
    assert choice.bound_per_hour is not None
    assert choice.point.threshold == budget.choose(evaluation(streams), 5.0).point.threshold


def test_few_speakers_have_no_interval_and_without_words_there_is_no_rate():
    streams = heard_in(4.0, 8)
    alone = [scored(recording("words", 20.0, words=words(6, speakers=4), counts_false_accepts=False), {}), streams[1]]
    assert (
        "with fewer than 5 speakers or clips, no interval is available"
        in budget.sentences(budget.choose(evaluation(alone), 1.0))[0]
    )
    assert "no words were evaluated; false" in budget.sentences(budget.choose(evaluation(streams[1:]), 1.0))[0]


def test_a_budget_that_cannot_be_kept_gets_one_sentence():
    for per_hour in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="must be above 0"):
            budget.choose(evaluation(heard_in(1.0, 3)), per_hour)
    with pytest.raises(ValueError, match="has no audio without the word"):
        budget.choose(evaluation(heard_in(1.0, 3)[:1]), 1.0)


EXPORTED = DetectorFile(
    run="20260101-120000-0001", label="mine", checkpoint="epoch-00003.pt", epoch=3, model="tc_resnet",
    window_seconds=1.5, hop_ms=100, smoothing_seconds=0.2, threshold=0.5, threshold_from=Threshold(source="default"),
    refractory_seconds=1.0, columns=ColumnFacts(step_samples=160, context_samples=512, dropped=0, per_window=147),
    files={MODEL: "ab" * 32}, parity=Parity(largest_difference=0.0, windows=0, within=True), versions={},
)  # fmt: skip


def test_the_threshold_is_written_into_the_evaluated_model_and_no_other(tmp_path):
    folder, before = tmp_path, EXPORTED
    durable.replace_json(detector_file.path_in(folder), before.model_dump())
    streams = heard_in(4.0, 8)
    choice = budget.choose(evaluation(streams, model_sha256=before.files[MODEL]), 0.5)
    budget.write(folder, choice)
    after = durable.read_document(DetectorFile, detector_file.path_in(folder))
    assert after.threshold == 0.600001 and after.threshold_from.source == "evaluation", "0.6 is not to be taken"
    assert (after.threshold_from.evaluation, after.threshold_from.false_accepts) == (choice.evaluation.id, 2)
    same = {"threshold": before.threshold, "threshold_from": before.threshold_from}
    assert after.model_copy(update=same) == before
    assert "0.5 false accepts per hour" in " ".join(detector_file.sentences(after))
    wordless = budget.choose(evaluation(streams[1:], model_sha256="ab" * 32), 0.5)
    assert "it had 2 false accepts in 4.00 h." in " ".join(detector_file.sentences(budget.write(folder, wordless)))
    kept = detector_file.path_in(folder).read_bytes()
    with pytest.raises(ValueError, match="not the one that was evaluated"):
        budget.write(folder, budget.choose(evaluation(streams, model_sha256="another"), 0.5))
    assert detector_file.path_in(folder).read_bytes() == kept
    with pytest.raises(ValueError, match="There is no exported model"):
        budget.write(tmp_path / "nowhere", choice)


@pytest.mark.parametrize(("hours", "per_hour", "bounded"), [(1.6, 5.0, True), (0.45, 5.0, False)])
def test_a_model_whose_evaluation_is_gone_tells_the_false_alarms_that_there_were(tmp_path, hours, per_hour, bounded):
    """The headline takes them from detector.json: hours without their false accepts would look like none."""
    folder, run = tmp_path / "model", Run(tmp_path)
    folder.mkdir()
    durable.replace_json(detector_file.path_in(folder), EXPORTED.model_dump())
    streams = heard_in(hours, 8)
    choice = budget.promise(evaluation(streams, model_sha256="ab" * 32), streams, per_hour)
    assert (choice.bound_per_hour is not None) is bounded
    assert choice.long_false_accepts == choice.point.false_accepts > 0
    budget.write(folder, choice)
    point = operating_point.of_model(run, folder)
    assert (point.long_false_accepts, point.long_hours) == (choice.long_false_accepts, pytest.approx(hours))
    told = headline.of(point)
    assert told.false_alarms_per_hour == pytest.approx(choice.long_false_accepts / hours)
    file = durable.read_json(detector_file.path_in(folder))
    del file["threshold_from"]["long_false_accepts"]
    durable.replace_json(detector_file.path_in(folder), file)
    assert operating_point.of_model(run, folder).long_hours is None, "an earlier version wrote the hours alone"
