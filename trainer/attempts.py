"""Which attempt of a run is the newest, even where the file that tells it was damaged."""

from __future__ import annotations

from pathlib import Path

from trainer import documents
from trainer.documents import Control, Outcome, Processes, Progress


def newest(folder: Path) -> int:
    """The number of the newest attempt of the run in this folder; 0 when none has begun.

    Where process.json cannot be read, what the attempts have left tells it. A number that is too low would let the next
    attempt start anew instead of going on from its checkpoint.
    """
    if told := documents.read(Processes, folder / "process.json"):
        return told.attempt
    damaged = (folder / "process.json").exists()
    found = [int(path.name) for path in (folder / "attempts").glob("*") if path.name.isdecimal()]
    # A wish may have been left before the first attempt began, so by itself it is no proof of one.
    kinds: dict[str, type[Outcome | Progress | Control]] = {"outcome": Outcome, "progress": Progress} | (
        {"control": Control} if damaged else {}
    )
    for name, kind in kinds.items():
        if left := documents.read(kind, folder / f"{name}.json"):
            found.append(left.attempt)
    return max(found, default=int(damaged))
