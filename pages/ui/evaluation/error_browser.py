"""False accepts and missed words of an evaluation: listed, heard and seen, and sent to the hard negatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.evaluation.evaluation_picker import Opened
from pages.ui.shared import audio, evaluation_charts, flash
from pages.ui.shared.frame import plain
from trainer.detector.detector import Detection
from trainer.evaluation import events, hard_negatives
from trainer.evaluation.events import Event
from trainer.system.workspace import Workspace

MOST_ROWS = 500
MEL_HEIGHT = 400
SHOWN_ROWS = 7
Kind = Literal["false accepts", "missed words"]
FIND: dict[Kind, Callable[..., list[Event]]] = {"false accepts": events.false_accepts, "missed words": events.misses}
NONE: dict[Kind, str] = {
    "false accepts": "No false accept at this threshold.",
    "missed words": "No word is missed at this threshold.",
}


@st.cache_data(max_entries=20, show_spinner=False)
def _found(folder: str, created: str, threshold: float, kind: Kind, _opened: Opened) -> list[Event]:
    return FIND[kind](_opened.heard, threshold)


def show(workspace: Workspace, opened: Opened, threshold: float) -> None:
    """Both lists, one at a time; the first chosen row is played, all chosen ones can be sent."""
    key = (str(opened.folder.path), opened.evaluation.created, threshold)
    every = {kind: _found(*key, kind, opened) for kind in FIND}
    kind: Kind = st.segmented_control(
        "What to look at", list(FIND), default="false accepts", required=True, key="found_kind",
        format_func=lambda kind: f"{len(every[kind]):,} {kind}", label_visibility="collapsed",
    )  # fmt: skip
    listed = every[kind][:MOST_ROWS]
    if not listed:
        st.caption(NONE[kind])
        return
    more = f" The first {MOST_ROWS} of {len(every[kind]):,}." if len(every[kind]) > MOST_ROWS else ""
    first = "the most certain first" if kind == "false accepts" else "the least heard first"
    st.caption(f"In order of score, {first}.{more} Choose a row to hear it.")
    rows = _table(kind, listed, f"{opened.evaluation.id}_{threshold:.6f}")
    if kind == "false accepts":
        _send_button(workspace, opened, threshold, [listed[row] for row in rows])
    _one(opened, listed[rows[0] if rows else 0], threshold)


def _table(kind: Kind, listed: Sequence[Event], key: str) -> list[int]:
    """Draw the list; returns the chosen rows."""
    columns = {
        "Score": [event.score for event in listed], "Heard": [heard_text(event) for event in listed],
        "Condition": [event.condition for event in listed], "Speaker": [event.speaker for event in listed],
        "Recording": [event.recording for event in listed], "Second": [event.end for event in listed],
    }  # fmt: skip
    formats = {
        "Score": st.column_config.NumberColumn(format="%.3f"), "Second": st.column_config.NumberColumn(format="%.1f")
    }  # fmt: skip
    height: int | Literal["auto"] = "auto" if len(listed) < SHOWN_ROWS else 260
    chosen = st.dataframe(
        pd.DataFrame(columns), hide_index=True, width="stretch", height=height, on_select="rerun",
        selection_mode="multi-row", key=f"found_{kind}_{key}", column_config=formats, alt=kind.capitalize(),
    )  # fmt: skip
    return [row for row in chosen["selection"]["rows"] if row < len(listed)]


def heard_text(event: Event) -> str:
    """What was said, as much as is known."""
    return event.phrase or event.clip or event.label or "unknown"


def _one(opened: Opened, event: Event, threshold: float) -> None:
    """Player, score trace and log-mel picture of one event."""
    with st.container(border=True):
        head = f"{event.recording}, {event.end:.1f} s: {heard_text(event)}"
        st.markdown(f"**{plain(head)}**")
        try:
            sound = events.excerpt(opened.streams, event)
        except ValueError as error:
            st.warning(plain(str(error)))
            return
        st.audio(sound.wave, sample_rate=sound.sample_rate)
        shown = events.trace(opened.heard, event)
        score = float(np.interp(event.end, shown.seconds, shown.probability))
        fired = [Detection(event.end, score)] if event.kind == "false_accept" else []
        spoken = [(event.start, event.end)] if event.kind == "miss" else []
        picture = evaluation_charts.trace_chart(
            evaluation_charts.trace_table(shown.seconds, shown.probability), threshold, fired, spoken
        )
        mel = audio.image(audio.log_mel(sound.wave, sound.sample_rate), MEL_HEIGHT)
        with st.grid(2, min_column_width=360, key="found_pictures"):
            st.altair_chart(picture, width="stretch", key="found_trace", alt="Scores around it")
            st.image(mel, width="stretch", caption="Log-mel spectrogram, low tones below")


def _send_button(workspace: Workspace, opened: Opened, threshold: float, chosen: list[Event]) -> None:
    told = next(filter(None, (hard_negatives.problem(opened.streams, event) for event in chosen)), "")
    label = f"Send {len(chosen):,} to hard negatives" if chosen else "Send to hard negatives"
    st.button(
        label, disabled=not chosen or bool(told), on_click=_send, args=(workspace, opened, threshold, chosen),
        help="Makes clips of the chosen false accepts, so that the next training learns from them.",
    )  # fmt: skip
    if told:
        st.caption(plain(told))
    flash.show("sent")


def _send(workspace: Workspace, opened: Opened, threshold: float, chosen: list[Event]) -> None:
    def send() -> str:
        sent = hard_negatives.send(workspace, opened.run, opened.evaluation, opened.streams, chosen, threshold)
        undo = " Undo is in the list of changes on the Dataset page." if sent.change else ""
        return f"{sent.sentence()}{undo}"

    flash.attempt("sent", send)
