"""The way between the table, one run and several: each has its own address, which can be sent as a link.

Buttons, not links: Streamlit leaves the address bar as it is when a link leads to the page that it stands on.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.ui.shared.frame import plain


def _go(**query: str) -> None:
    st.query_params.from_dict(query)


def all_runs_button() -> None:
    st.button("All runs", icon=":material/arrow_back:", key="to_all_runs", on_click=_go)


def open_button(run_id: str, label: str) -> None:
    st.button(f"Open {plain(label)}", icon=":material/open_in_new:", key="to_run", on_click=_go, kwargs={"run": run_id})


def compare_button(run_ids: Sequence[str], label: str) -> None:
    query = {"compare": ",".join(run_ids)}
    st.button(label, icon=":material/stacked_line_chart:", key="to_comparison", on_click=_go, kwargs=query)
