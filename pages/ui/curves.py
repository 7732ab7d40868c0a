"""Curves: columns of epoch rows as tables that a chart can draw, few enough points and nothing hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainer.metrics import Row

MOST_POINTS = 2000
"""Points of one line that are sent to the browser."""


def column(rows: Sequence[Row], name: str) -> NDArray[np.float64]:
    """One value of each row [rows]; NaN where a row has no number."""
    values = (row.get(name) for row in rows)
    return np.array([v if isinstance(v, (int, float)) else np.nan for v in values], dtype=np.float64)


def thin(values: NDArray[np.float64], most: int = MOST_POINTS) -> NDArray[np.int64]:
    """Which of `values` [n] to draw, in order: all, or the first, the last, and minimum and maximum of equal bins.

    A spike is never lost, and the same values always give the same choice.
    """
    if len(values) <= most:
        return np.arange(len(values))
    size = -(-len(values) // ((most - 2) // 2))
    bins = np.pad(values, (0, -len(values) % size), mode="edge").reshape(-1, size)
    starts = np.arange(len(bins)) * size
    chosen = np.concatenate([starts + bins.argmin(axis=1), starts + bins.argmax(axis=1), [0, len(values) - 1]])
    return np.unique(np.minimum(chosen, len(values) - 1))


def smooth(values: NDArray[np.float64], smoothing: float) -> NDArray[np.float64]:
    """Exponential moving average of `values` [n]; 0 leaves them alone, towards 1 is smoother. The start is unbiased."""
    if not len(values) or not smoothing:
        return values
    return pd.Series(values).ewm(alpha=1 - smoothing).mean().to_numpy()


def curve_table(rows: Sequence[Row], lines: Mapping[str, str], scale: float, smoothing: float) -> pd.DataFrame:
    """Rows (epoch, line, value, smooth) of the lines {column of the rows: name}, values times `scale`."""
    epochs = column(rows, "epoch")
    parts = [_line_table(epochs, column(rows, source) * scale, smoothing) for source in lines]
    names = np.repeat(np.array(list(lines.values()), dtype=object), [len(part[0]) for part in parts])
    at, values, smoothed = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return pd.DataFrame({"epoch": at, "line": names, "value": values, "smooth": smoothed})


def _line_table(
    epochs: NDArray[np.float64], values: NDArray[np.float64], smoothing: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Epoch, value and smoothed value [points] of one line, without what is no number."""
    known = np.isfinite(values) & np.isfinite(epochs)
    at, values = epochs[known], values[known]
    chosen = thin(values)
    return at[chosen], values[chosen], smooth(values, smoothing)[chosen]
