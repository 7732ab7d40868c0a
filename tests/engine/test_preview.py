"""The preview shows what training would be fed, to the sample."""

import numpy as np
import pytest
import soundfile
import torch

from tests.tiny import make_workspace, tiny_config
from trainer.audio import manifest
from trainer.config import saved_configs
from trainer.dataset import previews
from trainer.engine.data import batches, clips
from trainer.engine.data.windows import epoch_windows
from trainer.engine.training import preview


def test_ten_draws_are_the_windows_of_training(tmp_path):
    workspace, config = make_workspace(tmp_path), tiny_config()
    path = saved_configs.save(workspace, "tiny", config)
    splits = manifest.read_splits(workspace)
    clip = next(clip.path for clip in splits["train"] if clip.label == "positive")
    previews.make(workspace, path, clip)
    named, draws = previews.read(workspace)
    assert named == clip and len(draws) == 10 and any(draw.positive for draw in draws)
    array = clips.prepare(workspace, [*splits["train"], *splits["val"]], lambda *progress: None)
    array = array.of_split(frozenset(one.path for one in splits["train"]))
    place = next(i for i, one in enumerate(array.clips) if one.path == clip)
    first = draws[0]
    windows = epoch_windows(array, config, first.epoch)
    row = int(np.flatnonzero(windows.clip == place)[0])
    batch, inside = divmod(row, config.training.batch_size)
    part = windows.take(slice(batch * config.training.batch_size, (batch + 1) * config.training.batch_size))
    feed = batches.open_feed(array, config, torch.device("cpu"), augmented=True)
    features, _ = batches.training_batch(feed, part, first.epoch, batch)
    start, size = int(windows.start[row]) / 16000, config.data.window_seconds
    assert first.start_seconds == max(0, start)
    assert first.end_seconds == min(array.lengths[place] / 16000, start + size)
    np.testing.assert_allclose(first.features, features[inside].numpy(), atol=1e-3)  # threads may differ
    heard, rate = soundfile.read(first.wav)
    assert rate == 16000 and len(heard) == round(config.data.window_seconds * rate)


@pytest.mark.parametrize(
    ("end", "source", "part"),
    [(24000, 16000, (0.5, 1.5)), (8000, 16000, (0.0, 0.5)), (40000, 16000, (1.5, 2.0)), (64000, 16000, (0.0, 0.0))],
)
def test_the_part_that_a_draw_takes_lies_inside_the_clip(end: int, source: int, part: tuple[float, float]):
    assert preview.clip_span(32000, end, source) == part


@pytest.mark.parametrize(("label", "told"), [("rirs", "applied to"), ("positive", "not used in training")])
def test_a_clip_that_training_never_hears_says_so(tmp_path, label: str, told: str, monkeypatch):
    monkeypatch.setattr(preview, "MOST_EPOCHS", 3)
    workspace = make_workspace(tmp_path)
    splits = manifest.read_splits(workspace)
    part = "train" if label == "rirs" else "test"
    clip = next(clip.path for clip in splits[part] if clip.label == label)
    with pytest.raises(ValueError, match=told):
        preview.write(workspace, tiny_config(), clip, tmp_path)


def test_a_damaged_preview_is_none(tmp_path):
    workspace = make_workspace(tmp_path)
    assert previews.read(workspace) == ("", [])
    workspace.preview.mkdir(parents=True)
    (workspace.preview / "index.json").write_text('{"clip": "x", "draws": [{"epoch": 1, "positive": true}]}')
    assert previews.read(workspace) == ("", [])
