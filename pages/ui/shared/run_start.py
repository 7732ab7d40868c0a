"""Starts a run for a form of any page: one run for each form, with every problem that prevents it as a message."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import streamlit as st

from pages.ui.shared import flash, frame, run_controls, run_picker
from pages.ui.shared.frame import plain
from pages.ui.shared.run_notice import state_word
from trainer.audio import manifest
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.run import launch, preflight, runs
from trainer.run.runs import Run
from trainer.run.state import ACTIVE
from trainer.system.workspace import Workspace

NO_CONFIGURATION = "No configuration loaded. Choose or save one on the Configuration page first."
ALREADY = "Training already in progress"


def form_token(workspace: Workspace, name: str, config: bytes, label: str, newest_run: str) -> str:
    """A digest of the filled-in form: equal in two tabs that hold the same values over the same runs."""
    parts = [name.encode(), config, manifest.fingerprint(workspace).encode(), label.encode(), newest_run.encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def newest_run(workspace: Workspace) -> str:
    """The id of the newest run, which a form holds from when it is drawn; empty without runs."""
    return next((run.id for run in runs.all_runs(workspace)), "")


def start(workspace: Workspace, config: Config, name: str, label: str, newest: str, place: str) -> str:
    """Start a run of a form and return its id, or post every problem at `place` and return an empty id.

    `name` is that of the configuration, and `newest` the newest run when the form was drawn. A form that already
    started a run leads to that run, with a message on the Training page. For callbacks.
    """
    started: list[launch.Started] = []

    def attempt() -> None:
        try:
            token = form_token(workspace, name, config_file.dump(config), label, newest)
            started.append(launch.start(workspace, config, name, label, token))
        except preflight.StartRefusedError as refused:
            post_problems(refused.problems, place)
        except FileNotFoundError:  # without splits there is no token
            post_problems(preflight.problems(workspace, config), place)

    flash.attempt(place, attempt)
    if started and started[0].already:
        flash.post(run_controls.PLACE, _already_message(started[0].run))
    return started[0].run.id if started else ""


def post_problems(problems: Sequence[str], place: str) -> None:
    """Post each problem as an error."""
    flash.post(place, *(flash.Message("error", text) for text in problems))


def link_pages(texts: Sequence[str]) -> None:
    """Draw links to the pages on which these problems of a start are mended."""
    if NO_CONFIGURATION in texts:
        st.page_link(frame.CONFIGURATION, label="Go to Configuration", icon=":material/tune:")
    if any("Dataset page" in text for text in texts):
        st.page_link(frame.DATASET, label="Go to Dataset", icon=":material/library_music:")


def _already_message(run: Run) -> flash.Message:
    state = runs.status(run).state
    text = ALREADY if state in ACTIVE else f"This form already started a run, which is now {state_word(state).lower()}."
    link = flash.Link(
        frame.TRAINING, f"Open {plain(run_picker.name_of(run))}", ":material/monitoring:", {"run": run.id}
    )
    return flash.Message("warning", text, link=link)
