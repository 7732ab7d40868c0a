"""Curves: columns of epoch rows as tables that a chart can draw, few enough points and nothing hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

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
    edges = np.linspace(0, len(values), (most - 2) // 2 + 1).astype(int)
    bins = [(a, values[a:b]) for a, b in pairwise(edges)]
    chosen = [a + pick for a, part in bins for pick in (int(part.argmin()), int(part.argmax()))]
    return np.unique(np.array([0, *chosen, len(values) - 1]))


def smooth(values: NDArray[np.float64], smoothing: float) -> NDArray[np.float64]:
    """Exponential moving average of `values` [n]; 0 leaves them alone, towards 1 is smoother. The start is unbiased."""
    if not len(values) or not smoothing:
        return values
    return pd.Series(values).ewm(alpha=1 - smoothing).mean().to_numpy()


def curve_table(rows: Sequence[Row], lines: Mapping[str, str], scale: float, smoothing: float) -> pd.DataFrame:
    """Rows (epoch, line, value, smooth) of the lines {column of the rows: name}, values times `scale`."""
    epochs = column(rows, "epoch")
    parts = []
    for source, name in lines.items():
        values = column(rows, source) * scale
        known = np.isfinite(values) & np.isfinite(epochs)
        at, values = epochs[known], values[known]
        chosen = thin(values)
        smoothed = smooth(values, smoothing)[chosen]
        parts.append(pd.DataFrame({"epoch": at[chosen], "line": name, "value": values[chosen], "smooth": smoothed}))
    return pd.concat(parts, ignore_index=True)
