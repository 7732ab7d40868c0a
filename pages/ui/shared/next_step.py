"""The next step for the user, from the state of the workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from pages.ui.shared import frame
from trainer.audio import manifest
from trainer.config import config_file
from trainer.run.runs import Status
from trainer.run.state import ACTIVE
from trainer.system.workspace import Workspace


@dataclass(frozen=True)
class Step:
    """One step, and the page to take it on."""

    text: str
    page: str
    label: str
    run: str = ""


def next_step(workspace: Workspace, newest: Sequence[Status]) -> Step:
    """The first missing step on the way from clips to a model."""
    if not workspace.scan_file.exists():
        return Step("Get clips: make demo data, or scan your own recordings.", frame.DATASET, "Go to Dataset")
    if not manifest.split_file(workspace, "train").exists():
        return Step("Split the clips into training, validation and test sets.", frame.DATASET, "Go to Dataset")
    if not config_file.saved(workspace):
        text = "Choose a preset and save it as your own configuration."
        return Step(text, frame.CONFIGURATION, "Go to Configuration")
    return _step_with_runs(newest)


def _step_with_runs(newest: Sequence[Status]) -> Step:
    training = next((status for status in newest if status.state in ACTIVE - {"queued", "unknown"}), None)
    queued = next((status for status in newest if status.state == "queued"), None)
    if training:
        return Step("Watch the running training.", frame.TRAINING, "Go to Training", training.run.id)
    if queued:
        return Step("A run is waiting in the queue: see why.", frame.TRAINING, "Go to Training", queued.run.id)
    if not newest:
        return Step("Everything is ready: start a training.", frame.TRAINING, "Go to Training")
    last = newest[0]
    if last.progress and last.progress.best:
        return Step("See how good the newest model is.", frame.EVALUATION, "Go to Evaluation", last.run.id)
    return Step(
        "The newest run produced no model: see why, and start again.", frame.TRAINING, "Go to Training", last.run.id
    )


def show(step: Step) -> None:
    """Draw the step with the link to its page."""
    query = {"run": step.run} if step.run else None
    with st.container(border=True):
        st.markdown(f"**Next step.** {step.text}")
        st.page_link(step.page, label=step.label, icon=":material/arrow_forward:", query_params=query)
