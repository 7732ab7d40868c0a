"""The table of runs: what was asked for, a page of it, and what can be done with the rows that are chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import streamlit as st

from pages.ui.runs import run_actions, run_columns, run_files, run_index, tensorboard_panel
from pages.ui.shared import active_runs, flash
from pages.ui.shared.frame import os_sentence, plain
from pages.ui.shared.run_notice import state_word
from trainer.catalog import fields, search, trash
from trainer.catalog.row import Row
from trainer.run import runs
from trainer.run.runs import Run
from trainer.run.state import ACTIVE, State
from trainer.system.display_text import counted
from trainer.system.workspace import Workspace

SORTED_BY = {
    "Newest": "id", "Name": "label", "Val loss": "val_loss", "Accuracy": "accuracy", "F1": "f1", "FPR": "fpr",
    "FNR": "fnr", "Threshold": "threshold", "Miss rate": "miss_rate",
    "False accepts per hour": "false_accepts_per_hour", "Duration": "duration", "Epochs": "epoch", "Size": "size",
    "State": "state", "Model": "model",
}  # fmt: skip
HELP = (
    "Words are looked for in name, tags, note, id, model and configuration. Options and results: "
    "`model.name=bc_resnet val_loss<0.2 f1>95% duration>2h`. Also `tag:night`, `state:failed`, `started>2026-01`, "
    "`starred`, `note:kitchen`; a `-` before a term turns it around: `-tag:night`."
)


def search_form(rows: Sequence[Row], beside: Callable[[], None]) -> list[Row]:
    """Draw the fields, and `beside` at the end of their line; the rows that they leave, in their order."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Search", key="q", bind="query-params", type="search", width=330, help=HELP,
            placeholder="name, tag, val_loss<0.2, model.name=bc_resnet…",
        )  # fmt: skip
        states = st.multiselect(
            "State", [*map(state_word, get_args(State)), "Foreign"], key="state", bind="query-params", width=190,
            placeholder="All", help="Foreign: a folder whose name is no id of a run.",
        )  # fmt: skip
        sort = st.selectbox("Sort by", list(SORTED_BY), key="sort", bind="query-params", width=140)
        reverse = st.toggle("Reverse", key="reverse", bind="query-params")
        archived = st.toggle("Archived", key="archived", bind="query-params", help="Show archived runs too.")
        beside()
    try:
        found = search.find(rows, text or "", archived)
    except ValueError as error:
        st.error(plain(str(error)))
        found = search.find(rows, "", archived)
    found = [row for row in found if not states or run_columns.state_word(row) in states]
    return fields.sorted_by(found, SORTED_BY[sort], reverse)


ON_A_PAGE = 500
"""Rows sent to the browser at once: more take longer to draw than to search."""


def show(workspace: Workspace, rows: Sequence[Row]) -> None:
    """Draw the search, the table, and the actions on what is chosen in it."""
    found = search_form(rows, lambda: _columns_form(workspace))
    names = st.session_state["columns"] or run_columns.SHOWN
    if not found:
        flash.show("runs")
        st.info("No run matches. Empty the search, choose all states, or show archived runs too.")
        return
    shown = _page(found)
    chosen = table(shown, names, "runs", "multi-row")
    _told(len(rows), found)
    run_actions.show(workspace, chosen, found)
    flash.show("runs")  # below the table: rows that move under the mouse are missed
    with st.container(horizontal=True):
        tensorboard_panel.show(workspace)
        run_files.show_unpack(workspace)
    active = [runs.status(run_index.run_of(workspace, row)) for row in shown if row.state in ACTIVE]
    active_runs.follow(active, cards=False)


def table(shown: Sequence[Row], names: Sequence[str], key: str, mode: Literal["single-row", "multi-row"]) -> list[Row]:
    """Draw rows; returns the chosen ones. The table is another one, without a choice, when its rows are others or
    something was done to one, so that none is taken for another that came into its place."""
    known = [(row.run, row.label, row.tags, row.note, row.starred, row.archived) for row in shown]
    same = hashlib.sha256(repr((known, names)).encode()).hexdigest()[:12]
    chosen = st.dataframe(
        run_columns.table(shown, names), hide_index=True, width="stretch", column_config=run_columns.drawn(),
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
    st.session_state.setdefault("columns", run_columns.chosen(workspace))
    with st.popover("Columns", icon=":material/view_column:"):
        st.caption("They stand in the order in which they are chosen, here and in every browser.")
        st.multiselect(
            "Columns",
            list(run_columns.COLUMNS),
            key="columns",
            on_change=_keep,
            args=(workspace,),
            placeholder="As shipped",
        )
        st.button("As shipped", on_click=_ship, args=(workspace,))


def _keep(workspace: Workspace) -> None:
    try:
        run_columns.keep(workspace, st.session_state["columns"])
    except OSError as error:
        st.warning(f"The choice cannot be kept: {os_sentence(error)}")


def _ship(workspace: Workspace) -> None:
    st.session_state["columns"] = list(run_columns.SHOWN)
    _keep(workspace)


TRASH_COLUMNS = ("State", "Name", "Tags", "Started", "Model", "Miss rate", "Measured on", "Size", "Id")


def show_trash(workspace: Workspace) -> None:
    flash.show("runs")
    rows = trash.rows(workspace)
    if not rows:
        st.info("The trash is empty. Runs that are moved here wait until they are restored or deleted for good.")
        return
    chosen = table(rows, TRASH_COLUMNS, "trash", "multi-row")
    st.caption(f"{counted(len(rows), 'run')}, {run_files.megabytes(sum(row.size_bytes or 0 for row in rows))}.")
    found = [Run(trash.folder_of(workspace) / row.run) for row in chosen]
    with st.container(horizontal=True):
        st.button(
            "Restore", icon=":material/undo:", type="primary", disabled=not found, on_click=_for_each,
            args=(found, "Restored", lambda run: trash.restore(workspace, run)),
        )  # fmt: skip
        with st.popover("Delete for good", icon=":material/delete_forever:"):
            st.markdown("This cannot be undone.")
            label = f"Delete {len(found)} chosen" if found else f"Delete all {len(rows)}"
            every = found or trash.all_of(workspace)
            st.button(label, type="primary", on_click=_for_each, args=(every, "Deleted for good", trash.delete))


def _for_each(found: list[Run], done: str, act: Callable[[Run], object]) -> None:
    def do() -> str:
        for run in found:
            act(run)
        return f"{done}: {', '.join(run.id for run in found[:3])}{f' and {len(found) - 3} more' if found[3:] else ''}."

    flash.attempt("runs", do)
