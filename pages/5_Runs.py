import streamlit as st

from pages.ui import frame, now, run_table, watched
from trainer import runs

workspace = frame.page("Runs", "📋")
every = runs.all_runs(workspace)
if not every:
    st.info("No runs yet. Start one on the Training page; it stays listed here.")
    st.page_link(frame.TRAINING, label="Go to Training", icon=":material/arrow_forward:")
    st.stop()
st.caption("Newest first. Choose a row to open its run; a click on a column's head sorts.")
found = watched.newest(workspace)
run_table.show(found, key="runs")
now.follow(found, cards=False)
if len(every) > watched.MOST_RUNS:
    st.caption(f"The newest {watched.MOST_RUNS} of {len(every):,} runs; `python -m trainer runs` lists all.")
