"""What runs now: one timed fragment that displays one line of numbers for each active run."""

from __future__ import annotations

import streamlit as st

from pages.ui import numbers, watched
from pages.ui.frame import TRAINING, plain
from pages.ui.monitor import REFRESH_SECONDS
from trainer import runs
from trainer.runs import Run, Status
from trainer.state import ACTIVE

SHOWN = frozenset({"Status", "Epoch", "ETA", "Val loss", "FPR", "FNR"})


def show(active: list[Run]) -> None:
    """Draw the active runs, every two seconds anew while there are any."""
    st.fragment(_live, run_every=REFRESH_SECONDS if active else None, key="now")(active)


def _live(active: list[Run]) -> None:
    found = [runs.status(run) for run in active]
    for status in found:
        _show_one(status)
    if any(status.state not in ACTIVE for status in found):
        st.rerun()


def _show_one(status: Status) -> None:
    with st.container(border=True):
        label = f"**{plain(watched.name_of(status.run))}**"
        st.page_link(TRAINING, label=label, icon=":material/monitoring:", query_params={"run": status.run.id})
        numbers.show([number for number in numbers.numbers(status) if number.label in SHOWN])
