"""The shell around every page: title, style, the next step, and the sidebar with the workspace and what runs."""

from __future__ import annotations

import streamlit as st
from streamlit import runtime

from pages.ui.access import start
from pages.ui.shared import frame, next_step, sidebar, statuses
from pages.ui.shared.frame import plain
from trainer.system import private
from trainer.system.workspace import Workspace, open_workspace

PAGES = {
    "Wakeword Studio": frame.HOME,
    "Dataset": frame.DATASET,
    "Configuration": frame.CONFIGURATION,
    "Training": frame.TRAINING,
    "Evaluation": frame.EVALUATION,
    "Runs": frame.RUNS,
}
"""The page of each title."""
GONE = (
    "Wakeword Studio does not answer: its server has stopped, or cannot be reached from here. Trainings continue. To "
    "start it again, run make app in its folder; this page then connects by itself."
)
"""In place of Streamlit's own words when the server is gone, which name a command that is not ours."""
_STYLE = """<style>
[data-testid="stCaptionContainer"] { opacity: 0.8; }
[data-variant][data-selected]:not([data-disabled]), [data-testid="stTab"][data-selected],
[data-testid="stSliderThumbValue"], [data-testid="stCode"] .token { color: inherit !important; }
[data-testid="stCode"] .token.comment { opacity: 0.8; }
[role="dialog"] .e14li121 { font-size: 0; }
[role="dialog"] .e14li121::after { content: "GONE"; font-size: 1rem; }
[role="dialog"] .e14li121 + [data-testid="stErrorCodeBlock"] { display: none; }
</style>""".replace("GONE", GONE)
"""Contrast of at least 4.5:1 where the theme has no option for it: captions with their links, chosen segments and tabs,
values of sliders and coloured words of code; and GONE in the dialog about a lost connection."""


def page(title: str, icon: str) -> Workspace:
    """Draw what every page has and open the workspace; without a workspace, show an error and stop.

    `icon` is an emoji, because the browser would fetch a named icon from the network.
    """
    st.set_page_config(page_title=f"{title} · Wakeword Studio", page_icon=icon, layout="wide")
    st.html(_STYLE)
    head = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="head")
    head.title(title, anchor=False, width="content")
    _warn_unguarded()
    private.begin()
    try:
        workspace = open_workspace()
    except FileNotFoundError as error:
        st.error(plain(str(error)))
        st.stop()
    newest = statuses.newest(workspace)
    with head, st.container(horizontal=True, vertical_alignment="center", width="content", gap="xsmall", key="next"):
        next_step.show(workspace, newest, PAGES[title])
    sidebar.show(workspace, newest)
    return workspace


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
