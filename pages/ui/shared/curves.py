"""Curves of a training: which numbers of an epoch stand in which chart, thinned to what a browser can draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from trainer.run.metrics import Numbers

BLUE, ORANGE, RED, GREEN, PURPLE, GREY = "#2f7ed8", "#f28e2b", "#d9363e", "#2e9e4f", "#8a63d2", "#7a8594"


@dataclass(frozen=True)
class Plot:
    """One chart: its lines as {column: (name, colour)}, and its axis; `timed` columns stand in timing.jsonl.

    With `ticks`, the axis is logarithmic above the second one and linear below, down to zero.
    """

    key: str
    title: str
    axis: str
    lines: Mapping[str, tuple[str, str]]
    scale: float = 1.0
    top: float | None = None
    number: str = ".4f"
    may_be_log: bool = False
    timed: bool = False
    ticks: tuple[float, ...] = ()


PLOTS = (
    Plot(
        "loss",
        "Loss",
        "loss",
        {"train_loss": ("Training", BLUE), "val_loss": ("Validation", ORANGE)},
        may_be_log=True,
    ),
    Plot(
        "accuracy",
        "Accuracy",
        "accuracy per window (%)",
        {"train_accuracy": ("Training", BLUE), "val_accuracy": ("Validation", ORANGE)},
        100,
        105,
        ".2f",
    ),
    Plot(
        "rates",
        "Validation rates",
        "rate per window (%)",
        {"fpr": ("FPR", RED), "fnr": ("FNR", ORANGE), "f1": ("F1", GREEN)},
        100,
        100,
        ".2f",
        ticks=(0, 0.1, 0.3, 1, 3, 10, 30, 100),
    ),
    Plot(
        "stream", "Misses in the validation stream", "miss rate (%)", {"miss_rate": ("Miss rate", RED)}, 100, 105, ".2f"
    ),
    Plot("speed", "Speed", "clips/s", {"clips_per_second": ("Speed", GREY)}, number=",.0f", timed=True),
    Plot("learning_rate", "Learning rate", "learning rate", {"learning_rate": ("Learning rate", PURPLE)}, number=".3g"),
    Plot(
        "load",
        "Load",
        "load (%)",
        {"cpu_percent": ("CPU", BLUE), "gpu_percent": ("GPU", GREEN)},
        top=105,
        number=".0f",
        timed=True,
    ),
    Plot(
        "memory",
        "Memory",
        "memory (GB)",
        {
            "process_memory": ("Training process", BLUE),
            "memory_used": ("All programs", GREY),
            "gpu_memory_used": ("GPU", GREEN),
        },
        1e-9,
        number=".2f",
        timed=True,
    ),
)
MEASURED = ("step", *dict.fromkeys(name for plot in PLOTS if not plot.timed for name in plot.lines))
TIMED = ("elapsed_seconds", *dict.fromkeys(name for plot in PLOTS if plot.timed for name in plot.lines))


MOST_POINTS = 2000
"""Largest number of points per line that is sent to the browser."""


@dataclass(frozen=True)
class Style:
    """How curves are drawn, and for which epochs: `first` to `last`; None means no limit."""

    smoothing: float = 0.0
    log_scale: bool = False
    first: int | None = None
    last: int | None = None


def thin(values: Numbers, most: int = MOST_POINTS) -> NDArray[np.int64]:
    """Indices of `values` [n] to draw, in order: all, or the first, the last, and minimum and maximum of equal bins.

    No spike is lost, and equal values give equal indices. The bin size is a power of two, so that a growing line keeps
    its points until there are too many bins and each pair is merged.
    """
    if len(values) <= most:
        return np.arange(len(values))
    size = 2
    while 2 * -(-len(values) // size) + 2 > most:
        size *= 2
    whole = len(values) // size
    bins, rest = values[: whole * size].reshape(whole, size), values[whole * size :]
    starts = np.arange(whole) * size
    ends = [0, len(values) - 1] + [whole * size + place for place in _extremes(rest)]
    return np.unique(np.concatenate([starts + bins.argmin(axis=1), starts + bins.argmax(axis=1), ends]))


def _extremes(values: Numbers) -> list[int]:
    return [int(values.argmin()), int(values.argmax())] if len(values) else []


def smooth(values: Numbers, smoothing: float) -> Numbers:
    """Exponential moving average of `values` [n], without bias at the start; 0 changes nothing, near 1 is smoothest."""
    if not len(values) or not smoothing:
        return values
    return pd.Series(values).ewm(alpha=1 - smoothing).mean().to_numpy()


def curve_table(
    numbers: Mapping[str, Numbers], lines: Mapping[str, str], scale: float, style: Style, positive: bool = False
) -> pa.Table:
    """Rows (epoch, line, value, with smoothing also smooth) of the lines {number: name}, values times `scale`.

    With `positive`, for a logarithmic scale, other values are left out.
    """
    epochs = numbers.get("epoch", np.empty(0))
    parts = [_line_columns(epochs, numbers.get(name, epochs), scale, style, positive) for name in lines]
    which = np.repeat(np.arange(len(parts), dtype=np.int8), [len(part["epoch"]) for part in parts])
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return pa.table({"line": pa.DictionaryArray.from_arrays(which, list(lines.values())), **columns})


def _line_columns(epochs: Numbers, values: Numbers, scale: float, style: Style, positive: bool) -> dict[str, Numbers]:
    """Epoch, value and smoothed value [points] of one line; values that are not finite are left out."""
    drawable = np.isfinite(values) & (values > 0) if positive else np.isfinite(values)
    if not drawable.all():
        epochs, values = epochs[drawable], values[drawable]
    first = 0 if style.first is None else int(np.searchsorted(epochs, style.first))
    last = len(epochs) if style.last is None else int(np.searchsorted(epochs, style.last, side="right"))
    chosen = first + thin(values[first:last])
    columns = {"epoch": epochs[chosen], "value": scale * values[chosen]}
    if style.smoothing:
        columns["smooth"] = scale * smooth(values, style.smoothing)[chosen]
    return columns
