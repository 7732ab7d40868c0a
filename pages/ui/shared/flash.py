"""Flash messages: the results of the last click, each shown once, next to the place of the click."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from pages.ui.shared.frame import error_sentence, plain

Tone = Literal["success", "warning", "error"]
_WAITING, _SHOWN = "flash_waiting", "flash_shown"


@dataclass(frozen=True)
class Link:
    """A link to a page, with the query of its address."""

    page: str
    label: str
    icon: str
    query: Mapping[str, str]


@dataclass(frozen=True)
class Message:
    """One message; `items` become a list below the text. Both may hold text from files or users."""

    tone: Tone
    text: str
    items: Sequence[str] = ()
    link: Link | None = None


def post(place: str, *messages: Message) -> None:
    """Add messages to those that the next drawing shows at `place`. For callbacks."""
    waiting: dict[str, list[Message]] = st.session_state.setdefault(_WAITING, {})
    waiting[place] = [*waiting.get(place, ()), *messages]


def success(place: str, text: str) -> None:
    post(place, Message("success", text))


def warning(place: str, text: str) -> None:
    post(place, Message("warning", text))


def error(place: str, text: str | Exception, *items: str) -> None:
    """Post an error: a sentence, or an exception that holds one."""
    post(place, Message("error", text if isinstance(text, str) else error_sentence(text), items))


def attempt(place: str, act: Callable[[], object]) -> bool:
    """Run `act`, post the error that it raises or the sentence that it returns; whether it succeeded."""
    try:
        result = act()
    except (ValueError, OSError, subprocess.SubprocessError) as problem:
        failed_start = isinstance(problem, subprocess.SubprocessError)
        error(place, "The process did not start. See the log of the server." if failed_start else problem)
        return False
    if isinstance(result, str):
        success(place, result)
    return True


def take(place: str) -> list[Message]:
    """Remove and return the messages that wait at `place`, each once."""
    messages: list[Message] = st.session_state.get(_WAITING, {}).pop(place, [])
    st.session_state.setdefault(_SHOWN, {})[place] = messages
    return [message for number, message in enumerate(messages) if message not in messages[:number]]


def show(place: str) -> list[Message]:
    """Draw the messages that wait at `place`, and return them."""
    messages = take(place)
    for message in messages:
        _draw(message)
    return messages


def _draw(message: Message) -> None:
    items = "".join(f"\n- {plain(item)}" for item in message.items)
    draw = {"success": st.success, "warning": st.warning, "error": st.error}[message.tone]
    draw(plain(message.text) + (f"\n{items}" if items else ""))
    if link := message.link:
        st.page_link(link.page, label=link.label, icon=link.icon, query_params=dict(link.query))


def keep(place: str) -> None:
    """Show the messages of `place` once more, unless new ones wait: for a page that reruns on its own."""
    if shown := st.session_state.get(_SHOWN, {}).get(place):
        st.session_state.setdefault(_WAITING, {}).setdefault(place, shown)
