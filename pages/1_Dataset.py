"""Dataset: add clips, scan them, split them."""

import streamlit as st

from pages.ui.dataset import (
    add_clips,
    change_list,
    clip_views,
    public_sound,
    record_form,
    room_form,
    split_form,
    synthesis_form,
    voice_list,
)
from pages.ui.shared import job_progress, shell

workspace = shell.page("Dataset", "📂")
busy = bool(job_progress.running(workspace))
st.header("Add clips", anchor=False)
names = ["Demo data", "Import", "Record", "Room", "Synthesise", "Voices", "Public sound", "Changes"]
demo, files, recording, room, synthesis, voices, public, history = st.tabs(names)
with demo:
    add_clips.show_demo(workspace, busy)
with files:
    add_clips.show_import(workspace, busy)
with recording:
    record_form.show(workspace)
with room:
    room_form.show(workspace, busy)
with synthesis:
    synthesis_form.show(workspace, busy)
with voices:
    voice_list.show(workspace, busy)
with public:
    public_sound.show(workspace, busy)
with history:
    change_list.show(workspace, busy)

job_progress.show(workspace)
with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
    st.header("Clips", anchor=False)
    st.button("Scan Datasets", type="primary", disabled=busy, on_click=job_progress.start, args=(workspace, "scan", []))
clip_views.show(workspace, busy)
st.header("Splits", anchor=False)
split_form.show(workspace, busy)
