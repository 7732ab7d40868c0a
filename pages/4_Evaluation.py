import streamlit as st

from pages.ui import confusion, frame, run_table, watched
from trainer import runs

workspace = frame.page("Evaluation", "🎯")
run = watched.choose(workspace)
if run is None:
    st.info("No runs yet. Train a model first; its validation result is shown here.")
    st.page_link(frame.TRAINING, label="Go to Training", icon=":material/arrow_forward:")
    st.stop()
watched.selector(workspace, run)
row = run_table.best_rates(runs.status(run))
if not row:
    st.info("This run has no finished epoch yet, so there is nothing to evaluate. Watch it on the Training page.")
    st.page_link(frame.TRAINING, label="Go to Training", query_params={"run": run.id}, icon=":material/arrow_forward:")
    st.stop()
st.subheader("Best model on the validation split", anchor=False)
st.caption(
    "Rates per validation window at threshold 0.5, not per hour of listening: a device hears many windows in a second, "
    "so a small rate here can still mean many false alarms a day. The clips of the test split were not used."
)
confusion.show(row)
