"""The configuration of a run: what differs from its preset, from the defaults or from another run, and all of it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.ui.runs import differing, run_index
from pages.ui.shared.frame import os_sentence, plain
from trainer.catalog import option_values
from trainer.catalog.row import Row
from trainer.config import config_difference, config_file
from trainer.config.config_difference import Values
from trainer.run.runs import Run
from trainer.system import regular_file
from trainer.system.workspace import Workspace

DEFAULTS = "the defaults"
MOST_RUNS = 200
MOST_BYTES = 1 << 20


def show(workspace: Workspace, run: Run, row: Row, rows: Sequence[Row]) -> None:
    try:
        mine = option_values.read(run.config_file)
        text = regular_file.read_bytes(run.config_file, MOST_BYTES).decode("utf-8", "replace")
    except (ValueError, OSError) as error:
        told = os_sentence(error) if isinstance(error, OSError) else f"{run.config_file}: {error}."
        st.error(plain(f"The configuration cannot be read. {told}"))
        return
    others = {each.run: each for each in rows if each.run != row.run and each.state != run_index.FOREIGN}
    names = [*_presets(row), *list(others)[:MOST_RUNS]]
    chosen = st.selectbox(
        "Compared with", names, key=f"with_{row.run}", width=420,
        format_func=lambda name: f"run {run_index.name_of(others[name])}" if name in others else name,
    )  # fmt: skip
    try:
        other = _values(workspace, chosen)
    except (ValueError, OSError) as error:
        st.warning(plain(str(error)))
        return
    mine.pop(option_values.PRESET, None)
    other.pop(option_values.PRESET, None)
    found = differing.table(
        {"This run": mine, run_index.name_of(others[chosen]) if chosen in others else chosen: other}
    )
    if len(found):
        st.dataframe(found, hide_index=True, width="stretch", alt="Options that differ")
    else:
        st.success("They are equal: every option has the same value.")
    with st.expander("All options as they stand in the run"):
        st.code(text, language="yaml")


def _presets(row: Row) -> list[str]:
    """The run's own preset first, the defaults where it has none."""
    known = [f"preset {name}" for name in config_file.presets()]
    return sorted([DEFAULTS, *known], key=lambda name: name != (f"preset {row.preset}" if row.preset else DEFAULTS))


def _values(workspace: Workspace, name: str) -> Values:
    """Raises ValueError, OSError."""
    if name == DEFAULTS:
        return dict(option_values.defaults())
    if name.startswith("preset "):
        return config_difference.values(config_file.preset(name.removeprefix("preset ")))
    return option_values.read(workspace.runs / name / "config.yaml")
