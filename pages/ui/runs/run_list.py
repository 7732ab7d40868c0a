"""The list of runs with its search, paging and columns, and the list of the runs in the trash."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import streamlit as st

from pages.ui.runs import run_actions, run_columns, run_files, run_index
from pages.ui.shared import active_runs, flash
from pages.ui.shared.frame import error_sentence, plain
from pages.ui.shared.run_notice import state_word
from trainer.catalog import run_rows, search, trash
from trainer.catalog.run_rows import Row
from trainer.run import runs
from trainer.run.runs import Run
from trainer.run.state import ACTIVE, State
from trainer.system.display_text import counted
from trainer.system.workspace import Workspace

SORTED_BY = {
    "Newest": "id",
    "Name": "label",
    "Val loss": "val_loss",
    "Accuracy": "accuracy",
    "F1": "f1",
    "FPR": "fpr",
    "FNR": "fnr",
    "Threshold": "threshold",
    "Miss rate": "miss_rate",
    "False accepts per hour": "false_accepts_per_hour",
    "Duration": "duration",
    "Epochs": "epoch",
    "Size": "size",
    "State": "state",
    "Model": "model",
}
HELP = (
    "Searches name, tags, note, id, model and configuration. Filter by options and results: "
    "`model.name=bc_resnet val_loss<0.2 f1>95% duration>2h`. Also `tag:night`, `state:failed`, `started>2026-01`, "
    "`starred`, `note:kitchen`; `-` negates a term: `-tag:night`."
)
ON_A_PAGE = 500
"""Rows sent to the browser at once: more take longer to draw than a search does."""
TRASH_COLUMNS = ("State", "Name", "Tags", "Started", "Model", "Miss rate", "Measured on", "Size", "Id")


def search_form(rows: Sequence[Row], beside: Callable[[], None]) -> list[Row]:
    """Draw the search fields, and `beside` at the end of their line; returns the rows that match, sorted."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Search",
            key="q",
            bind="query-params",
            type="search",
            width=250,
            help=HELP,
            placeholder="name, tag, val_loss<0.2, model.name=bc_resnet…",
        )
        states = st.multiselect(
            "State",
            [*map(state_word, get_args(State)), "Foreign"],
            key="state",
            bind="query-params",
            width=190,
            placeholder="All",
            help="Foreign: a folder whose name is not a run id.",
        )
        sort = st.selectbox("Sort by", list(SORTED_BY), key="sort", bind="query-params", width=140)
        reverse = st.toggle("Reverse", key="reverse", bind="query-params")
        archived = st.toggle("Archived", key="archived", bind="query-params", help="Also show archived runs.")
        beside()
    try:
        matching = search.find(rows, text or "", archived)
    except ValueError as error:
        st.error(plain(str(error)))
        matching = search.find(rows, "", archived)
    matching = [row for row in matching if not states or run_columns.state_word(row) in states]
    return run_rows.sorted_by(matching, SORTED_BY[sort], reverse)


def show(workspace: Workspace, rows: Sequence[Row]) -> None:
    """Draw the search, the table, and the actions on the chosen rows."""
    matching = search_form(rows, lambda: _columns_form(workspace))
    names = st.session_state["columns"] or run_columns.SHOWN
    if not matching:
        flash.show("runs")
        st.info("No run matches. Clear the search, choose all states, or include archived runs.")
        return
    shown = _page(matching)
    chosen = table(shown, names, "runs", "multi-row")
    _show_count(len(rows), matching)
    run_actions.show(workspace, chosen, matching)
    flash.show("runs")  # below the table, so that its rows do not move under the mouse
    with st.container(horizontal=True):
        run_actions.show_tensorboard(workspace)
        run_files.show_unpack(workspace)
    active = [runs.status(run_index.run_of(workspace, row)) for row in shown if row.state in ACTIVE]
    active_runs.follow(active, cards=False)


def table(shown: Sequence[Row], names: Sequence[str], key: str, mode: Literal["single-row", "multi-row"]) -> list[Row]:
    """Draw rows and return the chosen ones. The table gets a new key, and loses its choice, whenever its rows change:
    a choice never moves to another run."""
    facts = [(row.run, row.label, row.tags, row.note, row.starred, row.archived) for row in shown]
    version = hashlib.sha256(repr((facts, names)).encode()).hexdigest()[:12]
    chosen = st.dataframe(
        run_columns.table(shown, names),
        hide_index=True,
        width="stretch",
        column_config=run_columns.drawn(),
        on_select="rerun",
        selection_mode=mode,
        key=f"{key}_{version}",
        placeholder="–",
        alt="Runs",
    )
    return [shown[place] for place in chosen["selection"]["rows"] if place < len(shown)]


def _page(matching: Sequence[Row]) -> Sequence[Row]:
    """The rows of the page that the user chose."""
    pages = -(-len(matching) // ON_A_PAGE)
    if pages < 2:
        return matching
    number = st.pagination(pages, key=f"page_of_{pages}")
    return matching[(number - 1) * ON_A_PAGE : number * ON_A_PAGE]


def _show_count(every: int, matching: Sequence[Row]) -> None:
    size = sum(row.size_bytes or 0 for row in matching)
    st.caption(
        f"{len(matching):,} of {counted(every, 'run')}, {run_files.megabytes(size)} on disk. Select one or more rows."
    )


def _columns_form(workspace: Workspace) -> None:
    """The columns of the table and their order."""
    st.session_state.setdefault("columns", run_columns.chosen(workspace))
    with st.popover("Columns", icon=":material/view_column:"):
        st.caption("Columns appear in the order in which you choose them, in every browser.")
        st.multiselect(
            "Columns",
            list(run_columns.COLUMNS),
            key="columns",
            on_change=_save_columns,
            args=(workspace,),
            placeholder="Default columns",
        )
        st.button("Default columns", on_click=_reset_columns, args=(workspace,))


def _save_columns(workspace: Workspace) -> None:
    try:
        run_columns.save(workspace, st.session_state["columns"])
    except OSError as error:
        st.warning(f"The columns cannot be saved: {error_sentence(error)}")


def _reset_columns(workspace: Workspace) -> None:
    st.session_state["columns"] = list(run_columns.SHOWN)
    _save_columns(workspace)


def show_trash(workspace: Workspace) -> None:
    """The list of runs in the trash, with buttons that restore or delete them."""
    flash.show("runs")
    rows = trash.rows(workspace)
    if not rows:
        st.info("The trash is empty. Runs in the trash stay there until you restore or delete them.")
        return
    chosen = table(rows, TRASH_COLUMNS, "trash", "multi-row")
    st.caption(f"{counted(len(rows), 'run')}, {run_files.megabytes(sum(row.size_bytes or 0 for row in rows))}.")
    selected = [Run(trash.folder_of(workspace) / row.run) for row in chosen]
    with st.container(horizontal=True):
        st.button(
            "Restore",
            icon=":material/undo:",
            type="primary",
            disabled=not selected,
            on_click=run_actions.for_each,
            args=(selected, "Restored", lambda run: trash.restore(workspace, run)),
        )
        with st.popover("Delete permanently", icon=":material/delete_forever:"):
            st.markdown("This cannot be undone.")
            label = f"Delete {len(selected)} selected" if selected else f"Delete all {len(rows)}"
            every = selected or trash.all_of(workspace)
            arguments = (every, "Deleted permanently", trash.delete)
            st.button(label, type="primary", on_click=run_actions.for_each, args=arguments)
