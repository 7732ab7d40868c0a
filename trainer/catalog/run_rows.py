"""One run as a row of the list of runs, and the fields and options that rows are searched and sorted by."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from trainer.config import config_file, yaml_text
from trainer.config.option_list import Value, options
from trainer.evaluation.operating_point import OperatingPoint
from trainer.run.state import State
from trainer.system import regular_file

Values = dict[str, Value]
PRESET = "preset"


@functools.cache
def option_defaults() -> Mapping[str, Value]:
    """The default of every option of this version."""
    return {option.key: option.default for option in options()} | {PRESET: ""}


def read_options(path: Path) -> Values:
    """Every option in a configuration file, known or not. Raises OSError, ValueError."""
    with regular_file.open_binary(path) as file:
        data = file.read(yaml_text.MOST_BYTES + 1)
    return _flat(yaml_text.parse(data))


def _flat(document: object) -> Values:
    """Options by `group.name`. Raises ValueError when the document holds no options."""
    if not isinstance(document, dict):
        raise ValueError("it holds no options")
    found: Values = {}
    for group, inner in document.items():
        values = {f"{group}.{name}": value for name, value in inner.items()} if isinstance(inner, dict) else None
        found |= {group: inner} if values is None else values
    return {key: value for key, value in found.items() if isinstance(value, (bool, int, float, str))}


def unknown_options(values: Values) -> list[str]:
    """Options that this version does not have, without those of earlier versions that have no effect."""
    return [key for key, value in values.items() if key not in option_defaults() and not _is_removed(key, value)]


def changed_options(values: Values) -> Values:
    """Options that differ from the defaults of this version."""
    own = {key: value for key, value in values.items() if not _is_removed(key, value)}
    return {key: value for key, value in own.items() if key not in option_defaults() or option_defaults()[key] != value}


def _is_removed(key: str, value: Value) -> bool:
    group, _, name = key.partition(".")
    return config_file.is_removed(group, name, value)


class Row(NamedTuple):
    """What the list of runs shows of a folder in runs/. Rates from 0 to 1, times in seconds; None: not known.

    Losses, accuracy, FPR, FNR and F1 are those of the best epoch, per window of the validation split. A tuple, as
    ten thousand are read at once.
    """

    run: str
    """The name of its folder."""
    state: State | Literal["foreign"]
    """foreign: a folder whose name is no id of a run."""
    problem: str = ""
    """What is wrong with its files, in a sentence; empty when nothing is."""
    label: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    starred: bool = False
    archived: bool = False
    started: float | None = None
    """Since 1970, UTC; so is `ended`."""
    ended: float | None = None
    duration_seconds: float | None = None
    """Training time without pauses."""
    split: str = ""
    """The fingerprint of the splits."""
    config: str = ""
    """The name of the configuration it was started with."""
    preset: str = ""
    model: str = ""
    epoch: int = 0
    epochs: int = 0
    best_epoch: int | None = None
    val_loss: float | None = None
    accuracy: float | None = None
    fpr: float | None = None
    fnr: float | None = None
    f1: float | None = None
    threshold: float | None = None
    """Of the run's operating point, as are the miss rate, the false accepts and what they were measured on."""
    miss_rate: float | None = None
    false_accepts_per_hour: float | None = None
    hours: float | None = None
    """Without the word, in which the false accepts were counted."""
    measured_on: str = ""
    """`evaluation` or `validation_stream`; empty where nothing is measured."""
    evaluation: str = ""
    """The id of that evaluation."""
    operating_point: dict[str, Any] | None = None
    """The document of the operating point."""
    stream_miss_rate: float | None = None
    """In the validation stream of the training: of the best epoch, else when it was last heard."""
    size_bytes: int | None = None
    device: str = ""
    version: str = ""
    torch: str = ""
    attempt: int = 0
    changed: dict[str, Value] = {}  # noqa: RUF012 - never changed
    """The options that are not at their defaults, by `group.name`; see `option`."""
    losses: tuple[float, ...] = ()
    """Validation loss over the epochs, at most `MOST_LOSSES`."""


MOST_LOSSES = 40


