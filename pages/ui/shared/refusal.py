"""What the last click came to where it was not what it was meant to do: kept for the drawing that follows, shown once.

A page that draws itself anew, as a run has changed its state, is to say it again: `keep` comes before that.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence

import streamlit as st

from pages.ui.shared.frame import os_sentence
from trainer.run.runs import Run

KEY = "refusal"
STARTED = "already_started"
"""The run that the form had started before, when the click was on `Start Training`."""


def refuse(messages: Sequence[str]) -> None:
    """Have these sentences shown at the next drawing."""
    st.session_state[KEY] = list(messages)


def taken() -> list[str]:
    """What is to be said, once."""
    messages = _taken(KEY)
    return messages if isinstance(messages, list) else []


def already_started() -> Run | None:
    """The run that had been started before, once."""
    run = _taken(STARTED)
    return run if isinstance(run, Run) else None


def _taken(key: str) -> object:
    found: object = st.session_state.pop(key, None)
    st.session_state[f"{key}_said"] = found
    return found


def keep() -> None:
    """Have what was said last said once more, unless there is news."""
    for key in (KEY, STARTED):
        st.session_state.setdefault(key, st.session_state.get(f"{key}_said"))


def attempt(act: Callable[[], object]) -> None:
    """Do what a click asks for; what stands against it becomes a refusal. For callbacks."""
    try:
        act()
    except OSError as error:
        refuse([os_sentence(error)])
    except subprocess.SubprocessError:
        refuse(["Nothing was started: the supervisor of the run did not come up; see the log of the server."])
    except ValueError as error:
        refuse([str(error)])
