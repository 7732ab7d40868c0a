import streamlit as st

from pages.ui import confusion, frame, jobs, run_table, watched
from pages.ui.evaluation import exported, listen, model
from trainer import runs

SECTIONS = ("Clips", "Listen", "Model")

workspace = frame.page("Evaluation", "🎯")
run = watched.choose(workspace)
if run is None:
    st.info("No runs yet. Train a model first; then it is measured and tried here.")
    st.page_link(frame.TRAINING, label="Go to Training", icon=":material/arrow_forward:")
    st.stop()
with st.container(horizontal=True, vertical_alignment="bottom"):
    watched.selector(workspace, run)
    section = st.segmented_control(
        "Section", SECTIONS, default=SECTIONS[0], required=True, key="section", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
status = runs.status(run)
row = run_table.best_rates(status)
if not row:
    st.info("This run has no finished epoch yet, so there is nothing to evaluate. Watch it on the Training page.")
    st.page_link(frame.TRAINING, label="Go to Training", query_params={"run": run.id}, icon=":material/arrow_forward:")
    st.stop()
jobs.show(workspace, jobs.MODEL_VERBS)
if section == "Clips":
    st.subheader("Best model on the validation split", anchor=False)
    st.caption(
        "Rates per validation window at threshold 0.5, not per hour of listening: a device hears many windows in a "
        "second, so a small rate here can still mean many false alarms a day. The clips of the test split were not "
        "used."
    )
    confusion.show(row)
elif found := exported.show(workspace, status):
    if section == "Listen":
        listen.show(workspace, found)
    else:
        model.show(workspace, run, found.file)
