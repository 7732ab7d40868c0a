"""Jobs on the data set and on models: start, progress and result."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

import streamlit as st

from pages.ui.shared import flash
from pages.ui.shared.frame import error_sentence, plain
from trainer.system import job
from trainer.system.job import Job, Verb
from trainer.system.log_lines import clock_time
from trainer.system.workspace import Workspace

PLACE = "job"
"""The place of the flash messages of clicks that start jobs."""
REFRESH_SECONDS = 1.0
RESULT_SECONDS = 1800.0
"""How long a page shows what a job came to; a failure is shown until the next job."""
CANCEL_HELP = "Clips stay unchanged. The next scan reuses what this one has read."
CANCEL_OTHER_HELP = "Earlier results stay unchanged."
CANCEL_DOWNLOAD_HELP = "Get it again to continue where it stopped."
PAUSE_HELP = "Keeps what was made, and pauses the training. Continue on Home."
STOP_HELP = "Ends the recording and keeps what there is."
TITLES: dict[Verb, str] = {
    "create": "Creating",
    "demo": "Making demo data",
    "scan": "Scanning",
    "split": "Splitting",
    "import": "Importing",
    "corpora": "Getting public sound",
    "voices": "Getting voices",
    "synthesise": "Synthesising",
    "mend": "Repairing clips",
    "preview": "Generating examples",
    "capture": "Recording",
    "probe": "Measuring time",
    "export": "Exporting the model",
    "evaluate": "Evaluating",
    "pack": "Packing the run",
    "unpack": "Importing the run",
}
BUTTONS: dict[Verb, str] = {"capture": "Stop", "create": "Pause"}
"""The buttons that end a job and keep what it has made; the others are called Cancel."""
MODEL_VERBS: tuple[Verb, ...] = ("export", "evaluate")
"""Jobs of the Evaluation page, which do not change the data set."""
CAPTURE: tuple[Verb, ...] = ("capture",)
"""The recording of a room, which lasts for hours: meanwhile other jobs change the data set."""
OTHER_VERBS: tuple[Verb, ...] = ("pack", "unpack", "probe", *CAPTURE)
DATA_VERBS = tuple(verb for verb in TITLES if verb not in MODEL_VERBS + OTHER_VERBS)


def running(workspace: Workspace, verbs: Sequence[Verb] = DATA_VERBS) -> list[Job]:
    """The running jobs of these verbs."""
    jobs = (job.read(workspace, verb) for verb in verbs)
    return [each for each in jobs if each and each.state == "running"]


def last_ended(workspace: Workspace, verbs: Sequence[Verb]) -> Job | None:
    """The job of these verbs that changed last, if it has ended and its result is news."""
    files = [(workspace.jobs / f"{verb}.json", verb) for verb in verbs]
    changed = [(path.stat().st_mtime, verb) for path, verb in files if path.exists()]
    if not changed:
        return None
    when, verb = max(changed)
    last = job.read(workspace, verb)
    if last is None or last.state == "running":
        return None
    past = last.state in ("done", "cancelled") and time.time() - when > RESULT_SECONDS
    return None if past else last


def start(workspace: Workspace, verb: Verb, arguments: Sequence[str], place: str = PLACE) -> None:
    """Start a job, or post why it cannot start. For callbacks."""
    try:
        job.start(workspace, verb, list(arguments))
    except OSError as error:
        flash.error(place, f"The data folder cannot be used: {error_sentence(error)}")
    except subprocess.SubprocessError:
        flash.error(place, f"The job did not start. See {job.log_file(workspace, verb)}.")


def show(workspace: Workspace, verbs: Sequence[Verb] = DATA_VERBS, place: str = PLACE) -> None:
    """Draw progress bars while jobs of these verbs run; else the result of the last one."""
    busy, messages = show_progress(workspace, verbs, place)
    failed = any(message.tone == "error" for message in messages)
    if not failed and not busy and (ended := last_ended(workspace, verbs)):
        show_as = {"done": st.success, "cancelled": st.info, "unknown": st.warning}.get(ended.state, st.error)
        show_as(plain(ended.message))


def show_progress(workspace: Workspace, verbs: Sequence[Verb], place: str = PLACE) -> tuple[bool, list[flash.Message]]:
    """Draw a progress bar for each running job and the messages of the last click; whether a job runs, and the
    messages."""
    busy = bool(running(workspace, verbs))
    st.fragment(_live, run_every=REFRESH_SECONDS if busy else None, key=f"jobs_{verbs[0]}")(workspace, busy, verbs)
    return busy, flash.show(place)


def _live(workspace: Workspace, busy: bool, verbs: Sequence[Verb]) -> None:
    """Poll the jobs; when the last one has ended, rerun the page without the timer."""
    jobs = running(workspace, verbs)
    for each in jobs:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(min(1.0, each.done / each.total) if each.total else 0.0, text=plain(progress_text(each)))
            key = f"cancel_{each.verb}"
            name = BUTTONS.get(each.verb, "Cancel")
            st.button(name, key=key, on_click=job.cancel, args=(workspace, each.verb), help=_cancel_help(each.verb))
    if busy and not jobs:
        st.rerun()


def _cancel_help(verb: Verb) -> str:
    """What cancelling a job leaves behind."""
    others = CANCEL_HELP if verb in DATA_VERBS else CANCEL_OTHER_HELP
    helps: dict[Verb, str] = {
        "corpora": CANCEL_DOWNLOAD_HELP,
        "voices": CANCEL_DOWNLOAD_HELP,
        "capture": STOP_HELP,
        "create": PAUSE_HELP,
    }
    return helps.get(verb, others)


def progress_text(each: Job) -> str:
    """What a job is doing, and how much of it is done."""
    doing = f"{TITLES[each.verb]}: {each.doing}" if each.doing else TITLES[each.verb]
    if not each.total or each.verb in CAPTURE:
        return doing
    return f"{doing} ({each.done:,} of {each.total:,}){_left(each)}"


def _left(each: Job) -> str:
    """The time left in this step, if known."""
    seconds = job.seconds_left(each)
    return "" if seconds is None else f", about {clock_time(seconds)} left in this step"
