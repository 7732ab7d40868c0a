"""The Splits section: ratios and seed, clips by split, leakage report, and earlier versions."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.shared import clip_cache, flash, frame, job_progress
from pages.ui.shared.frame import plain
from trainer.audio import manifest
from trainer.audio.manifest import SPLITS
from trainer.dataset import clips, split_assignment, splits
from trainer.dataset.split_assignment import parse_ratios, share_of
from trainer.run import documents, runs
from trainer.system import durable
from trainer.system.display_text import counted
from trainer.system.workspace import LABELS, Workspace

TITLES = {"train": "Training", "val": "Validation", "test": "Test"}
MOST_OFF = 0.05
"""Difference between a share and its ratio from which it is reported."""


def show(workspace: Workspace, busy: bool) -> None:
    st.caption(
        "All clips of a speaker stay in one split, and so does identical audio: validation and test then use "
        "voices that training has not heard."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Ratios: train/val/test (%)", "70/15/15", key="ratios", width=220)
        st.number_input(
            "Seed", 0, 2**31 - 1, 0, key="seed", width=160, help="The same seed and clips give the same splits."
        )
        st.button("Split Datasets", type="primary", on_click=_split, args=(workspace,), disabled=busy)
    scratch = "Moves clips between splits. Results are then not comparable with those of earlier runs."
    st.checkbox("Split from scratch", key="scratch", help=scratch)
    st.caption("Unless ratios or seed change, clips keep their split and only new ones are assigned.")
    try:
        summary = _summary(str(workspace.root), _stamp(workspace), workspace)
    except (FileNotFoundError, ValueError) as error:
        st.info(plain(str(error)))
        return
    facts = splits.facts(workspace)
    st.dataframe(table(summary), hide_index=True, width="stretch", alt="Clips by label and split", key="splits")
    _leakage(summary, facts)
    _versions(workspace, facts)
    st.page_link(frame.CONFIGURATION, label="Go to Configuration", icon=":material/arrow_forward:")


def _stamp(workspace: Workspace) -> tuple[int, ...]:
    """Changes whenever the manifests or the scan change."""
    return *clip_cache.stamp(workspace), *clip_cache.stamp_of(
        *(manifest.split_file(workspace, part) for part in SPLITS)
    )


@st.cache_resource(max_entries=2, show_spinner=False)
def _summary(root: str, stamp: tuple[int, ...], _workspace: Workspace) -> dict[str, Any]:
    scanned = clip_cache.scanned(_workspace)
    parts, facts = manifest.read_splits(_workspace), splits.facts(_workspace)
    few = facts.by_recording if facts else {}
    alike = clips.near_sets(split_assignment.by_recording(scanned.clips, few)) if scanned else None
    return splits.describe(parts, alike, few)


def _split(workspace: Workspace) -> None:
    ratios, seed = st.session_state["ratios"], st.session_state["seed"]
    scratch = ["--from-scratch"] if st.session_state["scratch"] else []
    if flash.attempt(job_progress.PLACE, lambda: parse_ratios(ratios)):
        job_progress.start(workspace, "split", [f"--ratios={ratios}", f"--seed={seed}", *scratch])


def table(summary: dict[str, Any]) -> pd.DataFrame:
    """One row per label and one for all: clips, and their share of the label."""
    rows = [
        [label, *(f"{summary[part].get(label, 0):,} ({_share(summary, part, label):.0%})" for part in SPLITS)]
        for label in LABELS
        if any(label in summary[part] for part in SPLITS)
    ]
    totals = [sum(summary[part].values()) for part in SPLITS]
    rows.append(["all", *(f"{total:,} ({total / max(1, sum(totals)):.0%})" for total in totals)])
    return pd.DataFrame(rows, columns=["Label", *TITLES.values()])


def _share(summary: dict[str, Any], part: str, label: str) -> float:
    """The share of the clips of a label that are in a split."""
    share: float = summary["shares"][part].get(label, 0.0)
    return share


def _leakage(summary: dict[str, Any], facts: splits.Facts | None) -> None:
    twice, near = summary["groups_in_two_splits"], summary["near_in_two_splits"]
    if twice:
        st.error(f"Leakage: {counted(twice, 'group')} in two splits makes results look too good. Split from scratch.")
    else:
        shared = (
            "Some speakers are in several splits, but with different recordings." if summary["by_recording"] else ""
        )
        st.caption(f"No leakage: no group of clips is in two splits. {shared}")
    for sentence in splits.warnings(summary):
        st.warning(plain(sentence))
    if near:
        st.warning(
            f"Possible leakage: {counted(near, 'set')} of near duplicates without a known speaker in two splits. "
            "Split from scratch to keep each in one."
        )
    if summary["without_speaker"]:
        st.caption(
            f"Positive clips without a known speaker: {summary['without_speaker']:,}. One person may be in two splits. "
            "Set speakers under Clips, Speakers."
        )
    if facts is None:
        st.caption("These manifests come from another version of the app or were edited by hand.")
        return
    if facts.left_out:
        st.warning(
            f"Clips in no split: {len(facts.left_out):,}, such as {plain(facts.left_out[0])}. They belong to groups in "
            "two splits. Split from scratch to use them."
        )
    off = [
        f"{TITLES[part]} has {_share(summary, part, label):.0%} of {label}"
        for label in LABELS
        for part, share in share_of(label, facts.ratios).items()
        if any(label in summary[p] for p in SPLITS) and abs(_share(summary, part, label) - share) > MOST_OFF
    ]
    if off:
        st.caption(f"Shares differ from the ratios because groups are large: {plain('; '.join(off))}.")


def _versions(workspace: Workspace, facts: splits.Facts | None) -> None:
    versions = splits.versions(workspace)
    used: dict[str, list[str]] = {}
    for run in runs.all_runs(workspace):
        if request := durable.read_document(documents.Request, run.request_file):
            used.setdefault(request.split_fingerprint, []).append(run.id)
    with st.expander(f"Versions ({len(versions):,}) and the runs that used them"):
        rows = [_version_row(version, facts, used.get(version.fingerprint, [])) for version in versions]
        st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", alt="Versions of the split", key="versions")
        st.caption("All versions are kept in data/splits/versions.")


def _version_row(version: splits.Facts, current: splits.Facts | None, used_by: list[str]) -> dict[str, Any]:
    return {
        "Split": version.fingerprint + (" (current)" if current and version.fingerprint == current.fingerprint else ""),
        "Created (UTC)": version.created[:16].replace("T", " "),
        "Ratios": "/".join(f"{100 * ratio:g}" for ratio in version.ratios),
        "Seed": version.seed,
        "Runs": ", ".join(used_by) or "none",
    }
