"""Writing the label scores of a run: the mean margin of every clip that was trained or validated with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from trainer.engine.data.clips import ClipArray
from trainer.engine.training.course import Course
from trainer.engine.training.margins import Margins
from trainer.engine.training.parts import Parts
from trainer.system import durable


def write(parts: Parts, course: Course) -> None:
    """Write the label scores of the run as they stand, or remove them before the end of an epoch. Raises OSError."""
    if course.epoch == 1:
        parts.run.label_scores_file.unlink(missing_ok=True)
        return
    found = [*_scores(parts.train.array, course.train, "train"), *_scores(parts.val.array, course.val, "val")]
    document = {"epochs": course.epoch - 1, "clips": found}
    durable.replace_json(parts.run.label_scores_file, document)


def _scores(array: ClipArray, heard: Margins | None, part: str) -> Iterator[dict[str, Any]]:
    """The clips of a split of which windows were scored, as label_scores.ClipScore."""
    if heard is None:
        return
    for place in np.flatnonzero(heard.windows).tolist():
        clip, windows = array.clips[place], heard.windows[place]
        margin, right = float(heard.total[place] / windows), float(heard.right[place] / windows)
        named = {"path": clip.path, "label": clip.label, "digest": clip.digest, "part": part}
        yield named | {"margin": round(margin, 4), "right": round(right, 4)}
