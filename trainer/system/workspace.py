"""The workspace: paths of the configurations, data and runs of one user."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from trainer.system import private

PROJECT_ROOT = Path(__file__).resolve().parents[2]
STREAM = "stream"
"""The label of long recordings without the word, below a folder for each source: an evening in a room, a reader."""
LABELS = ("positive", "negative", "hard_negative", "background", "rirs", STREAM)
SYNTHETIC_PREFIX = "demo-"
"""Begins the names of folders with synthetic clips, which sets them apart from speakers."""


@dataclass(frozen=True)
class Workspace:
    """Paths below one root folder; nothing is created by naming it."""

    root: Path

    @property
    def configs(self) -> Path:
        return self.root / "configs"

    @property
    def drafts(self) -> Path:
        return self.configs / ".drafts"

    @property
    def trashed_configs(self) -> Path:
        return self.configs / ".trash"

    @property
    def raw(self) -> Path:
        return self.root / "data" / "raw"

    @property
    def scan_file(self) -> Path:
        return self.root / "data" / "scan.parquet"

    @property
    def partial_scan_file(self) -> Path:
        return self.root / "data" / "scan.partial.parquet"

    @property
    def uploads(self) -> Path:
        return self.root / "data" / "uploads"

    @property
    def trash(self) -> Path:
        return self.root / "data" / "trash"

    @property
    def capture(self) -> Path:
        """Recordings of the room: a document for each, and the piece that is being recorded."""
        return self.root / "data" / "capture"

    @property
    def preview(self) -> Path:
        return self.root / "data" / "preview"

    @property
    def changes(self) -> Path:
        return self.root / "data" / "changes"

    @property
    def splits(self) -> Path:
        return self.root / "data" / "splits"

    @property
    def cache(self) -> Path:
        return self.root / "data" / "cache"

    @property
    def features(self) -> Path:
        """Outputs of the speech embedding that a user fetched: one array [frames, 96] in a file."""
        return self.root / "data" / "features"

    @property
    def voices(self) -> Path:
        """Voices that a user fetched: a folder for each engine, and packages on their way."""
        return self.root / "data" / "voices"

    @property
    def kernels(self) -> Path:
        """What torch, Triton and CUDA compile, and can compile again."""
        return self.root / "data" / "kernels"

    @property
    def probes(self) -> Path:
        """The last measurement of the training time of each configuration."""
        return self.root / "data" / "probes"

    @property
    def jobs(self) -> Path:
        return self.root / "data" / "jobs"

    @property
    def runs(self) -> Path:
        return self.root / "runs"


def open_workspace(root: str | Path | None = None) -> Workspace:
    """The workspace at `root`, else at the environment variable WAKEWORD_ROOT, else at the project itself.

    Its folders are closed to other users of the machine. Raises FileNotFoundError when it does not exist.
    """
    path = Path(root or os.environ.get("WAKEWORD_ROOT") or PROJECT_ROOT).expanduser().resolve()
    if not path.is_dir():
        raise FileNotFoundError(f"Workspace folder {path} does not exist. Create it, or choose another with --root.")
    private.close_workspace(path)
    return Workspace(path)
