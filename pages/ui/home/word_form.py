"""The form that orders a detector: one field, one button, and folded what few need."""

from __future__ import annotations

import streamlit as st

from pages.ui.dataset import pronunciation_form, voice_list
from pages.ui.shared import flash, job_progress, metrics
from pages.ui.shared.frame import plain
from trainer.creation import creation, stages
from trainer.creation.creation import Order
from trainer.evaluation import headline
from trainer.synthesis import engines, kokoro, phrases, word_rating
from trainer.system.display_text import counted
from trainer.system.job import Verb
from trainer.system.workspace import Workspace

PHRASE, LANGUAGE, MINUTES = "create_phrase", "create_language", "create_minutes"
SUGGESTED_MINUTES = 10
RATED: dict[word_rating.Verdict, headline.Verdict] = {"good": "good", "fair": "usable", "poor": "not yet"}
"""The verdict of a model whose colour a rating has."""
VOICES: tuple[Verb, ...] = ("voices",)


def show(workspace: Workspace, busy: bool) -> None:
    """Draw the form; `busy` while another job changes the data set."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        phrase = st.text_input(
            "What shall your device listen for?", key=PHRASE, max_chars=60, placeholder="hey atlas", width=320
        )
        st.button(
            "Create detector", type="primary", disabled=busy, on_click=_create, args=(workspace,), key="create_start"
        )
    language = st.session_state.get(LANGUAGE, "en")
    _show_rating(phrase, language)
    st.caption(
        "Makes a data set with synthetic voices, trains, evaluates and exports a model, all on this machine. "
        f"{_recordings(workspace)}"
    )
    _show_voices(workspace, language, busy)
    job_progress.show_progress(workspace, VOICES)
    with st.expander("Pronunciation, language and time"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            names = {code: language.name for code, language in phrases.LANGUAGES.items()}
            st.selectbox("Language", list(names), format_func=names.__getitem__, key=LANGUAGE, width=180)
            st.number_input(
                "Minutes",
                int(creation.LEAST_MINUTES),
                int(creation.MOST_MINUTES),
                SUGGESTED_MINUTES,
                key=MINUTES,
                width=140,
                help="About how long it may take. With fewer minutes fewer clips are spoken.",
            )
        pronunciation_form.show(workspace, phrase, language, (), busy)


def _show_rating(phrase: str, language: str) -> None:
    """What speaks for and against the phrase in the field."""
    if not phrase.strip():
        return
    try:
        rating = word_rating.rate(phrase, phrases.find_language(language))
    except ValueError:  # told when the detector is ordered
        return
    colour = metrics.COLOURS[RATED[rating.verdict]]
    st.markdown(f":{colour}-badge[{rating.verdict} phrase] {plain(' '.join(rating.sentences()))}")


def _recordings(workspace: Workspace) -> str:
    """What is done with the clips that are there."""
    count = len(creation.own_clips(workspace, "positive"))
    replaced = " It replaces the synthetic clips that are there." if creation.has_synthetic(workspace) else ""
    if count:
        return f"Your {counted(count, 'recording')} of the phrase (label positive) will be used.{replaced}"
    return f"Recordings of people make it better: add them on the Dataset page, before or later.{replaced}"


def _show_voices(workspace: Workspace, language: str, busy: bool) -> None:
    """Offer the voices that are not installed and make the largest difference, which was measured in English alone."""
    document = next(each for each in engines.documents(workspace) if each["name"] == kokoro.NAME)
    if document["installed"] or language not in document["languages"]:
        return
    only = "Only espeak-ng will speak, whose voices are far from those of people"
    gain = " make a far better detector." if language == "en" else " can be added."
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"{only}{': most people would not be heard' if language == 'en' else ''}. "
            f"{document['title']} voices ({document['megabytes']:,.0f} MB){gain}"
        )
        voice_list.show_get(workspace, kokoro.NAME, f"Get {document['title']} voices", "create_get_voices", busy)
    ended = job_progress.last_ended(workspace, VOICES)
    if ended and ended.state in ("failed", "cancelled"):
        st.warning(plain(ended.message))


def _create(workspace: Workspace) -> None:
    """Check the order and start the job."""
    state = st.session_state
    if not state[PHRASE].strip():
        flash.error(job_progress.PLACE, "Enter the word or phrase first.")
        return

    def start() -> None:
        spoken = pronunciation_form.edited(state[PHRASE], state[LANGUAGE])
        order = stages.checked(
            Order(phrase=state[PHRASE], language=state[LANGUAGE], minutes=state[MINUTES], pronunciations=tuple(spoken))
        )
        job_progress.start(workspace, creation.VERB, creation.arguments(order))

    flash.attempt(job_progress.PLACE, start)
