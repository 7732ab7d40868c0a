"""The frame of every page: title, style, workspace and escaping of foreign text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import streamlit as st
from streamlit import runtime

from pages.ui.access import start
from trainer.system import display_text, private
from trainer.system.workspace import Workspace, open_workspace

HOME = "Home.py"
DATASET = "pages/1_Dataset.py"
CONFIGURATION = "pages/2_Configuration.py"
TRAINING = "pages/3_Training.py"
EVALUATION = "pages/4_Evaluation.py"
RUNS = "pages/5_Runs.py"

_STYLE = """<style>
[data-testid="stCaptionContainer"] { opacity: 0.8; }
[data-variant][data-selected]:not([data-disabled]), [data-testid="stTab"][data-selected],
[data-testid="stSliderThumbValue"], [data-testid="stCode"] .token { color: inherit !important; }
[data-testid="stCode"] .token.comment { opacity: 0.8; }
</style>"""
"""Contrast of at least 4.5:1 where the theme has no option for it: captions with their links, chosen segments and tabs,
values of sliders and coloured words of code."""

_MARKDOWN = re.compile(r"[\\`*\[\]<>~$|]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=[A-Za-z])|&(?=#?\w+;)|^(?=[#+=-])")
_NUMBERED = re.compile(r"^(\d{1,9})(?=[.)])")
_LINK = re.compile(r"(?=://)|(?<=www)(?=\.)|(?=@)", re.IGNORECASE)
"""Where a word joiner keeps addresses from becoming links; a backslash does not."""


def page(title: str, icon: str) -> Workspace:
    """Draw the title and open the workspace; without a workspace, show an error and stop.

    `icon` is an emoji, because the browser would fetch a named icon from the network.
    """
    st.set_page_config(page_title=f"{title} · Wakeword Studio", page_icon=icon, layout="wide")
    st.html(_STYLE)
    st.title(title, anchor=False)
    _warn_unguarded()
    private.begin()
    try:
        return open_workspace()
    except FileNotFoundError as error:
        st.error(plain(str(error)))
        st.stop()


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


def _warn_unguarded() -> None:
    """Warn if the server requires no token; stop if, in addition, the network can reach it.

    Pages that are drawn without a server, as in tests, need no warning.
    """
    if start.is_guarded() or type(runtime.get_instance() if runtime.exists() else None) is not runtime.Runtime:
        return
    how = "Stop it and start it with `make app` or `python -m streamlit run app.py`."
    if not start.is_local():
        st.error(
            f"This server accepts connections from the network without an access token, so pages are disabled. {how}"
        )
        st.stop()
    st.warning(f"This server requires no access token, so every user of this machine can run programs as you. {how}")


def plain(text: str) -> str:
    """Escape text from a file or a user as Markdown on one line: no image, link or formatting."""
    escaped = _MARKDOWN.sub(lambda match: "\\" + match[0], display_text.harmless(" ".join(text.split())))
    return _LINK.sub("\N{WORD JOINER}", _NUMBERED.sub(r"\1\\", escaped))


def error_sentence(error: Exception) -> str:
    """An error as a sentence; one of the operating system names the file."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}."
    return str(error)
