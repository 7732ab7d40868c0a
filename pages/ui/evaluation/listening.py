"""The Listen section: detections in uploaded files and in recordings from the browser's microphone."""

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

from pages.ui.evaluation import evaluation_charts
from pages.ui.shared import audio, flash
from pages.ui.shared.frame import error_sentence, plain
from trainer.audio import audio_formats, audio_reader
from trainer.dataset import recording
from trainer.detector import detector, stream_scores
from trainer.detector.detector import Detection, Detector
from trainer.system.display_text import counted
from trainer.system.workspace import Workspace

PLACE = "recording"
RATE = 16000
MOST_MEGABYTES = 200
MIME = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
}
"""Of the formats that browsers play."""
SHOWN_ROWS = 4
FORMATS = {"Second": "%.2f", "Score": "%.3f"}
LABELS = {"positive": "positive (the word)", "hard_negative": "hard_negative (sounds like it)", "negative": "negative"}


class Scores(NamedTuple):
    """The scores [n] of a sound and of a short silence after it, one per hop, and the seconds that scoring took."""

    values: NDArray[np.float32]
    took_seconds: float
    notes: list[str]
    """Remarks on how the file was read."""


@st.cache_data(max_entries=64, show_spinner="Listening to the sound", scope="session")
def _score(model: str, sound: str, suffix: str, _detector: Detector, _data: bytes) -> Scores:
    """Score a sound; the cache holds scores only, by the digests of model and sound."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="wakeword-") as folder:
        file = Path(folder, f"sound{suffix}")
        file.write_bytes(_data)
        notes = audio_reader.facts(file).notes()
        values = detector.scores_of_pieces(_detector, audio_reader.pieces_16k(file), _detector.hops_after)
    return Scores(values, time.perf_counter() - begun, notes)


def score(model: Detector, name: str, data: bytes) -> Scores:
    """The scores of the bytes of a file. Raises AudioRefused, ModelFailed, OSError."""
    suffix = PurePosixPath(name).suffix.lower()
    suffix = suffix if suffix[1:].isalnum() and len(suffix) < 12 else ""  # it becomes part of a path
    digest = hashlib.sha256(data).hexdigest()
    return _score(model.file.files["model.onnx"], digest, suffix, model, data)


def show(workspace: Workspace, model: Detector) -> None:
    """A threshold, files and the microphone; below them the detections in each."""
    threshold = _threshold(model)
    files, recorder = st.columns(2, gap="medium")
    with files:
        uploads = st.file_uploader(
            "Audio files",
            accept_multiple_files=True,
            max_upload_size=MOST_MEGABYTES,
            key="listen_files",
            help=f"{audio_formats.NAMES}. For hours of audio, use Streams.",
        )
    with recorder:
        spoken = st.audio_input("Say the word", sample_rate=RATE, key="listen_spoken")
        audio.microphone_note()
    if not uploads and spoken is None:
        st.caption("Choose files, or record yourself saying the word a few times.")
        return
    st.caption(f"{evaluation_charts.TRACE_LEGEND} Nothing is saved.")
    if spoken is not None:
        with st.container(border=True):
            _show_sound(model, "Your recording", "spoken.wav", spoken.getvalue(), threshold)
            _show_keep_form(workspace, spoken.getvalue())
    for number, upload in enumerate(uploads):
        with st.container(border=True):
            _show_sound(model, upload.name, upload.name, upload.getvalue(), threshold, f"upload_{number}")


def _threshold(model: Detector) -> float:
    own = min(1.0, max(0.0, model.file.threshold))
    key = f"listen_threshold_{model.file.files['model.onnx'][:12]}_{own:.6f}"
    note = f"Only for this section. The threshold of the model stays {own:.4f}."
    return st.slider("Threshold to try", 0.0, 1.0, own, 0.0001, "%.4f", key=key, help=note)


def _show_sound(model: Detector, title: str, name: str, data: bytes, threshold: float, key: str = "spoken") -> None:
    """Player, trace and detections of one sound, or what is wrong with it."""
    try:
        scores = score(model, name, data)
    except (audio_formats.AudioRefused, detector.ModelFailed) as error:
        st.error(plain(f"{title}: {error}"))
        return
    except OSError as error:
        st.error(plain(f"{title} cannot be read: {error_sentence(error)}"))
        return
    st.markdown(f"**{plain(title)}**")
    if mime := MIME.get(PurePosixPath(name).suffix.lower()):
        st.audio(data, mime)
    else:
        st.caption("Browsers do not play this format.")
    for note in scores.notes:
        st.caption(plain(note))
    _show_detections(model, scores, threshold, title, key)


def _show_detections(model: Detector, scores: Scores, threshold: float, title: str, key: str) -> None:
    """The score trace and the detections."""
    values = scores.values
    seconds = (len(values) - model.hops_after) * model.file.hop_seconds
    if seconds <= 0:
        st.caption("This sound is too short to score.")
        return
    times, detections = model.times(len(values)), model.detections(values, threshold)
    smooth = stream_scores.smooth(values, model.file.hop_seconds, model.file.smoothing_seconds)
    chart = evaluation_charts.trace_chart(evaluation_charts.trace_table(times, smooth, values), threshold, detections)
    left, right = st.columns([5, 2], gap="small")
    left.altair_chart(chart, width="stretch", key=f"trace_{key}", alt=f"Scores of {title}")
    with right:
        _show_table(detections, float(smooth.max()), threshold)
        st.caption(f"{seconds:.1f} s of audio, scored in {scores.took_seconds:.2f} s.")


def _show_table(detections: list[Detection], highest: float, threshold: float) -> None:
    if not detections:
        st.markdown(f"No detections: the highest score is {highest:.3f}, the threshold {threshold:.3f}.")
        return
    st.markdown(f"**{counted(len(detections), 'detection')}**")
    rows = pd.DataFrame([{"Second": each.time, "Score": each.score} for each in detections])
    columns = {name: st.column_config.NumberColumn(format=how) for name, how in FORMATS.items()}
    height: int | Literal["auto"] = "auto" if len(rows) <= SHOWN_ROWS else 180
    st.dataframe(rows, hide_index=True, width="content", height=height, column_config=columns, alt="Detections")


def _show_keep_form(workspace: Workspace, data: bytes) -> None:
    """Save a recording as a clip, on request only."""
    digest = hashlib.sha256(data).hexdigest()
    flash.show(PLACE)
    if digest in st.session_state.get("listen_saved", ()):
        st.caption("Saved. Click Scan Datasets on the Dataset page; to undo this, open Changes there.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Save as", list(LABELS), format_func=LABELS.__getitem__, key="listen_label", width=260)
        st.text_input("Speaker", key="listen_speaker", max_chars=60, width=180, placeholder="anna")
        st.button("Save this recording", on_click=_keep, args=(workspace, data, digest))


def _keep(workspace: Workspace, data: bytes, digest: str) -> None:
    def keep() -> str:
        label = st.session_state["listen_label"]
        take = recording.read(data)
        title = recording.save(workspace, take, label, st.session_state["listen_speaker"]).title
        st.session_state["listen_saved"] = {*st.session_state.get("listen_saved", ()), digest}
        return " ".join([f"{title}.", *recording.problems(take, label)])

    flash.attempt(PLACE, keep)
