"""How speakers are known: folders, a pattern on file names with a live preview, or a table."""

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

KINDS = {"folder": "The folder below the label", "pattern": "A part of the file name", "csv": "A table (CSV)"}
SHOWN = 200


def show(workspace: Workspace, found: Found) -> None:
    """Choose a rule, see what it makes of the clips, keep it."""
    rule = speakers.load_rule(workspace)
    st.caption("All clips of a speaker stay in one split. A clip of nobody known is a speaker of its own.")
    kinds = list(KINDS)
    kind = st.radio(
        "Speakers are known by", kinds, kinds.index(rule.kind), format_func=KINDS.__getitem__, horizontal=True,
        key="speaker_kind",
    )  # fmt: skip
    pattern, names = rule.pattern, None
    if kind == "pattern":
        text = (
            f"{PLACE} stands for the speaker, * for anything. With a / it is matched against the path below the label."
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
        st.button("Keep this rule", type="primary", on_click=_keep, args=(workspace, chosen, names))
        st.caption("Splits made by another rule may leak; split from scratch afterwards.")
    flash.show("speakers")


def _unmatched(paths: pd.Series, table: dict[str, str]) -> None:
    """Tell rows of a table that are about no clip. Raises ValueError when all of them are."""
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
        f"{len(found) - known:,} of nobody known."
    )
    if known < len(found):
        st.caption("For clips of nobody known, leakage between the splits cannot be excluded.")
    some = [_some(paths[found != ""], SHOWN), _some(paths[found == ""], SHOWN // 4)]  # what is matched comes first
    chosen = pd.concat(some)
    table = pd.DataFrame({"Clip": chosen, "Speaker": found[chosen.index]})
    st.dataframe(
        table, hide_index=True, width="stretch", height=220, alt="Speakers of some clips", key="speaker_preview"
    )


def _some(paths: pd.Series, count: int) -> pd.Series:
    """At most so many of them, from the first to the last."""
    return paths.iloc[:: max(1, -(-len(paths) // count))]


def _keep(workspace: Workspace, rule: Rule, names: bytes | None) -> None:
    flash.attempt("speakers", lambda: speakers.save_rule(workspace, rule, names))
