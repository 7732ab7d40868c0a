"""Being told that a run has ended: what is asked of this browser, and of the supervisor with no browser open."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import streamlit as st

from pages.ui.shared.frame import os_sentence, plain
from pages.ui.shared.words import state_word
from pages.ui.training import bell
from trainer.run import announcement, hooks
from trainer.run.announcement import ENDS, Announcement
from trainer.system.workspace import Workspace

WEBHOOK_HELP = "Gets a JSON document by POST, in whose `text` all is said in one line. Sent by the training itself."
COMMAND_NOTE = 'Only the command line sets a command: `python -m trainer tell --command "..."`'


def form(workspace: Workspace) -> None:
    """A popover with all there is to ask for."""
    with st.popover("Tell me when it ends", icon=":material/notifications:"):
        st.markdown("**While this tab is open**")
        bell.switches()
        st.markdown("**Also with no browser open**")
        try:
            wanted = announcement.read(workspace)
        except ValueError as error:
            st.error(plain(str(error)))
            return
        _without_browser(workspace, wanted)


def _without_browser(workspace: Workspace, wanted: Announcement) -> None:
    with st.form("tell", border=False):
        webhook = st.text_input("Webhook", wanted.webhook, placeholder="https://", help=WEBHOOK_HELP)
        ends = st.pills("When a run is", ENDS, selection_mode="multi", default=wanted.ends, format_func=state_word)
        st.caption(COMMAND_NOTE)
        if wanted.command:
            st.code(shlex.join(wanted.command), language=None, wrap_lines=True)
        with st.container(horizontal=True):
            save = st.form_submit_button("Save", type="primary")
            test = st.form_submit_button("Send a test")
    try:
        if save:
            _save(workspace, wanted, webhook, ends)
        if test:
            _test(workspace, wanted.model_copy(update={"webhook": announcement.checked_webhook(webhook)}))
    except (ValueError, OSError) as error:
        st.error(plain(os_sentence(error) if isinstance(error, OSError) else str(error)))


def _save(workspace: Workspace, wanted: Announcement, webhook: str, ends: Sequence[str]) -> None:
    changes = {"webhook": announcement.checked_webhook(webhook), "ends": announcement.checked_ends(ends)}
    announcement.write(workspace, wanted.model_copy(update=changes))
    st.success("Saved; it holds for runs that train already, too.")


def _test(workspace: Workspace, wanted: Announcement) -> None:
    """Send a test to what the form says, saved or not."""
    with st.spinner("Sending"):
        told = hooks.test(workspace, wanted)
    for one in told:
        (st.success if one.well else st.error)(plain(one.text))
