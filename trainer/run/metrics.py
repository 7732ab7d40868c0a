"""metrics.jsonl and timing.jsonl: append whole lines, and read what was added, as rows or as columns of numbers.

metrics.jsonl holds only values that the seed determines, so that equal trainings write equal bytes; times and loads of
the machine are in timing.jsonl, one row per epoch.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.json
from numpy.typing import NDArray

from trainer.system import durable, regular_file

Row = dict[str, Any]
VERSION = 2
"""Version 1 had no checksums; its rows are still read."""
LONGEST_READ = 16 << 20
"""Default for the most bytes of one read."""
KNOWN_END = 256
"""Bytes before the place of a reader by which it recognises the file."""
_EARLIER = b'{"v":1,'
_EPOCH, _STEP = b'"kind":"epoch"', b'"kind":"step"'


def encode(row: Row) -> bytes:
    """One line of the file. JSON has no NaN: such a value becomes null and its name goes into `nonfinite`.

    `crc` is the CRC-32 of all that follows it on the line, so that a damaged byte never yields another number.
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
    """Remove what was written after `offset` bytes, to be written again, or a partial row. Raises OSError."""
    if path.exists():
        whole = regular_file.read_bytes(path)[:offset].rfind(b"\n") + 1
        with durable.naming(path):
            os.truncate(path, whole)


@dataclass
class Place:
    """How far one file was read; only complete lines count."""

    offset: int = 0
    inode: int = 0
    end: bytes = b""
    """The last bytes before `offset`: if they have changed, it is another file."""


@dataclass(frozen=True)
class Look:
    """The result of one read: whole lines without their ends, the first of which begins at byte `start`."""

    lines: list[bytes]
    start: int
    read: int
    """Bytes read."""
    anew: bool
    """Whether it was read from its beginning: it is new, was replaced, or was cut back."""


def look(place: Place, path: Path, most: int = LONGEST_READ) -> Look:
    """Read at most `most` bytes of what was appended since the last read, and advance `place`.

    A last line without its end is left for the next read: it may be a partial write. The file is opened each time,
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
        complete = data  # no row is that long: skipped, so that it is not read again and again
    place.offset += len(complete)
    place.end = (place.end + complete)[-KNOWN_END:]
    return Look(complete.removesuffix(b"\n").split(b"\n") if complete else [], start, read, anew=not same)


def is_whole(line: bytes) -> bool:
    """Whether a line, without its end, is a row as it was written."""
    return line[:24] == b'{"crc":"%08x","v":2,' % crc32(line[18:]) or line.startswith(_EARLIER)


def epoch_lines(lines: Sequence[bytes]) -> tuple[list[int], int]:
    """The indices of the intact epoch rows among `lines`, and the number of lines that are not rows."""
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
    """The epoch row in a line; None when there is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and row.get("kind") == "epoch" else None


@dataclass
class Tail:
    """The epoch rows of one file read so far; `read_more` adds to them."""

    place: Place = field(default_factory=Place)
    epochs: list[Row] = field(default_factory=list)
    unreadable: int = 0

    def add(self, look: Look) -> None:
        """Add the epoch rows of one read; start over when the file was replaced."""
        if look.anew:
            self.unreadable = 0
            self.epochs.clear()
        epochs, unreadable = epoch_lines(look.lines)
        rows = [row for index in epochs if (row := parse(look.lines[index])) is not None]
        self.epochs += rows
        self.unreadable += unreadable + len(epochs) - len(rows)


Numbers = NDArray[np.float64]
READING = "reading"
"""Numbers nested under this name are read as if they were not nested."""
FEW_LINES = 200
"""Up to this many lines are parsed one by one, which is faster than setting up the reader of many."""


