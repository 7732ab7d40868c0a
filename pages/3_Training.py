"""Training: start a run, watch and control it."""

import streamlit as st

from pages.ui.shared import run_picker, shell
from pages.ui.training import end_notifications, live_view, start_form

workspace = shell.page("Training", "📈")
with st.container(horizontal=True, vertical_alignment="bottom"):
    start_form.show(workspace)
    corner = st.container(width="content", gap=None)
with corner:
    end_notifications.form(workspace)
start_form.messages(workspace)
run = run_picker.choose(workspace)
live_view.show(run, start_form.watch_form(workspace, run))
if run:
    with corner:
        end_notifications.watch(run)
