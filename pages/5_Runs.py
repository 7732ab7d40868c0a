"""Runs: find, compare, continue, move and delete runs."""

import streamlit as st

from pages.ui.runs import run_comparison, run_files, run_index, run_list, run_page
from pages.ui.shared import flash, frame, shell
from trainer.catalog import trash

workspace = shell.page("Runs", "📋")
rows = run_index.rows(workspace)
in_trash = len(trash.all_of(workspace))
if wanted := st.query_params.get("compare", ""):
    run_comparison.show(workspace, rows, wanted)
elif wanted := st.query_params.get("run", ""):
    run_page.show(workspace, rows, wanted)
elif not rows and not in_trash:
    st.info("No runs yet. Start one on the Training page.")
    st.page_link(frame.TRAINING, label="Go to Training", icon=":material/arrow_forward:")
    flash.show("runs")
    run_files.show_unpack(workspace)
else:
    view = frame.section(
        "View", ("Runs", "Trash"), "view", lambda word: f"Trash ({in_trash:,})" if word == "Trash" else word
    )
    if view == "Trash":
        run_list.show_trash(workspace)
    else:
        run_list.show(workspace, rows)
