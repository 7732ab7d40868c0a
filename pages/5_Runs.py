import streamlit as st

from pages.ui import frame
from pages.ui.evaluation import said
from pages.ui.runs import carried, compare, listed, listing, one, thrown
from trainer.run_list import trash

workspace = frame.page("Runs", "📋")
rows = listed.rows(workspace)
in_trash = len(trash.all_of(workspace))
if wanted := st.query_params.get("compare", ""):
    compare.show(workspace, rows, wanted)
elif wanted := st.query_params.get("run", ""):
    one.show(workspace, rows, wanted)
elif not rows and not in_trash:
    st.info("No runs yet. Start one on the Training page; it stays listed here.")
    st.page_link(frame.TRAINING, label="Go to Training", icon=":material/arrow_forward:")
    said.show("runs")
    carried.show_unpack(workspace)
else:
    what = st.segmented_control(
        "What", ["Runs", "Trash"], default="Runs", required=True, key="what", bind="query-params",
        format_func=lambda word: f"Trash ({in_trash:,})" if word == "Trash" else word, label_visibility="collapsed",
    )  # fmt: skip
    if what == "Trash":
        thrown.show(workspace)
    else:
        listing.show(workspace, rows)
