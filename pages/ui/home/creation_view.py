"""The newest creation: its stages while it runs, and the headline and the model at the end."""

from __future__ import annotations

import streamlit as st

from pages.ui.shared import job_progress, metrics
from pages.ui.shared.frame import EVALUATION, TRAINING, plain
from trainer.creation import creation
from trainer.creation.creation import STAGES, TITLES, Creation, Progress
from trainer.run import runs
from trainer.system import job
from trainer.system.log_lines import clock_time
from trainer.system.workspace import Workspace

REFRESH_SECONDS = 1.0
DONE, CURRENT, LATER = ":material/check_circle:", ":material/pending:", ":material/radio_button_unchecked:"


def show(workspace: Workspace) -> None:
    """Draw the newest creation, if there is one; a timer keeps it current while it runs."""
    running = _is_running(workspace, creation.progress(workspace))
    st.fragment(_live, run_every=REFRESH_SECONDS if running else None, key="creation")(workspace, running)


def _is_running(workspace: Workspace, current: Progress | None) -> bool:
    return creation.is_starting(workspace) if current is None else current.state == "running"


def _live(workspace: Workspace, was_running: bool) -> None:
    current = creation.progress(workspace)
    running = _is_running(workspace, current)
    if running != was_running:  # draw the page anew: with a timer, or without one
        st.rerun()
    if current is None:
        if running:
            st.progress(0.0, text="Starting")
        return
    with st.container(border=True, key="creation"):
        st.header(plain(f"“{current.creation.order.phrase}”"), anchor=False)
        if current.state == "done":
            _show_result(current)
        else:
            _show_stages(current)
            _show_controls(workspace, current)


def _show_stages(current: Progress) -> None:
    lines = [_line(current.creation, stage, current) for stage in STAGES]
    st.markdown("  \n".join(lines))
    if current.state == "running":
        text = " · ".join(filter(None, (current.doing or "Starting", creation.time_left(current))))
        st.progress(current.share or 0.0, text=plain(text))


def _line(made: Creation, stage: creation.Stage, current: Progress) -> str:
    """A stage with its state, as Markdown."""
    if stage in made.took:
        return f"{DONE} {TITLES[stage]} · {clock_time(made.took[stage])}"
    if stage == made.stage:
        return f"{CURRENT} **{TITLES[stage]}**"
    return f"{LATER} :gray[{TITLES[stage]}]"


def _show_controls(workspace: Workspace, current: Progress) -> None:
    if current.state in ("failed", "unknown"):
        st.error(plain(current.message))
    elif current.state == "paused":
        st.info("Paused. What was made is kept.")
    with st.container(horizontal=True, vertical_alignment="center"):
        if current.state == "running":
            st.button(
                "Pause",
                key="create_pause",
                on_click=job.cancel,
                args=(workspace, creation.VERB),
                help="Keeps what was made. It also goes on without this page and without the browser.",
            )
        else:
            st.button("Continue", key="create_continue", on_click=_continue, args=(workspace, current.creation))
        if current.run:
            st.page_link(
                TRAINING,
                label="Watch the training",
                icon=":material/monitoring:",
                query_params={"run": current.run.id},
            )


def _continue(workspace: Workspace, made: Creation) -> None:
    job_progress.start(workspace, creation.VERB, creation.arguments(made.order))


def _show_result(current: Progress) -> None:
    if current.run is None:
        st.info("The run of this detector was deleted. Create it again.")
        return
    point = metrics.point_of_run(runs.status(current.run))
    metrics.show_headline(point, current.run.id, ("", ""))
    for sentence in creation.changed(current.creation):
        st.caption(plain(sentence))
    with st.container(horizontal=True):
        query = {"run": current.run.id, "section": "Model"}
        st.page_link(EVALUATION, label="Take it away", icon=":material/download:", query_params=query)
        st.page_link(TRAINING, label="Its training", icon=":material/monitoring:", query_params={"run": current.run.id})
