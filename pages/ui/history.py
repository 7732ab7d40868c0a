"""The epochs of a run, read from metrics.jsonl and timing.jsonl once and from then on only moved forward."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock

import streamlit as st

from trainer.metrics import Row, Tail, read_to_end
from trainer.runs import Run


@dataclass(frozen=True)
class History:
    """How far the files of one run were read; the lock keeps two browser tabs from reading on at once."""

    metrics: Tail = field(default_factory=Tail)
    timing: Tail = field(default_factory=Tail)
    lock: Lock = field(default_factory=Lock)


@dataclass(frozen=True)
class Epochs:
    """Epoch rows of one run, each with how long it took; `version` is equal for equal rows."""

    rows: list[Row] = field(default_factory=list)
    version: str = ""


@st.cache_resource(max_entries=64, show_spinner=False)
def _history(folder: str) -> History:
    return History()


def read(run: Run) -> Epochs:
    """The epochs of a run so far; reads only what was appended since the last call of any session."""
    history = _history(str(run.folder))
    with history.lock:
        read_to_end(history.metrics, run.metrics_file)
        read_to_end(history.timing, run.timing_file)
        measured = {row.get("epoch"): row for row in history.timing.epochs}
        rows = [measured.get(row.get("epoch"), {}) | row for row in history.metrics.epochs]
        read_so_far = " ".join(f"{tail.inode} {tail.offset}" for tail in (history.metrics, history.timing))
        return Epochs(rows, f"{run.folder} {read_so_far}")


def epoch_row(run: Run, epoch: int) -> Row | None:
    """The last row of this epoch; None when there is none."""
    return next((row for row in reversed(read(run).rows) if row.get("epoch") == epoch), None)
