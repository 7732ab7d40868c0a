"""The clips whose label the newest training doubts: each to hear, to relabel, to quarantine or to confirm."""

from __future__ import annotations

import streamlit as st

from pages.ui.dataset import clip_browser
from pages.ui.shared import clip_cache
from pages.ui.shared.frame import plain
from trainer.dataset import remedies
from trainer.dataset.clips import Found
from trainer.evaluation import wrong_labels
from trainer.run.label_scores import ClipScore
from trainer.system.workspace import LABELS, Workspace

STEP = 10
"""So many are shown at first, and with each press of `Show more`."""
SHOWN = "suspects_shown"


def show(workspace: Workspace, found: Found, busy: bool) -> None:
    """Draw the most doubtful clips, each with what can be done about it."""
    suspects = clip_cache.suspects(workspace, found)
    clips = suspects.clips if suspects else ()
    shown = st.session_state.setdefault(SHOWN, STEP)
    for score in clips[:shown]:
        _one(workspace, found, score, busy)
    if len(clips) > shown:
        st.button(f"Show more ({len(clips) - shown:,} left)", key="more_suspects", on_click=_show_more)


def _show_more() -> None:
    st.session_state[SHOWN] += STEP


def _one(workspace: Workspace, found: Found, score: ClipScore, busy: bool) -> None:
    path = score.path
    with st.container(border=True):
        st.markdown(f"**{plain(path)}** · {wrong_labels.sentence(score)}")
        file = workspace.raw / path
        if not file.is_file():
            st.warning("This file is not there any more. Scan again to see what is.")
            return
        st.audio(str(file))
        with st.container(horizontal=True, vertical_alignment="bottom"):
            others = [label for label in LABELS if label != score.label]
            first = others.index("negative" if score.label == "positive" else "positive")
            st.selectbox("New label", others, first, key=f"suspect_label_{path}", width=180)
            arguments = (workspace, found, path)
            for name, act in (("Relabel", _relabel), ("Quarantine", _quarantine), ("It is right", _confirm)):
                st.button(name, key=f"suspect_{act.__name__}_{path}", disabled=busy, on_click=act, args=arguments)


def _relabel(workspace: Workspace, found: Found, path: str) -> None:
    label = st.session_state[f"suspect_label_{path}"]
    clip_browser.change(workspace, lambda: remedies.relabel(workspace, [path], label).title)


def _quarantine(workspace: Workspace, found: Found, path: str) -> None:
    clip_browser.change(workspace, lambda: remedies.delete(workspace, [path], f"Quarantine: {path}").title)


def _confirm(workspace: Workspace, found: Found, path: str) -> None:
    """Remember that the label is right; nothing else has changed, so there is nothing to scan."""
    clip_browser.attempt(lambda: wrong_labels.confirm(workspace, found.clips, [path]).title)
