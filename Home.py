"""Home: the next step, the runs that are active, and the newest runs."""

import streamlit as st

from pages.ui.shared import active_runs, frame, next_step, run_picker, tables
from trainer.run.state import ACTIVE

NEWEST_SHOWN = 8

workspace = frame.page("Wakeword Studio", "🎙️")
st.caption("Train a detector for your own wake word: get clips, choose a configuration, train, evaluate.")
newest = run_picker.newest(workspace)
next_step.show(next_step.next_step(workspace, newest))

st.subheader("Running and queued", anchor=False)
if any(status.state in ACTIVE for status in newest):
    active_runs.follow(newest, cards=True)
else:
    st.caption("No run is active.")

st.subheader("Newest runs", anchor=False)
if newest:
    tables.show(newest[:NEWEST_SHOWN], key="newest")
    st.page_link(frame.RUNS, label="All runs", icon=":material/list_alt:")
else:
    st.caption("No runs yet.")
