"""The table of runs: what was asked for, a page of it, and what can be done with the rows that are chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import streamlit as st

from pages.ui.runs import actions, board, columns, query, run_index, transfer
from pages.ui.shared import active_runs, flash
from pages.ui.shared.frame import os_sentence
from trainer.catalog.row import Row
from trainer.run import runs
from trainer.run.state import ACTIVE
from trainer.system.counted import counted
from trainer.system.workspace import Workspace

ON_A_PAGE = 500
"""Rows sent to the browser at once: more take longer to draw than to search."""


def show(workspace: Workspace, rows: Sequence[Row]) -> None:
    """Draw the search, the table, and the actions on what is chosen in it."""
    found = query.form(rows, lambda: _columns_form(workspace))
    names = st.session_state["columns"] or columns.SHOWN
    if not found:
        flash.show("runs")
        st.info("No run matches. Empty the search, choose all states, or show archived runs too.")
        return
    shown = _page(found)
    chosen = table(shown, names, "runs", "multi-row")
    _told(len(rows), found)
    actions.show(workspace, chosen, found)
    flash.show("runs")  # below the table: rows that move under the mouse are missed
    with st.container(horizontal=True):
        board.show(workspace)
        transfer.show_unpack(workspace)
    active = [runs.status(run_index.run_of(workspace, row)) for row in shown if row.state in ACTIVE]
    active_runs.follow(active, cards=False)


def table(shown: Sequence[Row], names: Sequence[str], key: str, mode: Literal["single-row", "multi-row"]) -> list[Row]:
    """Draw rows; returns the chosen ones. The table is another one, without a choice, when its rows are others or
    something was done to one, so that none is taken for another that came into its place."""
    known = [(row.run, row.label, row.tags, row.note, row.starred, row.archived) for row in shown]
    same = hashlib.sha256(repr((known, names)).encode()).hexdigest()[:12]
    chosen = st.dataframe(
        columns.table(shown, names), hide_index=True, width="stretch", column_config=columns.drawn(),
        on_select="rerun", selection_mode=mode, key=f"{key}_{same}", placeholder="–", alt="Runs",
    )  # fmt: skip
    return [shown[place] for place in chosen["selection"]["rows"] if place < len(shown)]


def _page(found: Sequence[Row]) -> Sequence[Row]:
    """The part of the rows that is shown."""
    pages = -(-len(found) // ON_A_PAGE)
    if pages < 2:
        return found
    number = st.pagination(pages, key=f"page_of_{pages}")
    return found[(number - 1) * ON_A_PAGE : number * ON_A_PAGE]


def _told(every: int, found: Sequence[Row]) -> None:
    size = sum(row.size_bytes or 0 for row in found)
    st.caption(
        f"{len(found):,} of {counted(every, 'run')}, {size / 1e9:,.2f} GB on disk. Choose one or several in the table."
    )


def _columns_form(workspace: Workspace) -> None:
    """Which columns stand there, in the order in which they were chosen."""
    st.session_state.setdefault("columns", columns.chosen(workspace))
    with st.popover("Columns", icon=":material/view_column:"):
        st.caption("They stand in the order in which they are chosen, here and in every browser.")
        st.multiselect(
            "Columns",
            list(columns.COLUMNS),
            key="columns",
            on_change=_keep,
            args=(workspace,),
            placeholder="As shipped",
        )
        st.button("As shipped", on_click=_ship, args=(workspace,))


def _keep(workspace: Workspace) -> None:
    try:
        columns.keep(workspace, st.session_state["columns"])
    except OSError as error:
        st.warning(f"The choice cannot be kept: {os_sentence(error)}")


def _ship(workspace: Workspace) -> None:
    st.session_state["columns"] = list(columns.SHOWN)
    _keep(workspace)
