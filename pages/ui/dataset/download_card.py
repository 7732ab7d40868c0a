"""The card of something that is fetched by one click, public sound or voices, with how far its download has come."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.ui.shared.frame import plain


def show(title: str, badge: str, text: str, facts: Sequence[str]) -> DeltaGenerator:
    """Draw the card; returns the column of its buttons. `text` and `facts` are Markdown, the title is not."""
    with st.container(border=True):
        body, buttons = st.columns([4, 1], vertical_alignment="center")
    body.markdown(f"**{plain(title)}**{badge}  \n{text}")
    body.caption(" · ".join(facts))
    return buttons


def badge(installed: bool, downloaded_bytes: int, megabytes: float) -> str:
    """The state of a download, as Markdown after a title; empty while nothing is downloaded."""
    if installed:
        return " :green-badge[Installed]"
    share = downloaded_bytes / 1e6 / (megabytes or 1)
    return f" :orange-badge[{min(1.0, share):.0%} downloaded]" if share else ""
