"""Which of the compared runs is the best, by any measure, and how options and results go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from pages.ui.runs import columns, differing, parallel
from pages.ui.shared.frame import plain
from trainer.catalog import fields
from trainer.catalog.row import Row
from trainer.config.config_difference import Value, Values

MEASURES = {
    "Val loss": "val_loss", "Accuracy": "accuracy", "F1": "f1", "FPR": "fpr", "FNR": "fnr", "Miss rate": "miss_rate",
    "Stream misses": "stream_miss_rate", "Duration": "duration", "Size": "size",
}  # fmt: skip
LEAST = frozenset({"Size", "Duration"})
"""Of these the least is the best, whatever a list is sorted by."""
MOST_AXES = 8


def show(rows: Mapping[str, Row], configured: Mapping[str, Values]) -> None:
    known = [name for name, field in MEASURES.items() if any(_value(row, field) is not None for row in rows.values())]
    if not known:
        st.info("None of these runs has a result yet. The first finished epoch makes one.")
        return
    by = st.selectbox("Best by", known, key="best_by", bind="query-params", width=220)
    ranked = ranking(rows, by)
    name, row = next(iter(ranked.items()))
    st.success(f"Best by {by}: **{plain(name)}** ({plain(_shown(row, by))}).")
    table = pd.DataFrame({"Run": list(ranked)}).join(columns.table(list(ranked.values()), _shown_columns(known)))
    st.dataframe(table, hide_index=True, width="stretch", column_config=columns.drawn(), placeholder="–", alt="Results")
    if "Miss rate" in known:
        st.caption(
            "Each miss rate is that of a model at its own threshold, on what it was measured on. Same false accepts "
            "compares models on the same streams."
        )
    _show_parallel(rows, configured, known, by)


def _shown_columns(known: Sequence[str]) -> list[str]:
    """What stands in the table: a miss rate never without what it was measured on."""
    return ["State", "Epochs", *known, *(["False accepts per hour", "Measured on"] if "Miss rate" in known else [])]


def _value(row: Row, field: str) -> float | None:
    found = fields.find(field).of(row)
    return float(found) if isinstance(found, (int, float)) else None


def _shown(row: Row, by: str) -> str:
    value = columns.COLUMNS[by].of(row)
    if by == "Size":
        return f"{value / 1e6:,.1f} MB"
    return f"{value:.4f}" if by == "Val loss" else f"{value:.2f} %" if isinstance(value, float) else str(value)


def ranking(rows: Mapping[str, Row], by: str) -> dict[str, Row]:
    """The best first, those of which it is not known last."""
    field = fields.find(MEASURES[by])
    sign = -1 if field.high_first and by not in LEAST else 1
    known = {name: value for name, row in rows.items() if (value := _value(row, field.name)) is not None}
    first = sorted(known, key=lambda name: sign * known[name])
    return {name: rows[name] for name in [*first, *(name for name in rows if name not in known)]}


def _show_parallel(rows: Mapping[str, Row], configured: Mapping[str, Values], known: Sequence[str], by: str) -> None:
    different = differing.differing(configured)
    if not different:
        st.caption("No option differs between these runs, so there is nothing to lay beside their results.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        options = st.multiselect("Options", different, different[:MOST_AXES], key="parallel_options", width=420)
        shown = st.multiselect("Results", known, [by], key="parallel_results", width=300)
    axes: dict[str, list[Value | None]] = {key: [configured.get(name, {}).get(key) for name in rows] for key in options}
    axes |= {name: [_value(row, MEASURES[name]) for row in rows.values()] for name in shown}
    if len(axes) < 2:
        st.caption("Choose two or more options and results.")
        return
    colour_by = by if by in axes else next(reversed(axes))
    picture = parallel.chart(list(rows), axes, colour_by)
    st.altair_chart(picture, width="stretch", key="parallel", alt="Options and results of each run")
    st.caption(f"One line for each run, coloured by {plain(colour_by)} from dark (least) to bright (most).")
