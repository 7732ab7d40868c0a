"""The frame of every page: its head, its workspace, and foreign text made harmless."""

from __future__ import annotations

import re

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

_MARKDOWN = re.compile(r"[\\`*\[\]<>~$|]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=[A-Za-z])|&(?=#?\w+;)|^(?=[#+=-])")
_NUMBERED = re.compile(r"^(\d{1,9})(?=[.)])")
_LINK = re.compile(r"(?=://)|(?<=www)(?=\.)|(?=@)", re.IGNORECASE)
"""Where an invisible mark keeps addresses from turning into links: no backslash does."""


def page(title: str, icon: str) -> Workspace:
    """Head the page and open the workspace; a missing workspace is one sentence, and the page ends there.

    `icon` is an emoji: the browser draws it itself, while a named icon would be fetched from the network.
    """
    st.set_page_config(page_title=f"{title} · Wakeword Studio", page_icon=icon, layout="wide")
    st.title(title, anchor=False)
    _warn_unguarded()
    private.begin()
    try:
        return open_workspace()
    except FileNotFoundError as error:
        st.error(plain(str(error)))
        st.stop()


def _warn_unguarded() -> None:
    """Say so where the server asks for no token; one that all the network can reach draws no page without it.

    A page that is drawn without a server, as by tests, has none to warn of.
    """
    if start.is_guarded() or type(runtime.get_instance() if runtime.exists() else None) is not runtime.Runtime:
        return
    how = "Stop this server and start it with `make app` or `python -m streamlit run app.py`."
    if not start.is_local():
        st.error(f"This server listens to the whole network and asks for no access token, so it shows nothing. {how}")
        st.stop()
    st.warning(f"This server asks for no access token: every user of this machine can start programs as you. {how}")


def plain(text: str) -> str:
    """Text from a file or a user as Markdown that shows exactly this text, on one line: no picture, link or layout."""
    escaped = _MARKDOWN.sub(lambda found: "\\" + found[0], display_text.harmless(" ".join(text.split())))
    return _LINK.sub("\N{WORD JOINER}", _NUMBERED.sub(r"\1\\", escaped))


def os_sentence(error: OSError) -> str:
    """An operating system's error as one sentence that names the file."""
    return f"{error.strerror}: {error.filename}." if error.strerror else str(error)
