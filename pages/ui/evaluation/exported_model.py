"""The exported model of a run in words, its files to take away, and how to listen with it elsewhere."""

from __future__ import annotations

import hashlib
import io
import shlex
import zipfile
from pathlib import Path

import pandas as pd
import streamlit as st
from pydantic import ValidationError

from pages.ui.shared import frame, job_progress, metrics
from pages.ui.shared.frame import os_sentence, plain
from pages.ui.shared.metrics import Metric
from trainer.detector import detector, detector_file, onnx_file
from trainer.detector.detector import Detector
from trainer.detector.detector_file import LARGEST_DIFFERENCE, DetectorFile
from trainer.run import run_models
from trainer.run.documents import Best
from trainer.run.runs import Run, Status
from trainer.run.state import ACTIVE
from trainer.system import document_file, regular_file
from trainer.system.workspace import PROJECT_ROOT, Workspace

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


def load_or_offer(workspace: Workspace, status: Status) -> Detector | None:
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


FILES = {
    detector_file.MODEL: "The detector: sound in, probability out, its features inside.",
    detector_file.INT8_MODEL: "The same with weights of eight bits.",
    detector_file.OPENWAKEWORD_MODEL: "The head alone, as openWakeWord loads it.",
    detector_file.NAME: "How to hear with it: window, hop, smoothing, threshold; where it comes from; digests.",
}
LISTENING = """\
import sys
from pathlib import Path

import numpy as np

from trainer.detector import detector

model = detector.load(Path(sys.argv[1]))
blocks = iter(lambda: sys.stdin.buffer.read(2 * 1280), b"")
for found in detector.listen(model, (np.frombuffer(block, np.int16) for block in blocks)):
    print(f"{found.time:.1f} s: {found.score:.3f}", flush=True)
"""
"""listen.py of the documentation: ten lines that hear 16-bit sound at 16 kHz as it comes."""


def show(workspace: Workspace, run: Run, file: DetectorFile) -> None:
    metrics.show(facts(run, file), least_width=150)
    with st.expander("Details of the export"):
        for sentence in detector_file.sentences(file):
            st.markdown(plain(sentence))
    st.subheader("Files", anchor=False)
    with st.container(horizontal=True):
        _download(run, file)
        if file.int8 is None:
            st.button(
                "Make one of eight bits", on_click=job_progress.start, args=(workspace, "export", [run.id, "--int8"]),
                disabled=bool(job_progress.running(workspace, job_progress.MODEL_VERBS)),
                help="A quarter of the size. What that costs is measured on validation windows and shown here.",
            )  # fmt: skip
    st.dataframe(files(run.model, file), hide_index=True, width="stretch", alt="Files of the model")
    st.code(str(run.model), language=None, wrap_lines=True)
    _ways(workspace, run)


def facts(run: Run, file: DetectorFile) -> list[Metric]:
    """What a person asks first about a model."""
    size = _megabytes(run.model / detector_file.MODEL)
    small = f"{file.int8.bytes / 1e6:.2f} MB in eight bits" if file.int8 else ""
    differs = f"Largest difference of the probability from the trained model, on {file.parity.windows:,} windows."
    within = f"{'within' if file.parity.within else 'more than'} {LARGEST_DIFFERENCE:g}"
    return [
        Metric("Epoch", str(file.epoch), below=file.model),
        Metric("Parity", f"{file.parity.largest_difference:.1e}", differs, within),
        Metric("Size", metrics.NONE_YET if size is None else f"{size:.2f} MB", below=small),
        Metric("Window", f"{file.window_seconds:g} s", "How much sound each score is of.", f"every {file.hop_ms:g} ms"),
        Metric("Smoothing", f"{file.smoothing_seconds:g} s", "Scores are averaged over this time."),
        Metric("Silent after", f"{file.refractory_seconds:g} s", "So long after a detection there is no other."),
    ]


def _megabytes(path: Path) -> float | None:
    """None when the file went meanwhile."""
    try:
        return path.stat().st_size / 1e6
    except FileNotFoundError:
        return None


def files(folder: Path, file: DetectorFile) -> pd.DataFrame:
    names = [*file.files, detector_file.NAME]
    sizes = [_megabytes(folder / name) for name in names]
    holds = [_holds(name, file) for name in names]
    digests = [file.files.get(name, "") for name in names]
    return pd.DataFrame({"File": names, "MB": sizes, "Holds": holds, "SHA-256": digests}).round({"MB": 2})


def _holds(name: str, file: DetectorFile) -> str:
    """What a file is; a model with a threshold of its own says which."""
    own = detector_file.of_model(file, name).threshold
    return FILES.get(name, "") + (f" Its threshold: {own:.4f}." if own != file.threshold else "")


def _download(run: Run, file: DetectorFile) -> None:
    """A button for the zip, or why there is none: a click could not say it."""
    try:
        contents(run.model, file)
    except OSError as error:
        st.error(plain(os_sentence(error)))
        return
    except ValueError as error:
        st.error(plain(str(error)))
        return
    name = f"wakeword-{run.id}-epoch-{file.epoch}.zip"
    st.download_button(
        "Download the model", lambda: packed(run.model, file), name, "application/zip", on_click="ignore",
        type="primary",
    )  # fmt: skip


def contents(folder: Path, file: DetectorFile) -> dict[str, bytes]:
    """The files of a model folder by name: the models have the digests of those that were tried, and others are left
    out. Raises ValueError, OSError."""
    path = detector_file.path_in(folder)
    document = regular_file.read_bytes(path)
    try:
        same = DetectorFile.model_validate_json(document).files == file.files
    except ValidationError:
        same = False
    if not same:
        raise ValueError(f"{path} has just changed. Reload the page.")
    most = onnx_file.MOST_BYTES  # of a longer one the digest is another
    models = {name: regular_file.read_bytes(folder / name, most) for name in file.files if name in FILES}
    for name, data in models.items():
        if hashlib.sha256(data).hexdigest() != file.files[name]:
            raise ValueError(f"{folder / name} is damaged or another model: its digest is not the one in {path}.")
    return models | {path.name: document}


def packed(folder: Path, file: DetectorFile) -> bytes:
    """The model folder as a zip. For a click: the files are read then. Raises ValueError, OSError."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents(folder, file).items():
            archive.writestr(name, data)
    return out.getvalue()


def _ways(workspace: Workspace, run: Run) -> None:
    st.subheader("Listen elsewhere", anchor=False)
    root = f" --root {shlex.quote(str(workspace.root))}" if workspace.root != PROJECT_ROOT else ""
    st.caption("Find the word in recordings of any length, listen to the microphone, copy the model elsewhere:")
    verbs = (f"detect {run.id} recording.wav", f"detect {run.id}", f"export {run.id} my_word")
    st.code("\n".join(f"python -m trainer{root} {verb}" for verb in verbs), language="bash", wrap_lines=True)
    st.caption("Ten lines of Python, `listen.py`, without torch; with the folder of the model they hear a microphone:")
    st.code(LISTENING, language="python", wrap_lines=True)
    command = f"arecord -q -t raw -f S16_LE -r 16000 -c 1 | python listen.py {shlex.quote(str(run.model))}"
    st.code(command, language="bash", wrap_lines=True)
