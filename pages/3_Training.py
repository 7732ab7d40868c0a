import streamlit as st

from pages.ui.shared import frame, monitor, watched
from pages.ui.training import bell, controls, end_notices

workspace = frame.page("Training", "📈")
with st.container(horizontal=True, vertical_alignment="bottom"):
    controls.start_form(workspace)
    corner = st.container(width="content", gap=None)
with corner:
    end_notices.form(workspace)
controls.messages(workspace)
run = watched.choose(workspace)
monitor.show(run, controls.watch_form(workspace, run))
if run:
    with corner:
        bell.watch(run)
