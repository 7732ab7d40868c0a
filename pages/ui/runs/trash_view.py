"""The trash of runs: what lies there, bringing it back, and deleting it for good."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.ui.runs import listing, space
from pages.ui.shared import flash
from trainer.catalog import trash
from trainer.run.runs import Run
from trainer.system.counted import counted
from trainer.system.workspace import Workspace

SHOWN = ("State", "Name", "Tags", "Started", "Model", "Miss rate", "Measured on", "Size", "Id")


def show(workspace: Workspace) -> None:
    flash.show("runs")
    rows = trash.rows(workspace)
    if not rows:
        st.info("The trash is empty. Runs that are moved here wait until they are restored or deleted for good.")
        return
    chosen = listing.table(rows, SHOWN, "trash", "multi-row")
    st.caption(f"{counted(len(rows), 'run')}, {space.megabytes(sum(row.size_bytes or 0 for row in rows))}.")
    found = [Run(trash.folder_of(workspace) / row.run) for row in chosen]
    with st.container(horizontal=True):
        st.button(
            "Restore", icon=":material/undo:", type="primary", disabled=not found, on_click=_each,
            args=(found, "Restored", lambda run: trash.restore(workspace, run)),
        )  # fmt: skip
        with st.popover("Delete for good", icon=":material/delete_forever:"):
            st.markdown("This cannot be undone.")
            label = f"Delete {len(found)} chosen" if found else f"Delete all {len(rows)}"
            every = found or trash.all_of(workspace)
            st.button(label, type="primary", on_click=_each, args=(every, "Deleted for good", trash.delete))


def _each(found: list[Run], done: str, act: Callable[[Run], object]) -> None:
    def do() -> str:
        for run in found:
            act(run)
        return f"{done}: {', '.join(run.id for run in found[:3])}{f' and {len(found) - 3} more' if found[3:] else ''}."

    flash.attempt("runs", do)
