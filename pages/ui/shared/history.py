"""The epochs of a run, read from metrics.jsonl and timing.jsonl once for all browsers and then only moved forward."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from pages.ui.shared.curves import MEASURED, TIMED
from trainer.run import columns
from trainer.run.columns import Columns, Numbers
from trainer.run.metrics import Row
from trainer.run.runs import Run

MOST_BYTES = {"metrics": 24 << 10, "timing": 8 << 10}
"""Read of each file at one look at a run under way; one that grew faster is caught up with over several."""
LOOK_SECONDS, MOST_LOOK_SECONDS = 1.5, 10.0
"""Looks are at least this far apart, and those at long runs, whose curves one more epoch does not change to the eye, up
to that: browsers that come between see the same, and what is drawn of it is kept."""
EPOCHS_A_SECOND = 50
"""A run of so many epochs is looked at again after a second, one of twice as many after two."""


@dataclass(frozen=True)
class Epochs:
    """Epochs of one run in order, each once: {number: its values [epochs]}, NaN where there is none.

    `version` is equal for equal epochs, `unreadable` counts the lines of the files that are no rows.
    """

    numbers: Mapping[str, Numbers] = field(default_factory=dict)
    version: str = ""
    unreadable: int = 0


@dataclass
class History:
    """How far the files of one run were read; the lock keeps two browser tabs from reading on at once."""

    metrics: Columns = field(default_factory=lambda: Columns(("epoch", *MEASURED)))
    timing: Columns = field(default_factory=lambda: Columns(("epoch", *TIMED)))
    epochs: Epochs | None = None
    looked: float = 0.0
    lock: Lock = field(default_factory=Lock)


@st.cache_resource(max_entries=256, show_spinner=False)
def _history(folder: str) -> History:
    return History()


def read(run: Run, to_end: bool = True) -> Epochs:
    """The epochs of a run so far; without `to_end` a look at what was read before takes in little of what is new."""
    history = _history(str(run.folder))
    with history.lock:
        now = time.monotonic()
        if history.epochs is not None and not to_end and now - history.looked < _apart(history.metrics.rows):
            return history.epochs
        _read_on(history, run, to_end or history.epochs is None)
        history.looked = now
        places = (each.place for each in (history.metrics, history.timing))
        version = f"{run.folder} " + " ".join(f"{place.inode} {place.offset}" for place in places)
        if history.epochs is None or history.epochs.version != version:
            history.epochs = _joined(history, version)
        return history.epochs


@st.cache_resource(max_entries=1024, show_spinner=False)
def _few(folder: str, names: tuple[str, ...]) -> History:
    return History(Columns(("epoch", *names)))


def measured(run: Run, names: tuple[str, ...]) -> Epochs:
    """The epochs of a run to its end with these numbers of metrics.jsonl alone: half of the time of all of them."""
    history = _few(str(run.folder), names)
    with history.lock:
        columns.read_to_end(history.metrics, run.metrics_file)
        epochs, chosen = _last_of_each(history.metrics["epoch"])
        numbers = {name: history.metrics[name][chosen] for name in names}
        return Epochs({"epoch": epochs, **numbers}, unreadable=history.metrics.unreadable)


def _apart(epochs: int) -> float:
    """Least seconds between two looks at a run under way with so many epochs."""
    return min(MOST_LOOK_SECONDS, max(LOOK_SECONDS, epochs / EPOCHS_A_SECOND))


def _read_on(history: History, run: Run, to_end: bool) -> None:
    for name, path in (("metrics", run.metrics_file), ("timing", run.timing_file)):
        found: Columns = getattr(history, name)
        if to_end:
            columns.read_to_end(found, path)
        else:
            columns.read_more(found, path, MOST_BYTES[name])


def _joined(history: History, version: str) -> Epochs:
    """The columns of both files, side by side."""
    measured, timed = history.metrics, history.timing
    epochs, chosen = _last_of_each(measured["epoch"])
    numbers = {"epoch": epochs} | {name: measured[name][chosen] for name in MEASURED}
    at, places = _last_of_each(timed["epoch"])
    beside = _beside(epochs, at)
    numbers |= {name: beside(timed[name][places]) for name in TIMED}
    return Epochs(numbers, version, measured.unreadable + timed.unreadable)


def _last_of_each(epochs: Numbers) -> tuple[Numbers, slice | NDArray[np.int64]]:
    """The epochs in order, each once, and where the last row of each is; those that are no numbers are left out."""
    if np.all(np.diff(epochs, prepend=0) > 0):
        return epochs, slice(None)
    found, last = np.unique(epochs[::-1], return_index=True)
    known = np.isfinite(found)
    return found[known], (len(epochs) - 1 - last)[known]


def _beside(epochs: Numbers, at: Numbers) -> Callable[[Numbers], Numbers]:
    """What puts values of the epochs `at` beside `epochs`, both in order; NaN where there is none."""
    late = len(epochs) - len(at)
    if late >= 0 and np.array_equal(epochs[: len(at)], at):  # as it is while a run goes on
        return lambda values: np.concatenate([values, np.full(late, np.nan)]) if late else values
    places = np.searchsorted(at, epochs)
    known = np.isin(epochs, at)

    def beside(values: Numbers) -> Numbers:
        found = np.full(len(epochs), np.nan)
        found[known] = values[places[known]]
        return found

    return beside


def epoch_row(run: Run, epoch: int) -> Row | None:
    """The last row of this epoch in metrics.jsonl, whole; None when there is none."""
    history = _history(str(run.folder))
    with history.lock:
        columns.read_to_end(history.metrics, run.metrics_file)
        return columns.epoch_row(history.metrics, run.metrics_file, epoch)
