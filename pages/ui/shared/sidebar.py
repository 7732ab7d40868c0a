"""The sidebar of every page: which workspace this is, and what runs in it now, with the time left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from pages.ui.shared import frame, job_progress
from pages.ui.shared.frame import plain
from pages.ui.shared.run_notice import TRAINING_STATES, state_word
from trainer.creation import creation
from trainer.run import runs
from trainer.run.runs import Status
from trainer.run.state import ACTIVE
from trainer.system.job import Job
from trainer.system.log_lines import clock_time
from trainer.system.workspace import Workspace

REFRESH_SECONDS = 5.0
MOST_SHOWN = 4


class Work(NamedTuple):
    """Something that runs: its name, how far it is, and the page that shows it with the query of its address."""

    name: str
    progress: str
    page: str
    query: dict[str, str]


def show(workspace: Workspace, newest: Sequence[Status]) -> None:
    """Draw the sidebar; a timer keeps it current while something runs."""
    active = [status for status in newest if status.state in ACTIVE]
    busy = bool(active or _jobs(workspace))
    with st.sidebar:
        st.fragment(_live, run_every=REFRESH_SECONDS if busy else None, key="sidebar")(workspace, active, busy)


def _jobs(workspace: Workspace) -> list[Job]:
    return job_progress.running(workspace, tuple(job_progress.TITLES))


def _live(workspace: Workspace, drawn: Sequence[Status], was_busy: bool) -> None:
    """Poll what runs; when nothing runs any more, rerun the page without the timer."""
    current = [status for status in map(runs.status, (each.run for each in drawn)) if status.state in ACTIVE]
    works = of(workspace, current)
    st.markdown(f":small[Workspace: **{plain(workspace.root.name)}**]", help=plain(str(workspace.root)))
    for work in works[:MOST_SHOWN]:
        with st.container(gap="xxsmall"):
            icon = ":material/monitoring:"
            st.page_link(work.page, label=plain(work.name), icon=icon, query_params=work.query or None)
            st.markdown(f":small[{plain(work.progress)}]")
    if len(works) > MOST_SHOWN:
        st.page_link(frame.RUNS, label=f"{len(works) - MOST_SHOWN:,} more")
    if was_busy and not current and not _jobs(workspace):
        st.rerun()


def of(workspace: Workspace, active: Sequence[Status]) -> list[Work]:
    """What runs in the workspace: a detector that is being made, runs, and other jobs."""
    jobs = _jobs(workspace)
    creates = any(job.verb == creation.VERB for job in jobs)
    making = creation.progress(workspace) if creates else None
    own = making.run.id if making and making.run else ""
    return [
        *([_creation(making)] if creates else []),
        *[_run(status) for status in active if status.run.id != own],
        *[_job(job) for job in jobs if job.verb != creation.VERB],
    ]


def _left(seconds: float | None) -> str:
    return "" if seconds is None else f"{clock_time(seconds)} left"


def _joined(*parts: str) -> str:
    return " · ".join(filter(None, parts))


def _creation(making: creation.Progress | None) -> Work:
    """A detector that is being made; None before its first stage."""
    if making is None or making.creation.stage is None:
        return Work("New detector", "Starting", frame.HOME, {})
    stage = creation.TITLES[making.creation.stage]
    return Work(making.creation.order.phrase, _joined(stage, _left(making.seconds_left)), frame.HOME, {})


def _run(status: Status) -> Work:
    progress = status.progress
    trains = status.state in TRAINING_STATES and progress and progress.epochs
    epoch = f"epoch {progress.epoch:,}/{progress.epochs:,}" if trains and progress else ""
    timed = progress and status.state == "running" and progress.phase not in ("starting", "preparing")
    left = _left(progress.eta_seconds) if timed and progress else ""
    query = {"run": status.run.id}
    return Work(status.label, _joined(state_word(status.state), epoch, left), frame.TRAINING, query)


def _job(job: Job) -> Work:
    page = frame.EVALUATION if job.verb in job_progress.MODEL_VERBS else frame.DATASET
    page = {"probe": frame.CONFIGURATION, "pack": frame.RUNS, "unpack": frame.RUNS}.get(job.verb, page)
    share = f"{100 * min(1.0, job.done / job.total):.0f} %" if job.total else ""
    return Work(job_progress.TITLES[job.verb], _joined(job.doing, share), page, {})
