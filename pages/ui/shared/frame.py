"""The addresses of the pages, the choice of a section of a page, and escaping of foreign text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import streamlit as st

from trainer.system import display_text

HOME = "Home.py"
DATASET = "pages/1_Dataset.py"
CONFIGURATION = "pages/2_Configuration.py"
TRAINING = "pages/3_Training.py"
EVALUATION = "pages/4_Evaluation.py"
RUNS = "pages/5_Runs.py"

_MARKDOWN = re.compile(r"[\\`*\[\]<>~$|]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=[A-Za-z])|&(?=#?\w+;)|^(?=[#+=-])")
_NUMBERED = re.compile(r"^(\d{1,9})(?=[.)])")
_LINK = re.compile(r"(?=://)|(?<=www)(?=\.)|(?=@)", re.IGNORECASE)
"""Where a word joiner keeps addresses from becoming links; a backslash does not."""


def section(label: str, names: Sequence[str], key: str, text: Callable[[str], str] = str) -> str:
    """Draw the choice of a section of the page, which the address keeps; returns its name. `text` is what is shown."""
    chosen: str = st.segmented_control(
        label,
        names,
        default=names[0],
        required=True,
        key=key,
        bind="query-params",
        format_func=text,
        label_visibility="collapsed",
    )
    return chosen


def plain(text: str) -> str:
    """Escape text from a file or a user as Markdown on one line: no image, link or formatting."""
    escaped = _MARKDOWN.sub(lambda match: "\\" + match[0], display_text.harmless(" ".join(text.split())))
    return _LINK.sub("\N{WORD JOINER}", _NUMBERED.sub(r"\1\\", escaped))


def error_sentence(error: Exception) -> str:
    """An error as a sentence; one of the operating system names the file."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}."
    return str(error)
