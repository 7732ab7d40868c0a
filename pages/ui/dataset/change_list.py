"""The list of changes to the clips, each with Undo, and the callbacks that make a change."""

from __future__ import annotations

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
            st.markdown(
                f"{plain(change.title)} · {counted(change.files, 'file')} · {change.created[:16].replace('T', ' ')} UTC"
            )
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
    try:
        made, left = changes.undo(workspace, change_id)
    except (ValueError, OSError) as error:
        flash.error(job_progress.PLACE, error)
        return
    flash.success(
        job_progress.PLACE,
        f"{made.title}." + (f" {left:,} files could not be moved back and stay where they are." if left else ""),
    )
    job_progress.start(workspace, "scan", [])
