"""The card of a run that failed or was lost: why, the last lines of its log, and what to try. It holds text alone."""

from __future__ import annotations

import streamlit as st

from pages.ui.frame import plain
from pages.ui.words import notice
from trainer import advice, config_file, log_tail
from trainer.config import Config
from trainer.config_file import ConfigError
from trainer.failures import Failure
from trainer.runs import Run, Status
from trainer.state import State

STATES: frozenset[State] = frozenset({"failed", "lost"})
LINES = 6


def show(status: Status) -> None:
    """Draw it for a run in one of `STATES`."""
    found = notice(status)
    st.error(plain(found.text if found else ""))
    failure = status.outcome.failure if status.outcome else Failure(kind="lost")
    if failure and (tips := advice.sentences(failure, _config(status.run))):
        st.markdown("\n".join(["**What to try**", *[f"1. {plain(tip)}" for tip in tips]]))
    if lines := log_tail.last_lines(status.run.log_file, LINES):
        st.code("\n".join(lines), language=None, wrap_lines=True)


def _config(run: Run) -> Config | None:
    try:
        return config_file.load(run.config_file)
    except (OSError, ConfigError):
        return None
