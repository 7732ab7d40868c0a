"""The run that a page shows: that of the address (?run=ID), else the last one shown in this tab, else the newest that
is training, queued or ended."""

from __future__ import annotations

import streamlit as st

from pages.ui.shared.frame import plain
from pages.ui.shared.statuses import MOST_RUNS, newest
from trainer.run import runs
from trainer.run.documents import Request
from trainer.run.runs import Run
from trainer.run.state import ACTIVE
from trainer.system import durable
from trainer.system.workspace import Workspace

SHOWN = "shown_run"
"""Key of the id of the run that this tab showed last."""


def remembered() -> str:
    """The id of the run in the address, else of the one that this tab showed last; empty without one."""
    shown: str = st.query_params.get("run", "") or st.session_state.get(SHOWN, "")
    st.session_state[SHOWN] = shown
    return shown


def name_of(run: Run) -> str:
    """The run as a list shows it: its label and its id."""
    label = runs.label(run, durable.read_document(Request, run.request_file))
    return f"{label} · {run.id}" if label != run.id else run.id


def choose(workspace: Workspace) -> Run | None:
    """The run to show, stored in the address so that a reload shows the same one; None without runs."""
    wanted, shown = st.query_params.get("run", ""), remembered()
    run = runs.by_id(workspace, shown) if shown else None
    if wanted and run is None:
        st.warning(f"There is no run {plain(wanted[:80])}. Showing another run.")
    if run is None:
        statuses = newest(workspace)
        active = [status for status in statuses if status.state in ACTIVE]
        training = [status for status in active if status.state != "queued"]
        run = next((status.run for status in training or active or statuses), None)
    if run is not None and run.id != wanted:
        st.query_params["run"] = run.id
    st.session_state[SHOWN] = run.id if run else ""
    return run


def _follow() -> None:
    st.query_params["run"] = st.session_state["watched_run"]


def selector(workspace: Workspace, run: Run) -> None:
    """A list of runs; a choice changes the address."""
    listed = runs.all_runs(workspace)[:MOST_RUNS]
    names = {other.id: name_of(other) for other in (listed if run in listed else [*listed, run])}
    st.session_state["watched_run"] = run.id
    st.selectbox("Run", list(names), format_func=names.__getitem__, key="watched_run", on_change=_follow, width=280)
