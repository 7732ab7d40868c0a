"""False accepts become hard negatives: once each, with their origin, undoably, and never out of the test split."""

import numpy as np
import pytest
import soundfile

from tests import run_folders
from tests.scored_streams import evaluation, recording, scored, words
from tests.tiny import ignore, make_workspace
from trainer.config.schema import Config
from trainer.dataset import changes, scan, splits
from trainer.evaluation import errors, hard_negatives
from trainer.streams.stream_set import Part, StreamSet, Word
from trainer.system.workspace import Workspace

RATE = 16000
PEAKS = {10.0: 0.9, 25.0: 0.8, 59.8: 0.7}


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "work")


class Evaluated:
    """A run that woke three times in a long recording."""

    def __init__(self, workspace: Workspace, **values: object) -> None:
        self.workspace, self.run = workspace, run_folders.make_run(workspace)
        self.path = workspace.root / "long" / "Café talk.wav"
        self.path.parent.mkdir(parents=True)
        noise = np.random.default_rng(0).normal(0, 0.1, 60 * RATE)
        soundfile.write(self.path, noise * (1 + np.sin(np.arange(60 * RATE) / 9000)), RATE)
        made = recording("talk", 60.0, path=str(self.path), **values)
        self.streams = StreamSet(key="k", title="t", folder="", recordings=[made])
        scored_streams = [scored(made, PEAKS)]
        self.evaluation = evaluation(scored_streams, run=self.run.id)
        self.accepts = errors.false_accepts(scored_streams, 0.6)

    def send(self, *places: int) -> hard_negatives.Sent:
        chosen = [self.accepts[place] for place in places]
        return hard_negatives.send(self.workspace, self.run, self.evaluation, self.streams, chosen, 0.6)


def clips(workspace: Workspace) -> list[str]:
    return sorted(path.name for path in (workspace.raw / hard_negatives.FOLDER).glob("*"))


def test_what_the_model_heard_becomes_a_clip_with_its_origin(workspace):
    made = Evaluated(workspace)
    sent = made.send(0, 2)
    assert (sent.new, sent.known) == (2, 0)
    assert sent.sentence() == (
        "Sent 2 false accepts to the hard negatives. Scan and split the data, then train again from this model."
    )
    first, last = hard_negatives.origins(workspace)
    assert (first.run, first.evaluation, first.recording) == (made.run.id, made.evaluation.id, "talk")
    assert (first.path, first.seconds, first.score, first.threshold) == (str(made.path), pytest.approx(10.0), 0.9, 0.6)
    wave, rate = soundfile.read(workspace.raw / first.clip)
    assert (rate, len(wave)) == (RATE, 2.5 * RATE), "a window of 1.5 s, and half a second at each end"
    expected, _ = soundfile.read(made.path, start=8 * RATE, frames=len(wave))
    assert np.abs(wave - expected).max() < 1e-4
    assert soundfile.info(workspace.raw / first.clip).subtype == "PCM_16"
    assert soundfile.info(workspace.raw / last.clip).duration == pytest.approx(2.2), "the recording ends there"


def test_the_same_event_makes_no_second_clip_and_undo_takes_them_back(workspace):
    made = Evaluated(workspace)
    sent = made.send(0, 1, 1)
    before = clips(workspace)
    assert (sent.new, sent.known) == (2, 1)
    again = made.send(0, 1, 2)
    assert (again.new, again.known) == (1, 2) and set(before) < set(clips(workspace))
    assert "(2 were already there)" in again.sentence()
    none = made.send(0, 0, 1, 2)
    assert (none.change, none.new) == (None, 0) and none.sentence().startswith("Nothing was sent (4 were already there")
    changes.undo(workspace, sent.change.id)
    assert len(clips(workspace)) == 1 and len(hard_negatives.origins(workspace)) == 1
    assert made.send(0, 1).new == 2 and len(clips(workspace)) == 3, "what was taken back can be sent again"


