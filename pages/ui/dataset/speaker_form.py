"""The Speakers view: identify speakers by folder, by a pattern of file names, or by a table."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui.shared import flash
from pages.ui.shared.frame import plain
from trainer.dataset import speakers
from trainer.dataset.clips import Found
from trainer.dataset.speakers import PLACE, Rule
from trainer.system.display_text import counted
from trainer.system.workspace import Workspace

KINDS = {"folder": "Folder inside the label folder", "pattern": "Part of the file name", "csv": "Table (CSV)"}
SHOWN = 200


def show(workspace: Workspace, found: Found) -> None:
    """Choose a rule, preview its result, and save it."""
    rule = speakers.load_rule(workspace)
    st.caption(
        "All clips of a speaker stay in one split. A clip without a known speaker counts as a speaker of its own."
    )
    kinds = list(KINDS)
    kind = st.radio(
        "Identify speakers by",
        kinds,
        kinds.index(rule.kind),
        format_func=KINDS.__getitem__,
        horizontal=True,
        key="speaker_kind",
    )
    pattern, names = rule.pattern, None
    if kind == "pattern":
        text = (
            f"{PLACE} stands for the speaker, * for any text. "
            "A pattern with / is matched against the path inside the label folder."
        )
        pattern = st.text_input("Pattern", rule.pattern or f"{PLACE}_*", key="speaker_pattern", help=text)
    if kind == "csv":
        upload = st.file_uploader("Table with the columns path and speaker", ["csv"], key="speaker_csv")
        names = upload.getvalue() if upload else None
    chosen = Rule(kind=kind, pattern=pattern if kind == "pattern" else "")
    try:
        table = speakers.read_names(names) if names else speakers.kept_names(workspace) if kind == "csv" else {}
        _preview(found.clips["path"], chosen, table)
        _unmatched(found.clips["path"], table)
    except ValueError as error:
        st.warning(plain(str(error)))
        return
    if chosen != rule or names:
        st.button("Save rule", type="primary", on_click=_keep, args=(workspace, chosen, names))
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
    found = speakers.of_paths(paths, rule, names)
    known = int((found != "").sum())
    st.markdown(
        f"**{counted(found[found != ''].nunique(), 'speaker')}**, {counted(known, 'clip')}; "
        f"{len(found) - known:,} without a known speaker."
    )
    if known < len(found):
        st.caption("Clips without a known speaker may leak between splits.")
    rows = [_sample(paths[found != ""], SHOWN), _sample(paths[found == ""], SHOWN // 4)]  # matched clips come first
    chosen = pd.concat(rows)
    table = pd.DataFrame({"Clip": chosen, "Speaker": found[chosen.index]})
    st.dataframe(
        table, hide_index=True, width="stretch", height=220, alt="Speakers of some clips", key="speaker_preview"
    )


def _sample(paths: pd.Series, count: int) -> pd.Series:
    """At most `count` of them, evenly spaced."""
    return paths.iloc[:: max(1, -(-len(paths) // count))]


def _keep(workspace: Workspace, rule: Rule, names: bytes | None) -> None:
    flash.attempt("speakers", lambda: speakers.save_rule(workspace, rule, names))
