"""The form that synthesises clips: phrase, language, voices, counts, and look-alikes."""

from __future__ import annotations

import streamlit as st

from pages.ui.shared import flash, job_progress
from trainer.dataset import importing
from trainer.synthesis import languages, phrases
from trainer.system.workspace import LABELS, Workspace


def show(workspace: Workspace, busy: bool) -> None:
    """Draw the form: speech of a phrase and its look-alikes in many voices, noise and room impulse responses."""
    st.caption(
        "Adds synthetic clips to the data set. Synthetic voices (espeak-ng) help when recordings are few, but do not "
        "replace recordings of people."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Phrase to speak", key="order_phrase", max_chars=60, width=220, placeholder="hey atlas")
        names = {code: language.name for code, language in languages.LANGUAGES.items()}
        st.selectbox("Language", list(names), format_func=names.__getitem__, key="order_language", width=160)
        st.number_input("Voices", 1, len(languages.VARIANTS), len(languages.VARIANTS), key="order_voices", width=120)
        st.number_input(
            "Variation", 0, 2**31 - 1, 0, key="order_seed", width=120, help="The same number gives the same clips."
        )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for label, count in zip(LABELS, (200, 200, 200, 0, 0), strict=True):
            st.number_input(f"{label} clips", 0, 20_000, count, 50, key=f"order_{label}", width=140)
    st.text_area("Look-alikes, one per line (leave empty for suggestions)", key="order_texts", height=120)
    st.text_input(
        "Piper voices (optional)",
        key="order_piper",
        placeholder="~/voices",
        help="A voice file NAME.onnx with its NAME.onnx.json, or a folder of voices. They sound more natural.",
    )
    with st.container(horizontal=True):
        st.button("Suggest look-alikes", on_click=_suggest, disabled=busy)
        st.button("Synthesise clips", on_click=_order, args=(workspace,), disabled=busy)


def _suggest() -> None:
    try:
        language = languages.find(st.session_state["order_language"])
        phrase = phrases.check(st.session_state["order_phrase"], language)
        st.session_state["order_texts"] = "\n".join(phrases.look_alikes(phrase, language))
    except (ValueError, OSError) as error:
        flash.error(job_progress.PLACE, error)


def _order(workspace: Workspace) -> None:
    state = st.session_state
    speech = any(state[f"order_{label}"] for label in ("positive", "hard_negative", "negative"))
    if speech and not state["order_phrase"].strip():
        flash.error(job_progress.PLACE, "Enter a phrase first, or set the counts of speech to 0.")
        return
    if state["order_piper"].strip():
        try:
            importing.check_inside(importing.path_named(state["order_piper"]), importing.allowed_roots())
        except ValueError as error:
            flash.error(job_progress.PLACE, error)
            return
    texts = [f"--look-alike={line}" for line in state["order_texts"].splitlines() if line.strip()]
    counts = {
        "positives": "positive",
        "hard-negatives": "hard_negative",
        "negatives": "negative",
        "background": "background",
        "rirs": "rirs",
    }
    chosen = [f"--{option}={state[f'order_{label}']}" for option, label in counts.items()]
    settings = [f"--{name}={state[f'order_{name}']}" for name in ("phrase", "language", "voices", "seed", "piper")]
    job_progress.start(workspace, "synthesise", [*settings, *chosen, *texts])
