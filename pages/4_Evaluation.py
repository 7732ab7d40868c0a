"""Evaluation: measure a model, listen with it, export it."""

import streamlit as st

from pages.ui.evaluation import clip_results, exported_model, listening, model_comparison, stream_results
from pages.ui.shared import frame, job_progress, metrics, run_picker, shell, tables
from trainer.run import runs

SECTIONS = ("Streams", "Clips", "Listen", "Compare", "Model")

workspace = shell.page("Evaluation", "🎯")
run = run_picker.choose(workspace)
if run is None:
    st.info("No runs yet. Train a model first, then evaluate it here.")
    st.page_link(frame.TRAINING, label="Go to Training", icon=":material/arrow_forward:")
    st.stop()
with st.container(horizontal=True, vertical_alignment="bottom"):
    run_picker.selector(workspace, run)
    section = frame.section("Section", SECTIONS, "section")
status = runs.status(run)
row = tables.best_rates(status)
if not row:
    st.info("This run has no finished epoch yet, so there is nothing to evaluate. Watch it on the Training page.")
    st.page_link(frame.TRAINING, label="Go to Training", query_params={"run": run.id}, icon=":material/arrow_forward:")
    st.stop()
job_progress.show(workspace, job_progress.MODEL_VERBS)
point = metrics.point_of_run(status)
metrics.show_point(point, run.id, (frame.EVALUATION, section))
match section:
    case "Streams":
        stream_results.show(workspace, run, point)
    case "Clips":
        clip_results.show(run, row, point)
    case "Compare":
        model_comparison.show(workspace, run)
    case _:
        model = exported_model.load_or_offer(workspace, status)
        if model and section == "Listen":
            listening.show(workspace, model)
        elif model:
            exported_model.show(workspace, run, model.file)
