"""The disk that a run takes, by kind of file."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

from trainer.run.runs import Run

KINDS = {"checkpoints": "checkpoints", "model": "model", "models": "model", "evaluation": "evaluation"}
LOGS = ("train.log", "metrics.jsonl", "timing.jsonl", "tensorboard")


@dataclass(frozen=True)
class Usage:
    """Bytes of the files of a run by kind."""

    checkpoints: int = 0
    model: int = 0
    evaluation: int = 0
    logs: int = 0
    other: int = 0

    @property
    def total(self) -> int:
        return self.checkpoints + self.model + self.evaluation + self.logs + self.other


def usage(run: Run) -> Usage:
    """What the files of a run take now; what cannot be looked at counts as nothing. Links are not followed."""
    sizes = dict.fromkeys(("checkpoints", "model", "evaluation", "logs", "other"), 0)
    with suppress(OSError), os.scandir(run.folder) as entries:
        for entry in entries:
            kind = "logs" if entry.name in LOGS else KINDS.get(entry.name, "other")
            sizes[kind] += _size(entry)
    return Usage(**sizes)


def _size(entry: os.DirEntry[str]) -> int:
    """Bytes of a file, or of all files in a folder."""
    try:
        if not entry.is_dir(follow_symlinks=False):
            return entry.stat(follow_symlinks=False).st_size
        with os.scandir(entry.path) as inner:
            return sum(map(_size, inner))
    except OSError:
        return 0
