"""The clips of the data set by label, and their views: health, listening, pictures, speakers."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.dataset import clip_browser, health, preview, speaker_form
from pages.ui.shared import clip_cache, clip_pictures
from trainer.system.workspace import Workspace

FORMATS = {"Clips": "localized", "Minutes": "%.1f", "Speakers": "localized", "Unknown speaker": "localized"}
VIEWS = ("Health", "Listen", "Pictures", "Speakers", "Augmentation")


def show(workspace: Workspace, busy: bool) -> None:
    """Counts by label, and below them the view that is chosen."""
    found = clip_cache.found(workspace)
    if found is None or not len(found):
        st.info("No clips are known yet. Make demo data, import or record some; then scan.")
        if found is not None:
            health.show_refused(workspace, found.refused, busy)
        return
    summary = clip_cache.summary(workspace, found)
    numbers = {name: st.column_config.NumberColumn(format=how) for name, how in FORMATS.items()}
    st.dataframe(
        label_table(summary), hide_index=True, width="stretch", alt="Clips by label", key="labels",
        column_config=numbers,
    )  # fmt: skip
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
            preview.show(workspace, found, busy)


def label_table(summary: dict[str, Any]) -> pd.DataFrame:
    """One row for each label, in the usual order."""
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
    left.altair_chart(clip_pictures.durations(clips), width="stretch", key="durations")
    right.markdown("**Loudness**")
    right.altair_chart(clip_pictures.loudness(clips), width="stretch", key="loudness")
    left.markdown("**Minutes by label**")
    left.altair_chart(clip_pictures.minutes(clips, "label"), width="stretch", key="minutes_label")
    right.markdown("**Minutes by speaker** (the twenty with the most)")
    right.altair_chart(clip_pictures.minutes(clips, "speaker"), width="stretch", key="minutes_speaker")
