"""Curves: numbers of epochs as tables that a chart can draw, few enough points and nothing hidden."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from trainer.run.columns import Numbers

MOST_POINTS = 2000
"""Points of one line that are sent to the browser."""


@dataclass(frozen=True)
class Style:
    """How the user wants curves drawn, and of which epochs: from `first` to `last`, both ends where None."""

    smoothing: float = 0.0
    log_scale: bool = False
    first: int | None = None
    last: int | None = None


def thin(values: Numbers, most: int = MOST_POINTS) -> NDArray[np.int64]:
    """Which of `values` [n] to draw, in order: all, or the first, the last, and minimum and maximum of equal bins.

    A spike is never lost, and the same values always give the same choice. Bins hold a power of two, so that a line
    that grows keeps the points that it had, until there are too many bins and each two become one.
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
    """Exponential moving average of `values` [n]; 0 leaves them alone, towards 1 is smoother. The start is unbiased."""
    if not len(values) or not smoothing:
        return values
    return pd.Series(values).ewm(alpha=1 - smoothing).mean().to_numpy()


def curve_table(
    numbers: Mapping[str, Numbers], lines: Mapping[str, str], scale: float, style: Style, positive: bool = False
) -> pa.Table:
    """Rows (epoch, line, value, with smoothing also smooth) of the lines {number: name}, values times `scale`.

    With `positive`, as a logarithm wants it, other values are left out.
    """
    epochs = numbers.get("epoch", np.empty(0))
    parts = [_line_columns(epochs, numbers.get(name, epochs), scale, style, positive) for name in lines]
    which = np.repeat(np.arange(len(parts), dtype=np.int8), [len(part["epoch"]) for part in parts])
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return pa.table({"line": pa.DictionaryArray.from_arrays(which, list(lines.values())), **columns})


def _line_columns(epochs: Numbers, values: Numbers, scale: float, style: Style, positive: bool) -> dict[str, Numbers]:
    """Epoch, value and smoothed value [points] of one line, without what is no number."""
    known = np.isfinite(values) & (values > 0) if positive else np.isfinite(values)
    if not known.all():
        epochs, values = epochs[known], values[known]
    first = 0 if style.first is None else int(np.searchsorted(epochs, style.first))
    last = len(epochs) if style.last is None else int(np.searchsorted(epochs, style.last, side="right"))
    chosen = first + thin(values[first:last])
    columns = {"epoch": epochs[chosen], "value": scale * values[chosen]}
    if style.smoothing:
        columns["smooth"] = scale * smooth(values, style.smoothing)[chosen]
    return columns
