"""Home: a detector for a typed word, the next step, the runs that are active, and the newest runs."""

import streamlit as st

from pages.ui.home import creation_view, word_form
from pages.ui.shared import active_runs, frame, job_progress, shell, statuses, tables
from trainer.run.state import ACTIVE

NEWEST_SHOWN = 8


workspace = shell.page("Wakeword Studio", "🎙️")
word_form.show(workspace, busy=bool(job_progress.running(workspace)))
creation_view.show(workspace)
newest = statuses.newest(workspace)
if any(status.state in ACTIVE for status in newest):
    st.header("Running and queued", anchor=False)
    active_runs.follow(newest, cards=True)

if newest:
    st.header("Newest runs", anchor=False)
    tables.show_runs(newest[:NEWEST_SHOWN], key="newest")
    st.page_link(frame.RUNS, label="All runs", icon=":material/list_alt:")
