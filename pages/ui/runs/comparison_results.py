"""The compared runs ranked by a result, and a parallel-coordinates chart of their options and results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.runs import run_columns
from pages.ui.shared import tables
from pages.ui.shared.curves import GREY
from pages.ui.shared.frame import plain
from trainer.catalog import run_rows
from trainer.catalog.run_rows import Row
from trainer.config.option_list import Value, Values

PARALLEL_HEIGHT = 380
Axis = Sequence[Value | None]
"""The value of each run on one axis, None where it is unknown."""
MEASURES = {
    "Val loss": "val_loss",
    "Accuracy": "accuracy",
    "F1": "f1",
    "FPR": "fpr",
    "FNR": "fnr",
    "Miss rate": "miss_rate",
    "Stream miss rate": "stream_miss_rate",
    "Duration": "duration",
    "Size": "size",
}
LOWEST_FIRST = frozenset({"Size", "Duration"})
"""Results of which the lowest is the best."""
MOST_AXES = 8


def axis_positions(values: Axis) -> list[float]:
    """The position of each value on its axis, from 0 to 1: numbers by value, the rest in alphabetical order; NaN where
    it is None."""
    known = [value for value in values if value is not None]
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known):
        numbers = np.array([np.nan if value is None else float(value) for value in values])
        low, high = (np.nanmin(numbers), np.nanmax(numbers)) if known else (0.0, 0.0)
        return ((numbers - low) / (high - low) if high > low else numbers * 0 + 0.5).tolist()  # type: ignore[no-any-return]
    words = sorted({str(value) for value in known})
    step = 1 / (len(words) - 1) if len(words) > 1 else 0.0
    return [np.nan if value is None else step * words.index(str(value)) if step else 0.5 for value in values]


def value_text(value: Value | None) -> str:
    """A value as text, an unknown one as a dash."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return "–" if value is None else str(value)


def parallel_rows(names: Sequence[str], axes: Mapping[str, Axis]) -> pd.DataFrame:
    """One row for each run and axis."""
    parts = [
        {"Run": name, "Axis": axis, "Place": place, "Value": value_text(value)}
        for axis, values in axes.items()
        for name, place, value in zip(names, axis_positions(values), values, strict=True)
        if not np.isnan(place)
    ]
    return pd.DataFrame(parts, columns=["Run", "Axis", "Place", "Value"])


def axis_labels(table: pd.DataFrame) -> pd.DataFrame:
    """Labels for each axis: at most five of its values."""
    once = table.drop_duplicates(["Axis", "Value"]).sort_values("Place")
    picked = [
        group.iloc[np.unique(np.linspace(0, len(group) - 1, min(5, len(group))).round().astype(int))]
        for _, group in once.groupby("Axis", sort=False)
    ]
    return pd.concat(picked) if picked else once


def parallel_chart(names: Sequence[str], axes: Mapping[str, Axis], colour_by: str) -> alt.LayerChart | alt.FacetChart:
    """The lines, coloured by their position on one of the axes."""
    table = parallel_rows(names, axes)
    colours = dict(zip(names, axis_positions(axes[colour_by]), strict=True))
    table["Colour"] = table["Run"].map(colours)
    order = list(axes)
    x = alt.X("Axis:N", sort=order, title=None, axis=alt.Axis(labelAngle=0, labelLimit=160, grid=True, orient="top"))
    y = alt.Y("Place:Q", axis=None, scale=alt.Scale(domain=[-0.03, 1.03]))
    lines = (
        alt.Chart(table)
        .mark_line(strokeWidth=1.8, opacity=0.75)
        .encode(
            x=x,
            y=y,
            detail="Run:N",
            color=alt.Color("Colour:Q", scale=alt.Scale(scheme="viridis"), legend=None),
            tooltip=["Run:N"],
        )
    )
    points = (
        alt.Chart(table)
        .mark_point(filled=True, size=40)
        .encode(
            x=x,
            y=y,
            color=alt.Color("Colour:Q", scale=alt.Scale(scheme="viridis"), legend=None),
            tooltip=["Run:N", "Axis:N", "Value:N"],
        )
    )
    labels = (
        alt.Chart(axis_labels(table))
        .mark_text(align="left", dx=7, fontSize=11, color=GREY)
        .encode(x=x, y=y, text="Value:N")
    )
    return alt.layer(lines, points, labels).properties(height=PARALLEL_HEIGHT)


