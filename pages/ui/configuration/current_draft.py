"""The draft of this browser tab, in the session and in a file.

The address names the file (`?draft=ID`), so that a reload shows the same draft. Two tabs never write the same file: a
tab whose file was changed by another tab continues in a new file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from pages.ui.configuration import draft
from pages.ui.configuration.draft import Draft
from pages.ui.shared.frame import os_sentence, plain
from trainer.config.option_list import Values
from trainer.system.workspace import Workspace

KEY = "opened_draft"


@dataclass(frozen=True)
class Opened:
    """A draft, its file, and the digest of that file when this tab last wrote or read it."""

    root: str
    draft_id: str
    stamp: str
    draft: Draft


def current(workspace: Workspace) -> Draft:
    """The draft of this tab: that of the session, else of the address, else the newest one."""
    opened: Opened | None = st.session_state.get(KEY)
    if opened is None or opened.root != str(workspace.root):
        opened = _open(workspace)
        st.session_state[KEY] = opened
    if opened.stamp:
        st.query_params["draft"] = opened.draft_id
    return opened.draft


def _open(workspace: Workspace) -> Opened:
    wanted = st.query_params.get("draft", "")
    if kept := draft.read(workspace, wanted):
        return Opened(str(workspace.root), wanted, draft.stamp(workspace, wanted), kept)
    return Opened(str(workspace.root), draft.new_id(), "", draft.newest(workspace))


def keep(workspace: Workspace, edited: Draft) -> None:
    """Make this the draft of the tab."""
    current(workspace)  # a click can come before the first drawing of a session
    opened: Opened = st.session_state[KEY]
    if edited == opened.draft:
        return
    known = draft.stamp(workspace, opened.draft_id) == opened.stamp
    draft_id = opened.draft_id if known else draft.new_id()
    try:
        draft.write(workspace, draft_id, edited)
    except OSError as error:
        st.session_state[KEY] = replace(opened, draft=edited)
        st.warning(f"Changes cannot be stored for your next visit: {plain(os_sentence(error))}")
        return
    st.session_state[KEY] = Opened(str(workspace.root), draft_id, draft.stamp(workspace, draft_id), edited)
    st.query_params["draft"] = draft_id


def keep_values(workspace: Workspace, values: Values) -> Draft:
    """Change the values of the draft of this tab, and return it."""
    edited = replace(current(workspace), values=values)
    keep(workspace, edited)
    return edited
