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
LOST = (
    'body:has([data-testid="stApp"]:not([data-test-connection-state="CONNECTED"])) '
    'section[role="dialog"] h2[slot="title"] + div'
)
"""What is below the title of the dialog that Streamlit shows while the server is gone."""
_STYLE = """<style>
[data-testid="stCaptionContainer"] { opacity: 0.8; }
[data-variant][data-selected]:not([data-disabled]), [data-testid="stTab"][data-selected],
[data-testid="stSliderThumbValue"], [data-testid="stCode"] .token { color: inherit !important; }
[data-testid="stCode"] .token.comment { opacity: 0.8; }
[data-testid="stPageLink"] a:focus-visible { outline: 2px solid currentColor; }
.st-key-numbers [data-testid="stMetricValue"] > * { white-space: normal; overflow-wrap: anywhere; font-size: 1rem; }
@media (max-width: 1000px) {
  [data-testid="stMainBlockContainer"] { padding: 3.5rem 1.5rem; }
  [data-testid="stTabs"] [role="tablist"] { gap: 0.6rem; }
  [data-testid="stTab"] { font-size: 0.85rem; padding-inline: 0; }
}
LOST > div { font-size: 0; }
LOST > div::after { content: "GONE"; font-size: 1rem; }
LOST [data-testid="stErrorCodeBlock"] { display: none; }
</style>""".replace("LOST", LOST).replace("GONE", GONE)
"""Contrast of at least 4.5:1 where the theme has no option for it: captions with their links, chosen segments and tabs,
values of sliders and coloured words of code. Focus on links to the page that one is on; a strip of numbers and narrow
pages are dense; and GONE in LOST."""

_KEYBOARD = """<script>
if (!window.popoverKeys) {
  window.popoverKeys = true;
  let opener = null;
  document.addEventListener("keydown", (event) => {
    const open = document.querySelector('[data-testid="stPopoverBody"]'), at = document.activeElement;
    if (event.key !== "Tab" || !open) return;
    const stops = [...open.querySelectorAll("a[href], button, input, textarea, [tabindex='0']")].filter(
      (each) => each.tabIndex >= 0 && !each.disabled && each.checkVisibility());
    let next = null;
    if (at?.dataset.testid === "stPopoverButton" && !open.contains(at)) {
      opener = at;
      next = event.shiftKey ? null : stops[0] ?? at;  // while its fields are still loaded, it stays
    } else if (stops.length && at === stops.at(event.shiftKey ? 0 : -1)) {
      next = opener;
    }
    if (next) {
      event.preventDefault();
      next.focus();
    }
  }, true);
}
</script>"""
"""Tab leads from the button of an open popover into it, and from its end back. Streamlit puts popovers at the end of
the document, after everything else on the page."""


def page(title: str, icon: str) -> Workspace:
    """Draw what every page has and open the workspace; without a workspace, show an error and stop.

    `icon` is an emoji, because the browser would fetch a named icon from the network.
    """
    st.set_page_config(page_title=f"{title} · Wakeword Studio", page_icon=icon, layout="wide")
    st.html(_STYLE)
    st.html(_KEYBOARD, unsafe_allow_javascript=True)
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
