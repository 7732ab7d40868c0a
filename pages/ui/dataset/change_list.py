"""The list of changes to the clips, each with Undo, and the callbacks that make a change."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.ui.shared import flash, job_progress
from pages.ui.shared.frame import plain
from trainer.dataset import changes
from trainer.system.display_text import counted
from trainer.system.workspace import Workspace


def show(workspace: Workspace, busy: bool) -> None:
    """Draw the latest changes, each with Undo."""
    recent = changes.recent(workspace)
    if not recent:
        st.info("No changes yet. This list shows imports, recordings and removed clips, each with Undo.")
    for change in recent:
        with st.container(horizontal=True, vertical_alignment="center"):
            files = f" · {counted(change.files, 'file')}" if change.files else ""
            st.markdown(f"{plain(change.title)}{files} · {change.created[:16].replace('T', ' ')} UTC")
            label = "Undone" if change.undone else "Undo"
            st.button(
                label,
                key=f"undo_{change.id}",
                disabled=busy or change.undone,
                on_click=_undo,
                args=(workspace, change.id),
            )
    st.caption("Removed files stay in data/trash until you empty it.")


def _undo(workspace: Workspace, change_id: str) -> None:
    def undo() -> str:
        undone, left = changes.undo(workspace, change_id)
        rest = f" {counted(left, 'file')} could not be moved back." if left else ""
        return f"{undone.title}.{rest}"

    if flash.attempt(job_progress.PLACE, undo):
        job_progress.start(workspace, "scan", [])


def attempt(act: Callable[[], str]) -> bool:
    """Make a change to clips and post its title; whether it succeeded. For callbacks."""
    return flash.attempt(job_progress.PLACE, lambda: f"{act()}. To undo it, open Changes.")


def change(workspace: Workspace, act: Callable[[], str]) -> None:
    """Make a change to clips, post its title, and scan. For callbacks."""
    if attempt(act):
        st.session_state["clip_changes"] = st.session_state.get("clip_changes", 0) + 1  # a new table: no rows selected
        job_progress.start(workspace, "scan", [])
