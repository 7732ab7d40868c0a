"""Ten draws of one clip, exactly as training would feed them.

    python -m trainer.engine.preview ROOT CONFIG CLIP FOLDER

Writes FOLDER/NN.wav (what is heard), FOLDER/NN.npy (what the model sees) and, last, FOLDER/index.json.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor

from trainer import config_file, durable, manifest
from trainer.config import SAMPLE_RATE, Config
from trainer.engine import clips
from trainer.engine.batches import Feed, open_feed, training_draw
from trainer.engine.windows import epoch_windows
from trainer.workspace import Workspace

DRAWS = 10
MOST_EPOCHS = 300


def draws(feed: Feed, config: Config, clip: int) -> list[tuple[int, int, bool, Tensor, Tensor]]:
    """(epoch, batch, whether as a positive, wave [samples], features [bands, frames]) of the clip's first windows.

    The batch around each window is drawn whole, as augmentation is a function of the batch. Raises ValueError when
    the clip is hardly ever heard.
    """
    found = []
    size = config.training.batch_size
    for epoch in range(1, MOST_EPOCHS + 1):
        windows = epoch_windows(feed.array, config, epoch)
        for row in np.flatnonzero(windows.clip == clip).tolist():
            batch, place = divmod(row, size)
            part = windows.take(slice(batch * size, (batch + 1) * size))
            wave, features = training_draw(feed, part, epoch, batch)
            found.append((epoch, batch + 1, bool(windows.positive[row]), wave[place], features[place]))
            if len(found) == DRAWS:
                return found
    if not found:
        raise ValueError(
            f"This clip is in none of the windows of {MOST_EPOCHS} epochs. Room impulse responses are heard through "
            "other clips; choose one of those."
        )
    return found


def write(workspace: Workspace, config: Config, path: str, folder: Path) -> None:
    """Draw and write. Raises ValueError with what to choose instead, FileNotFoundError without splits, OSError."""
    splits = manifest.read_splits(workspace)
    used = [*splits["train"], *splits["val"]]
    array = clips.prepare(workspace, used, lambda *progress: None)
    array = array.of_split(frozenset(clip.path for clip in splits["train"]))
    places = {clip.path: place for place, clip in enumerate(array.clips)}
    if path not in places:
        raise ValueError(f"{path} is not in the training split, so training never hears it. Choose another clip.")
    feed = open_feed(array, config, torch.device("cpu"), augmented=True)
    index = []
    for number, (epoch, batch, positive, wave, features) in enumerate(draws(feed, config, places[path])):
        soundfile.write(folder / f"{number:02d}.wav", wave.numpy(), SAMPLE_RATE, "PCM_16")
        np.save(folder / f"{number:02d}.npy", features.numpy().astype(np.float32))
        index.append({"epoch": epoch, "batch": batch, "positive": positive})
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
