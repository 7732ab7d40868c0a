"""The form that synthesises clips: a phrase, its look-alikes and other words in many voices, noise and rooms."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.ui.dataset import pronunciation_form, voice_list
from pages.ui.shared import flash, job_progress
from trainer.dataset import importing
from trainer.synthesis import engines, phrases, recipes, speech_streams, typed_words
from trainer.system.workspace import Workspace

OPTIONS = {
    "positives": "positive",
    "hard-negatives": "hard_negative",
    "negatives": "negative",
    "background": "background",
    "rirs": "rirs",
}
"""Options of the command, and the labels that they count."""
SPEAKING = "order_engines"
GAINS = {("kokoro", "en"): " Without recordings of people, a detector then misses far fewer of them."}
"""What voices were measured to bring (benchmarks.typed), by engine and language."""
HOURS_HELP = (
    "Long recordings of fluent sentences without the phrase, by many voices. They are trained on and listened to; no "
    "promise comes from them."
)


def show(workspace: Workspace, busy: bool) -> None:
    """Draw the form."""
    st.caption(
        "Adds synthetic clips to the data set. Synthetic voices help when recordings are few, but do not replace "
        "recordings of people."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Phrase to speak", key="order_phrase", max_chars=60, width=220, placeholder="hey atlas")
        names = {code: language.name for code, language in phrases.LANGUAGES.items()}
        st.selectbox("Language", list(names), format_func=names.__getitem__, key="order_language", width=160)
        st.number_input(
            "Voices",
            1,
            len(phrases.VARIANTS),
            len(phrases.VARIANTS),
            key="order_voices",
            width=120,
            help="The most voices of each engine.",
        )
        st.number_input(
            "Variation", 0, 2**31 - 1, 0, key="order_seed", width=120, help="The same number gives the same clips."
        )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for label, count in typed_words.COUNTS.items():
            st.number_input(f"{label} clips", 0, 20_000, count, 50, key=f"order_{label}", width=140)
        if st.session_state["order_language"] == speech_streams.LANGUAGE:
            st.number_input(
                "Hours of other speech",
                0.0,
                recipes.MOST_HOURS,
                0.0,
                0.5,
                key="order_hours",
                width=180,
                help=HOURS_HELP,
            )
    _show_engines(workspace, busy)
    phrase, language = st.session_state["order_phrase"], st.session_state["order_language"]
    pronunciation_form.show(workspace, phrase, language, _names(workspace), busy)
    st.text_area("Look-alikes, one per line (leave empty for suggestions)", key="order_texts", height=120)
    with st.container(horizontal=True):
        st.button("Suggest look-alikes", on_click=_suggest, disabled=busy)
        st.button("Synthesise clips", on_click=_synthesise, args=(workspace,), disabled=busy)


def _engines(workspace: Workspace, installed: bool) -> dict[str, dict[str, Any]]:
    """The engines that speak the chosen language, by name: those that are installed, or the others."""
    language = st.session_state["order_language"]
    every = (each for each in engines.documents(workspace) if language in each["languages"])
    return {each["name"]: each for each in every if each["installed"] == installed}


def _choices(workspace: Workspace) -> dict[str, str]:
    """The titles of the engines that can be chosen, by name."""
    return {name: document["title"] for name, document in _engines(workspace, True).items()}


def _key(choices: dict[str, str]) -> str:
    """The widget of these choices: another set of engines is another widget, which begins with all of them."""
    return "_".join((SPEAKING, *choices))


def _show_engines(workspace: Workspace, busy: bool) -> None:
    choices = _choices(workspace)
    if len(choices) > 1:
        st.multiselect(
            "Engines",
            list(choices),
            list(choices),
            format_func=choices.__getitem__,
            key=_key(choices),
            help="The clips are divided between these engines.",
        )
    for name, document in _engines(workspace, False).items():
        with st.container(horizontal=True, vertical_alignment="center"):
            size, gain = f"{document['megabytes']:,.0f} MB", GAINS.get((name, st.session_state["order_language"]), "")
            st.caption(
                f"{' and '.join(choices.values())} will speak. {document['title']} voices ({size}) can be added.{gain}"
            )
            voice_list.show_get(workspace, name, f"Get {document['title']} voices", f"order_get_{name}", busy)
    st.text_input(
        "Piper voices (optional)",
        key="order_piper",
        placeholder="~/voices",
        help="A voice file NAME.onnx with its NAME.onnx.json, or a folder of voices, which then speak alone.",
    )


def _suggest() -> None:
    try:
        language = phrases.find_language(st.session_state["order_language"])
        phrase = phrases.check(st.session_state["order_phrase"], language)
        st.session_state["order_texts"] = "\n".join(phrases.look_alikes(phrase, language))
    except (ValueError, OSError) as error:
        flash.error(job_progress.PLACE, error)


def _check(workspace: Workspace) -> None:
    """Raises ValueError with what is missing in the form."""
    state, choices = st.session_state, _choices(workspace)
    if state["order_piper"].strip():
        importing.check_inside(importing.path_named(state["order_piper"]), importing.allowed_roots())
    elif len(choices) > 1 and not state.get(_key(choices)):
        raise ValueError("Choose at least one engine.")
    speech = any(state[f"order_{label}"] for label in ("positive", "hard_negative", "negative"))
    if (speech or state.get("order_hours")) and not state["order_phrase"].strip():
        raise ValueError("Enter a phrase first, or set the counts of speech to 0.")


def _synthesise(workspace: Workspace) -> None:
    state = st.session_state
    try:
        _check(workspace)
        spoken = pronunciation_form.options(state["order_phrase"], state["order_language"])
    except (ValueError, OSError) as error:
        flash.error(job_progress.PLACE, error)
        return
    texts = [f"--look-alike={line}" for line in state["order_texts"].splitlines() if line.strip()]
    chosen = [f"--{option}={state[f'order_{label}']}" for option, label in OPTIONS.items()]
    settings = [f"--{name}={state[f'order_{name}']}" for name in ("phrase", "language", "voices", "seed", "piper")]
    names = [] if state["order_piper"].strip() else [f"--engine={name}" for name in _names(workspace)]
    hours = [f"--hours={state['order_hours']}"] if state.get("order_hours") else []
    job_progress.start(workspace, "synthesise", [*settings, *names, *spoken, *chosen, *hours, *texts])


def _names(workspace: Workspace) -> list[str]:
    """The chosen engines; none where all of them speak."""
    choices = _choices(workspace)
    wanted: list[str] = st.session_state.get(_key(choices)) or []
    return wanted if len(wanted) < len(choices) else []
