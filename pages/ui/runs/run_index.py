"""The rows of all runs, indexed once for all browsers, and the addresses of the list, of a run and of a comparison."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

import streamlit as st

from pages.ui.shared.frame import plain
from trainer.catalog import index
from trainer.catalog.index import Index
from trainer.catalog.run_rows import Row
from trainer.run.runs import Run
from trainer.system.log_lines import clock_time
from trainer.system.workspace import Workspace

PROGRESS_SECONDS = 0.5
"""Time after which the reading of the runs is told, and told again."""
FOREIGN = "foreign"
"""The state of a folder whose name is not a run id."""


@dataclass
class _Held:
    """The lock keeps two browser tabs from indexing at once."""

    index: Index | None = None
    lock: Lock = field(default_factory=Lock)


@st.cache_resource(max_entries=4, show_spinner=False)
def _held(root: str) -> _Held:
    return _Held()


def rows(workspace: Workspace) -> list[Row]:
    """Every folder in runs/, newest run first."""
    held = _held(str(workspace.root))
    with _progress() as report, held.lock:
        held.index = index.update(workspace, held.index, report)
        return held.index.rows


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Draw how far the runs are read, once that takes longer: the first time, half a minute for ten thousand."""
    place, began = st.empty(), time.monotonic()
    last = began

    def report(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > PROGRESS_SECONDS and done:
            last, left = now, (now - began) / done * (total - done)
            place.progress(done / total, f"Reading the runs: {done:,} of {total:,}, about {clock_time(left)} left")

    yield report
    place.empty()


def run_of(workspace: Workspace, row: Row) -> Run:
    """The run of a row."""
    return Run(workspace.runs / row.run)


def name_of(row: Row) -> str:
    """The run as a list shows it: its label and its id."""
    return f"{row.label} · {row.run}" if row.label not in ("", row.run) else row.run


def _go(**query: str) -> None:
    """Change the address: links to the same page would leave it as it is, so these are buttons."""
    st.query_params.from_dict(query)


def all_runs_button() -> None:
    """Draw the button that leads back to the list."""
    st.button("All runs", icon=":material/arrow_back:", key="to_all_runs", on_click=_go)


def open_button(run_id: str, label: str) -> None:
    """Draw the button that opens the page of a run."""
    st.button(f"Open {plain(label)}", icon=":material/open_in_new:", key="to_run", on_click=_go, kwargs={"run": run_id})


def compare_button(run_ids: Sequence[str], label: str) -> None:
    """Draw the button that compares these runs."""
    query = {"compare": ",".join(run_ids)}
    st.button(label, icon=":material/stacked_line_chart:", key="to_comparison", on_click=_go, kwargs=query)
