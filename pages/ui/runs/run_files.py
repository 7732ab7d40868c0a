"""A run as one file: packed to take away, and taken in from another machine."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pandas as pd
import streamlit as st

from pages.ui.shared import flash, job_progress
from pages.ui.shared.frame import plain
from trainer.catalog import disk
from trainer.run import disk_usage, run_import
from trainer.run.runs import Run
from trainer.system import regular_file
from trainer.system.display_text import counted
from trainer.system.workspace import Workspace


def megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.2f} GB"


def show_disk_usage(run: Run) -> None:
    """What lies there by kind, and what can go, told before it goes."""
    used = disk_usage.usage(run)
    kinds = ("checkpoints", "model", "evaluation", "logs", "other")
    parts = [f"{kind} {megabytes(getattr(used, kind))}" for kind in kinds if getattr(used, kind)]
    st.markdown(f"**{megabytes(used.total)}** on disk: {', '.join(parts) or 'nothing'}.")
    key = f"freeable_{run.id}"
    if st.toggle("See what can go", key=key, help="Reads the checkpoints, to keep the last one that is whole."):
        try:
            _offer(run, disk.freeable(run))
        except (ValueError, OSError) as error:
            st.info(plain(str(error)))


def _offer(run: Run, found: disk.Freeable) -> None:
    if not found.files:
        st.info("Nothing can go: every checkpoint that is there is needed.")
        return
    names = ", ".join(path.name for path in found.files if path.suffix != ".json")
    st.markdown(f"Can go: {plain(names)}. Kept: {plain(', '.join(found.kept))}.")
    st.button(f"Free {megabytes(found.size_bytes)}", type="primary", key=f"free_{run.id}", on_click=_free, args=(run,))


def _free(run: Run) -> None:
    flash.attempt("runs", lambda: f"{megabytes(disk.free(run).size_bytes)} of {run.id} are free again.")


MOST_FILES = 1000
SIZE = st.column_config.NumberColumn(format="bytes")
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
            size = megabytes(file.stat().st_size)
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


def file_facts(path: Path) -> tuple[int, str] | None:
    """The size of a file and when it was changed; None when it is gone, as a run that trains removes some."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, datetime.fromtimestamp(found.st_mtime).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def show_files(run: Run) -> None:
    """Every file of the run with its size; links are not followed."""
    found = sorted(path for path in run.folder.rglob("*") if path.is_file() and not path.is_symlink())
    rows = [
        {"File": str(path.relative_to(run.folder)), "Size": facts[0], "Changed": facts[1]}
        for path in found[:MOST_FILES]
        if (facts := file_facts(path))
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", column_config={"Size": SIZE}, alt="Files")
    more = (
        f"The first {MOST_FILES:,} of {len(found):,} files, in"
        if len(found) > MOST_FILES
        else f"{counted(len(found), 'file')} in"
    )
    st.caption(f"{more} {plain(str(run.folder))}")
