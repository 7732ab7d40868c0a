"""The status of the newest runs, kept in memory for runs that have ended and whose files are unchanged."""

from __future__ import annotations

import time
from pathlib import Path

import streamlit as st

from trainer.run import runs
from trainer.run.runs import Run, Status
from trainer.run.state import ACTIVE
from trainer.system.workspace import Workspace

MOST_RUNS = 100
"""Number of newest runs that lists offer; older ones open from their address or the Runs page."""
SETTLED_SECONDS = 3.0
"""Age from which the time of a file tells that it has not changed since; clocks of files may tick in seconds."""

Stamp = tuple[int, ...]


@st.cache_resource(max_entries=8, show_spinner=False)
def _ended(root: str) -> dict[str, tuple[Stamp, Status]]:
    """The status of ended runs by id, each with the stamp of its files."""
    return {}


def _files(run: Run) -> tuple[Path, ...]:
    return (
        run.request_file,
        run.process_file,
        run.outcome_file,
        run.progress_file,
        run.control_file,
        run.attempts,
        run.folder,
    )


def _stamp(run: Run) -> Stamp:
    """Times and sizes of the files that a status is read from; 0 for missing ones."""
    stamp: list[int] = []
    for path in _files(run):
        try:
            facts = path.stat()
        except OSError:
            stamp += [0, 0]
        else:
            stamp += [facts.st_mtime_ns, facts.st_size]
    return tuple(stamp)


def of(run: Run) -> Status:
    """The status of a run; that of an ended one is read again when one of its files has changed."""
    kept = _ended(str(run.folder.parent))
    stamp = _stamp(run)
    known = kept.get(run.id)
    if known and known[0] == stamp:
        return known[1]
    status = runs.status(run)
    settled = max(stamp[::2]) < time.time_ns() - SETTLED_SECONDS * 1e9
    if settled and status.outcome is not None and status.state not in ACTIVE:
        kept[run.id] = (stamp, status)
    else:
        kept.pop(run.id, None)
    return status


def newest(workspace: Workspace) -> list[Status]:
    """The status of the newest runs, newest first."""
    return [of(run) for run in runs.all_runs(workspace)[:MOST_RUNS]]