def show_results(rows: Mapping[str, Row], configurations: Mapping[str, Values]) -> None:
    """The best run, the table of results, and the parallel-coordinates chart."""
    known = [name for name, field in MEASURES.items() if any(_value(row, field) is not None for row in rows.values())]
    if not known:
        st.info("None of these runs has a result yet. Results appear after the first finished epoch.")
        return
    by = st.selectbox("Best by", known, key="best_by", bind="query-params", width=220)
    ranked = ranking(rows, by)
    name, row = next(iter(ranked.items()))
    st.success(f"Best by {by}: **{plain(name)}** ({plain(_shown(row, by))}).")
    table = pd.DataFrame({"Run": list(ranked)}).join(run_columns.table(list(ranked.values()), _shown_columns(known)))
    st.dataframe(
        table, hide_index=True, width="stretch", column_config=run_columns.drawn(), placeholder="–", alt="Results"
    )
    if "Miss rate" in known:
        st.caption(
            "Each miss rate is at the threshold of the model, on the sound in Measured on. To compare models on equal "
            "streams, open Same false accepts."
        )
    _show_parallel(rows, configurations, known, by)


def _shown_columns(known: Sequence[str]) -> list[str]:
    """The columns of the table: a miss rate always with the sound that it was measured on."""
    return ["State", "Epochs", *known, *(["False accepts per hour", "Measured on"] if "Miss rate" in known else [])]


def _value(row: Row, field: str) -> float | None:
    value = run_rows.find_field(field).of(row)
    return float(value) if isinstance(value, (int, float)) else None


def _shown(row: Row, by: str) -> str:
    value = run_columns.COLUMNS[by].of(row)
    if by == "Size":
        return f"{value / 1e6:,.1f} MB"
    return f"{value:.4f}" if by == "Val loss" else f"{value:.2f} %" if isinstance(value, float) else str(value)


def ranking(rows: Mapping[str, Row], by: str) -> dict[str, Row]:
    """The best run first, runs without this result last."""
    field = run_rows.find_field(MEASURES[by])
    sign = -1 if field.high_first and by not in LOWEST_FIRST else 1
    known = {name: value for name, row in rows.items() if (value := _value(row, field.name)) is not None}
    first = sorted(known, key=lambda name: sign * known[name])
    return {name: rows[name] for name in [*first, *(name for name in rows if name not in known)]}


def _show_parallel(
    rows: Mapping[str, Row], configurations: Mapping[str, Values], known: Sequence[str], by: str
) -> None:
    different = tables.differing(configurations)
    if not different:
        st.caption("No option differs between these runs, so there is nothing to plot against their results.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        options = st.multiselect("Options", different, different[:MOST_AXES], key="parallel_options", width=420)
        shown = st.multiselect("Results", known, [by], key="parallel_results", width=300)
    axes: dict[str, list[Value | None]] = {
        key: [configurations.get(name, {}).get(key) for name in rows] for key in options
    }
    axes |= {name: [_value(row, MEASURES[name]) for row in rows.values()] for name in shown}
    if len(axes) < 2:
        st.caption("Choose two or more options and results.")
        return
    colour_by = by if by in axes else next(reversed(axes))
    picture = parallel_chart(list(rows), axes, colour_by)
    st.altair_chart(picture, width="stretch", key="parallel", alt="Options and results of each run")
    st.caption(f"One line per run, coloured by {plain(colour_by)} from dark (low) to bright (high).")
