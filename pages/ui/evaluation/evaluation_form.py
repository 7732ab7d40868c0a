"""Ordering an evaluation: which streams are heard, as a form whose button starts a job."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui.evaluation import evaluation_picker
from pages.ui.shared import flash, job_progress
from trainer.audio import audio_formats
from trainer.dataset import importing
from trainer.run import run_models
from trainer.run.runs import Run
from trainer.streams import composition, recordings
from trainer.system.workspace import Workspace

COMPOSED_HELP = (
    "Words of the test split, quiet, in noise and in rooms, and all of its other speech and noise. Made once; every "
    "run hears the same."
)
BEST = "best"
CHECKPOINT_HELP = "The best epoch of the run, or another checkpoint that it keeps, to compare the two."
PATHS_HELP = (
    f"Files or folders on this machine, one a line: {audio_formats.ANY} of any length, without the word, so that "
    "every detection is a false accept. Where beside NAME.wav lies a label track NAME.txt or NAME.wav.txt (Audacity), "
    "it says where the word is."
)


def show(workspace: Workspace, run: Run, busy: bool) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        st.checkbox("Streams composed of the test split", True, key="evaluate_composed", help=COMPOSED_HELP)
        st.text_input(
            "Noise: dB below the words", "10, 5", key="evaluate_ratios",
            help="One or several ratios, from -20 to 60; 10 is a quiet room, 0 is noise as loud as the word.",
        )  # fmt: skip
    with right:
        st.text_area(
            "Long recordings", key="evaluate_paths", height=100, placeholder="~/recordings/evenings", help=PATHS_HELP
        )
        if named := recordings.default(workspace):
            st.caption(f"Left empty, {named[0].relative_to(workspace.root)} is heard too.")
    st.selectbox("Model", [BEST, *run_models.kept(run)], key="evaluate_checkpoint", width=260, help=CHECKPOINT_HELP)
    st.button("Evaluate", type="primary", disabled=busy, on_click=_start, args=(workspace, run))


def _start(workspace: Workspace, run: Run) -> None:
    state = st.session_state
    try:
        arguments = [f"--snr={ratio:g}" for ratio in ratios(state["evaluate_ratios"])]
        roots = [*importing.allowed_roots(), workspace.root]
        arguments += [f"--stream={path}" for path in paths(state["evaluate_paths"], roots)]
    except ValueError as error:
        flash.error(job_progress.PLACE, error)
        return
    st.query_params.pop(evaluation_picker.KEY, None)  # what comes is shown, as the newest
    arguments += [] if state["evaluate_composed"] else ["--no-composed"]
    arguments += [] if state["evaluate_checkpoint"] == BEST else [f"--checkpoint={state['evaluate_checkpoint']}"]
    job_progress.start(workspace, "evaluate", [run.id, *arguments])


def ratios(text: str) -> tuple[float, ...]:
    """Ratios of word to noise in dB. Raises ValueError with one sentence."""
    try:
        found = [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise ValueError(f"Type the ratios as numbers, such as 10, 5; {text!r:.40} is none.") from None
    return composition.ratios(found)


def paths(text: str, roots: list[Path]) -> list[Path]:
    """Files and folders, one a line, that the page may read. Raises ValueError with one sentence."""
    return [_allowed(importing.path_named(line), roots) for line in text.splitlines() if line.strip()]


def _allowed(path: Path, roots: list[Path]) -> Path:
    if not any(path.is_relative_to(root) for root in roots):
        named = ", ".join(map(str, roots))
        raise ValueError(
            f"{path} is not inside {named}. To allow others, start the app with {importing.ROOTS_VARIABLE} set, or "
            f"name it on the command line: python -m trainer evaluate RUN --stream PATH."
        )
    if not path.exists():
        raise ValueError(f"There is no file or folder {path}. Check the spelling.")
    return path
