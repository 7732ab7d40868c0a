"""The form that records a room for a long time without the word, and the list of such recordings."""

from __future__ import annotations

import secrets

import streamlit as st

from pages.ui.dataset import change_list
from pages.ui.shared import audio, flash, job_progress, run_picker, statuses
from pages.ui.shared.frame import plain
from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.dataset import capture, room_recordings
from trainer.dataset.room_recordings import Recording
from trainer.detector import detector_file
from trainer.run import runs
from trainer.system.display_text import counted
from trainer.system.workspace import STREAM, Workspace

PLACE = "room"
"""The place of the flash messages of this form."""
MACHINE, BROWSER = "Machine that runs the app", "This browser"
WHERE_HELP = "The machine that runs the app records until the time is over, also when this page is closed."
MODEL_HELP = (
    "With a model, only what it reacts to is kept, with 3 s around it, and 2 % of the rest at random: a day then takes "
    "megabytes."
)
DEVICE_HELP = (
    "A part of the name of the sound device, or `arecord` or `parec` to record with that program. Leave empty for the "
    "default of the system."
)


def show(workspace: Workspace, busy: bool) -> None:
    """Start and stop a recording with its progress; below it the recordings, each with Delete."""
    st.caption(
        "Record an hour of your room without the word: television, talk, cooking. Models are trained and checked on "
        "such audio. Nothing leaves this machine."
    )
    recording = bool(job_progress.running(workspace, job_progress.CAPTURE))
    where = st.segmented_control(
        "Microphone of", [MACHINE, BROWSER], default=MACHINE, required=True, key="room_where", help=WHERE_HELP
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Name", key="room_source", max_chars=60, width=180, placeholder="living room")
        names = _models(workspace)
        st.selectbox("Keep", list(names), format_func=names.__getitem__, key="room_model", width=260, help=MODEL_HELP)
        if where == MACHINE:
            st.number_input("Minutes", 1, 7 * 24 * 60, 60, key="room_minutes", width=120)
            st.text_input("Device", key="room_device", max_chars=80, width=160, placeholder="default", help=DEVICE_HELP)
            st.button("Start recording", type="primary", disabled=recording, on_click=_start, args=(workspace,))
    if where == BROWSER:
        _record_in_browser(workspace)
    job_progress.show(workspace, job_progress.CAPTURE, PLACE)
    _show_recordings(workspace, busy)


def _record_in_browser(workspace: Workspace) -> None:
    """A recorder whose audio is kept as soon as it is stopped."""
    st.caption("Stop it after an hour at most. Keep this page open: nothing is saved before you stop.")
    audio.microphone_note()
    key = f"room_sound_{st.session_state.get('room_sounds', 0)}"
    st.audio_input("Your room", sample_rate=SAMPLE_RATE, key=key, on_change=_keep, args=(workspace, key))
    if st.session_state[key] is not None:  # it could not be kept at once
        st.button("Keep this recording", on_click=_keep, args=(workspace, key))


def _models(workspace: Workspace) -> dict[str, str]:
    """What can choose the pieces that are kept: nothing, or the exported model of a run, by its id."""
    newest = runs.all_runs(workspace)[: statuses.MOST_RUNS]
    exported = [run for run in newest if detector_file.path_in(run.model).is_file()]
    return {"": "everything"} | {run.id: f"what {run_picker.name_of(run)} reacts to" for run in exported}


def _start(workspace: Workspace) -> None:
    state = st.session_state
    _capture(workspace, [f"--minutes={state['room_minutes']}", f"--device={state['room_device'].strip()}"])


def _keep(workspace: Workspace, key: str) -> None:
    """Pass what the browser recorded to a job."""
    if (recorded := st.session_state[key]) is None:
        return
    if job_progress.running(workspace, job_progress.CAPTURE):
        flash.error(PLACE, "Another recording is running. Stop it, then keep this one.")
        return
    place = workspace.uploads / f"{secrets.token_hex(8)}.wav"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(recorded.getbuffer())
    except OSError as error:
        flash.error(PLACE, error)
        return
    st.session_state["room_sounds"] = st.session_state.get("room_sounds", 0) + 1  # an empty recorder
    _capture(workspace, [f"--input={place}", "--consume"])


def _capture(workspace: Workspace, words: list[str]) -> None:
    model = [st.session_state["room_model"]] if st.session_state["room_model"] else []
    source = f"--source={' '.join(st.session_state['room_source'].split())}"
    job_progress.start(workspace, "capture", [source, *words, *model], PLACE)


def _show_recordings(workspace: Workspace, busy: bool) -> None:
    recordings = room_recordings.recent(workspace)
    for recording in recordings:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(_line(recording))
            st.button(
                "Delete",
                key=f"room_delete_{recording.id}",
                disabled=busy,
                on_click=_delete,
                args=(workspace, recording),
                help="Moves its clips to the trash. You can undo this.",
            )
    if recordings:
        st.caption(f"{capture.WITHOUT_WORD} The clips lie in data/raw/{STREAM}, a folder for each name.")


def _line(recording: Recording) -> str:
    kept = f"{capture.duration(recording.kept_seconds)} · {counted(len(recording.clips), 'clip')}"
    by_model = f" · what a model for {recording.model} reacts to" if recording.model else ""
    return plain(f"{recording.source} · {recording.created} · {kept} · {recording.megabytes:.1f} MB{by_model}")


def _delete(workspace: Workspace, recording: Recording) -> None:
    change_list.change(workspace, lambda: room_recordings.delete(workspace, recording).title)
