"""The form that starts an evaluation: the streams, the noise levels and the checkpoint."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui.evaluation import evaluation_picker
from pages.ui.shared import flash, job_progress
from trainer.audio import audio_formats
from trainer.dataset import importing
from trainer.run import models
from trainer.run.runs import Run
from trainer.streams import composition, recordings
from trainer.system.workspace import Workspace

COMPOSED_HELP = (
    "Words of the test split in quiet, in noise and in rooms, and all other speech and noise of the test split. "
    "Composed once, so every run is evaluated on the same streams."
)
RATIOS_HELP = "One or more signal-to-noise ratios, from -20 to 60 dB. 10 is a quiet room; at 0, noise equals the word."
BEST = "best"
CHECKPOINT_HELP = "The best epoch of the run, or another checkpoint to compare it with."
PATHS_HELP = (
    f"Files or folders on this machine, one per line: {audio_formats.ANY} of any length, without the word, so that "
    "every detection is a false accept. If a label track NAME.txt or NAME.wav.txt (Audacity) is next to NAME.wav, it "
    "marks where the word is."
)


def show(workspace: Workspace, run: Run, busy: bool) -> None:
    """Draw the form; `busy` disables its button."""
    left, right = st.columns(2, gap="medium")
    with left:
        st.checkbox("Streams composed from the test split", True, key="evaluate_composed", help=COMPOSED_HELP)
        st.text_input("Signal-to-noise ratios (dB)", "10, 5", key="evaluate_ratios", help=RATIOS_HELP)
    with right:
        st.text_area(
            "Long recordings", key="evaluate_paths", height=100, placeholder="~/recordings/evenings", help=PATHS_HELP
        )
        if default := recordings.default(workspace):
            st.caption(f"If empty, {default[0].relative_to(workspace.root)} is used.")
    st.selectbox("Model", [BEST, *models.checkpoints(run)], key="evaluate_checkpoint", width=260, help=CHECKPOINT_HELP)
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
    st.query_params.pop(evaluation_picker.KEY, None)  # so that the page shows the new one when it is done
    arguments += [] if state["evaluate_composed"] else ["--no-composed"]
    arguments += [] if state["evaluate_checkpoint"] == BEST else [f"--checkpoint={state['evaluate_checkpoint']}"]
    job_progress.start(workspace, "evaluate", [run.id, *arguments])


def ratios(text: str) -> tuple[float, ...]:
    """Signal-to-noise ratios in dB from text such as "10, 5". Raises ValueError."""
    try:
        numbers = [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise ValueError(f"Type the ratios as numbers, such as 10, 5; got {text!r:.40}.") from None
    return composition.ratios(numbers)


def paths(text: str, roots: list[Path]) -> list[Path]:
    """Files and folders, one per line, that the page may read. Raises ValueError."""
    return [_allowed(importing.path_named(line), roots) for line in text.splitlines() if line.strip()]


def _allowed(path: Path, roots: list[Path]) -> Path:
    if not any(path.is_relative_to(root) for root in roots):
        raise ValueError(
            f"{path} is not inside {', '.join(map(str, roots))}. To allow other folders, start the app with "
            f"{importing.ROOTS_VARIABLE} set, or use the command line: python -m trainer evaluate RUN --stream PATH."
        )
    if not path.exists():
        raise ValueError(f"There is no file or folder {path}. Check the spelling.")
    return path
