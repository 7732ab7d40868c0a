"""The Clips section: counts by label, and the views Pictures, Speakers and Augmentation."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.dataset import clip_browser, health
from pages.ui.shared import audio, clip_cache, flash, job_progress
from pages.ui.shared.frame import plain
from trainer.config import config_file, saved_configs
from trainer.dataset import previews, speakers
from trainer.dataset.clips import ScannedClips
from trainer.dataset.speakers import PLACE, Rule
from trainer.system.display_text import counted
from trainer.system.workspace import Workspace

FORMATS = {"Clips": "localized", "Minutes": "%.1f", "Speakers": "localized", "Unknown speaker": "localized"}
VIEWS = ("Health", "Listen", "Pictures", "Speakers", "Augmentation")
SPEAKER_RULES = {
    "folder": "Folder inside the label folder",
    "pattern": "Part of the file name",
    "pattern_or_folder": "Part of the path, else the folder",
    "csv": "Table (CSV)",
}
PREVIEW_ROWS = 200
EXAMPLES_PER_ROW = 5
MOST_CLIPS = 2000


def show(workspace: Workspace, busy: bool) -> None:
    """Draw counts by label, and below them the selected view."""
    scanned = clip_cache.scanned(workspace)
    if scanned is None or not len(scanned):
        st.info("No clips yet. Make demo data, import or record clips, then scan.")
        if scanned is not None:
            health.show_refused(workspace, scanned.refused, busy)
        return
    summary = clip_cache.summary(workspace, scanned)
    numbers = {name: st.column_config.NumberColumn(format=how) for name, how in FORMATS.items()}
    st.dataframe(
        label_table(summary),
        hide_index=True,
        width="stretch",
        alt="Clips by label",
        key="labels",
        column_config=numbers,
    )
    findings = clip_cache.health(workspace, scanned)
    st.segmented_control("View", VIEWS, default="Health", key="clips_view", label_visibility="collapsed", required=True)
    match st.session_state["clips_view"]:
        case "Health":
            health.show(workspace, scanned, summary["warnings"], findings, busy)
        case "Listen":
            clip_browser.show(workspace, scanned, findings, busy)
        case "Pictures":
            _pictures(scanned.clips)
        case "Speakers":
            _show_speakers(workspace, scanned)
        case "Augmentation":
            _show_augmentation(workspace, scanned, busy)


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


def _show_speakers(workspace: Workspace, scanned: ScannedClips) -> None:
    """Choose a rule, preview its result, and save it."""
    rule = speakers.load_rule(workspace)
    st.caption(
        "All clips of a speaker stay in one split. A clip without a known speaker counts as a speaker of its own."
    )
    rules = list(SPEAKER_RULES)
    kind = st.radio(
        "Identify speakers by",
        rules,
        rules.index(rule.kind),
        format_func=SPEAKER_RULES.__getitem__,
        horizontal=True,
        key="speaker_kind",
    )
    pattern, names = rule.pattern, None
    is_pattern = kind in ("pattern", "pattern_or_folder")
    if is_pattern:
        text = (
            f"{PLACE} stands for the speaker, * for any text. "
            "A pattern with / is matched against the path inside the label folder."
        )
        pattern = st.text_input("Pattern", rule.pattern or f"{PLACE}_*", key="speaker_pattern", help=text)
    if kind == "csv":
        upload = st.file_uploader("Table with the columns path and speaker", ["csv"], key="speaker_csv")
        names = upload.getvalue() if upload else None
    chosen = Rule(kind=kind, pattern=pattern if is_pattern else "")
    try:
        table = speakers.read_names(names) if names else speakers.saved_names(workspace) if kind == "csv" else {}
        _preview(scanned.clips["path"], chosen, table)
        _unmatched(scanned.clips["path"], table)
    except ValueError as error:
        st.warning(plain(str(error)))
        return
    if chosen != rule or names:
        st.button("Save rule", type="primary", on_click=_save_rule, args=(workspace, chosen, names))
        st.caption("Splits made with another rule may leak. Split from scratch after you save.")
    flash.show("speakers")


def _unmatched(paths: pd.Series, table: dict[str, str]) -> None:
    """Warn about rows of a table that match no clip. Raises ValueError when no row matches."""
    unmatched = speakers.match(paths.tolist(), table).unmatched
    sentence = speakers.sentence(unmatched, len(table))
    if sentence and len(unmatched) == len(table):
        raise ValueError(sentence)
    if sentence:
        st.warning(plain(sentence))


def _preview(paths: pd.Series, rule: Rule, names: dict[str, str]) -> None:
    named = speakers.of_paths(paths, rule, names)
    count = int((named != "").sum())
    st.markdown(
        f"**{counted(named[named != ''].nunique(), 'speaker')}**, {counted(count, 'clip')}; "
        f"{len(named) - count:,} without a known speaker."
    )
    if count < len(named):
        st.caption("Clips without a known speaker may leak between splits.")
    rows = [
        _sample(paths[named != ""], PREVIEW_ROWS),
        _sample(paths[named == ""], PREVIEW_ROWS // 4),
    ]  # matched clips come first
    chosen = pd.concat(rows)
    table = pd.DataFrame({"Clip": chosen, "Speaker": named[chosen.index]})
    st.dataframe(
        table, hide_index=True, width="stretch", height=220, alt="Speakers of some clips", key="speaker_preview"
    )


def _sample(paths: pd.Series, count: int) -> pd.Series:
    """At most `count` paths, evenly spaced."""
    return paths.iloc[:: max(1, -(-len(paths) // count))]


def _save_rule(workspace: Workspace, rule: Rule, names: bytes | None) -> None:
    flash.attempt("speakers", lambda: speakers.save_rule(workspace, rule, names))


def _show_augmentation(workspace: Workspace, scanned: ScannedClips, busy: bool) -> None:
    """Draw augmented examples of a clip, as a training with a configuration uses them."""
    st.caption(
        "Examples come from the training code: each shows the audio and the features that a training with this "
        "configuration uses, in the order of its epochs. Only clips of the training split are available."
    )
    try:
        training_paths = clip_cache.training_paths(workspace, scanned)
    except (FileNotFoundError, ValueError) as error:
        st.info(plain(str(error)))
        return
    names = [*saved_configs.names(workspace), *config_file.presets()]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Configuration", names, key="preview_config", width=220)
        text = st.text_input("Clip name contains", "positive/", key="preview_text", width=220)
        paths = _matching(training_paths, text)
        st.selectbox("Clip", paths, key="preview_clip", width=360)
        st.button("Generate examples", on_click=_generate, args=(workspace,), disabled=busy or not paths)
    clip, draws = previews.read(workspace)
    if not draws:
        return
    st.markdown(f"**{plain(clip)}**")
    for first in range(0, len(draws), EXAMPLES_PER_ROW):
        for column, draw in zip(st.columns(EXAMPLES_PER_ROW), draws[first : first + EXAMPLES_PER_ROW], strict=False):
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


def _generate(workspace: Workspace) -> None:
    state = st.session_state
    if state.get("preview_config") and state.get("preview_clip"):
        job_progress.start(workspace, "preview", [state["preview_config"], state["preview_clip"]])
    else:
        flash.error(job_progress.PLACE, "Choose a configuration and a clip first.")