def point_of(row: Row) -> OperatingPoint | None:
    """The operating point of a run."""
    return None if row.operating_point is None else OperatingPoint.model_validate(row.operating_point)


def option(row: Row, key: str) -> Value | None:
    """The value of an option (`group.name`) of a run; None where its configuration cannot be read, or has none."""
    if not row.changed and not row.model:
        return None
    return row.changed.get(key, option_defaults().get(key))


Kind = Literal["text", "words", "number", "share", "seconds", "bytes", "time", "flag"]
FieldValue = float | int | str | bool | tuple[str, ...] | None


@dataclass(frozen=True)
class Field:
    """A field to search and sort by: its kind, its value in a row, and whether high values come first."""

    name: str
    kind: Kind
    of: Callable[[Row], FieldValue]
    high_first: bool = False


def _own(name: str, kind: Kind, attribute: str = "", high_first: bool = False) -> Field:
    place = Row._fields.index(attribute or name)
    return Field(name, kind, lambda row: cast(FieldValue, row[place]), high_first)


_OWN = (
    _own("id", "text", "run", high_first=True),
    _own("label", "text"),
    _own("tag", "words", "tags"),
    _own("note", "text"),
    _own("state", "text"),
    _own("problem", "text"),
    _own("starred", "flag", high_first=True),
    _own("archived", "flag"),
    _own("started", "time", high_first=True),
    _own("ended", "time", high_first=True),
    _own("duration", "seconds", "duration_seconds"),
    _own("split", "text"),
    _own("config", "text"),
    _own("preset", "text"),
    _own("model", "text"),
    _own("epoch", "number"),
    _own("epochs", "number"),
    _own("best_epoch", "number"),
    _own("val_loss", "number"),
    _own("accuracy", "share", high_first=True),
    _own("fpr", "share"),
    _own("fnr", "share"),
    _own("f1", "share", high_first=True),
    _own("threshold", "number"),
    _own("miss_rate", "share"),
    _own("false_accepts_per_hour", "number"),
    _own("hours", "number", high_first=True),
    _own("measured_on", "text"),
    _own("stream_miss_rate", "share"),
    _own("size", "bytes", "size_bytes", high_first=True),
    _own("device", "text"),
    _own("version", "text"),
    _own("torch", "text"),
    _own("attempt", "number"),
)


def _option(key: str, kind: type) -> Field:
    known: Mapping[type, Kind] = {bool: "flag", str: "text"}
    return Field(key, known.get(kind, "number"), lambda row: option(row, key))


@functools.cache
def fields() -> Mapping[str, Field]:
    """Every field by name: those of a row, options as `group.name`, and as `name` where that is unique."""
    whole = {option.key: _option(option.key, option.kind) for option in options()}
    names = [option.name for option in options()]
    short = {option.name: whole[option.key] for option in options() if names.count(option.name) == 1}
    return whole | short | {field.name: field for field in _OWN}


def find_field(name: str) -> Field:
    """The field with this name. Raises ValueError, which names the most similar field."""
    if field := fields().get(name.lower()):
        return field
    near = difflib.get_close_matches(name.lower(), fields(), 1, 0.5)
    hint = f"did you mean {near[0]}?" if near else "known are id, label, tag, state, model, val_loss, f1 and options."
    raise ValueError(f"Runs have no {name!r}; {hint}")


def local_time(seconds: float) -> str:
    """A time in seconds since 1970 as text, in local time."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def sorted_by(found: list[Row], name: str, reverse: bool = False) -> list[Row]:
    """Rows sorted by a field: best, newest or alphabetically first ones first, unknown values last.

    Raises ValueError for a name that is no field.
    """
    field = find_field(name)
    known = [row for row in found if field.of(row) not in (None, "", ())]
    unknown = [row for row in found if field.of(row) in (None, "", ())]
    down = field.high_first != reverse
    return sorted(known, key=lambda row: _rank(field.of(row)), reverse=down) + unknown


def _rank(value: FieldValue) -> tuple[float, str]:
    if isinstance(value, (int, float)):
        return float(value), ""
    return 0.0, (" ".join(value) if isinstance(value, tuple) else str(value)).casefold()
