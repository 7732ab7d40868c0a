"""The part of the form that synthesises clips in which a phrase is heard and its pronunciation is corrected."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.ui.shared import flash, job_progress
from pages.ui.shared.frame import plain
from trainer.synthesis import phrases, pronunciation, recipes
from trainer.synthesis.recipes import Sample
from trainer.system.workspace import Workspace

HEARD = "order_heard"
"""The samples of the last click, with the phrase and language that they speak."""
PLAYER_WIDTH = 180
"""Pixels; narrower players hide their button."""


def _key(phrase: str, language: str) -> str:
    """The field of this phrase: another phrase has another one, which begins empty."""
    return f"order_pronunciations {language} {' '.join(phrase.split())}"


def _lines(phrase: str, language: str) -> list[str]:
    text: str = st.session_state.get(_key(phrase, language), "")
    return [line.strip() for line in text.splitlines() if line.strip()]


def edited(phrase: str, language: str) -> list[str]:
    """The pronunciations of the user; none while they are empty or the suggested one. Raises ValueError for a phrase
    that cannot be spoken."""
    lines = _lines(phrase, language)
    return lines if lines and lines != [pronunciation.suggested(phrase, phrases.find_language(language))] else []


def options(phrase: str, language: str) -> list[str]:
    """Options of the command. Raises ValueError as `edited`."""
    return [f"--pronunciation={line}" for line in edited(phrase, language)]


def show(workspace: Workspace, phrase: str, language: str, engines: Sequence[str], busy: bool) -> None:
    """Draw the field, the button and the samples of the last click."""
    st.text_area(
        "Pronunciations in IPA, one per line (leave empty to let the voices choose)",
        key=_key(phrase, language),
        height=80,
        help="Positive clips are spoken so, in turn. Hear it fills in a suggestion, which you can edit.",
    )
    st.button("Hear it", disabled=busy, on_click=_hear, args=(workspace, phrase, language, engines))
    heard: tuple[str, str, list[Sample]] = st.session_state.get(HEARD, ("", "", []))
    if heard[:2] == (phrase, language):
        _show_samples(heard[2])


def _hear(workspace: Workspace, phrase: str, language: str, engines: Sequence[str]) -> None:
    if not phrase.strip():
        flash.error(job_progress.PLACE, "Enter a phrase first.")
        return

    def hear() -> None:
        given = edited(phrase, language)
        with st.spinner("Speaking the phrase"):
            samples = recipes.samples(workspace, phrase, language, engines, given)
        st.session_state[HEARD] = (phrase, language, samples)
        if not _lines(phrase, language):
            suggested = pronunciation.suggested(phrase, phrases.find_language(language))
            st.session_state[_key(phrase, language)] = suggested

    flash.attempt(job_progress.PLACE, hear)


def _show_samples(samples: Sequence[Sample]) -> None:
    with st.container(horizontal=True):
        for sample in samples:
            with st.container(width=PLAYER_WIDTH):
                st.caption(plain(" · ".join(filter(None, (sample.engine, sample.voice, sample.pronunciation)))))
                st.audio(sample.wav, format="audio/wav")
