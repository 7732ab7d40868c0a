"""The exported model of a run: loading or making it, its facts and files, its download, and how to use it elsewhere."""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path

import pandas as pd
import streamlit as st
from pydantic import ValidationError

from pages.ui.evaluation import take_away
from pages.ui.shared import frame, job_progress, metrics
from pages.ui.shared.frame import error_sentence, plain
from pages.ui.shared.metrics import Metric
from trainer.detector import detector, detector_file, onnx_file, targets
from trainer.detector.detector import Detector
from trainer.detector.detector_file import LARGEST_DIFFERENCE, DetectorFile
from trainer.run import models
from trainer.run.documents import Best
from trainer.run.runs import Run, Status
from trainer.run.state import ACTIVE
from trainer.system import durable, regular_file
from trainer.system.workspace import PROJECT_ROOT, Workspace

DOWNLOADED_ONLY = (detector_file.INT8_MODEL, detector_file.OPENWAKEWORD_MODEL)
"""Models that the page does not run, but checks before it offers a download."""
FILES = {
    detector_file.MODEL: "The detector: waveform in, probability out, features inside.",
    detector_file.INT8_MODEL: "The detector with int8 weights.",
    detector_file.OPENWAKEWORD_MODEL: "The head alone, as openWakeWord loads it.",
    detector_file.OPENWAKEWORD_TFLITE: "The head alone, as Home Assistant loads it.",
    detector_file.NAME: "Settings: window, hop, smoothing, threshold, origin and digests.",
}


@st.cache_resource(max_entries=4, show_spinner="Loading the model")
def _cached_detector(folder: str, digest: str, others: tuple[str, ...]) -> Detector:
    for name in others:
        onnx_file.read(Path(folder, name))
    return detector.load(Path(folder))


def load(folder: Path) -> Detector:
    """The detector in a model folder, loaded again when its detector.json, which holds the digests of its models,
    changes. Raises FileNotFoundError, ValueError."""
    digest = hashlib.sha256(regular_file.read_bytes(detector_file.path_in(folder))).hexdigest()
    return _cached_detector(str(folder), digest, tuple(name for name in DOWNLOADED_ONLY if (folder / name).exists()))


def load_or_offer(workspace: Workspace, status: Status) -> Detector | None:
    """The run's detector; without one, draw the reason and a button that exports it."""
    run = status.run
    if not detector_file.path_in(run.model).exists():
        _show_missing(workspace, status)
        return None
    try:
        model = load(run.model)
    except (OSError, ValueError) as error:
        st.error(plain(error_sentence(error)))
        _export_button(workspace, status, "Export the model again")
        return None
    best = durable.read_document(Best, run.checkpoints / "best.json")
    digest = best and models.digest_of(run, best.checkpoint)
    if best and digest and digest != model.file.checkpoint_sha256 and status.state not in ACTIVE:
        st.warning(
            f"This model is out of date: it comes from epoch {model.file.epoch}, but the best epoch of the run is now "
            f"{best.epoch}."
        )
        _export_button(workspace, status, "Export the model again")
    return model


def _show_missing(workspace: Workspace, status: Status) -> None:
    if status.state not in ACTIVE:
        st.info("This run has no exported model yet. Exporting takes a few seconds and continues without the browser.")
        _export_button(workspace, status, "Export the model")
        return
    st.info("This run is still training. Its best model is exported when the training ends.")
    query = {"run": status.run.id}
    st.page_link(frame.TRAINING, label="Go to Training", query_params=query, icon=":material/arrow_forward:")


def _export_button(workspace: Workspace, status: Status, label: str) -> None:
    busy = bool(job_progress.running(workspace, job_progress.MODEL_VERBS))
    arguments = (workspace, "export", [status.run.id])
    st.button(label, type="primary", disabled=busy, on_click=job_progress.start, args=arguments)


def show(workspace: Workspace, run: Run, file: DetectorFile) -> None:
    """The Model section: facts, a card for each place, files and instructions."""
    metrics.show(facts(run, file), least_width=150)
    with st.expander("Export details"):
        for sentence in detector_file.sentences(file):
            st.markdown(plain(sentence))
    take_away.show(workspace, run, file)
    st.header("Files", anchor=False)
    with st.container(horizontal=True):
        _show_download(run, file)
        if file.int8 is None:
            st.button(
                "Make an int8 model",
                on_click=job_progress.start,
                args=(workspace, "export", [run.id, "--int8"]),
                disabled=bool(job_progress.running(workspace, job_progress.MODEL_VERBS)),
                help="A quarter of the size. The loss of accuracy is measured on validation windows and shown here.",
            )
    size = st.column_config.NumberColumn(format="bytes")
    table = files(run.model, file)
    st.dataframe(table, hide_index=True, width="stretch", column_config={"Size": size}, alt="Model files")
    st.code(str(run.model), language=None, wrap_lines=True)
    _show_instructions(workspace, run)


