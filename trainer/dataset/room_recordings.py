"""Recordings of a room on disk: a document for each in data/capture, and its clips of the label `stream`.

The piece that is being recorded grows there as raw samples (the spool), so a kill loses at most the last half second:
the next recording or scan makes a clip of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from trainer.audio import audio_file
from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.dataset import changes, repairs
from trainer.dataset.changes import INCOMING, RAW, Change, Move
from trainer.system import durable, processes
from trainer.system.log_lines import clock_time
from trainer.system.workspace import STREAM, Workspace

SPOOL = ".pcm"


class Clip(BaseModel, frozen=True):
    """One piece of a recording: its path below data/raw, and its length."""

    path: str
    seconds: float
    bytes: int


class Recording(BaseModel, frozen=True):
    """One recording of a room; `id` is also that of its change. `heard_seconds` is how long it listened."""

    id: str
    source: str
    created: str
    """Local time, in which users remember an evening."""
    model: str = ""
    """The word of the model that chose what is kept; empty: everything is."""
    heard_seconds: float = 0.0
    clips: list[Clip] = []

    @property
    def kept_seconds(self) -> float:
        return sum(clip.seconds for clip in self.clips)

    @property
    def megabytes(self) -> float:
        return sum(clip.bytes for clip in self.clips) / 1e6


@contextmanager
def alone(workspace: Workspace) -> Iterator[None]:
    """Exclude other recordings of this workspace. Raises ValueError while one runs."""
    workspace.capture.mkdir(parents=True, exist_ok=True)
    lock = processes.wait_for_lock(workspace.capture / "lock", 2.0)  # a scan holds it for a moment
    if lock is None:
        raise ValueError("Another recording is running in this workspace. Stop it first.")
    try:
        yield
    finally:
        os.close(lock)


def make_clips_of_killed(workspace: Workspace) -> None:
    """Make clips of what killed recordings have left, unless a recording runs. Raises OSError."""
    if not any(workspace.capture.glob(f"*{SPOOL}")):
        return
    lock = processes.try_lock(workspace.capture / "lock")
    if lock is None:
        return
    try:
        make_clips(workspace)
    finally:
        os.close(lock)


def make_clips(workspace: Workspace) -> None:
    """Make clips of all spools; the caller holds the lock of `alone`. Raises OSError."""
    for spool in sorted(workspace.capture.glob(f"*{SPOOL}")):
        recording_id = spool.stem.rpartition("-")[0]
        recording = read(workspace, recording_id) or Recording(id=recording_id, source=recording_id, created="")
        make_clip(workspace, recording, spool)


def spool_file(workspace: Workspace, recording: Recording, begin_seconds: float) -> Path:
    """The file of a piece that begins so long after the recording."""
    hours, minutes, seconds = clock_time(int(begin_seconds)).split(":")
    return workspace.capture / f"{recording.id}-{hours}h{minutes}m{seconds}s{SPOOL}"


def make_clip(workspace: Workspace, recording: Recording, spool: Path) -> Recording:
    """Move the samples of a spool into a clip; whatever was done before a kill is not done twice. Raises OSError."""
    samples, path = np.fromfile(spool, "<i2"), f"{STREAM}/{recording.source}/{spool.stem}.flac"
    if len(samples):
        data = audio_file.encoded(samples, SAMPLE_RATE, "FLAC")
        if not (workspace.raw / path).exists():
            staged = workspace.root / "data" / INCOMING / recording.id / f"{spool.stem}.flac"
            staged.parent.mkdir(parents=True, exist_ok=True)
            durable.replace_bytes(staged, data)
            move = Move(source=f"{INCOMING}/{recording.id}/{staged.name}", target=f"{RAW}/{path}")
            changes.extend(workspace, f"Recorded {recording.source}", [move], recording.id)
        others = [clip for clip in recording.clips if clip.path != path]
        clip = Clip(path=path, seconds=len(samples) / SAMPLE_RATE, bytes=len(data))
        recording = recording.model_copy(update={"clips": [*others, clip]})
        write(workspace, recording)
    spool.unlink()
    return recording


def _document(workspace: Workspace, recording_id: str) -> Path:
    return workspace.capture / f"{recording_id}.json"


def read(workspace: Workspace, recording_id: str) -> Recording | None:
    """A recording by its id; None if its document is missing or damaged."""
    return durable.read_document(Recording, _document(workspace, recording_id))


def write(workspace: Workspace, recording: Recording) -> None:
    durable.replace_json(_document(workspace, recording.id), recording.model_dump())


def remove(workspace: Workspace, recording: Recording) -> None:
    """Remove the document of a recording of which nothing is kept."""
    _document(workspace, recording.id).unlink(missing_ok=True)


def recent(workspace: Workspace, most: int = 10) -> list[Recording]:
    """The newest recordings with the clips of each that are still there, newest first."""
    files = sorted(workspace.capture.glob("*.json"), reverse=True)[:most]
    every = (read(workspace, file.stem) for file in files)
    there = [
        each.model_copy(update={"clips": [clip for clip in each.clips if (workspace.raw / clip.path).exists()]})
        for each in every
        if each
    ]
    return [each for each in there if each.clips]


def delete(workspace: Workspace, recording: Recording) -> Change:
    """Move the clips of a recording to the trash. Raises OSError."""
    return repairs.delete(workspace, [clip.path for clip in recording.clips], f"Deleted recording {recording.source}")
