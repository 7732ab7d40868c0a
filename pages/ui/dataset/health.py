"""The Health view: findings about the clips, each with its effect and remedy, and clips with doubtful labels."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui.dataset import change_list, clip_browser
from pages.ui.shared import clip_cache, job_progress
from pages.ui.shared.frame import plain
from trainer.dataset import repairs, speaker_names
from trainer.dataset.clips import ScannedClips
from trainer.dataset.findings import GENERATED, PASSING, REFUSED, WRONG_LABELS, Finding
from trainer.evaluation import wrong_labels
from trainer.evaluation.wrong_labels import ClipScore
from trainer.system.display_text import counted
from trainer.system.workspace import LABELS, Workspace

STEP = 10
"""Number of clips shown at first, and added by each click on `Show more`."""
SHOWN = "suspects_shown"


def show_suspects(workspace: Workspace, scanned: ScannedClips, busy: bool) -> None:
    """Draw the clips whose label the newest training doubts most: listen, relabel, quarantine or confirm."""
    suspects = clip_cache.suspects(workspace, scanned)
    clips = suspects.clips if suspects else ()
    shown = st.session_state.setdefault(SHOWN, STEP)
    for score in clips[:shown]:
        _suspect(workspace, scanned, score, busy)
    if len(clips) > shown:
        st.button(f"Show more ({len(clips) - shown:,} left)", key="more_suspects", on_click=_show_more)


def _show_more() -> None:
    st.session_state[SHOWN] += STEP


def _suspect(workspace: Workspace, scanned: ScannedClips, score: ClipScore, busy: bool) -> None:
    path = score.path
    with st.container(border=True):
        st.markdown(f"**{plain(path)}** · {wrong_labels.sentence(score)}")
        file = workspace.raw / path
        if not file.is_file():
            st.warning("This file no longer exists. Scan again.")
            return
        st.audio(str(file))
        with st.container(horizontal=True, vertical_alignment="bottom"):
            others = [label for label in LABELS if label != score.label]
            first = others.index("negative" if score.label == "positive" else "positive")
            st.selectbox("New label", others, first, key=f"suspect_label_{path}", width=180)
            arguments = (workspace, scanned, path)
            for name, act in (("Relabel", _relabel), ("Quarantine", _quarantine), ("Label is correct", _confirm)):
                st.button(name, key=f"suspect_{act.__name__}_{path}", disabled=busy, on_click=act, args=arguments)


def _relabel(workspace: Workspace, scanned: ScannedClips, path: str) -> None:
    label = st.session_state[f"suspect_label_{path}"]
    change_list.change(workspace, lambda: repairs.relabel(workspace, [path], label).title)


def _quarantine(workspace: Workspace, scanned: ScannedClips, path: str) -> None:
    change_list.change(workspace, lambda: repairs.delete(workspace, [path], f"Quarantine: {path}").title)


def _confirm(workspace: Workspace, scanned: ScannedClips, path: str) -> None:
    """Remember that the label is correct; no scan is needed."""
    change_list.attempt(lambda: wrong_labels.confirm(workspace, scanned.clips, [path]).title)


BADGES = {"error": ":red-badge[Error]", "warning": ":orange-badge[Warning]", "info": ":blue-badge[Note]"}
REMEDIES = {
    "quarantine": "Quarantine",
    "trim": "Trim",
    "convert": "Convert",
    "channel": "Use best channel",
    "generate": "Generate",
    "speakers": "Use as speakers",
}
MOST_REFUSED = 1000


def show(workspace: Workspace, scanned: ScannedClips, warnings: list[str], findings: list[Finding], busy: bool) -> None:
    for warning in warnings:
        st.warning(plain(warning))
    for finding in findings:
        _finding(workspace, finding, busy)
        if finding.code == WRONG_LABELS:
            show_suspects(workspace, scanned, busy)
    if not findings and not warnings:
        st.success("No problems found.")
    show_refused(workspace, scanned.refused, busy)


def _finding(workspace: Workspace, finding: Finding, busy: bool) -> None:
    count = len(finding.paths)
    with (
        st.container(border=True),
        st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"),
    ):
        clips = f" · {counted(count, 'clip')}" if count else ""
        with st.container(width=620):  # on a narrow page the buttons wrap below
            st.markdown(f"{BADGES[finding.severity]} **{plain(finding.title)}**{clips}")
            st.caption(plain(finding.effect))
        with st.container(horizontal=True, width="content"):
            if finding.paths:
                show_clips = clip_browser.choose_finding
                st.button("Show", key=f"show_{finding.code}", on_click=show_clips, args=(finding.code,))
            if finding.remedy:
                _remedy_button(workspace, REMEDIES[finding.remedy], finding.code, busy)


def _remedy_button(workspace: Workspace, name: str, code: str, busy: bool) -> None:
    text = (
        "You can undo this."
        if code in (*GENERATED, speaker_names.CODE)
        else "Moves the originals to the trash. You can undo this."
    )
    arguments = (workspace, "mend", [code])
    st.button(name, key=f"mend_{code}", disabled=busy, on_click=job_progress.start, args=arguments, help=text)


def show_refused(workspace: Workspace, refused: pd.DataFrame, busy: bool) -> None:
    """Draw the files that the scan refused, each with its reason."""
    if not len(refused):
        return
    passing = int(refused["reason"].isin(PASSING).sum())
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{len(refused):,} refused**: splits and training leave these files out.")
        if len(refused) > passing:
            _remedy_button(workspace, "Quarantine", REFUSED, busy)
    if passing:
        st.caption(f"{counted(passing, 'file')} could not be read this time, so Quarantine skips them. Scan again.")
    table = refused.head(MOST_REFUSED)[["path", "reason", "message"]]
    table.columns = ["File", "Reason", "Problem"]
    st.dataframe(table, hide_index=True, width="stretch", alt="Refused files", key="refused")
    if len(refused) > MOST_REFUSED:
        st.caption(f"The first {MOST_REFUSED:,} are shown. `python -m trainer scan --json` lists all.")
