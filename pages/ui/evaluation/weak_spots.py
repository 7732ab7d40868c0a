"""Where a model misses words and wakes for others, at one threshold: by condition, speaker and phrase."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.ui.evaluation.selection import Opened
from trainer.evaluation import intervals, tables
from trainer.evaluation.tables import Accepts, Phrase, Row

NO_WORD = "No word was said in these streams."
NO_PHRASE = "No phrases are known in these streams: the look-alikes of a test split have them."
BOUNDS = f"Between these bounds the rate lies with 95 % confidence; none are known {intervals.TOO_FEW}."


@st.cache_data(max_entries=20, show_spinner=False)
def _found(
    folder: str, created: str, threshold: float, _opened: Opened
) -> tuple[list[Row], list[Accepts], list[Row], list[Phrase]]:
    heard = _opened.heard
    return (
        tables.by_condition(heard, threshold), tables.accepts_by_condition(heard, threshold),
        tables.by_speaker(heard, threshold), tables.by_phrase(heard, threshold),
    )  # fmt: skip


def _rates(rows: Sequence[Row], first: str, count: str, wrong: str, none: str) -> None:
    """A table of rates with their bounds, or why there is none."""
    if not rows:
        st.caption(none)
        return
    columns = [first, count, wrong, "Rate", "From", "To"]
    values = [(row.name, row.count, row.wrong, row.rate, row.low, row.high) for row in rows]
    percent = {
        name: st.column_config.NumberColumn(format="percent", help=BOUNDS if name != "Rate" else None)
        for name in ("Rate", "From", "To")
    }
    table = pd.DataFrame(values, columns=columns).astype({"From": float, "To": float})
    st.dataframe(table, hide_index=True, width="stretch", column_config=percent, alt=f"{wrong} by {first.lower()}")


def show(opened: Opened, threshold: float) -> None:
    evaluation = opened.evaluation
    conditions, accepts, speakers, phrases = _found(str(opened.folder.path), evaluation.created, threshold, opened)
    first, second, third, fourth = st.tabs(["Conditions", "Speakers", "Look-alikes", "False accepts by sound"])
    with first:
        _rates(conditions, "Condition", "Words", "Missed", NO_WORD)
    with second:
        st.caption("Weakest first. More recordings of the speakers at the top help most.")
        _rates(speakers, "Speaker", "Words", "Missed", NO_WORD)
    with third:
        st.caption("Phrases that sound like the word, by how often the model wakes for them.")
        _rates(phrases, "Phrase", "Times said", "Woke it", NO_PHRASE)
    with fourth:
        rows = [(each.condition, each.count, each.hours, each.text) for each in accepts]
        table = pd.DataFrame(rows, columns=["Sound", "False accepts", "Hours", "Rate"])
        st.dataframe(table.round({"Hours": 3}), hide_index=True, width="stretch", alt="False accepts by sound")