@dataclass
class Columns:
    """Numbers of the epoch rows of one file read so far, in the order of the file; `read_more` adds to them.

    `names` are the numbers to keep of each row; NaN where a row has no such number.
    """

    names: Sequence[str]
    place: Place = field(default_factory=Place)
    unreadable: int = 0
    rows: int = 0
    _numbers: dict[str, Numbers] = field(default_factory=dict)
    _starts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def __getitem__(self, name: str) -> Numbers:
        """One number of each row [rows]; unchanged when more rows are added."""
        return self._numbers[name][: self.rows] if self.rows else np.empty(0)

    @property
    def starts(self) -> NDArray[np.int64]:
        """Byte of the file at which each row begins [rows]."""
        return self._starts[: self.rows]

    def add(self, look: Look) -> None:
        """Add the epoch rows of one read; start over when the file was replaced."""
        if look.anew:
            self.unreadable, self.rows, self._numbers, self._starts = 0, 0, {}, np.empty(0, np.int64)
        epochs, unreadable = epoch_lines(look.lines)
        lines = look.lines if len(epochs) == len(look.lines) else [look.lines[index] for index in epochs]
        numbers, parsed = _numbers(lines, self.names)
        self.unreadable += unreadable + len(lines) - len(parsed)
        starts = np.fromiter(accumulate((len(line) + 1 for line in look.lines), initial=look.start), np.int64)
        self._append(numbers, starts[np.asarray(epochs, dtype=np.int64)[parsed]])

    def _append(self, numbers: Mapping[str, Numbers], starts: NDArray[np.int64]) -> None:
        """Append rows. Full arrays are replaced by arrays of twice the length, so earlier views stay valid."""
        if not len(starts):
            return
        before, after = self.rows, self.rows + len(starts)
        if after > len(self._starts):
            room = max(after, 2 * before)
            self._starts = np.concatenate([self._starts[:before], np.empty(room - before, np.int64)])
            self._numbers = {name: np.concatenate([self[name], np.empty(room - before)]) for name in self.names}
        self._starts[before:after] = starts
        for name in self.names:
            self._numbers[name][before:after] = numbers[name]
        self.rows = after


def read_more(reader: Tail | Columns, path: Path, most: int = LONGEST_READ) -> int:
    """Read at most `most` bytes of what was appended since the last call; returns the bytes read. Raises OSError."""
    added = look(reader.place, path, most)
    reader.add(added)
    return added.read


def read_to_end(reader: Tail | Columns, path: Path) -> None:
    """Read everything that was appended since the last call. Raises OSError."""
    while True:
        before = reader.place.offset
        read_more(reader, path)
        if reader.place.offset == before:
            return


def row_at(path: Path, start: int) -> Row | None:
    """The whole row that begins at byte `start`; None when there is none."""
    try:
        with regular_file.open_binary(path) as file:
            file.seek(start)
            line = file.readline(LONGEST_READ).removesuffix(b"\n")
    except FileNotFoundError:
        return None
    return parse(line) if epoch_lines([line])[0] else None


def epoch_row(columns: Columns, path: Path, epoch: int) -> Row | None:
    """The last row of an epoch, whole; None when there is none. `columns` are of the file at `path`, with `epoch`."""
    rows = np.flatnonzero(columns["epoch"] == epoch)
    row = row_at(path, int(columns.starts[rows[-1]])) if len(rows) else None
    return row if row and row.get("epoch") == epoch else None


def _numbers(lines: Sequence[bytes], names: Sequence[str]) -> tuple[dict[str, Numbers], NDArray[np.int64]]:
    """The named numbers of each line that holds a row, and which lines those are."""
    if len(lines) > FEW_LINES:
        try:
            return _numbers_of_many(lines, names), np.arange(len(lines))
        except pa.ArrowInvalid:  # a row of an earlier version, which had no checksum, or text where a number should be
            pass
    rows = [parse(line) for line in lines]
    known = [index for index, row in enumerate(rows) if row is not None]
    found = [row for row in rows if row is not None]
    return {name: _column(found, name) for name in names}, np.asarray(known, dtype=np.int64)


def _numbers_of_many(lines: Sequence[bytes], names: Sequence[str]) -> dict[str, Numbers]:
    """As `_numbers`, for lines that all hold rows. Raises ArrowInvalid when one does not."""
    number = [(name, pa.float64()) for name in names]
    schema = pa.schema([*number, (READING, pa.struct(number))])
    table = pyarrow.json.read_json(
        pa.BufferReader(b"\n".join(lines)),
        pyarrow.json.ReadOptions(block_size=4 << 20),
        pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )
    if len(table) != len(lines):
        raise pa.ArrowInvalid("not one row a line")
    nested = table[READING].combine_chunks().flatten() if len(table) else []
    inner = dict(zip(names, nested, strict=True)) if nested else {}
    return {name: _filled(table[name], inner.get(name)) for name in names}


def _filled(column: pa.ChunkedArray, nested: pa.Array | None) -> Numbers:
    """The numbers of a column, else those of the nested one; NaN where neither has any."""
    numbers: Numbers = column.to_numpy().astype(np.float64, copy=False)
    if nested is None or column.null_count < len(column):
        return numbers
    inner: Numbers = nested.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    return inner


def _column(rows: Iterable[Row], name: str) -> Numbers:
    """As `_filled`, of rows."""
    return np.fromiter((_number(row, name) for row in rows), np.float64)


def _number(row: Row, name: str) -> float:
    nested = row.get(READING)
    value = row.get(name, nested.get(name) if isinstance(nested, dict) else None)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > sys.float_info.max:
        return np.nan
    return float(value)
