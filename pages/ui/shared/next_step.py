"""The next step to take, from what the workspace holds."""

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
    """What to do next, and where."""

    text: str
    page: str
    label: str
    run: str = ""


def next_step(workspace: Workspace, newest: Sequence[Status]) -> Step:
    """The first thing that is missing on the way from clips to a model."""
    if not workspace.scan_file.exists():
        return Step("Get clips: make demo data, or scan your own recordings.", frame.DATASET, "Go to Dataset")
    if not manifest.split_file(workspace, "train").exists():
        return Step("Split the clips into training, validation and test.", frame.DATASET, "Go to Dataset")
    if not config_file.saved(workspace):
        text = "Choose a preset and save it as a configuration of your own."
        return Step(text, frame.CONFIGURATION, "Go to Configuration")
    return _step_with_runs(newest)


def _step_with_runs(newest: Sequence[Status]) -> Step:
    trains = next((status for status in newest if status.state in ACTIVE - {"queued", "unknown"}), None)
    waits = next((status for status in newest if status.state == "queued"), None)
    if trains:
        return Step("Watch the training that runs now.", frame.TRAINING, "Go to Training", trains.run.id)
    if waits:
        return Step("A training waits for its turn: see why.", frame.TRAINING, "Go to Training", waits.run.id)
    if not newest:
        return Step("Everything is ready: start a training.", frame.TRAINING, "Go to Training")
    last = newest[0]
    if last.progress and last.progress.best:
        return Step("See how good the newest model is.", frame.EVALUATION, "Go to Evaluation", last.run.id)
    return Step(
        "The newest run has made no model: see why, and start again.", frame.TRAINING, "Go to Training", last.run.id
    )


def show(step: Step) -> None:
    """Draw the step with the link to its page."""
    query = {"run": step.run} if step.run else None
    with st.container(border=True):
        st.markdown(f"**Next step.** {step.text}")
        st.page_link(step.page, label=step.label, icon=":material/arrow_forward:", query_params=query)