def test_a_scan_takes_what_was_sent_and_it_is_trained_with(tmp_path):
    """Val has no hard negatives, so these would go there if they were any clips."""
    made = Evaluated(make_workspace(tmp_path / "work", hard_negatives=1))
    made.send(0, 1, 2)
    files = scan.scan(made.workspace, ignore)
    assert (files["reason"] == "").all() and files["path"].str.startswith("hard_negative/false_accepts/").sum() == 3
    for scratch in (False, True):
        told = splits.split_dataset(made.workspace, (0.6, 0.2, 0.2), 0, scratch)
        assert told["train"]["hard_negative"] == 4 and told["groups_in_two_splits"] == 0


def test_an_evaluation_knows_that_clips_were_taken_from_its_recordings(workspace):
    made = Evaluated(workspace)
    assert hard_negatives.taken_from(workspace, made.streams) == 0
    made.send(0, 1)
    assert hard_negatives.taken_from(workspace, made.streams) == 2
    other = made.streams.model_copy(update={"recordings": [recording(path="/elsewhere.wav")]})
    assert hard_negatives.taken_from(workspace, other) == 0


@pytest.mark.parametrize(
    "said",
    [
        {"parts": [Part(start=5.0, end=12.0, clip="negative/a.wav")]},
        {"words": [Word(start=40.0, end=41.0, clip="positive/a.wav")]},
    ],
)
def test_clips_of_the_test_split_are_never_sent_to_the_training(workspace, said: dict):
    made = Evaluated(workspace, **said)
    assert hard_negatives.problem(made.streams, made.accepts[0]).startswith(
        "talk is composed from clips of the test split"
    )
    with pytest.raises(ValueError, match="would bias every later evaluation"):
        made.send(1)
    assert clips(workspace) == [] and changes.recent(workspace) == []


def test_a_missed_word_is_no_hard_negative(workspace):
    made = Evaluated(workspace)
    spoken = [scored(recording("talk", 60.0, words=words(2)), {})]
    miss = errors.misses(spoken, 0.5)[0]
    with pytest.raises(ValueError, match="Only false accepts"):
        hard_negatives.send(workspace, made.run, made.evaluation, made.streams, [miss], 0.5)


def test_a_recording_that_is_gone_leaves_everything_as_it_was(workspace):
    made = Evaluated(workspace)
    made.path.unlink()
    with pytest.raises(ValueError, match="no longer exists"):
        made.send(0)
    assert clips(workspace) == [] and hard_negatives.origins(workspace) == []
    assert list((workspace.root / "data" / "incoming").iterdir()) == []


def test_a_damaged_line_of_origins_costs_only_itself(workspace):
    made = Evaluated(workspace)
    made.send(0)
    file = workspace.root / "data" / hard_negatives.ORIGINS
    file.write_bytes(b'{"clip": \xff\n' + file.read_bytes() + b"{}\n")
    assert len(hard_negatives.origins(workspace)) == 1


def test_a_retraining_goes_on_from_the_run_with_smaller_steps():
    config = Config()
    again = hard_negatives.retraining_config(config, "20260101-120000-0001")
    assert again.training.start_from == "20260101-120000-0001"
    assert again.training.epochs < config.training.epochs
    assert again.optimizer.learning_rate == pytest.approx(config.optimizer.learning_rate / 4)
    assert again.data.mined_share == 0.3
    assert (again.model, again.features, again.augmentation) == (config.model, config.features, config.augmentation)
    twice = hard_negatives.retraining_config(again, "20260101-120000-0002")
    assert twice.optimizer == again.optimizer, "the steps do not shrink at each turn"


def test_a_retraining_leaves_room_for_other_negatives():
    crowded = Config().data.model_copy(update={"positive_share": 0.5, "unfinished_share": 0.3})
    config = Config().model_copy(update={"data": crowded})
    again = hard_negatives.retraining_config(config, "20260101-120000-0001")
    assert 0 <= again.data.mined_share < 0.3
