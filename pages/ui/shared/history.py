"""The epochs of a run from metrics.jsonl and timing.jsonl, cached for all browsers and read incrementally."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from pages.ui.shared.curves import MEASURED, TIMED
from trainer.run import metrics
from trainer.run.metrics import Columns, Numbers, Row
from trainer.run.runs import Run

MOST_BYTES = {"metrics": 24 << 10, "timing": 8 << 10}
"""Most bytes of each file to read per poll of an active run; a file that grew more is read over several polls."""
POLL_SECONDS, MOST_POLL_SECONDS = 1.5, 10.0
"""Shortest and longest time between two polls of an active run; in between, browsers get the cached epochs and charts.
The curves of a long run change little with one epoch."""
EPOCHS_PER_SECOND = 50
"""The time between two polls is the number of epochs divided by this, in seconds."""


@dataclass(frozen=True)
class Epochs:
    """Epochs of one run in order, each once: {column: values [epochs]}, NaN where a value is missing.

    `version` is equal for equal epochs; `unreadable` counts the lines that are not valid rows.
    """

    numbers: Mapping[str, Numbers] = field(default_factory=dict)
    version: str = ""
    unreadable: int = 0


@dataclass
class History:
    """How far the files of one run were read; the lock keeps two browser tabs from reading at once."""

    metrics: Columns = field(default_factory=lambda: Columns(("epoch", *MEASURED)))
    timing: Columns = field(default_factory=lambda: Columns(("epoch", *TIMED)))
    epochs: Epochs | None = None
    polled: float = 0.0
    lock: Lock = field(default_factory=Lock)


@st.cache_resource(max_entries=256, show_spinner=False)
def _history(folder: str) -> History:
    return History()


def read(run: Run, to_end: bool = True) -> Epochs:
    """The epochs of a run so far; without `to_end`, a poll reads at most MOST_BYTES of new rows."""
    history = _history(str(run.folder))
    with history.lock:
        now = time.monotonic()
        if history.epochs is not None and not to_end and now - history.polled < _poll_seconds(history.metrics.rows):
            return history.epochs
        _read_more(history, run, to_end or history.epochs is None)
        history.polled = now
        places = (each.place for each in (history.metrics, history.timing))
        version = f"{run.folder} " + " ".join(f"{place.inode} {place.offset}" for place in places)
        if history.epochs is None or history.epochs.version != version:
            history.epochs = _joined(history, version)
        return history.epochs


@st.cache_resource(max_entries=1024, show_spinner=False)
def _partial_history(folder: str, names: tuple[str, ...]) -> History:
    return History(Columns(("epoch", *names)))


def measured(run: Run, names: tuple[str, ...]) -> Epochs:
    """All epochs of a run, with only these columns of metrics.jsonl; takes half of the time of `read`."""
    history = _partial_history(str(run.folder), names)
    with history.lock:
        metrics.read_to_end(history.metrics, run.metrics_file)
        epochs, chosen = _last_of_each(history.metrics["epoch"])
        numbers = {name: history.metrics[name][chosen] for name in names}
        return Epochs({"epoch": epochs, **numbers}, unreadable=history.metrics.unreadable)


def _poll_seconds(epochs: int) -> float:
    """Seconds between two polls of an active run."""
    return min(MOST_POLL_SECONDS, max(POLL_SECONDS, epochs / EPOCHS_PER_SECOND))


def _read_more(history: History, run: Run, to_end: bool) -> None:
    for name, path in (("metrics", run.metrics_file), ("timing", run.timing_file)):
        columns: Columns = getattr(history, name)
        if to_end:
            metrics.read_to_end(columns, path)
        else:
            metrics.read_more(columns, path, MOST_BYTES[name])


def _joined(history: History, version: str) -> Epochs:
    """The columns of both files, side by side."""
    measured, timed = history.metrics, history.timing
    epochs, chosen = _last_of_each(measured["epoch"])
    numbers = {"epoch": epochs} | {name: measured[name][chosen] for name in MEASURED}
    at, places = _last_of_each(timed["epoch"])
    align = _alignment(epochs, at)
    numbers |= {name: align(timed[name][places]) for name in TIMED}
    return Epochs(numbers, version, measured.unreadable + timed.unreadable)


def _last_of_each(epochs: Numbers) -> tuple[Numbers, slice | NDArray[np.int64]]:
    """The epochs in order, each once, and the index of the last row of each; NaN is left out."""
    if np.all(np.diff(epochs, prepend=0) > 0):
        return epochs, slice(None)
    unique, last = np.unique(epochs[::-1], return_index=True)
    finite = np.isfinite(unique)
    return unique[finite], (len(epochs) - 1 - last)[finite]


def _alignment(epochs: Numbers, at: Numbers) -> Callable[[Numbers], Numbers]:
    """A function that aligns values of the epochs `at` with `epochs`, both in order; NaN where missing."""
    late = len(epochs) - len(at)
    if late >= 0 and np.array_equal(epochs[: len(at)], at):  # the usual case while a run is active
        return lambda values: np.concatenate([values, np.full(late, np.nan)]) if late else values
    places = np.searchsorted(at, epochs)
    timed = np.isin(epochs, at)

    def align(values: Numbers) -> Numbers:
        aligned = np.full(len(epochs), np.nan)
        aligned[timed] = values[places[timed]]
        return aligned

    return align


def epoch_row(run: Run, epoch: int) -> Row | None:
    """The last row of this epoch in metrics.jsonl; None when there is none."""
    history = _history(str(run.folder))
    with history.lock:
        metrics.read_to_end(history.metrics, run.metrics_file)
        return metrics.epoch_row(history.metrics, run.metrics_file, epoch)
