"""The live view of one run: a timed fragment without widgets."""

from __future__ import annotations

import streamlit as st

from pages.ui.shared import charts, flash, history, metrics, run_controls, run_notice
from pages.ui.shared.active_runs import REFRESH_SECONDS
from pages.ui.shared.curves import Style
from pages.ui.shared.frame import plain
from trainer.run import runs
from trainer.run.runs import Run, Status
from trainer.run.state import ACTIVE, State
from trainer.system import log_lines

IDLE_REFRESH_SECONDS = 10.0
WINDOWS = (
    "Rates per window at threshold 0.5, not per hour of audio. Train accuracy covers this epoch so far; the others "
    "cover the validation split after the last epoch."
)
NO_POINT = "No misses and false accepts per hour yet: they follow from a scored validation stream or an evaluation."
STRIP_WIDTH, STRIP_COLUMNS = 84, 6
"""Least pixels of a metric, and how many stand side by side: the strip has two rows on pages of 900 and wider."""
LOG_LINES = 100
LOG_HEIGHT = 320
LOG_BYTES = 24 << 10


def show(run: Run | None, style: Style) -> None:
    """Draw the run, every two seconds while it is active, and less often while it could be resumed elsewhere."""
    if run is None:
        _show_nothing()
        return
    state = runs.status(run).state
    seconds = REFRESH_SECONDS if state in ACTIVE else None if state == "damaged" else IDLE_REFRESH_SECONDS
    st.fragment(_live, run_every=seconds, key="live")(run, style, state)


def _live(run: Run, style: Style, drawn: State) -> None:
    """Poll the run; when its state has changed, rerun the page, including its controls."""
    status = runs.status(run)
    _draw(status, style)
    if status.state != drawn:
        flash.keep(run_controls.PLACE)
        st.rerun()


def _draw(status: Status, style: Style) -> None:
    with st.container(key="notice"):  # always present, so that elements below do not move when a notice appears
        run_notice.show(status)
    with st.container(key="numbers"):
        numbers = [*metrics.progress_metrics(status), metrics.best_metrics(status)[0]]
        metrics.show(numbers, STRIP_WIDTH, STRIP_COLUMNS)
    ended = status.state not in ACTIVE
    if ended:  # then the result comes first, and before that the charts
        _show_rates(status)
    charts.show(history.read(status.run, to_end=ended), style)
    if not ended:
        _show_rates(status)
    _show_best(status)
    _show_log(status.run)


def _show_rates(status: Status) -> None:
    """What a device would hear, beside the rates per window."""
    with st.grid(2, min_column_width=360):
        with st.container():
            point = metrics.point_of_run(status)
            if point is None and status.state in ACTIVE:
                st.caption(NO_POINT)
            else:
                metrics.show_point(point, status.run.id)
        with st.expander("Details", expanded=True):
            metrics.show(metrics.window_rates(status), least_width=180)
            st.caption(WINDOWS)


def _show_nothing() -> None:
    """The page before the first run."""
    st.info("No data yet. Choose a configuration and click Start Training: numbers, charts and log appear here.")


def _show_best(status: Status) -> None:
    st.header("Best model", anchor=False)
    best = status.progress.best if status.progress else None
    if best is None:
        st.caption("No model yet: the first completed epoch creates one.")
        return
    metrics.show(metrics.best_metrics(status)[1:], least_width=150)
    st.caption("Loss and accuracy are per validation window, at threshold 0.5.")
    st.code(str(status.run.checkpoints / best.checkpoint), language=None, wrap_lines=True)


def _show_log(run: Run) -> None:
    st.header("Log", anchor=False)
    lines = log_lines.last_lines(run.log_file, LOG_LINES, LOG_BYTES)
    with st.container(height=LOG_HEIGHT, border=True, autoscroll=True, key="log"):
        st.code("\n".join(lines) or "The log is empty.", language=None, wrap_lines=True)
    st.caption(f"The last {LOG_LINES} lines of {plain(str(run.log_file))}")
