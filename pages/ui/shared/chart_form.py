"""How curves are drawn and of which epochs, as the user wants it; the epochs stand in the address."""

from __future__ import annotations

import streamlit as st

from pages.ui.shared.curves import Style

RANGE_HELP = (
    "Charts show at most 2,000 points a line, the lowest and the highest of neighbours; so few epochs are shown in "
    "full. In a chart: Ctrl and the wheel zoom, dragging moves, a double click shows all again."
)


def show() -> Style:
    """Draw the fields; for the end of a row of controls."""
    first, last = (
        st.number_input(
            label, 1, value=None, step=1, key=key, bind="query-params", width=110, placeholder=placeholder,
            help=RANGE_HELP if label == "From epoch" else None,
        )
        for label, key, placeholder in (("From epoch", "from_epoch", "first"), ("To epoch", "to_epoch", "last"))
    )  # fmt: skip
    smoothing = st.slider("Smoothing", 0.0, 0.95, 0.0, 0.05, key="smoothing", width=160)
    log_scale = st.toggle("Log scale for loss", key="log_scale")
    return Style(smoothing, log_scale, first, last)
