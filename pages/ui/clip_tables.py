"""The tables of the Dataset page: labels, refused files, warnings, and what lies in which split."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.frame import plain
from trainer import manifest
from trainer.dataset import splits
from trainer.manifest import SPLITS
from trainer.workspace import LABELS, Workspace

MOST_REFUSED = 1000
TITLES = {"train": "Training", "val": "Validation", "test": "Test"}


def show_scan(summary: dict[str, Any]) -> None:
    """Counts by label, then every refused file with its reason, then warnings."""
    minutes = {"Minutes": st.column_config.NumberColumn(format="%.1f")}
    st.dataframe(
 label_table(summary), hide_index=True, width="stretch", alt="Clips by label", key="labels",
 column_config=minutes,
)  # fmt: skip

    for warning in summary["warnings"]:
        st.warning(plain(warning))
    refused = summary["refused"]
    if refused:
        st.markdown(f"**{len(refused):,} refused**: these files are left out of splits and training.")
        table = pd.DataFrame(refused[:MOST_REFUSED], columns=["path", "reason", "message"])
        table.columns = ["File", "Reason", "What is wrong"]
        st.dataframe(table, hide_index=True, width="stretch", alt="Refused files", key="refused")
        if len(refused) > MOST_REFUSED:
            st.caption(f"The first {MOST_REFUSED:,} are shown; `python -m trainer scan --json` lists all.")


def label_table(summary: dict[str, Any]) -> pd.DataFrame:
    """One row for each label, in the usual order."""
    rows = list(summary["labels"].items())
    return pd.DataFrame(
        {
            "Label": [label for label, _ in rows],
            "Clips": [row["clips"] for _, row in rows],
            "Minutes": [row["minutes"] for _, row in rows],
            "Speakers": [row["speakers"] for _, row in rows],
            "Clips of nobody known": [row["without_speaker"] for _, row in rows],
            "Sample rates": [
                ", ".join(f"{int(rate):,} Hz ({count:,})" for rate, count in row["sample_rates"].items())
                for _, row in rows
            ],
        }
    )


def show_splits(workspace: Workspace) -> bool:
    """Clips by label and split; returns whether there are splits to train with."""
    try:
        found = splits.describe(manifest.read_splits(workspace))
    except (FileNotFoundError, ValueError) as error:
        st.info(plain(str(error)))
        return False
    st.dataframe(split_table(found), hide_index=True, width="stretch", alt="Clips by label and split", key="splits")
    twice = found["groups_in_two_splits"]
    if twice:
        st.error(f"{twice:,} groups lie in two splits, so validation would flatter the model. Split again.")
    else:
        st.caption("Groups in two splits: 0. What is measured on validation and test was never trained on.")
    return True


def split_table(found: dict[str, Any]) -> pd.DataFrame:
    """One row for each label and one for all of them."""
    labels = [label for label in LABELS if any(label in found[part] for part in SPLITS)]
    columns = {TITLES[part]: [found[part].get(label, 0) for label in labels] for part in SPLITS}
    table = pd.DataFrame({"Label": labels, **columns})
    table.loc[len(table)] = ["all", *(sum(column) for column in columns.values())]
    return table
