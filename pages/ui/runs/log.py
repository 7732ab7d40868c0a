"""The log of a run in full: searched, and to take away."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui.shared.frame import os_sentence, plain
from trainer.run.runs import Run
from trainer.system import log_search, regular_file

MOST_LINES = 1000
HEIGHT = 520


@st.cache_data(max_entries=20, show_spinner=False)
def _found(path: str, stamp: int, words: str) -> tuple[list[tuple[int, str]], int]:
    return log_search.find(Path(path), words, MOST_LINES)


def show(run: Run) -> None:
    file = run.log_file
    if not file.exists():
        st.info("This run has written no log yet.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input(
            "Search the log", key=f"log_{run.id}", width=360, placeholder="error, epoch 12…",
            help="Lines that hold every word.",
        )  # fmt: skip
        name = f"{run.id}-train.log"
        st.download_button(
            "Download the log", lambda: regular_file.read_bytes(file), name, "text/plain", on_click="ignore"
        )
    try:
        lines, count = _found(str(file), file.stat().st_mtime_ns, words or "")
    except OSError as error:
        st.error(plain(os_sentence(error)))
        return
    if not lines:
        st.info("No line of the log holds these words." if words else "The log is empty.")
        return
    numbered = (f"{number:>6}  {line}" for number, line in lines) if words else (line for _, line in lines)
    with st.container(height=HEIGHT, border=True, autoscroll=True, key="whole_log"):
        st.code("\n".join(numbered), language=None, wrap_lines=True)
    shown = "" if count == len(lines) else f"; the last {len(lines):,} are shown, the download holds all"
    st.caption(f"{count:,} lines{' hold these words' if words else ''}{shown}.")
