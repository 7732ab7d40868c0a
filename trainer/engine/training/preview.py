"""Ten draws of one clip, exactly as training would feed them.

    python -m trainer.engine.training.preview ROOT CONFIG CLIP FOLDER

Writes FOLDER/NN.wav (what is heard), FOLDER/NN.npy (what the model sees) and, last, FOLDER/index.json.
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
from trainer.engine.data.batches import Feed, open_feed, training_draw
from trainer.engine.data.windows import epoch_windows, window_samples
from trainer.system import durable
from trainer.system.workspace import Workspace

DRAWS = 10
MOST_EPOCHS = 300
TOLD = ("epoch", "batch", "positive", "start_seconds", "end_seconds")


@dataclass(frozen=True)
class Draw:
    """One window of a clip: when it comes, whether as a positive, which part of the clip it was made from (both 0 where
    it only holds the silence beside the clip), wave [samples] and features [rows, frames]."""

    epoch: int
    batch: int
    positive: bool
    start_seconds: float
    end_seconds: float
    wave: Tensor
    features: Tensor


def taken(length: int, end: int, source: int) -> tuple[float, float]:
    """Start and end, in seconds, of what `source` samples up to `end` take from a clip of `length` samples."""
    first, last = max(0, end - source), min(length, end)
    return (first / SAMPLE_RATE, last / SAMPLE_RATE) if first < last else (0.0, 0.0)


def draws(feed: Feed, config: Config, clip: int) -> list[Draw]:
    """The first windows of the clip.

    The batch around each window is drawn whole, as augmentation is a function of the batch. Raises ValueError when
    the clip is hardly ever heard.
    """
    drawings = []
    size = config.training.batch_size
    for epoch in range(1, MOST_EPOCHS + 1):
        windows = epoch_windows(feed.array, config, epoch)
        for row in np.flatnonzero(windows.clip == clip).tolist():
            batch, place = divmod(row, size)
            part = windows.take(slice(batch * size, (batch + 1) * size))
            drawn = training_draw(feed, part, epoch, batch)
            end = int(windows.start[row]) + window_samples(config)
            span = taken(int(feed.array.lengths[clip]), end, int(drawn.source[place]))
            wave, positive = torch.cat(drawn.waves)[place], bool(windows.positive[row])
            drawings.append(Draw(epoch, batch + 1, positive, *span, wave, drawn.features[place]))
            if len(drawings) == DRAWS:
                return drawings
    if not drawings:
        raise ValueError(
            f"This clip is in none of the windows of {MOST_EPOCHS} epochs. Room impulse responses are applied to "
            "other clips; choose one of those."
        )
    return drawings


def write(workspace: Workspace, config: Config, path: str, folder: Path) -> None:
    """Draw and write. Raises ValueError with what to choose instead, FileNotFoundError without splits, OSError."""
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
        index.append({name: getattr(draw, name) for name in TOLD})
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
