"""What runs can be searched and sorted by: the fields of a row under the names that people type."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from trainer.catalog import row as rows
from trainer.catalog.row import Row
from trainer.config.option_list import options

Kind = Literal["text", "words", "number", "share", "seconds", "bytes", "time", "flag"]
Found = float | int | str | bool | tuple[str, ...] | None


@dataclass(frozen=True)
class Field:
    """One thing that is known of a run: its kind, its value in a row, whether a high value is the good one."""

    name: str
    kind: Kind
    of: Callable[[Row], Found]
    high_first: bool = False


def _own(name: str, kind: Kind, attribute: str = "", high_first: bool = False) -> Field:
    place = Row._fields.index(attribute or name)
    return Field(name, kind, lambda row: cast(Found, row[place]), high_first)


_OWN = (
    _own("id", "text", "run", high_first=True), _own("label", "text"), _own("tag", "words", "tags"),
    _own("note", "text"), _own("state", "text"), _own("problem", "text"), _own("starred", "flag", high_first=True),
    _own("archived", "flag"), _own("started", "time", high_first=True), _own("ended", "time", high_first=True),
    _own("duration", "seconds", "duration_seconds"), _own("split", "text"), _own("config", "text"),
    _own("preset", "text"), _own("model", "text"), _own("epoch", "number"), _own("epochs", "number"),
    _own("best_epoch", "number"), _own("val_loss", "number"), _own("accuracy", "share", high_first=True),
    _own("fpr", "share"), _own("fnr", "share"), _own("f1", "share", high_first=True), _own("threshold", "number"),
    _own("miss_rate", "share"), _own("false_accepts_per_hour", "number"), _own("hours", "number", high_first=True),
    _own("measured_on", "text"), _own("stream_miss_rate", "share"),
    _own("size", "bytes", "size_bytes", high_first=True), _own("device", "text"), _own("version", "text"),
    _own("torch", "text"), _own("attempt", "number"),
)  # fmt: skip


def _option(key: str, kind: type) -> Field:
    known: Mapping[type, Kind] = {bool: "flag", str: "text"}
    return Field(key, known.get(kind, "number"), lambda row: rows.option(row, key))


@functools.cache
def fields() -> Mapping[str, Field]:
    """Every field by its name: those of a row, options as `group.name`, and as `name` where only one is called so."""
    whole = {option.key: _option(option.key, option.kind) for option in options()}
    names = [option.name for option in options()]
    short = {option.name: whole[option.key] for option in options() if names.count(option.name) == 1}
    return whole | short | {field.name: field for field in _OWN}


def find(name: str) -> Field:
    """Raises ValueError, which names the nearest field there is."""
    if field := fields().get(name.lower()):
        return field
    near = difflib.get_close_matches(name.lower(), fields(), 1, 0.5)
    hint = f"did you mean {near[0]}?" if near else "known are id, label, tag, state, model, val_loss, f1 and options."
    raise ValueError(f"Runs have no {name!r}; {hint}")


def local_time(seconds: float) -> str:
    """As people write it, in local time."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def sorted_by(found: list[Row], name: str, reverse: bool = False) -> list[Row]:
    """Sorted with the best, newest or first in the alphabet first; those of which it is not known stand last.

    Raises ValueError for a name that is no field.
    """
    field = find(name)
    known = [row for row in found if field.of(row) not in (None, "", ())]
    unknown = [row for row in found if field.of(row) in (None, "", ())]
    down = field.high_first != reverse
    return sorted(known, key=lambda row: _rank(field.of(row)), reverse=down) + unknown


def _rank(value: Found) -> tuple[float, str]:
    if isinstance(value, (int, float)):
        return float(value), ""
    return 0.0, (" ".join(value) if isinstance(value, tuple) else str(value)).casefold()
