"""The Clips section: counts by label and the selected view, with those of charts and augmentation examples."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.dataset import clip_browser, health, speaker_form
from pages.ui.shared import audio, clip_cache, flash, job_progress
from pages.ui.shared.frame import plain
from trainer.config import config_file
from trainer.dataset import previews
from trainer.dataset.clips import Found
from trainer.system.workspace import Workspace

PER_ROW = 5
MOST_CLIPS = 2000


def show_augmentation(workspace: Workspace, found: Found, busy: bool) -> None:
    """Choose a configuration and a clip, and draw what training makes of it."""
    st.caption(
        "Examples come from the training code: each shows the audio and the features that a training with this "
        "configuration uses, in the order of its epochs. Only clips of the training split are available."
    )
    try:
        heard = clip_cache.training_paths(workspace, found)
    except (FileNotFoundError, ValueError) as error:
        st.info(plain(str(error)))
        return
    names = [*config_file.saved(workspace), *config_file.presets()]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Configuration", names, key="preview_config", width=220)
        text = st.text_input("Clip name contains", "positive/", key="preview_text", width=220)
        paths = _matching(heard, text)
        st.selectbox("Clip", paths, key="preview_clip", width=360)
        st.button("Generate examples", on_click=_draw, args=(workspace,), disabled=busy or not paths)
    clip, draws = previews.read(workspace)
    if not draws:
        return
    st.markdown(f"**{plain(clip)}**")
    for first in range(0, len(draws), PER_ROW):
        for column, draw in zip(st.columns(PER_ROW), draws[first : first + PER_ROW], strict=False):
            with column:
                st.audio(str(draw.wav))
                st.image(audio.image(draw.features), width="stretch", caption=_caption(draw))


def _caption(draw: previews.Draw) -> str:
    part = (
        f"{draw.start_seconds:.2f} to {draw.end_seconds:.2f} s of the clip" if draw.end_seconds else "outside the clip"
    )
    return f"Epoch {draw.epoch}, {'positive' if draw.positive else 'negative'}: {part}"


def _matching(paths: pd.Series, text: str) -> list[str]:
    return list(paths[paths.str.contains(text, case=False, regex=False)].head(MOST_CLIPS))


def _draw(workspace: Workspace) -> None:
    state = st.session_state
    if state.get("preview_config") and state.get("preview_clip"):
        job_progress.start(workspace, "preview", [state["preview_config"], state["preview_clip"]])
    else:
        flash.error(job_progress.PLACE, "Choose a configuration and a clip first.")


FORMATS = {"Clips": "localized", "Minutes": "%.1f", "Speakers": "localized", "Unknown speaker": "localized"}
VIEWS = ("Health", "Listen", "Pictures", "Speakers", "Augmentation")


def show(workspace: Workspace, busy: bool) -> None:
    """Draw counts by label, and below them the selected view."""
    found = clip_cache.found(workspace)
    if found is None or not len(found):
        st.info("No clips yet. Make demo data, import or record clips, then scan.")
        if found is not None:
            health.show_refused(workspace, found.refused, busy)
        return
    summary = clip_cache.summary(workspace, found)
    numbers = {name: st.column_config.NumberColumn(format=how) for name, how in FORMATS.items()}
    st.dataframe(
        label_table(summary),
        hide_index=True,
        width="stretch",
        alt="Clips by label",
        key="labels",
        column_config=numbers,
    )
    findings = clip_cache.health(workspace, found)
    st.segmented_control("View", VIEWS, default="Health", key="clips_view", label_visibility="collapsed", required=True)
    match st.session_state["clips_view"]:
        case "Health":
            health.show(workspace, found, summary["warnings"], findings, busy)
        case "Listen":
            clip_browser.show(workspace, found, findings, busy)
        case "Pictures":
            _pictures(found.clips)
        case "Speakers":
            speaker_form.show(workspace, found)
        case "Augmentation":
            show_augmentation(workspace, found, busy)


def label_table(summary: dict[str, Any]) -> pd.DataFrame:
    """One row per label."""
    rows = list(summary["labels"].items())
    return pd.DataFrame(
        {
            "Label": [label for label, _ in rows],
            "Clips": [row["clips"] for _, row in rows],
            "Minutes": [row["minutes"] for _, row in rows],
            "Speakers": [row["speakers"] for _, row in rows],
            "Unknown speaker": [row["without_speaker"] for _, row in rows],
            "Sample rates": [
                ", ".join(f"{int(rate):,} Hz ({count:,})" for rate, count in row["sample_rates"].items())
                for _, row in rows
            ],
        }
    )


def _pictures(clips: pd.DataFrame) -> None:
    left, right = st.columns(2)
    left.markdown("**Durations**")
    left.altair_chart(audio.durations(clips), width="stretch", key="durations")
    right.markdown("**Loudness**")
    right.altair_chart(audio.loudness(clips), width="stretch", key="loudness")
    left.markdown("**Minutes by label**")
    left.altair_chart(audio.minutes(clips, "label"), width="stretch", key="minutes_label")
    right.markdown(f"**Minutes by speaker** (top {audio.MOST_SPEAKERS})")
    right.altair_chart(audio.minutes(clips, "speaker"), width="stretch", key="minutes_speaker")
