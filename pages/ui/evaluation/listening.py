"""Listening with a model: uploaded files and the browser's microphone, what is detected in them and how fast."""

from __future__ import annotations

import hashlib
import tempfile
import time
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from pages.ui.shared import audio, evaluation_charts, flash
from pages.ui.shared.frame import os_sentence, plain
from trainer.audio import audio_formats, audio_reader
from trainer.dataset import recording
from trainer.detector import detector, stream_scores
from trainer.detector.detector import Detection, Detector
from trainer.system.display_text import counted
from trainer.system.workspace import Workspace

RATE = 16000
MOST_MEGABYTES = 200
MIME = {
    ".wav": "audio/wav", ".flac": "audio/flac", ".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".oga": "audio/ogg",
    ".opus": "audio/ogg",
}  # fmt: skip
"""Of the formats that browsers play."""
SHOWN_ROWS = 4
FORMATS = {"Second": "%.2f", "Score": "%.3f"}
LABELS = {"positive": "positive (the word)", "hard_negative": "hard_negative (sounds like it)", "negative": "negative"}


class Heard(NamedTuple):
    """The scores [n] of one sound and a little silence after it, one each hop, and the seconds that it all took."""

    scores: NDArray[np.float32]
    took_seconds: float
    notes: list[str]
    """What a user should know of how the file is heard."""


@st.cache_data(max_entries=64, show_spinner=False, scope="session")
def _heard(model: str, sound: str, suffix: str, _detector: Detector, _data: bytes) -> Heard:
    """What the model hears, by digests: only scores are remembered, the sound lies on disk while it is read."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="wakeword-") as folder:
        file = Path(folder, f"sound{suffix}")
        file.write_bytes(_data)
        notes = audio_reader.facts(file).notes()
        scores = detector.scores_of_pieces(_detector, audio_reader.pieces_16k(file), _detector.hops_after)
    return Heard(scores, time.perf_counter() - begun, notes)


def hear(model: Detector, name: str, data: bytes) -> Heard:
    """What the model hears in the bytes of a file. Raises AudioRefused, ModelFailed, OSError."""
    suffix = PurePosixPath(name).suffix.lower()
    suffix = suffix if suffix[1:].isalnum() and len(suffix) < 12 else ""  # it becomes part of a path
    digest = hashlib.sha256(data).hexdigest()
    return _heard(model.file.files["model.onnx"], digest, suffix, model, data)


def show(workspace: Workspace, model: Detector) -> None:
    """A threshold, files and the microphone; below them what is heard in each."""
    threshold = _threshold(model)
    files, recorder = st.columns(2, gap="medium")
    with files:
        uploads = st.file_uploader(
            "Files to listen to", accept_multiple_files=True, max_upload_size=MOST_MEGABYTES, key="listen_files",
            help=f"{audio_formats.NAMES}. Hours of audio are for Streams.",
        )  # fmt: skip
    with recorder:
        spoken = st.audio_input("Say the word", sample_rate=RATE, key="listen_spoken")
        audio.microphone_note()
    if not uploads and spoken is None:
        st.caption("Choose files, or press the microphone, say the word a few times, and press it again.")
        return
    st.caption(f"{evaluation_charts.TRACE_LEGEND} Nothing of this is kept on disk.")
    if spoken is not None:
        with st.container(border=True):
            _one(model, "Your recording", "spoken.wav", spoken.getvalue(), threshold)
            _keep_form(workspace, spoken.getvalue())
    for number, upload in enumerate(uploads):
        with st.container(border=True):
            _one(model, upload.name, upload.name, upload.getvalue(), threshold, f"upload_{number}")


def _threshold(model: Detector) -> float:
    own = min(1.0, max(0.0, model.file.threshold))
    key = f"listen_threshold_{model.file.files['model.onnx'][:12]}_{own:.6f}"
    told = f"The model's own threshold is {own:.4f}. It stays as it is; this one is for listening here."
    return st.slider("Threshold to try", 0.0, 1.0, own, 0.0001, "%.4f", key=key, help=told)


def _one(model: Detector, title: str, name: str, data: bytes, threshold: float, key: str = "spoken") -> None:
    """Player, trace and detections of one sound, or what is wrong with it."""
    try:
        heard = hear(model, name, data)
    except (audio_formats.AudioRefused, detector.ModelFailed) as error:
        st.error(plain(f"{title}: {error}"))
        return
    except OSError as error:
        st.error(plain(f"{title} cannot be read: {os_sentence(error)}"))
        return
    st.markdown(f"**{plain(title)}**")
    if mime := MIME.get(PurePosixPath(name).suffix.lower()):
        st.audio(data, mime)
    else:
        st.caption("Browsers do not play this format.")
    for note in heard.notes:
        st.caption(plain(note))
    seconds = (len(heard.scores) - model.hops_after) * model.file.hop_seconds
    if seconds <= 0:
        st.caption("It is too short to hear anything in it.")
        return
    times, found = model.times(len(heard.scores)), model.detections(heard.scores, threshold)
    smooth = stream_scores.smooth(heard.scores, model.file.hop_seconds, model.file.smoothing_seconds)
    picture = evaluation_charts.trace_chart(
        evaluation_charts.trace_table(times, smooth, heard.scores), threshold, found
    )
    left, right = st.columns([5, 2], gap="small")
    left.altair_chart(picture, width="stretch", key=f"trace_{key}", alt=f"Scores of {title}")
    with right:
        _detections(found, float(smooth.max()), threshold)
        st.caption(f"{seconds:.1f} s of audio, heard in {heard.took_seconds:.2f} s.")


def _detections(found: list[Detection], highest: float, threshold: float) -> None:
    if not found:
        st.markdown(f"Nothing detected: the highest score is {highest:.3f}, the threshold {threshold:.3f}.")
        return
    st.markdown(f"**{counted(len(found), 'detection')}**")
    rows = pd.DataFrame([{"Second": each.time, "Score": each.score} for each in found])
    columns = {name: st.column_config.NumberColumn(format=how) for name, how in FORMATS.items()}
    height: int | Literal["auto"] = "auto" if len(rows) <= SHOWN_ROWS else 180
    st.dataframe(rows, hide_index=True, width="content", height=height, column_config=columns, alt="Detections")


def _keep_form(workspace: Workspace, data: bytes) -> None:
    """Keep a recording as a clip, only when it is asked for."""
    digest = hashlib.sha256(data).hexdigest()
    flash.show("kept")
    if digest in st.session_state.get("listen_kept", ()):
        st.caption("It is kept. Press Scan Datasets on the Dataset page; Undo is there in the list of changes.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Keep it as", list(LABELS), format_func=LABELS.__getitem__, key="listen_label", width=260)
        st.text_input("Speaker", key="listen_speaker", max_chars=60, width=180, placeholder="anna")
        st.button("Keep this recording", on_click=_keep, args=(workspace, data, digest))


def _keep(workspace: Workspace, data: bytes, digest: str) -> None:
    def keep() -> str:
        label = st.session_state["listen_label"]
        take = recording.read(data)
        title = recording.keep(workspace, take, label, st.session_state["listen_speaker"]).title
        st.session_state["listen_kept"] = {*st.session_state.get("listen_kept", ()), digest}
        return " ".join([f"{title}.", *recording.problems(take, label)])

    flash.attempt("kept", keep)
