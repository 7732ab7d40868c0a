"""The comparison of any number of runs: curves, options, ranked results, and miss rates at equal
false accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.evaluation import model_comparison
from pages.ui.runs import curve_overlay, run_columns, run_index
from pages.ui.shared import charts, frame, history, tables
from pages.ui.shared.curves import GREY, TIMED
from pages.ui.shared.frame import plain
from trainer.catalog import run_rows
from trainer.catalog.run_rows import Row
from trainer.config import option_list
from trainer.config.option_list import Value, Values
from trainer.system.workspace import Workspace

SECTIONS = ("Curves", "Options", "Results", "Same false accepts")
MOST_OFFERED = 500


def show(workspace: Workspace, rows: Sequence[Row], wanted: str) -> None:
    """Draw the comparison of the runs with the ids `wanted`, separated by commas."""
    run_index.all_runs_button()
    by_id = {row.run: row for row in rows if row.state != run_index.FOREIGN}
    ids = list(dict.fromkeys(filter(None, wanted.split(","))))
    chosen = [by_id[each] for each in ids if each in by_id]
    missing = [each for each in ids if each not in by_id]
    if missing:
        st.warning(plain(f"These runs do not exist or are in the trash: {', '.join(missing)[:200]}."))
    _choice(by_id, chosen)
    if len(chosen) < 2:
        st.info("Choose two or more runs to compare.")
        return
    named = by_name(chosen)
    section = frame.section("Compare", SECTIONS, "comparison")
    match section:
        case "Options":
            _show_options(option_values(named))
        case "Results":
            show_results(named, option_values(named))
        case "Same false accepts":
            model_comparison.show_groups({name: run_index.run_of(workspace, row) for name, row in named.items()})
        case _:
            _show_curves(workspace, named)


def by_name(chosen: Sequence[Row]) -> dict[str, Row]:
    """The runs by name in charts and tables: the label, with the id where labels repeat."""
    labels = [row.label for row in chosen]
    return {row.label if labels.count(row.label) == 1 else run_index.name_of(row): row for row in chosen}


def _choice(by_id: Mapping[str, Row], chosen: Sequence[Row]) -> None:
    """The list of compared runs, which is kept in the address."""
    ids = [row.run for row in chosen]
    offered = list(dict.fromkeys([*ids, *list(by_id)[:MOST_OFFERED]]))
    st.session_state["compared"] = ids
    with st.expander(f"{len(ids)} runs compared", icon=":material/checklist:"):
        st.multiselect(
            "Runs", offered, key="compared", format_func=lambda each: run_index.name_of(by_id[each]), on_change=_follow
        )


def _follow() -> None:
    if ids := st.session_state["compared"]:
        st.query_params["compare"] = ",".join(ids)
    else:
        del st.query_params["compare"]


def option_values(named: Mapping[str, Row]) -> dict[str, Values]:
    """Every option of each run whose configuration can be read."""
    readable = {name: row for name, row in named.items() if row.model or row.changed}
    return {name: {**run_rows.option_defaults(), **row.changed, "preset": row.preset} for name, row in readable.items()}


def _show_options(configurations: Mapping[str, Values]) -> None:
    if len(configurations) < 2:
        st.info("Fewer than two of these runs have a readable configuration.")
        return
    tables.show_differences(configurations)
    st.caption("Only options that differ are listed.")


def _show_curves(workspace: Workspace, named: Mapping[str, Row]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        titles = st.multiselect(
            "Measures", list(curve_overlay.MEASURES), ["Val loss", "F1 per window (%)"], key="measures", width=340
        )
        axis = st.segmented_control(
            "Over", list(curve_overlay.AXES), default="epoch", required=True, key="axis", bind="query-params"
        )
        style = charts.style_form()
    keys = tuple(curve_overlay.MEASURES[title].key for title in titles)
    timed = axis == "time" or any(key in TIMED for key in keys)
    histories = {}
    for name, row in named.items():
        run = run_index.run_of(workspace, row)
        histories[name] = history.read(run) if timed else history.measured(run, ("step", *keys))
    without = [name for name, epochs in histories.items() if not len(epochs.numbers.get("epoch", ()))]
    if without:
        st.caption(plain(f"No finished epoch yet: {', '.join(without)[:300]}."))
    curve_overlay.show(histories, titles, axis, style)
    st.caption("Click a name in the legend to show only that run, Shift-click to add runs, double-click to show all.")


LABEL_GAP = 12
"""Pixels between the labels of two axes."""
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
    present = [value for value in values if value is not None]
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in present):
        numbers = np.array([np.nan if value is None else float(value) for value in values])
        low, high = (np.nanmin(numbers), np.nanmax(numbers)) if present else (0.0, 0.0)
        return ((numbers - low) / (high - low) if high > low else numbers * 0 + 0.5).tolist()  # type: ignore[no-any-return]
    words = sorted({str(value) for value in present})
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
    room = alt.ExprRef(expr=f"width / {len(order)} - {LABEL_GAP}")
    two_lines = "split(datum.label, '.')"  # the group of an option above its name
    axis = alt.Axis(labelAngle=0, labelLimit=room, labelExpr=two_lines, grid=True, orient="top")
    x = alt.X("Axis:N", sort=order, title=None, axis=axis)
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
        .mark_text(align="left", dx=7, fontSize=11, color=GREY, limit=room)
        .encode(x=x, y=y, text="Value:N")
    )
    return alt.layer(lines, points, labels).properties(height=PARALLEL_HEIGHT)


def show_results(rows: Mapping[str, Row], configurations: Mapping[str, Values]) -> None:
    """The best run, the table of results, and the parallel-coordinates chart."""
    names = [name for name, field in MEASURES.items() if any(_value(row, field) is not None for row in rows.values())]
    if not names:
        st.info("None of these runs has a result yet. Results appear after the first finished epoch.")
        return
    by = st.selectbox("Best by", names, key="best_by", bind="query-params", width=220)
    ranked = ranking(rows, by)
    name, row = next(iter(ranked.items()))
    st.success(f"Best by {by}: **{plain(name)}** ({plain(_shown(row, by))}).")
    table = pd.DataFrame({"Run": list(ranked)}).join(run_columns.table(list(ranked.values()), _shown_columns(names)))
    st.dataframe(
        table, hide_index=True, width="stretch", column_config=run_columns.drawn(), placeholder="–", alt="Results"
    )
    if "Miss rate" in names:
        st.caption(
            "Each miss rate is at the threshold of the model, on the sound in Measured on. To compare models on equal "
            "streams, open Same false accepts."
        )
    _show_parallel(rows, configurations, names, by)


def _shown_columns(names: Sequence[str]) -> list[str]:
    """The columns of the table: a miss rate always with the sound that it was measured on."""
    return [
        "State",
        "Epochs",
        *names,
        *(["False accepts per hour", "Measured on"] if "Miss rate" in names else []),
    ]


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
    results = {name: value for name, row in rows.items() if (value := _value(row, field.name)) is not None}
    first = sorted(results, key=lambda name: sign * results[name])
    return {name: rows[name] for name in [*first, *(name for name in rows if name not in results)]}


def _show_parallel(
    rows: Mapping[str, Row], configurations: Mapping[str, Values], measured: Sequence[str], by: str
) -> None:
    different = option_list.differing(configurations.values())
    if not different:
        st.caption("No option differs between these runs, so there is nothing to plot against their results.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        options = st.multiselect("Options", different, different[:MOST_AXES], key="parallel_options", width=420)
        shown = st.multiselect("Results", measured, [by], key="parallel_results", width=300)
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
