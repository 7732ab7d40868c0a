"""A run as one file: packed to take away, and taken in from another machine."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui.runs import space
from pages.ui.shared import flash, job_progress
from trainer.run import run_import
from trainer.run.runs import Run
from trainer.system import regular_file
from trainer.system.workspace import Workspace

LARGE = "python -m trainer unpack FILE.zip"


def _file(workspace: Workspace, run: Run) -> Path:
    """Where the page packs a run."""
    return workspace.uploads.parent / "packed" / f"{run.id}.zip"


def show_pack(workspace: Workspace, run: Run) -> None:
    """Pack it, and take the file away once it is there."""
    file, busy = _file(workspace, run), bool(job_progress.running(workspace, ("pack",)))
    job_progress.show(workspace, ("pack",))
    with st.container(horizontal=True, vertical_alignment="center"):
        word = "Pack Again" if file.exists() else "Pack into One File"
        st.button(
            word, icon=":material/folder_zip:", on_click=_pack, args=(workspace, run), disabled=busy,
            help="A zip with every file of the run and its digests, which another machine can take in.",
        )  # fmt: skip
        if file.exists() and not busy:
            size = space.megabytes(file.stat().st_size)
            st.download_button(
                f"Download ({size})", lambda: regular_file.open_binary(file), file.name, "application/zip",
                on_click="ignore",
                type="primary",
            )  # fmt: skip
            st.caption(f"It also lies at `{file}`.")


def _pack(workspace: Workspace, run: Run) -> None:
    file = _file(workspace, run)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        flash.error(job_progress.PLACE, error)
        return
    job_progress.start(workspace, "pack", [run.id, str(file)])


def show_unpack(workspace: Workspace) -> None:
    """Take in a run that was packed elsewhere."""
    with st.popover("Take in a run", icon=":material/upload_file:"):
        st.caption(
            "A zip that Pack into One File, or `python -m trainer pack`, has made. Every file is checked against its "
            f"digest. One too large to upload: `{LARGE}`"
        )
        key = f"taken_{st.session_state.get('taken_in', 0)}"
        upload = st.file_uploader("A packed run", ["zip"], key=key)
        st.button("Take In", type="primary", disabled=upload is None, on_click=_unpack, args=(workspace, key))


def _unpack(workspace: Workspace, key: str) -> None:
    upload = st.session_state.get(key)
    if upload is None:
        return

    def unpack() -> str:
        return run_import.sentence(run_import.unpack(workspace, upload, lambda done, total, doing: None))

    flash.attempt("runs", unpack)
    st.session_state["taken_in"] = st.session_state.get("taken_in", 0) + 1  # empties the field
