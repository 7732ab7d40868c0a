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


@st.cache_resource(max_entries=64, show_spinner=False)
def _history(folder: str) -> History:
    return History()


def epochs(run: Run) -> list[Row]:
    """The epoch rows of a run so far; reads only what was appended since the last call of any session."""
    history = _history(str(run.folder))
    with history.lock:
        before = -1
        while history.tail.offset != before:  # one look takes in at most 8 MiB
            before = history.tail.offset
            read_more(history.tail, run.metrics_file)
        return history.tail.epochs.copy()


def epoch_row(run: Run, epoch: int) -> Row | None:
    """The last row of this epoch; None when there is none."""
    return next((row for row in reversed(epochs(run)) if row.get("epoch") == epoch), None)
