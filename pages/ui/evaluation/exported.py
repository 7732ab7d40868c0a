"""The exported model of a run as the Evaluation page needs it: loaded once, or what to do where there is none."""

from __future__ import annotations

import hashlib
from pathlib import Path

import streamlit as st

from pages.ui.shared import frame, job_progress
from pages.ui.shared.frame import plain
from trainer.detector import detector, detector_file, onnx_file
from trainer.detector.detector import Detector
from trainer.run import run_models
from trainer.run.documents import Best
from trainer.run.runs import Status
from trainer.run.state import ACTIVE
from trainer.system import document_file, regular_file
from trainer.system.workspace import Workspace

TAKEN_ELSEWHERE = (detector_file.INT8_MODEL, detector_file.OPENWAKEWORD_MODEL)
"""Nothing here loads them, but they are tried before they are given away."""


@st.cache_resource(max_entries=4, show_spinner=False)
def _loaded(folder: str, digest: str, others: tuple[str, ...]) -> Detector:
    for name in others:
        onnx_file.read(Path(folder, name))
    return detector.load(Path(folder))


def load(folder: Path) -> Detector:
    """The detector in a model folder, read anew when its detector.json says another thing: that names the digests of
    its models. Raises FileNotFoundError, ValueError."""
    digest = hashlib.sha256(regular_file.read_bytes(detector_file.path_in(folder))).hexdigest()
    return _loaded(str(folder), digest, tuple(name for name in TAKEN_ELSEWHERE if (folder / name).exists()))


def show(workspace: Workspace, status: Status) -> Detector | None:
    """The run's detector; where there is none, draw why and what to do."""
    run = status.run
    busy = bool(job_progress.running(workspace, job_progress.MODEL_VERBS))
    if not detector_file.path_in(run.model).exists():
        if status.state in ACTIVE:
            st.info("This run is still training. Its best model is exported when the training ends.")
            st.page_link(
                frame.TRAINING, label="Go to Training", query_params={"run": run.id}, icon=":material/arrow_forward:"
            )
            return None
        st.info("This run has no exported model yet. Making one takes some seconds and goes on without the browser.")
        _make_button(workspace, status, "Make the model", busy)
        return None
    try:
        found = load(run.model)
    except (OSError, ValueError) as error:
        st.error(plain(str(error)))
        _make_button(workspace, status, "Make the model again", busy)
        return None
    best = document_file.read(Best, run.checkpoints / "best.json")
    known = best and run_models.digest_of(run, best.checkpoint)
    if best and known and known != found.file.checkpoint_sha256 and status.state not in ACTIVE:
        told = f"This model is epoch {found.file.epoch} as it was earlier"
        st.warning(f"{told}; the best epoch of the run is now {best.epoch}.")
        _make_button(workspace, status, "Make the model again", busy)
    return found


def _make_button(workspace: Workspace, status: Status, label: str, busy: bool) -> None:
    arguments = (workspace, "export", [status.run.id])
    st.button(label, type="primary", disabled=busy, on_click=job_progress.start, args=arguments)
