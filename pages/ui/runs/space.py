"""The disk that a run takes, what of it can go, and letting it go."""

from __future__ import annotations

import streamlit as st

from pages.ui.shared import flash
from pages.ui.shared.frame import plain
from trainer.catalog import disk
from trainer.run import disk_usage
from trainer.run.runs import Run


def megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.2f} GB"


def show(run: Run) -> None:
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
