"""What is wrong with the clips: each finding with what it does to a training, and the button that mends it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui import clip_browser, jobs
from pages.ui.frame import plain
from trainer.dataset.clips import Found
from trainer.dataset.findings import Finding
from trainer.workspace import Workspace

BADGES = {"error": ":red-badge[Error]", "warning": ":orange-badge[Warning]", "info": ":blue-badge[Note]"}
REMEDIES = {"quarantine": "Quarantine", "trim": "Trim", "convert": "Convert"}
MOST_REFUSED = 1000


def show(workspace: Workspace, found: Found, warnings: list[str], findings: list[Finding], busy: bool) -> None:
    for warning in warnings:
        st.warning(plain(warning))
    for finding in findings:
        _finding(workspace, finding, busy)
    if not findings and not warnings:
        st.success("Nothing was found that stands in the way of a good training.")
    show_refused(found.refused)


def _finding(workspace: Workspace, finding: Finding, busy: bool) -> None:
    count = len(finding.paths)
    with st.container(border=True), st.container(horizontal=True, vertical_alignment="center"):
        clips = f" · {count:,} clip{'s' if count != 1 else ''}" if count else ""
        with st.container():
            st.markdown(f"{BADGES[finding.severity]} **{plain(finding.title)}**{clips}")
            st.caption(plain(finding.effect))
        if finding.paths:
            st.button("Show", key=f"show_{finding.code}", on_click=clip_browser.choose_finding, args=(finding.code,))
        if finding.remedy:
            st.button(
                REMEDIES[finding.remedy], key=f"mend_{finding.code}", disabled=busy, on_click=jobs.start,
                args=(workspace, "mend", [finding.code]), help="The originals go to the trash; it can be undone.",
            )  # fmt: skip


def show_refused(refused: pd.DataFrame) -> None:
    """Files that are no clips, each with its reason."""
    if not len(refused):
        return
    st.markdown(f"**{len(refused):,} refused**: these files are left out of splits and training.")
    table = refused.head(MOST_REFUSED)[["path", "reason", "message"]]
    table.columns = ["File", "Reason", "What is wrong"]
    st.dataframe(table, hide_index=True, width="stretch", alt="Refused files", key="refused")
    if len(refused) > MOST_REFUSED:
        st.caption(f"The first {MOST_REFUSED:,} are shown; `python -m trainer scan --json` lists all.")
