"""Which attempt of a run is the newest, even where the file that tells it was damaged."""

from __future__ import annotations

from pathlib import Path

from trainer.run.documents import Control, Outcome, Processes, Progress
from trainer.system import document_file


def newest(folder: Path) -> int:
    """The number of the newest attempt of the run in this folder; 0 when none has begun.

    Where process.json cannot be read, what the attempts have left tells it. A number that is too low would let the next
    attempt start anew instead of going on from its checkpoint.
    """
    if told := document_file.read(Processes, folder / "process.json"):
        return told.attempt
    damaged = (folder / "process.json").exists()
    found = [int(path.name) for path in (folder / "attempts").glob("*") if path.name.isdecimal()]
    if outcome := document_file.read(Outcome, folder / "outcome.json"):
        found.append(outcome.attempt)
    if progress := document_file.read(Progress, folder / "progress.json"):
        found.append(progress.attempt)
    # A wish may have been left before the first attempt began, so by itself it is no proof of one.
    if damaged and (wish := document_file.read(Control, folder / "control.json")):
        found.append(wish.attempt)
    return max(found, default=int(damaged))
