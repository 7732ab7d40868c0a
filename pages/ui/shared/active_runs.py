"""What runs now: one timed fragment that shows the active runs and has the page drawn anew when they have gone on."""

from __future__ import annotations

import time
from collections.abc import Sequence

import streamlit as st

from pages.ui.shared import metrics, run_picker
from pages.ui.shared.frame import TRAINING, plain
from pages.ui.shared.monitor import REFRESH_SECONDS
from trainer.run import runs
from trainer.run.runs import Status
from trainer.run.state import ACTIVE

SHOWN = frozenset({"Status", "Epoch", "ETA", "Val loss"})


def follow(drawn: Sequence[Status], cards: bool) -> None:
    """Look at the active ones of the runs on this page every two seconds; with `cards`, show the numbers of each.

    What else the page says of them (a table of runs) is drawn anew when a run has changed its state or its epoch.
    """
    active = [status for status in drawn if status.state in ACTIVE]
    st.fragment(_live, run_every=REFRESH_SECONDS if active else None, key="now")(active, cards, time.monotonic())


def _live(drawn: Sequence[Status], cards: bool, drawn_at: float) -> None:
    found = [runs.status(status.run) for status in drawn]
    for status in found if cards else []:
        _show_one(status)
    fresh = time.monotonic() - drawn_at < REFRESH_SECONDS / 2  # epochs shorter than a page takes must not chase it
    if any(_has_gone_on(*pair, fresh) for pair in zip(drawn, found, strict=True)):
        st.rerun()


def _has_gone_on(drawn: Status, found: Status, fresh: bool) -> bool:
    """Whether a table of runs would say something else of a run now."""
    epochs = [status.progress.epoch if status.progress else 0 for status in (drawn, found)]
    return found.state != drawn.state or (epochs[0] != epochs[1] and not fresh)


def _show_one(status: Status) -> None:
    with st.container(border=True):
        label = f"**{plain(run_picker.name_of(status.run))}**"
        st.page_link(TRAINING, label=label, icon=":material/monitoring:", query_params={"run": status.run.id})
        found = [number for number in metrics.progress_metrics(status) if number.label in SHOWN]
        metrics.show([*found, *metrics.point_metrics(metrics.point_of_run(status))])
