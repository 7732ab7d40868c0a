"""The next step on the way from a word to a model: what it is, on which page, and for which run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from pages.ui.shared import frame, run_picker
from trainer.audio import manifest
from trainer.config import saved_configs
from trainer.creation import creation
from trainer.evaluation import evaluations
from trainer.run.runs import Status
from trainer.run.state import ACTIVE
from trainer.system import job
from trainer.system.workspace import Workspace

HELP = "The next step on the way to your detector."


class Step(NamedTuple):
    """The next step, the page to take it on with its section, and the run that it is about."""

    text: str
    page: str
    run: str = ""
    section: str = ""


def of(workspace: Workspace, newest: Sequence[Status], chosen: str = "") -> Step:
    """The first missing step on the way from clips to a model of the chosen run, or of the run that matters most."""
    making = job.read(workspace, creation.VERB)
    if making and making.state == "running":
        return Step("Watch your detector being made.", frame.HOME)
    run = next((status for status in newest if status.run.id == chosen), None)
    return _of_run(run) if run else _of_workspace(workspace, newest)


def _of_workspace(workspace: Workspace, newest: Sequence[Status]) -> Step:
    if not workspace.scan_file.exists():
        return Step("Type a word on Home, or bring clips of your own.", frame.DATASET)
    if not manifest.split_file(workspace, "train").exists():
        return Step("Split the clips into training, validation and test sets.", frame.DATASET)
    training = (status for status in newest if status.state in ACTIVE - {"queued", "unknown"})
    queued = (status for status in newest if status.state == "queued")
    run = next(training, None) or next(queued, None) or next(iter(newest), None)
    if run:
        return _of_run(run)
    if not saved_configs.names(workspace):
        return Step("Choose a preset and train with it, or save it as your own configuration.", frame.CONFIGURATION)
    return Step("Everything is ready: start a training.", frame.TRAINING)


def _of_run(status: Status) -> Step:
    run = status.run.id
    if status.state == "queued":
        return Step("See why a run waits in the queue.", frame.TRAINING, run)
    if status.state in ACTIVE:
        return Step("Watch the training.", frame.TRAINING, run)
    if any(evaluations.all_of(status.run)):
        return Step("Take the model away, or make it better.", frame.EVALUATION, run, "Model")
    if status.progress and status.progress.best:
        return Step("See how good the model is.", frame.EVALUATION, run)
    return Step("The run produced no model. See why, then start another.", frame.TRAINING, run)


def show(workspace: Workspace, newest: Sequence[Status], here: str) -> None:
    """Draw the next step on one line, with a link to its page unless that is `here`."""
    step = of(workspace, newest, run_picker.remembered())
    st.markdown(f":small[**Next:** {step.text}]", width="content")
    if step.page != here:
        name = step.page.split("_")[-1].removesuffix(".py")
        known = {"run": step.run, "section": step.section}
        query = {name: value for name, value in known.items() if value} or None
        icon = ":material/arrow_forward:"
        st.page_link(step.page, label=f"Go to {name}", icon=icon, help=HELP, query_params=query)
