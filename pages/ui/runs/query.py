"""Which runs the user wants to see and in which order: search, states, archived ones, sorting; kept in the address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import get_args

import streamlit as st

from pages.ui.runs import columns
from pages.ui.shared.frame import plain
from pages.ui.shared.words import state_word
from trainer.catalog import fields, search
from trainer.catalog.row import Row
from trainer.run.state import State

SORTED_BY = {
    "Newest": "id", "Name": "label", "Val loss": "val_loss", "Accuracy": "accuracy", "F1": "f1", "FPR": "fpr",
    "FNR": "fnr", "Threshold": "threshold", "Miss rate": "miss_rate",
    "False accepts per hour": "false_accepts_per_hour", "Duration": "duration", "Epochs": "epoch", "Size": "size",
    "State": "state", "Model": "model",
}  # fmt: skip
HELP = (
    "Words are looked for in name, tags, note, id, model and configuration. Options and results: "
    "`model.name=bc_resnet val_loss<0.2 f1>95% duration>2h`. Also `tag:night`, `state:failed`, `started>2026-01`, "
    "`starred`, `note:kitchen`; a `-` before a term turns it around: `-tag:night`."
)


def form(rows: Sequence[Row], beside: Callable[[], None]) -> list[Row]:
    """Draw the fields, and `beside` at the end of their line; the rows that they leave, in their order."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Search", key="q", bind="query-params", type="search", width=330, help=HELP,
            placeholder="name, tag, val_loss<0.2, model.name=bc_resnet…",
        )  # fmt: skip
        states = st.multiselect(
            "State", [*map(state_word, get_args(State)), "Foreign"], key="state", bind="query-params", width=190,
            placeholder="All", help="Foreign: a folder whose name is no id of a run.",
        )  # fmt: skip
        sort = st.selectbox("Sort by", list(SORTED_BY), key="sort", bind="query-params", width=140)
        reverse = st.toggle("Reverse", key="reverse", bind="query-params")
        archived = st.toggle("Archived", key="archived", bind="query-params", help="Show archived runs too.")
        beside()
    try:
        found = search.find(rows, text or "", archived)
    except ValueError as error:
        st.error(plain(str(error)))
        found = search.find(rows, "", archived)
    found = [row for row in found if not states or columns.state_word(row) in states]
    return fields.sorted_by(found, SORTED_BY[sort], reverse)
