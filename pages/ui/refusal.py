"""Why the last click did not do what it was meant to do: kept for the drawing that follows, and shown once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence

import streamlit as st

from pages.ui.frame import os_sentence

KEY = "refusal"


def refuse(messages: Sequence[str]) -> None:
    """Have these sentences shown at the next drawing."""
    st.session_state[KEY] = list(messages)


def taken() -> list[str]:
    """What is to be said, once."""
    messages: list[str] = st.session_state.pop(KEY, [])
    return messages


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
