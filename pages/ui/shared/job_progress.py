"""Jobs on the data set and on models: start, progress and result."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

import streamlit as st

from pages.ui.shared import flash
from pages.ui.shared.frame import os_sentence, plain
from trainer.system import job
from trainer.system.job import Job, Verb
from trainer.system.workspace import Workspace

PLACE = "job"
"""The place of the flash messages of clicks that start jobs."""
REFRESH_SECONDS = 1.0
CANCELLING = "Clips stay unchanged. The next scan reuses what this one has read."
CANCELLING_MODEL = "The run and earlier results stay unchanged."
TITLES: dict[Verb, str] = {
    "demo": "Making demo data",
    "scan": "Scanning",
    "split": "Splitting",
    "import": "Importing",
    "synthesise": "Synthesising",
    "mend": "Repairing clips",
    "preview": "Generating examples",
    "probe": "Measuring time",
    "export": "Exporting the model",
    "evaluate": "Evaluating",
    "pack": "Packing the run",
    "unpack": "Importing the run",
}
MODEL_VERBS: tuple[Verb, ...] = ("export", "evaluate")
"""Jobs of the Evaluation page, which do not change the data set."""
RUN_VERBS: tuple[Verb, ...] = ("pack", "unpack")
DATA_VERBS = tuple(verb for verb in TITLES if verb not in MODEL_VERBS + RUN_VERBS)


def running(workspace: Workspace, verbs: Sequence[Verb] = DATA_VERBS) -> list[Job]:
    """The running jobs of these verbs."""
    found = (job.read(workspace, verb) for verb in verbs)
    return [each for each in found if each and each.state == "running"]


def last_ended(workspace: Workspace, verbs: Sequence[Verb]) -> Job | None:
    """The job of these verbs that changed last, if it has ended."""
    files = [(workspace.jobs / f"{verb}.json", verb) for verb in verbs]
    known = [(path.stat().st_mtime_ns, verb) for path, verb in files if path.exists()]
    found = job.read(workspace, max(known)[1]) if known else None
    return found if found and found.state != "running" else None


def start(workspace: Workspace, verb: Verb, arguments: Sequence[str]) -> None:
    """Start a job, or post why it cannot start. For callbacks."""
    try:
        job.start(workspace, verb, list(arguments))
    except OSError as error:
        flash.error(PLACE, f"The data folder cannot be used: {os_sentence(error)}")
    except subprocess.SubprocessError:
        flash.error(PLACE, f"The job did not start. See {job.log_file(workspace, verb)}.")


def show(workspace: Workspace, verbs: Sequence[Verb] = DATA_VERBS) -> None:
    """Draw progress bars while jobs of these verbs run; else the result of the last one."""
    busy = bool(running(workspace, verbs))
    st.fragment(_live, run_every=REFRESH_SECONDS if busy else None, key="jobs")(workspace, busy, verbs)
    failed = any(message.tone == "error" for message in flash.show(PLACE))
    if not failed and not busy and (ended := last_ended(workspace, verbs)):
        show_as = {"done": st.success, "cancelled": st.info, "unknown": st.warning}.get(ended.state, st.error)
        show_as(plain(ended.message))


def _live(workspace: Workspace, busy: bool, verbs: Sequence[Verb]) -> None:
    """Poll the jobs; when the last one has ended, rerun the page without the timer."""
    now = running(workspace, verbs)
    for each in now:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(min(1.0, each.done / each.total) if each.total else 0.0, text=plain(progress_text(each)))
            key = f"cancel_{each.verb}"
            told = CANCELLING if each.verb in DATA_VERBS else CANCELLING_MODEL
            st.button("Cancel", key=key, on_click=job.cancel, args=(workspace, each.verb), help=told)
    if busy and not now:
        st.rerun()


def progress_text(each: Job) -> str:
    """What a job is doing, and how much of it is done."""
    doing = f"{TITLES[each.verb]}: {each.doing}" if each.doing else TITLES[each.verb]
    return f"{doing} ({each.done:,} of {each.total:,})" if each.total else doing
