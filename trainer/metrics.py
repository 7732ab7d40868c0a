"""metrics.jsonl and timing.jsonl: appending whole lines, and reading only what was added since the last look.

metrics.jsonl holds what the seed decides and nothing else, so that equal trainings leave equal bytes; what was measured
of time and machine stands in timing.jsonl, one row for each epoch.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer import durable

Row = dict[str, Any]
VERSION = 1
LONGEST_READ = 8 << 20
"""Most bytes taken in at one look; a longer file is caught up with over several."""


def encode(row: Row) -> bytes:
    """One line of the file. JSON has no NaN: such a value becomes null and its name goes into `nonfinite`."""
    bad = [name for name, value in row.items() if isinstance(value, float) and not math.isfinite(value)]
    finite = {name: None if name in bad else value for name, value in row.items()}
    document = {"v": VERSION, **finite, **({"nonfinite": bad} if bad else {})}
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def append(path: Path, row: Row) -> None:
    """Append one row, whole or not at all. There is one writer, the trainer. Raises OSError."""
    durable.append(path, encode(row))


def cut_back(path: Path, offset: int) -> None:
    """Drop what was written after `offset` bytes: rows that will be written again, or half of one. Raises OSError."""
    if path.exists():
        whole = path.read_bytes()[:offset].rfind(b"\n") + 1
        with durable.naming(path):
            os.truncate(path, whole)


@dataclass
class Tail:
    """What was read of one file so far; `read_more` moves it on. Complete lines only count."""

    offset: int = 0
    inode: int = 0
    epochs: list[Row] = field(default_factory=list)
    unreadable: int = 0


def _rows(data: bytes) -> tuple[list[Row], int]:
    """Rows in `data`, whole lines, and how many lines were none of ours."""
    rows, unreadable = [], 0
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict) and row.get("v") == VERSION and row.get("kind") in ("step", "epoch"):
            rows.append(row)
        else:
            unreadable += 1
    return rows, unreadable


def read_more(tail: Tail, path: Path) -> int:
    """Take in what was appended since the last look; returns the bytes read.

    A file that was replaced or cut back is read anew. A last line without its end is left for the next look: it may
    be half a write. The file is opened each time, because a network file system shows new bytes only then.
    """
    try:
        with open(path, "rb") as file:
            found = os.fstat(file.fileno())
            if found.st_ino != tail.inode or found.st_size < tail.offset:
                tail.offset, tail.inode, tail.unreadable = 0, found.st_ino, 0
                tail.epochs.clear()
            file.seek(tail.offset)
            data = file.read(LONGEST_READ)
    except FileNotFoundError:
        return 0
    complete = data[: data.rfind(b"\n") + 1]
    rows, unreadable = _rows(complete)
    tail.offset += len(complete)
    tail.unreadable += unreadable
    tail.epochs.extend(row for row in rows if row["kind"] == "epoch")
    return len(data)


def read_to_end(tail: Tail, path: Path) -> None:
    """Take in all that there is, over as many looks as it needs."""
    before = -1
    while tail.offset != before:
        before = tail.offset
        read_more(tail, path)
