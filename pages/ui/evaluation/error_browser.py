"""The error browser: lists, plays and draws false accepts and missed words, and sends them to the hard negatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.evaluation import evaluation_charts
from pages.ui.evaluation.evaluation_picker import ScoredEvaluation
from pages.ui.shared import audio, flash
from pages.ui.shared.frame import plain
from trainer.detector.detector import Detection
from trainer.evaluation import errors, hard_negatives
from trainer.evaluation.errors import Event
from trainer.system.display_text import counted
from trainer.system.workspace import Workspace

PLACE = "error_browser"
MOST_ROWS = 500
MEL_HEIGHT = 400
SHOWN_ROWS = 7
Kind = Literal["false accepts", "missed words"]
FIND: dict[Kind, Callable[..., list[Event]]] = {"false accepts": errors.false_accepts, "missed words": errors.misses}
NONE: dict[Kind, str] = {
    "false accepts": "No false accepts at this threshold.",
    "missed words": "No missed words at this threshold.",
}
ORDER: dict[Kind, str] = {"false accepts": "highest score first", "missed words": "lowest score first"}


@st.cache_data(max_entries=20, show_spinner=False)
def _events(folder: str, created: str, threshold: float, kind: Kind, _scored: ScoredEvaluation) -> list[Event]:
    return FIND[kind](_scored.heard, threshold)


def show(workspace: Workspace, scored: ScoredEvaluation, threshold: float) -> None:
    """Draw one of the two lists and the first selected event; selected false accepts can be sent."""
    key = (str(scored.folder.path), scored.evaluation.created, threshold)
    every = {kind: _events(*key, kind, scored) for kind in FIND}
    kind: Kind = st.segmented_control(
        "Errors",
        list(FIND),
        default="false accepts",
        required=True,
        key="error_kind",
        format_func=lambda kind: counted(len(every[kind]), kind.removesuffix("s")),
        label_visibility="collapsed",
    )
    listed = every[kind][:MOST_ROWS]
    if not listed:
        st.caption(NONE[kind])
        return
    more = f" First {MOST_ROWS} of {len(every[kind]):,}." if len(every[kind]) > MOST_ROWS else ""
    st.caption(f"Sorted by score, {ORDER[kind]}.{more} Select a row to play it.")
    rows = _table(kind, listed, f"{scored.evaluation.id}_{threshold:.6f}")
    if kind == "false accepts":
        _send_button(workspace, scored, threshold, [listed[row] for row in rows])
    _show_event(scored, listed[rows[0] if rows else 0], threshold)


def _table(kind: Kind, listed: Sequence[Event], key: str) -> list[int]:
    """Draw the list and return the chosen rows."""
    columns = {
        "Score": [event.score for event in listed],
        "Sound": [sound_name(event) for event in listed],
        "Condition": [event.condition for event in listed],
        "Speaker": [event.speaker for event in listed],
        "Recording": [event.recording for event in listed],
        "Second": [event.end for event in listed],
    }
    height: int | Literal["auto"] = "auto" if len(listed) < SHOWN_ROWS else 260
    chosen = st.dataframe(
        pd.DataFrame(columns),
        hide_index=True,
        width="stretch",
        height=height,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"errors_{kind}_{key}",
        column_config={
            "Score": st.column_config.NumberColumn(format="%.3f"),
            "Second": st.column_config.NumberColumn(format="%.1f"),
        },
        alt=kind.capitalize(),
    )
    return [row for row in chosen["selection"]["rows"] if row < len(listed)]


def sound_name(event: Event) -> str:
    """The phrase, clip or label at an event, whichever is known."""
    return event.phrase or event.clip or event.label or "unknown"


def _show_event(scored: ScoredEvaluation, event: Event, threshold: float) -> None:
    """Player, score trace and log-mel spectrogram of one event."""
    with st.container(border=True):
        title = f"{event.recording}, {event.end:.1f} s: {sound_name(event)}"
        st.markdown(f"**{plain(title)}**")
        try:
            sound = errors.excerpt(scored.streams, event)
        except ValueError as error:
            st.warning(plain(str(error)))
            return
        st.audio(sound.wave, sample_rate=sound.sample_rate)
        scores = errors.trace(scored.heard, event)
        score = float(np.interp(event.end, scores.seconds, scores.probability))
        detections = [Detection(event.end, score)] if event.kind == "false_accept" else []
        words = [(event.start, event.end)] if event.kind == "miss" else []
        chart = evaluation_charts.trace_chart(
            evaluation_charts.trace_table(scores.seconds, scores.probability), threshold, detections, words
        )
        mel = audio.image(audio.log_mel(sound.wave, sound.sample_rate), MEL_HEIGHT)
        with st.grid(2, min_column_width=360, key="error_pictures"):
            st.altair_chart(chart, width="stretch", key="error_trace", alt="Score trace")
            st.image(mel, width="stretch", caption="Log-mel spectrogram, low frequencies at the bottom")


def _send_button(workspace: Workspace, scored: ScoredEvaluation, threshold: float, chosen: list[Event]) -> None:
    problem = next(filter(None, (hard_negatives.problem(scored.streams, event) for event in chosen)), "")
    st.button(
        f"Send {len(chosen):,} to hard negatives" if chosen else "Send to hard negatives",
        disabled=not chosen or bool(problem),
        on_click=_send,
        args=(workspace, scored, threshold, chosen),
        help="Copies the chosen false accepts into the data set as hard negatives for the next training.",
    )
    if problem:
        st.caption(plain(problem))
    flash.show(PLACE)


def _send(workspace: Workspace, scored: ScoredEvaluation, threshold: float, chosen: list[Event]) -> None:
    def send() -> str:
        sent = hard_negatives.send(workspace, scored.run, scored.evaluation, scored.streams, chosen, threshold)
        undo = " To undo this, open Changes on the Dataset page." if sent.change else ""
        return f"{sent.sentence()}{undo}"

    flash.attempt(PLACE, send)
