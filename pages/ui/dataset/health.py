"""What is wrong with the clips: each finding with what it does to a training, and the button that mends it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui.dataset import clip_browser, suspects
from pages.ui.shared import job_progress
from pages.ui.shared.frame import plain
from trainer.dataset.clips import Found
from trainer.dataset.findings import GENERATED, PASSING, REFUSED, WRONG_LABELS, Finding
from trainer.system.counted import counted
from trainer.system.workspace import Workspace

BADGES = {"error": ":red-badge[Error]", "warning": ":orange-badge[Warning]", "info": ":blue-badge[Note]"}
REMEDIES = {
    "quarantine": "Quarantine", "trim": "Trim", "convert": "Convert", "channel": "Use best channel",
    "generate": "Generate",
}  # fmt: skip
MOST_REFUSED = 1000


def show(workspace: Workspace, found: Found, warnings: list[str], findings: list[Finding], busy: bool) -> None:
    for warning in warnings:
        st.warning(plain(warning))
    for finding in findings:
        _finding(workspace, finding, busy)
        if finding.code == WRONG_LABELS:
            suspects.show(workspace, found, busy)
    if not findings and not warnings:
        st.success("Nothing was found that stands in the way of a good training.")
    show_refused(workspace, found.refused, busy)


def _finding(workspace: Workspace, finding: Finding, busy: bool) -> None:
    count = len(finding.paths)
    with st.container(border=True), st.container(horizontal=True, vertical_alignment="center"):
        clips = f" · {counted(count, 'clip')}" if count else ""
        with st.container():
            st.markdown(f"{BADGES[finding.severity]} **{plain(finding.title)}**{clips}")
            st.caption(plain(finding.effect))
        if finding.paths:
            st.button("Show", key=f"show_{finding.code}", on_click=clip_browser.choose_finding, args=(finding.code,))
        if finding.remedy:
            _mend(workspace, REMEDIES[finding.remedy], finding.code, busy)


def _mend(workspace: Workspace, name: str, code: str, busy: bool) -> None:
    told = "It can be undone." if code in GENERATED else "The originals go to the trash; it can be undone."
    arguments = (workspace, "mend", [code])
    st.button(name, key=f"mend_{code}", disabled=busy, on_click=job_progress.start, args=arguments, help=told)


def show_refused(workspace: Workspace, refused: pd.DataFrame, busy: bool) -> None:
    """Files that are no clips, each with its reason."""
    if not len(refused):
        return
    passing = int(refused["reason"].isin(PASSING).sum())
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{len(refused):,} refused**: these files are left out of splits and training.")
        if len(refused) > passing:
            _mend(workspace, "Quarantine", REFUSED, busy)
    if passing:
        st.caption(f"{counted(passing, 'file')} could not be read this time. Quarantine leaves them; scan again.")
    table = refused.head(MOST_REFUSED)[["path", "reason", "message"]]
    table.columns = ["File", "Reason", "What is wrong"]
    st.dataframe(table, hide_index=True, width="stretch", alt="Refused files", key="refused")
    if len(refused) > MOST_REFUSED:
        st.caption(f"The first {MOST_REFUSED:,} are shown; `python -m trainer scan --json` lists all.")
