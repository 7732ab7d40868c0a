"""The configuration that this tab edits: the session has it while the tab lives, a file keeps it for afterwards.

The address names the file (`?draft=ID`), so that a reload shows the same. Two tabs never write one file: the one that
finds its file changed by another goes on in a file of its own.
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
    """A draft, its file, and what that file held when this tab last looked."""

    root: str
    draft_id: str
    stamp: str
    draft: Draft


def current(workspace: Workspace) -> Draft:
    """What this tab edits: what it did before, else what the address names, else what was edited last anywhere."""
    found: Opened | None = st.session_state.get(KEY)
    if found is None or found.root != str(workspace.root):
        found = _open(workspace)
        st.session_state[KEY] = found
    if found.stamp:
        st.query_params["draft"] = found.draft_id
    return found.draft


def _open(workspace: Workspace) -> Opened:
    wanted = st.query_params.get("draft", "")
    if kept := draft.read(workspace, wanted):
        return Opened(str(workspace.root), wanted, draft.stamp(workspace, wanted), kept)
    return Opened(str(workspace.root), draft.new_id(), "", draft.newest(workspace))


def keep(workspace: Workspace, edited: Draft) -> None:
    """From now on this is what the tab edits."""
    current(workspace)  # a click may be the first thing that a session hears of
    found: Opened = st.session_state[KEY]
    if edited == found.draft:
        return
    known = draft.stamp(workspace, found.draft_id) == found.stamp
    draft_id = found.draft_id if known else draft.new_id()
    try:
        draft.write(workspace, draft_id, edited)
    except OSError as error:
        st.session_state[KEY] = replace(found, draft=edited)
        st.warning(f"Changes cannot be kept for the next visit: {plain(os_sentence(error))}")
        return
    st.session_state[KEY] = Opened(str(workspace.root), draft_id, draft.stamp(workspace, draft_id), edited)
    st.query_params["draft"] = draft_id


def keep_values(workspace: Workspace, values: Values) -> Draft:
    """The same with other values; returns what the tab edits now."""
    edited = replace(current(workspace), values=values)
    keep(workspace, edited)
    return edited
