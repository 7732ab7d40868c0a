"""The comparison of any number of runs: curves, options, results, and miss rates at the same false accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from pages.ui.evaluation import model_comparison
from pages.ui.runs import comparison_results, curve_overlay, run_index
from pages.ui.shared import charts, frame, history, tables
from pages.ui.shared.curves import TIMED
from pages.ui.shared.frame import plain
from trainer.catalog import run_rows
from trainer.catalog.run_rows import Row
from trainer.config.option_list import Values
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
            _show_options(known_options(named))
        case "Results":
            comparison_results.show_results(named, known_options(named))
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


def known_options(named: Mapping[str, Row]) -> dict[str, Values]:
    """Every option of each run whose configuration can be read."""
    known = {name: row for name, row in named.items() if row.model or row.changed}
    return {name: {**run_rows.option_defaults(), **row.changed, "preset": row.preset} for name, row in known.items()}


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
