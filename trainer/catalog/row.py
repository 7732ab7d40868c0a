"""One run as a line of the list of runs."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from trainer.catalog import option_values
from trainer.config.option_list import Value
from trainer.evaluation.operating_point import OperatingPoint
from trainer.run.state import State


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
    """What was trained, without pauses."""
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
    return row.changed.get(key, option_values.defaults().get(key))
