"""The epochs of a run, read from metrics.jsonl once and from then on only moved forward."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock

import streamlit as st

from trainer.metrics import Row, Tail, read_more
from trainer.runs import Run


@dataclass(frozen=True)
class History:
    """How far one metrics file was read; the lock keeps two browser tabs from reading it on at once."""

    tail: Tail = field(default_factory=Tail)
    lock: Lock = field(default_factory=Lock)


@dataclass(frozen=True)
class Epochs:
    """Epoch rows of one run; `version` is equal for equal rows."""

    rows: list[Row] = field(default_factory=list)
    version: str = ""


@st.cache_resource(max_entries=64, show_spinner=False)
def _history(folder: str) -> History:
    return History()


def read(run: Run) -> Epochs:
    """The epochs of a run so far; reads only what was appended since the last call of any session."""
    history = _history(str(run.folder))
    tail = history.tail
    with history.lock:
        before = -1
        while tail.offset != before:  # one look takes in at most 8 MiB
            before = tail.offset
            read_more(tail, run.metrics_file)
        return Epochs(tail.epochs.copy(), f"{run.folder} {tail.inode} {tail.offset}")


def epoch_row(run: Run, epoch: int) -> Row | None:
    """The last row of this epoch; None when there is none."""
    return next((row for row in reversed(read(run).rows) if row.get("epoch") == epoch), None)
