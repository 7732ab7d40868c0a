"""Home: a detector for a typed word, the next step, the runs that are active, and the newest runs."""

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from pages.ui.home import creation_view, word_form
from pages.ui.shared import active_runs, frame, job_progress, run_picker, tables
from trainer.audio import manifest
from trainer.config import saved_configs
from trainer.creation import creation
from trainer.run.runs import Status
from trainer.run.state import ACTIVE
from trainer.system.workspace import Workspace

NEWEST_SHOWN = 8


class Step(NamedTuple):
    """The next step, and the page to take it on."""

    text: str
    page: str
    run: str = ""


def next_step(workspace: Workspace, newest: Sequence[Status]) -> Step:
    """The first missing step on the way from clips to a model."""
    if not workspace.scan_file.exists():
        return Step("Get clips: make demo data, or scan your own recordings.", frame.DATASET)
    if not manifest.split_file(workspace, "train").exists():
        return Step("Split the clips into training, validation and test sets.", frame.DATASET)
    if not saved_configs.names(workspace):
        return Step("Choose a preset and save it as your own configuration.", frame.CONFIGURATION)
    training = next((status for status in newest if status.state in ACTIVE - {"queued", "unknown"}), None)
    queued = next((status for status in newest if status.state == "queued"), None)
    if training:
        return Step("Watch the training.", frame.TRAINING, training.run.id)
    if queued:
        return Step("See why a run waits in the queue.", frame.TRAINING, queued.run.id)
    if not newest:
        return Step("Everything is ready: start a training.", frame.TRAINING)
    last = newest[0]
    if last.progress and last.progress.best:
        return Step("See how good the newest model is.", frame.EVALUATION, last.run.id)
    return Step("The newest run produced no model. See why, then start another.", frame.TRAINING, last.run.id)


def show_step(step: Step) -> None:
    """Draw the step with the link to its page."""
    query = {"run": step.run} if step.run else None
    label = f"Go to {step.page.split('_')[-1].removesuffix('.py')}"
    with st.container(border=True):
        st.markdown(f"**Next step.** {step.text}")
        st.page_link(step.page, label=label, icon=":material/arrow_forward:", query_params=query)


workspace = frame.page("Wakeword Studio", "🎙️")
word_form.show(workspace, busy=bool(job_progress.running(workspace)))
creation_view.show(workspace)
newest = run_picker.newest(workspace)
if not job_progress.running(workspace, (creation.VERB,)):
    show_step(next_step(workspace, newest))

if any(status.state in ACTIVE for status in newest):
    st.subheader("Running and queued", anchor=False)
    active_runs.follow(newest, cards=True)

if newest:
    st.subheader("Newest runs", anchor=False)
    tables.show_runs(newest[:NEWEST_SHOWN], key="newest")
    st.page_link(frame.RUNS, label="All runs", icon=":material/list_alt:")
