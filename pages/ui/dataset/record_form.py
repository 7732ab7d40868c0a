"""The form that records takes in the browser; good ones are kept automatically, others show their problems."""

from __future__ import annotations

import streamlit as st

from pages.ui.shared import audio, flash, job_progress
from pages.ui.shared.frame import plain
from trainer.dataset import changes, recording
from trainer.dataset.recording import Take
from trainer.system.display_text import counted
from trainer.system.workspace import Workspace

RATE = 16000
LABELS = ("positive", "hard_negative", "negative", "background")


def show(workspace: Workspace) -> None:
    """Choose label and speaker, record, check level and problems, keep or discard."""
    st.caption("Click the microphone, say the word, then click again. Silence at both ends is trimmed.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = st.selectbox("Label of the takes", LABELS, key="take_label", width=200)
        speaker = st.text_input("Speaker", key="take_speaker", max_chars=60, width=220, placeholder="anna")
        st.checkbox("Keep good takes automatically", True, key="take_at_once")
    audio.microphone_note()
    number = st.session_state.get("take_number", 0)
    recorded = st.audio_input(f"Take {number + 1}", sample_rate=RATE, key=f"take_{number}", disabled=not speaker)
    if not speaker:
        st.caption("Enter the speaker first: all takes of one person stay in the same split.")
    if recorded is not None:
        _check(workspace, recorded.getvalue(), label, speaker)
    _show_kept(workspace)


def _check(workspace: Workspace, data: bytes, label: str, speaker: str) -> None:
    try:
        take = recording.read(data)
    except ValueError as error:
        st.error(plain(str(error)))
        st.button("Discard", on_click=_next)
        return
    problems = recording.problems(take, label)
    if not problems and st.session_state["take_at_once"]:
        _keep(workspace, take, label, speaker)
        st.rerun()
    _show_measures(take)
    for sentence in problems:
        st.warning(plain(sentence))
    with st.container(horizontal=True):
        st.button("Keep", type="primary", on_click=_keep, args=(workspace, take, label, speaker))
        st.button("Discard", on_click=_next)


def _show_measures(take: Take) -> None:
    st.progress(min(1.0, max(0.0, 1 + take.measures.peak_db / 60)), text=f"Level: {_level_text(take)}")
    st.caption(f"{take.seconds:.2f} s after trimming.")
    st.altair_chart(audio.waveform(take.wave, take.sample_rate), width="stretch", key="take_wave")


def _level_text(take: Take) -> str:
    return f"peak {take.measures.peak_db:.0f} dB, clipped {100 * take.measures.clipped:.1f} %"


def _next() -> None:
    st.session_state["take_number"] = st.session_state.get("take_number", 0) + 1


def _keep(workspace: Workspace, take: Take, label: str, speaker: str) -> None:
    try:
        change = recording.save(workspace, take, label, speaker)
    except (ValueError, OSError) as error:
        flash.error(job_progress.PLACE, error)
        return
    st.session_state["takes_kept"] = [*st.session_state.get("takes_kept", []), change.id]
    st.session_state["take_last"] = f" · last take: {take.seconds:.2f} s, {_level_text(take)}"
    _next()


def _show_kept(workspace: Workspace) -> None:
    kept = st.session_state.get("takes_kept", [])
    if kept:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{counted(len(kept), 'take')} kept**{st.session_state['take_last']}")
            st.button("Undo last take", on_click=_undo_last, args=(workspace,))
        st.caption("When you are done, click Scan Datasets.")


def _undo_last(workspace: Workspace) -> None:
    kept = st.session_state["takes_kept"]
    flash.attempt(job_progress.PLACE, lambda: changes.undo(workspace, kept[-1]))
    st.session_state["takes_kept"] = kept[:-1]
    st.session_state["take_last"] = ""
