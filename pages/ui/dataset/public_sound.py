"""The section Public sound: corpora of speech, noise and rooms, each fetched, continued and removed by one click."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.ui.dataset import change_list, download_card
from pages.ui.shared import flash, job_progress
from pages.ui.shared.frame import plain
from trainer.dataset import corpora, corpus_catalog, importing
from trainer.dataset.corpus_catalog import MIRROR_VARIABLE, Corpus, is_address
from trainer.system.workspace import Workspace

SOURCE = "corpus_source"
HEIGHT = 460
"""Pixels of the list, which scrolls, so that progress is shown below it on the same screen."""


def show(workspace: Workspace, busy: bool) -> None:
    """Draw the corpora of the catalog, each with what it costs and what it is for."""
    st.caption(
        "Hours of other people's speech find the threshold and count false alarms. Nothing is downloaded until you "
        "click Get. Downloads are verified, and continue where they stopped."
    )
    try:
        catalog = corpus_catalog.catalog(workspace)
    except (ValueError, OSError) as error:
        st.error(plain(str(error)))
        return
    st.text_input(
        "Mirror or folder (optional)",
        key=SOURCE,
        placeholder="https://… or ~/corpora",
        help=f"The address of a server, or a folder on this machine, that holds the archives. The environment variable "
        f"{MIRROR_VARIABLE} sets it for all.",
    )
    with st.container(height=HEIGHT, border=False):
        for corpus in catalog:
            _show(workspace, corpus, busy)


def _show(workspace: Workspace, corpus: Corpus, busy: bool) -> None:
    document = corpora.document(workspace, corpus)
    badge = download_card.badge(document["installed"], document["downloaded_bytes"], corpus.megabytes)
    facts = [
        f"{corpus.megabytes:,.0f} MB",
        f"{corpus.hours:g} h",
        f"Licence: {plain(corpus.licence)}",
        plain(corpus.attribution),
        f"[Source]({corpus.homepage})",
    ]
    purpose = f"`{document['label']}`: {plain(corpus.purpose)}."
    with download_card.show(corpus.title, badge, purpose, facts):
        _buttons(workspace, corpus, document, busy)


def _buttons(workspace: Workspace, corpus: Corpus, document: Mapping[str, Any], busy: bool) -> None:
    arguments, stored = (workspace, corpus), document["downloaded_bytes"]
    if document["installed"]:
        st.button("Remove", key=f"remove_{corpus.name}", disabled=busy, on_click=_remove, args=arguments)
        return
    name = "Continue" if stored else "Get"
    st.button(name, key=f"get_{corpus.name}", disabled=busy, on_click=_get, args=arguments)
    if stored:
        st.button("Discard", key=f"discard_{corpus.name}", disabled=busy, on_click=_discard, args=arguments)


def _get(workspace: Workspace, corpus: Corpus) -> None:
    source = st.session_state[SOURCE].strip()

    def check() -> None:
        if source and not is_address(source):
            importing.check_folder(source, importing.allowed_roots())

    if flash.attempt(job_progress.PLACE, check):
        job_progress.start(workspace, "corpora", ["get", corpus.name, f"--from={source}"])


def _remove(workspace: Workspace, corpus: Corpus) -> None:
    change_list.change(workspace, lambda: corpora.remove(workspace, corpus).title)


def _discard(workspace: Workspace, corpus: Corpus) -> None:
    freed = corpora.discard_download(workspace, corpus)
    flash.success(job_progress.PLACE, f"Deleted the download of {corpus.title} ({freed / 1e6:,.0f} MB).")
