import streamlit as st

from pages.ui.runs import compare, listing, run_index, run_page, transfer, trash_view
from pages.ui.shared import flash, frame
from trainer.catalog import trash

workspace = frame.page("Runs", "📋")
rows = run_index.rows(workspace)
in_trash = len(trash.all_of(workspace))
if wanted := st.query_params.get("compare", ""):
    compare.show(workspace, rows, wanted)
elif wanted := st.query_params.get("run", ""):
    run_page.show(workspace, rows, wanted)
elif not rows and not in_trash:
    st.info("No runs yet. Start one on the Training page; it stays listed here.")
    st.page_link(frame.TRAINING, label="Go to Training", icon=":material/arrow_forward:")
    flash.show("runs")
    transfer.show_unpack(workspace)
else:
    what = st.segmented_control(
        "What", ["Runs", "Trash"], default="Runs", required=True, key="what", bind="query-params",
        format_func=lambda word: f"Trash ({in_trash:,})" if word == "Trash" else word, label_visibility="collapsed",
    )  # fmt: skip
    if what == "Trash":
        trash_view.show(workspace)
    else:
        listing.show(workspace, rows)
