"""What came of a click, told once beside the button: the head of a long page is out of sight there."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.ui.shared.frame import os_sentence, plain


def attempt(place: str, act: Callable[[], str]) -> None:
    """Do what a click at this place asks for, and keep what is to be said of it, or what stands against it. For
    callbacks."""
    try:
        told, good = act(), True
    except OSError as error:
        told, good = os_sentence(error), False
    except ValueError as error:
        told, good = str(error), False
    st.session_state[f"said_{place}"] = (told, good)


def show(place: str) -> None:
    """Say it, once."""
    told, good = st.session_state.pop(f"said_{place}", ("", True))
    if told:
        (st.success if good else st.error)(plain(told))
