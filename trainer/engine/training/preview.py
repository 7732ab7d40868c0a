"""Writes ten draws of one clip, exactly as training would feed them.

    python -m trainer.engine.training.preview ROOT CONFIG CLIP FOLDER

Writes FOLDER/NN.wav (audio), FOLDER/NN.npy (features) and, last, FOLDER/index.json.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor

from trainer.audio import manifest
from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.engine.data import clips
from trainer.engine.data.batches import Feed, augment_batch, open_feed
from trainer.engine.data.windows import epoch_windows, window_samples
from trainer.system import durable
from trainer.system.workspace import Workspace

DRAWS = 10
MOST_EPOCHS = 300
INDEX_FIELDS = ("epoch", "batch", "positive", "start_seconds", "end_seconds")


@dataclass(frozen=True)
class Draw:
    """One window of a clip: its epoch, batch and label, the part of the clip that it shows (both 0 where it shows only
    silence beside the clip), wave [samples] and features [rows, frames]."""

    epoch: int
    batch: int
    positive: bool
    start_seconds: float
    end_seconds: float
    wave: Tensor
    features: Tensor


def clip_span(length: int, end: int, source: int) -> tuple[float, float]:
    """Start and end, in seconds, of the part of a clip of `length` samples that lies within the `source` samples before
    `end`."""
    first, last = max(0, end - source), min(length, end)
    return (first / SAMPLE_RATE, last / SAMPLE_RATE) if first < last else (0.0, 0.0)


def draws(feed: Feed, config: Config, clip: int) -> list[Draw]:
    """The first windows of the clip.

    The whole batch of each window is drawn, because augmentation is a function of the batch. Raises ValueError when the
    clip is in no window.
    """
    found: list[Draw] = []
    size = config.training.batch_size
    for epoch in range(1, MOST_EPOCHS + 1):
        windows = epoch_windows(feed.array, config, epoch)
        for row in np.flatnonzero(windows.clip == clip).tolist():
            batch, place = divmod(row, size)
            part = windows.take(slice(batch * size, (batch + 1) * size))
            augmented = augment_batch(feed, part, epoch, batch)
            end = int(windows.start[row]) + window_samples(config)
            span = clip_span(int(feed.array.lengths[clip]), end, int(augmented.source[place]))
            wave, positive = torch.cat(augmented.waves)[place], bool(windows.positive[row])
            found.append(Draw(epoch, batch + 1, positive, *span, wave, augmented.features[place]))
            if len(found) == DRAWS:
                return found
    if not found:
        raise ValueError(
            f"This clip is in none of the windows of {MOST_EPOCHS} epochs. Room impulse responses are applied to "
            "other clips; choose one of those."
        )
    return found


def write(workspace: Workspace, config: Config, path: str, folder: Path) -> None:
    """Draw and write. Raises ValueError for a clip that is not drawn, FileNotFoundError without splits, OSError."""
    splits = manifest.read_splits(workspace)
    used = [*splits["train"], *splits["val"]]
    array = clips.prepare(workspace, used, lambda *progress: None)
    array = array.of_split(frozenset(clip.path for clip in splits["train"]))
    places = {clip.path: place for place, clip in enumerate(array.clips)}
    if path not in places:
        raise ValueError(f"{path} is not in the training split, so it is not used in training. Choose another clip.")
    feed = open_feed(array, config, torch.device("cpu"), augmented=True)
    index = []
    for number, draw in enumerate(draws(feed, config, places[path])):
        soundfile.write(folder / f"{number:02d}.wav", draw.wave.numpy(), SAMPLE_RATE, "PCM_16")
        np.save(folder / f"{number:02d}.npy", draw.features.numpy().astype(np.float32))
        index.append({name: getattr(draw, name) for name in INDEX_FIELDS})
    durable.replace_json(folder / "index.json", {"clip": path, "draws": index})


def main(root: str, config: str, path: str, folder: str) -> int:
    try:
        write(Workspace(Path(root)), config_file.load(Path(config)), path, Path(folder))
    except (ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - the last line that the job passes on
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