def facts(run: Run, file: DetectorFile) -> list[Metric]:
    """Epoch, parity, size and timing of a model."""
    size = _size(run.model / detector_file.MODEL)
    int8 = f"{file.int8.bytes / 1e6:.2f} MB in int8" if file.int8 else ""
    parity = (
        "Largest difference in probability between the exported and the trained model, over "
        f"{file.parity.windows:,} windows."
    )
    limit = f"{'within' if file.parity.within else 'more than'} {LARGEST_DIFFERENCE:g}"
    return [
        Metric("Epoch", str(file.epoch), below=file.model),
        Metric("Parity", f"{file.parity.largest_difference:.1e}", parity, limit),
        Metric("Size", metrics.NONE_YET if size is None else f"{size / 1e6:.2f} MB", below=int8),
        Metric(
            "Window", f"{file.window_seconds:g} s", "Length of sound behind each score.", f"every {file.hop_ms:g} ms"
        ),
        Metric("Smoothing", f"{file.smoothing_seconds:g} s", "Scores are averaged over this time."),
        Metric(
            "Refractory time",
            f"{file.refractory_seconds:g} s",
            "No second detection within this time.",
        ),
    ]


def _size(path: Path) -> int | None:
    """Bytes; None when the file is gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def files(folder: Path, file: DetectorFile) -> pd.DataFrame:
    """The files of a model folder with size and digest."""
    names = [*file.files, detector_file.NAME]
    sizes = [_size(folder / name) for name in names]
    contents = [_description(name, file) for name in names]
    digests = [file.files.get(name, "") for name in names]
    return pd.DataFrame({"File": names, "Size": sizes, "Contents": contents, "SHA-256": digests})


def _description(name: str, file: DetectorFile) -> str:
    """What a file is, with its threshold where that is not the one of the other models."""
    own = detector_file.of_model(file, name).threshold
    return FILES.get(name, "") + (f" Threshold: {own:.4f}." if own != file.threshold else "")


def _show_download(run: Run, file: DetectorFile) -> None:
    """A button for the zip, or why there is none: a download click cannot show an error."""
    try:
        verified(run.model, file)
    except (OSError, ValueError) as error:
        st.error(plain(error_sentence(error)))
        return
    st.download_button(
        "Download the model",
        lambda: packed(run.model, file),
        f"wakeword-{run.id}-epoch-{file.epoch}.zip",
        "application/zip",
        on_click="ignore",
        type="primary",
    )


def verified(folder: Path, file: DetectorFile) -> dict[str, bytes]:
    """The files of a model folder by name, each model with the digest in detector.json; other files are left out.
    Raises ValueError when one differs, OSError."""
    path = detector_file.path_in(folder)
    document = regular_file.read_bytes(path)
    try:
        same = DetectorFile.model_validate_json(document).files == file.files
    except ValidationError:
        same = False
    if not same:
        raise ValueError(f"{path} has just changed. Reload the page.")
    most = onnx_file.MOST_BYTES  # a longer file has another digest
    models = {name: regular_file.read_bytes(folder / name, most) for name in file.files if name in FILES}
    for name, data in models.items():
        if hashlib.sha256(data).hexdigest() != file.files[name]:
            raise ValueError(f"{folder / name} is corrupt or another model: its digest differs from the one in {path}.")
    return models | {path.name: document}


def packed(folder: Path, file: DetectorFile) -> bytes:
    """The model folder as a zip, read when it is called. Raises ValueError, OSError."""
    return take_away.zipped(verified(folder, file))


def _show_instructions(workspace: Workspace, run: Run) -> None:
    """Commands and a program that use the model on this computer."""
    st.header("Use it here", anchor=False)
    root = f" --root {shlex.quote(str(workspace.root))}" if workspace.root != PROJECT_ROOT else ""
    st.caption("Detect the word in a recording, listen to the microphone, or copy the model to another folder:")
    verbs = (f"detect {run.id} recording.wav", f"detect {run.id}", f"export {run.id} my_word")
    st.code("\n".join(f"python -m trainer{root} {verb}" for verb in verbs), language="bash", wrap_lines=True)
    st.caption("Ten lines of Python, `listen.py`, that detect the word in live audio without torch:")
    st.code(targets.LISTENING, language="python", wrap_lines=True)
    command = f"arecord -q -t raw -f S16_LE -r 16000 -c 1 | python listen.py {shlex.quote(str(run.model))}"
    st.code(command, language="bash", wrap_lines=True)
