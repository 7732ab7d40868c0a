"""What a training tells of each clip: margins summed over its windows, and the file they are written to."""

import numpy as np
import pytest
import torch

from tests.tiny import make_workspace, tiny_config
from trainer.audio import manifest
from trainer.config import config_file
from trainer.dataset import clips as clips_of
from trainer.engine.data.windows import Windows
from trainer.engine.training import loop, training_state
from trainer.engine.training.training_state import TrainingState
from trainer.evaluation import wrong_labels
from trainer.run.runs import Run
from trainer.system import durable


def test_windows_are_summed_by_clip_with_the_sign_of_their_label():
    windows = Windows(np.array([0, 0, 1, 0]), np.zeros(4, np.int64), np.array([True, True, False, False]))
    logit = np.array([2.0, -9.0, -1.5, 7.0], np.float32)
    positive = np.array([True, False, False])
    found = training_state.add_margins(None, positive, windows, logit)
    assert found.total.tolist() == [2.0 - training_state.MOST_MARGIN, 1.5, 0]
    assert found.right.tolist() == [1, 1, 0], "an unfinished word says nothing about its clip"
    assert found.windows.tolist() == [2, 1, 0]
    twice = training_state.add_margins(found, positive, windows, logit)
    kept = training_state.margins_from(training_state.margin_tensors(twice))
    assert kept.total.tolist() == [-4.0, 3.0, 0] and kept.windows.tolist() == [4, 2, 0]
    assert training_state.margins_from(training_state.margin_tensors(None)) is None
    assert all(isinstance(values, torch.Tensor) for values in training_state.margin_tensors(found).values())


@pytest.mark.parametrize("kind", ["log_mel", "mfcc"])
def test_a_training_lists_the_clips_with_a_wrong_label(tmp_path, kind: str):
    """Two tones of the other label, one in training and one in validation."""
    workspace = make_workspace(tmp_path)
    splits = manifest.read_splits(workspace)
    wrong = {
        part: next(clip.path for clip in splits[part] if clip.label == label)
        for part, label in (("train", "positive"), ("val", "negative"))
    }
    other = {"positive": "negative", "negative": "positive"}
    for number, path in enumerate(wrong.values()):
        label = path.split("/")[0]
        donor = workspace.raw / other[label] / f"voice{number}" / "1.wav"
        (workspace.raw / path).write_bytes(_shifted(donor))
    from trainer.dataset.scan import scan

    scan(workspace, lambda *progress: None)
    every = {clip.path: clip for clip in clips_of.as_manifest(clips_of.load(workspace).clips)}
    for part, found in splits.items():
        manifest.write_split(workspace, part, [every[clip.path] for clip in found])
    run = Run(workspace.runs / "20260101-120000-0001")
    run.folder.mkdir(parents=True)
    config = tiny_config(epochs=12)
    config = config_file.build(config.model_dump() | {"features": {"kind": kind}})
    durable.replace_bytes(run.config_file, config_file.dump(config))
    loop.train(loop.prepare(workspace, run, 1, lambda: None))
    scores = wrong_labels.read_scores(run)
    assert scores.epochs == 12
    assert {clip.part for clip in scores.clips} == {"train", "val"}
    lowest = {
        label: wrong_labels.ranked([clip for clip in scores.clips if clip.label == label])[0].path
        for label in ("positive", "negative")
    }
    assert lowest == {"positive": wrong["train"], "negative": wrong["val"]}


def _shifted(path) -> bytes:
    """The same sound as a file with other bytes."""
    import io

    import soundfile

    wave, rate = soundfile.read(path)
    soundfile.write(buffer := io.BytesIO(), 0.9 * wave, rate, format="WAV")
    return buffer.getvalue()


def test_checkpoints_of_before_are_gone_on_from_without_margins():
    kept = training_state.state_tensors(TrainingState(epoch=3, train=training_state.Margins(*np.ones((3, 4)))))
    assert training_state.state_from(kept).train.total.tolist() == [1, 1, 1, 1]
    del kept["margins"]
    found = training_state.state_from(kept)
    assert (found.epoch, found.train, found.val) == (3, None, None)
