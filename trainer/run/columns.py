"""Epoch rows as columns of numbers that grow: how pages hold runs of a million rows."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.json
from numpy.typing import NDArray

from trainer.run import metrics
from trainer.run.metrics import Look, Place, Row
from trainer.system import regular_file

Numbers = NDArray[np.float64]
READING = "reading"
"""What is nested under this name stands beside the rest."""
FEW_LINES = 200
"""So few are read one by one; setting up the reader of many takes longer."""


@dataclass
class Columns:
    """The epoch rows of one file so far, in the order of the file; `read_more` moves it on.

    `names` are the numbers that are kept of each row; what is no number in it, or not there, is NaN.
    """

    names: Sequence[str]
    place: Place = field(default_factory=Place)
    unreadable: int = 0
    rows: int = 0
    _numbers: dict[str, Numbers] = field(default_factory=dict)
    _starts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def __getitem__(self, name: str) -> Numbers:
        """One number of each row [rows]; it stays as it is when more rows come."""
        return self._numbers[name][: self.rows] if self.rows else np.empty(0)

    @property
    def starts(self) -> NDArray[np.int64]:
        """Byte of the file at which each row begins [rows]."""
        return self._starts[: self.rows]


def read_more_columns(columns: Columns, path: Path, most: int) -> int:
    """Take in at most `most` bytes of what was appended since the last look; returns the bytes read. Raises OSError."""
    found = metrics.look(columns.place, path, most)
    _take_columns(columns, found)
    return found.read


def read_columns(columns: Columns, path: Path) -> None:
    """Take in all that there is. Raises OSError."""
    for found in metrics.looks(columns.place, path):
        _take_columns(columns, found)


def row_at(path: Path, start: int) -> Row | None:
    """The whole row that begins at byte `start`; None when there is none any more."""
    try:
        with regular_file.open_binary(path) as file:
            file.seek(start)
            line = file.readline(metrics.LONGEST_READ).removesuffix(b"\n")
    except FileNotFoundError:
        return None
    return metrics.parse(line) if metrics.epoch_lines([line])[0] else None


def epoch_row(columns: Columns, path: Path, epoch: int) -> Row | None:
    """The last row of an epoch, whole; None when there is none. `columns` are of the file at `path`, with `epoch`."""
    rows = np.flatnonzero(columns["epoch"] == epoch)
    row = row_at(path, int(columns.starts[rows[-1]])) if len(rows) else None
    return row if row and row.get("epoch") == epoch else None


def _take_columns(columns: Columns, found: Look) -> None:
    if found.anew:
        columns.unreadable, columns.rows, columns._numbers, columns._starts = 0, 0, {}, np.empty(0, np.int64)
    epochs, unreadable = metrics.epoch_lines(found.lines)
    lines = found.lines if len(epochs) == len(found.lines) else [found.lines[index] for index in epochs]
    numbers, known = _numbers(lines, columns.names)
    columns.unreadable += unreadable + len(lines) - len(known)
    starts = np.fromiter(accumulate((len(line) + 1 for line in found.lines), initial=found.start), np.int64)
    _append(columns, numbers, starts[np.asarray(epochs, dtype=np.int64)[known]])


def _append(columns: Columns, numbers: Mapping[str, Numbers], starts: NDArray[np.int64]) -> None:
    """Put rows behind those that are there; arrays that are full get twice the room, so old views keep theirs."""
    if not len(starts):
        return
    before, after = columns.rows, columns.rows + len(starts)
    if after > len(columns._starts):
        room = max(after, 2 * before)
        columns._starts = np.concatenate([columns._starts[:before], np.empty(room - before, np.int64)])
        columns._numbers = {name: np.concatenate([columns[name], np.empty(room - before)]) for name in columns.names}
    columns._starts[before:after] = starts
    for name in columns.names:
        columns._numbers[name][before:after] = numbers[name]
    columns.rows = after


def _numbers(lines: Sequence[bytes], names: Sequence[str]) -> tuple[dict[str, Numbers], NDArray[np.int64]]:
    """The named numbers of each line that holds a row, and which lines those are."""
    if len(lines) > FEW_LINES:
        try:
            return _numbers_of_many(lines, names), np.arange(len(lines))
        except pa.ArrowInvalid:  # a row of an earlier version, which had no checksum, or text where a number should be
            pass
    rows = [metrics.parse(line) for line in lines]
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
