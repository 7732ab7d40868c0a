"""The files of a run: disk usage and freeing space, the list of files, packing into one zip and importing one."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pandas as pd
import streamlit as st

from pages.ui.shared import flash, job_progress
from pages.ui.shared.frame import plain
from trainer.catalog import disk, reading
from trainer.run import archive
from trainer.run.runs import Run
from trainer.system import regular_file
from trainer.system.display_text import counted
from trainer.system.workspace import Workspace

MOST_FILES = 1000
SIZE = st.column_config.NumberColumn(format="bytes")
UNPACK_COMMAND = "python -m trainer unpack FILE.zip"


def megabytes(size: int) -> str:
    """A size in bytes as MB, or as GB from 1 GB on."""
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.2f} GB"


def show_disk_usage(run: Run) -> None:
    """Disk usage by kind, and what can be deleted."""
    used = reading.disk_usage(run)
    kinds = ("checkpoints", "model", "evaluation", "logs", "other")
    parts = [f"{kind} {megabytes(getattr(used, kind))}" for kind in kinds if getattr(used, kind)]
    st.markdown(f"**{megabytes(used.total)}** on disk: {', '.join(parts) or 'nothing'}.")
    key = f"freeable_{run.id}"
    if st.toggle("Show what can be deleted", key=key, help="Reads the checkpoints first, to keep the last intact one."):
        try:
            _offer(run, disk.freeable(run))
        except (ValueError, OSError) as error:
            st.info(plain(str(error)))


def _offer(run: Run, freeable: disk.Freeable) -> None:
    if not freeable.files:
        st.info("Nothing to delete: every checkpoint is still needed.")
        return
    names = ", ".join(path.name for path in freeable.files if path.suffix != ".json")
    st.markdown(f"To delete: {plain(names)}. To keep: {plain(', '.join(freeable.kept))}.")
    st.button(
        f"Free {megabytes(freeable.size_bytes)}", type="primary", key=f"free_{run.id}", on_click=_free, args=(run,)
    )


def _free(run: Run) -> None:
    flash.attempt("runs", lambda: f"Freed {megabytes(disk.free(run).size_bytes)} of run {run.id}.")


def _file(workspace: Workspace, run: Run) -> Path:
    """The zip into which the page packs a run."""
    return workspace.uploads.parent / "packed" / f"{run.id}.zip"


def show_pack(workspace: Workspace, run: Run) -> None:
    """Pack the run, and download the zip once it is there."""
    file, busy = _file(workspace, run), bool(job_progress.running(workspace, ("pack",)))
    job_progress.show(workspace, ("pack",))
    with st.container(horizontal=True, vertical_alignment="center"):
        label = "Pack again" if file.exists() else "Pack into one file"
        st.button(
            label,
            icon=":material/folder_zip:",
            on_click=_pack,
            args=(workspace, run),
            disabled=busy,
            help="A zip with every file of the run and its digest, to import on another machine.",
        )
        if file.exists() and not busy:
            size = megabytes(file.stat().st_size)
            st.download_button(
                f"Download ({size})",
                lambda: regular_file.open_binary(file),
                file.name,
                "application/zip",
                on_click="ignore",
                type="primary",
            )
            st.caption(f"Saved as `{file}`.")


def _pack(workspace: Workspace, run: Run) -> None:
    file = _file(workspace, run)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        flash.error(job_progress.PLACE, error)
        return
    job_progress.start(workspace, "pack", [run.id, str(file)])


def show_unpack(workspace: Workspace) -> None:
    """Import a run that was packed elsewhere."""
    with st.popover("Import a run", icon=":material/upload_file:"):
        st.caption(
            "A zip from Pack into one file or `python -m trainer pack`. Every file is checked against its digest. "
            f"If the zip is too large to upload: `{UNPACK_COMMAND}`"
        )
        key = f"imported_{st.session_state.get('imported', 0)}"
        upload = st.file_uploader("Packed run", ["zip"], key=key)
        st.button("Import", type="primary", disabled=upload is None, on_click=_unpack, args=(workspace, key))


def _unpack(workspace: Workspace, key: str) -> None:
    upload = st.session_state.get(key)
    if upload is None:
        return

    def unpack() -> str:
        return archive.sentence(archive.unpack(workspace, upload, lambda done, total, doing: None))

    flash.attempt("runs", unpack)
    st.session_state["imported"] = st.session_state.get("imported", 0) + 1  # clears the field


def file_facts(path: Path) -> tuple[int, str] | None:
    """The size of a file and when it was changed; None when it is gone, as a run in training deletes some."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, datetime.fromtimestamp(stat.st_mtime).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def show_files(run: Run) -> None:
    """A table of the files of the run with their sizes; links are not followed."""
    files = sorted(path for path in run.folder.rglob("*") if path.is_file() and not path.is_symlink())
    rows = [
        {"File": str(path.relative_to(run.folder)), "Size": facts[0], "Changed": facts[1]}
        for path in files[:MOST_FILES]
        if (facts := file_facts(path))
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", column_config={"Size": SIZE}, alt="Files")
    more = (
        f"The first {MOST_FILES:,} of {len(files):,} files, in"
        if len(files) > MOST_FILES
        else f"{counted(len(files), 'file')} in"
    )
    st.caption(f"{more} {plain(str(run.folder))}")
