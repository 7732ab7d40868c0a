"""The card of a run that failed or was lost: why, what to try, and the last lines of its log. It holds text alone."""

from __future__ import annotations

import streamlit as st

from pages.ui.shared.frame import plain
from pages.ui.shared.words import notice
from trainer.run import advice
from trainer.run.runs import Status
from trainer.run.state import State
from trainer.system import log_tail

STATES: frozenset[State] = frozenset({"failed", "lost"})
LINES = 6


def show(status: Status) -> None:
    """Draw it for a run in one of `STATES`."""
    found = notice(status)
    st.error(plain(found.text if found else ""))
    if tips := advice.of_run(status):
        st.markdown("\n".join(["**What to try**", *[f"1. {plain(tip)}" for tip in tips]]))
    if lines := log_tail.last_lines(status.run.log_file, LINES):
        st.code("\n".join(lines), language=None, wrap_lines=True)
