"""metrics.jsonl and timing.jsonl: appending whole lines, and reading only what was added since the last look.

metrics.jsonl holds what the seed decides and nothing else, so that equal trainings leave equal bytes; what was measured
of time and machine stands in timing.jsonl, one row for each epoch.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

from trainer.system import durable, regular_file

Row = dict[str, Any]
VERSION = 2
"""1 had no checksums; its rows are still read."""
LONGEST_READ = 16 << 20
"""Most bytes taken in at one look, where nothing less is asked for."""
KNOWN_END = 256
"""Bytes before the place of a reader by which it knows the file again."""
_EARLIER = b'{"v":1,'
_EPOCH, _STEP = b'"kind":"epoch"', b'"kind":"step"'


def encode(row: Row) -> bytes:
    """One line of the file. JSON has no NaN: such a value becomes null and its name goes into `nonfinite`.

    `crc` is the CRC-32 of all that follows it on the line, so that a damaged byte never shows as another number.
    """
    bad = [name for name, value in row.items() if isinstance(value, float) and not math.isfinite(value)]
    finite = {name: None if name in bad else value for name, value in row.items()}
    document = {"v": VERSION, **finite, **({"nonfinite": bad} if bad else {})}
    checked = json.dumps(document, allow_nan=False, separators=(",", ":")).encode()[1:]
    return b'{"crc":"%08x",%b\n' % (crc32(checked), checked)


def append(path: Path, row: Row) -> None:
    """Append one row, whole or not at all. There is one writer, the trainer. Raises OSError."""
    durable.append(path, encode(row))


def cut_back(path: Path, offset: int) -> None:
    """Drop what was written after `offset` bytes: rows that will be written again, or half of one. Raises OSError."""
    if path.exists():
        whole = regular_file.read_bytes(path)[:offset].rfind(b"\n") + 1
        with durable.naming(path):
            os.truncate(path, whole)


@dataclass
class Place:
    """How far one file was read; complete lines only count."""

    offset: int = 0
    inode: int = 0
    end: bytes = b""
    """The last bytes before `offset`: where they are others now, it is another file."""


@dataclass(frozen=True)
class Look:
    """What one look took in: whole lines without their ends, the first of which begins at byte `start`."""

    lines: list[bytes]
    start: int
    read: int
    """Bytes read."""
    anew: bool
    """Whether it was read from its beginning: it is new, was replaced, or was cut back."""


def look(place: Place, path: Path, most: int = LONGEST_READ) -> Look:
    """Take in at most `most` bytes of what was appended since the last look, and move `place` on.

    A last line without its end is left for the next look: it may be half a write. The file is opened each time,
    because a network file system shows new bytes only then.
    """
    try:
        with regular_file.open_binary(path) as file:
            found = os.fstat(file.fileno())
            file.seek(place.offset - len(place.end))
            same = found.st_ino == place.inode and file.read(len(place.end)) == place.end
            read = len(place.end) if place.inode else 0
            if not same:
                place.offset, place.inode, place.end = 0, found.st_ino, b""
                file.seek(0)
            data = file.read(most - read)
    except FileNotFoundError:
        return Look([], place.offset, 0, anew=False)
    start, read = place.offset, read + len(data)
    complete = data[: data.rfind(b"\n") + 1]
    if not complete and read == most:
        complete = data  # no row is that long: passed over, so that it is not read for ever
    place.offset += len(complete)
    place.end = (place.end + complete)[-KNOWN_END:]
    return Look(complete.removesuffix(b"\n").split(b"\n") if complete else [], start, read, anew=not same)


def looks(place: Place, path: Path) -> Iterator[Look]:
    """Looks to the end of the file."""
    while True:
        before = place.offset
        yield look(place, path)
        if place.offset == before:
            return


def is_whole(line: bytes) -> bool:
    """Whether a line, without its end, is a row as it was written."""
    return line[:24] == b'{"crc":"%08x","v":2,' % crc32(line[18:]) or line.startswith(_EARLIER)


def epoch_lines(lines: Sequence[bytes]) -> tuple[list[int], int]:
    """Which of `lines` are rows of epochs as they were written, and how many are no rows at all."""
    epochs, unreadable = [], 0
    for index, line in enumerate(lines):
        if not is_whole(line):
            unreadable += bool(line.strip())
        elif _EPOCH in line:
            epochs.append(index)
        elif _STEP not in line:
            unreadable += 1
    return epochs, unreadable


def parse(line: bytes) -> Row | None:
    """The row of an epoch that a line holds; None when it holds none after all."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and row.get("kind") == "epoch" else None


@dataclass
class Tail:
    """The epoch rows of one file so far; `read_more` moves it on."""

    place: Place = field(default_factory=Place)
    epochs: list[Row] = field(default_factory=list)
    unreadable: int = 0


def _take(tail: Tail, found: Look) -> None:
    if found.anew:
        tail.unreadable = 0
        tail.epochs.clear()
    epochs, unreadable = epoch_lines(found.lines)
    rows = [row for index in epochs if (row := parse(found.lines[index])) is not None]
    tail.epochs += rows
    tail.unreadable += unreadable + len(epochs) - len(rows)


def read_more(tail: Tail, path: Path) -> int:
    """Take in what was appended since the last look; returns the bytes read."""
    found = look(tail.place, path)
    _take(tail, found)
    return found.read


def read_to_end(tail: Tail, path: Path) -> None:
    """Take in all that there is, over as many looks as it needs."""
    for found in looks(tail.place, path):
        _take(tail, found)
