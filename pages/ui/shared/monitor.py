"""The live view of one run: one timed fragment that displays and holds no widget."""

from __future__ import annotations

import streamlit as st

from pages.ui.shared import charts, flash, history, metrics, run_controls, run_notice
from pages.ui.shared.curves import Style
from pages.ui.shared.frame import plain
from pages.ui.shared.history import Epochs
from pages.ui.shared.run_notice import Notice, notice
from trainer.run import runs
from trainer.run.runs import Run, Status
from trainer.run.state import ACTIVE, State
from trainer.system import log_lines

REFRESH_SECONDS = 2.0
IDLE_REFRESH_SECONDS = 10.0
WINDOWS = (
    "Rates per window at threshold 0.5, not per hour of listening: of the training windows of this epoch so far, and "
    "of the validation split after the last epoch."
)
LOG_LINES = 100
LOG_HEIGHT = 320
LOG_BYTES = 24 << 10


def show(run: Run | None, style: Style) -> None:
    """Draw the run, again every two seconds while it is active, and seldom while it may be resumed elsewhere."""
    if run is None:
        _show_nothing(style)
        return
    state = runs.status(run).state
    seconds = REFRESH_SECONDS if state in ACTIVE else None if state == "damaged" else IDLE_REFRESH_SECONDS
    st.fragment(_live, run_every=seconds, key="live")(run, style, state)


def _live(run: Run, style: Style, drawn: State) -> None:
    """One look at the run; the first one that finds it in another state draws the whole page, its controls too."""
    status = runs.status(run)
    _draw(status, style)
    if status.state != drawn:
        flash.keep(run_controls.PLACE)
        st.rerun()


def _draw(status: Status, style: Style) -> None:
    with st.container(key="notice"):  # always there, so that what follows keeps its place when a notice comes or goes
        if status.state in run_notice.FAILED:
            run_notice.show_failure(status)
        elif found := notice(status):
            show_notice(found)
    left, right = st.columns([1, 2], gap="medium")
    with left:
        _show_numbers(status)
    with right:
        charts.show(history.read(status.run, to_end=status.state not in ACTIVE), style)
    _show_best(status)
    _show_log(status.run)


def _show_numbers(status: Status | None) -> None:
    """How the run goes, what its model does, and the rates per window."""
    metrics.show(metrics.progress_metrics(status))
    metrics.show_point(metrics.point_of_run(status))
    with st.expander("Details", expanded=True):
        st.caption(WINDOWS)
        metrics.show(metrics.window_rates(status))


def _show_nothing(style: Style) -> None:
    """The page before the first run: where everything will stand."""
    st.info("No runs yet. Choose a configuration and press Start Training; what it does is shown here, live.")
    left, right = st.columns([1, 2], gap="medium")
    with left:
        _show_numbers(None)
    with right:
        charts.show(Epochs(), style)
    _show_best(None)


def show_notice(found: Notice) -> None:
    """A notice in its colour; its text may hold what a file says."""
    show_text = {"error": st.error, "warning": st.warning, "success": st.success, "info": st.info}[found.tone]
    show_text(plain(found.text))


def _show_best(status: Status | None) -> None:
    best = status.progress.best if status and status.progress else None
    st.subheader("Best model", anchor=False)
    metrics.show(metrics.best_metrics(best), least_width=150)
    st.caption("Loss and accuracy are those of the windows of the validation split, at threshold 0.5.")
    if status and best:
        st.code(str(status.run.checkpoints / best.checkpoint), language=None, wrap_lines=True)
    else:
        st.caption("None yet: the first finished epoch makes one.")


def _show_log(run: Run) -> None:
    st.subheader("Log", anchor=False)
    lines = log_lines.last_lines(run.log_file, LOG_LINES, LOG_BYTES)
    with st.container(height=LOG_HEIGHT, border=True, autoscroll=True, key="log"):
        st.code("\n".join(lines) or "Nothing written yet.", language=None, wrap_lines=True)
    st.caption(f"The last {LOG_LINES} lines; all of them are in {plain(str(run.log_file))}")
