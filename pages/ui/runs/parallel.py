"""Options and results of runs as parallel coordinates: one line a run, one axis for each that differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from pages.ui.shared.plots import GREY
from trainer.config.config_difference import Value

HEIGHT = 380
Axis = Sequence[Value | None]
"""The value of each run on one axis, None where it is not known."""


def places(values: Axis) -> list[float]:
    """Where each value stands on its axis, from 0 to 1: numbers by size, the rest in order of the alphabet; NaN where
    there is none."""
    known = [value for value in values if value is not None]
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known):
        numbers = np.array([np.nan if value is None else float(value) for value in values])
        low, high = (np.nanmin(numbers), np.nanmax(numbers)) if known else (0.0, 0.0)
        return ((numbers - low) / (high - low) if high > low else numbers * 0 + 0.5).tolist()  # type: ignore[no-any-return]
    words = sorted({str(value) for value in known})
    step = 1 / (len(words) - 1) if len(words) > 1 else 0.0
    return [np.nan if value is None else step * words.index(str(value)) if step else 0.5 for value in values]


def shown(value: Value | None) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "–" if value is None else str(value)


def rows(names: Sequence[str], axes: Mapping[str, Axis]) -> pd.DataFrame:
    """One row for each run and axis."""
    parts = [
        {"Run": name, "Axis": axis, "Place": place, "Value": shown(value)}
        for axis, values in axes.items()
        for name, place, value in zip(names, places(values), values, strict=True)
        if not np.isnan(place)
    ]
    return pd.DataFrame(parts, columns=["Run", "Axis", "Place", "Value"])


def ends(table: pd.DataFrame) -> pd.DataFrame:
    """What stands at the ends and steps of each axis: a few labels."""
    once = table.drop_duplicates(["Axis", "Value"]).sort_values("Place")
    picked = [group.iloc[np.unique(np.linspace(0, len(group) - 1, min(5, len(group))).round().astype(int))]
              for _, group in once.groupby("Axis", sort=False)]  # fmt: skip
    return pd.concat(picked) if picked else once


def chart(names: Sequence[str], axes: Mapping[str, Axis], colour_by: str) -> alt.LayerChart | alt.FacetChart:
    """The lines, coloured by the place on one of the axes."""
    table = rows(names, axes)
    colours = dict(zip(names, places(axes[colour_by]), strict=True))
    table["Colour"] = table["Run"].map(colours)
    order = list(axes)
    x = alt.X("Axis:N", sort=order, title=None, axis=alt.Axis(labelAngle=0, labelLimit=160, grid=True, orient="top"))
    y = alt.Y("Place:Q", axis=None, scale=alt.Scale(domain=[-0.03, 1.03]))
    lines = alt.Chart(table).mark_line(strokeWidth=1.8, opacity=0.75).encode(
        x=x, y=y, detail="Run:N",
        color=alt.Color("Colour:Q", scale=alt.Scale(scheme="viridis"), legend=None),
        tooltip=["Run:N"],
    )  # fmt: skip
    points = alt.Chart(table).mark_point(filled=True, size=40).encode(
        x=x, y=y, color=alt.Color("Colour:Q", scale=alt.Scale(scheme="viridis"), legend=None),
        tooltip=["Run:N", "Axis:N", "Value:N"],
    )  # fmt: skip
    labels = alt.Chart(ends(table)).mark_text(align="left", dx=7, fontSize=11, color=GREY).encode(
        x=x, y=y, text="Value:N"
    )  # fmt: skip
    return alt.layer(lines, points, labels).properties(height=HEIGHT)
