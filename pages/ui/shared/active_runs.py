"""Active runs: a timed fragment that shows them, and reruns the page when one changes its state or epoch."""

from __future__ import annotations

import time
from collections.abc import Sequence

import streamlit as st

from pages.ui.shared import metrics, run_picker
from pages.ui.shared.frame import TRAINING, plain
from trainer.run import runs
from trainer.run.runs import Status
from trainer.run.state import ACTIVE

REFRESH_SECONDS = 2.0
SHOWN = frozenset({"Status", "Epoch", "ETA", "Val loss"})


def follow(drawn: Sequence[Status], cards: bool) -> None:
    """Poll the active runs on this page every two seconds; with `cards`, show the metrics of each.

    The rest of the page (a table of runs) is redrawn when a run changes its state or its epoch.
    """
    active = [status for status in drawn if status.state in ACTIVE]
    st.fragment(_poll, run_every=REFRESH_SECONDS if active else None, key="active_runs")(
        active, cards, time.monotonic()
    )


def _poll(drawn: Sequence[Status], cards: bool, drawn_at: float) -> None:
    current = [runs.status(status.run) for status in drawn]
    for status in current if cards else []:
        _show_card(status)
    # epochs shorter than a page rerun must not cause endless reruns
    fresh = time.monotonic() - drawn_at < REFRESH_SECONDS / 2
    if any(_has_advanced(*pair, fresh) for pair in zip(drawn, current, strict=True)):
        st.rerun()


def _has_advanced(drawn: Status, current: Status, fresh: bool) -> bool:
    """Whether a table of runs that was drawn before shows an outdated state or epoch."""
    epochs = [status.progress.epoch if status.progress else 0 for status in (drawn, current)]
    return current.state != drawn.state or (epochs[0] != epochs[1] and not fresh)


def _show_card(status: Status) -> None:
    with st.container(border=True):
        label = f"**{plain(run_picker.name_of(status.run))}**"
        st.page_link(TRAINING, label=label, icon=":material/monitoring:", query_params={"run": status.run.id})
        shown = [metric for metric in metrics.progress_metrics(status) if metric.label in SHOWN]
        metrics.show([*shown, *metrics.point_metrics(metrics.point_of_run(status))])
