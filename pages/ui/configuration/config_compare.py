"""The Difference tab: options that differ between the form, presets, saved configurations and runs."""

from __future__ import annotations

import streamlit as st

from pages.ui.configuration import draft
from pages.ui.configuration.draft import Draft, Source
from pages.ui.configuration.editing import problem_sentence
from pages.ui.shared import option_differences, run_picker
from pages.ui.shared.frame import os_sentence, plain
from trainer.config import config_file, option_list
from trainer.config.config_file import ConfigError
from trainer.config.option_list import Values
from trainer.config.schema import Config
from trainer.run import runs
from trainer.system.workspace import Workspace

FORM = "the form"
DEFAULTS = "the defaults"
MOST_RUNS = 50


def show(workspace: Workspace, edited: Draft) -> None:
    """Draw two lists, and a table of the options that differ between the two choices."""
    choices = _choices(workspace)
    preset = f"preset {edited.preset}"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = list(choices)
        first = st.selectbox(
            "Compare",
            names,
            index=names.index(preset if preset in names else DEFAULTS),
            key="difference_first",
            width=320,
        )
        second = st.selectbox("with", names, key="difference_second", width=320)
    try:
        pair = [_values(workspace, name, choices[name], edited) for name in (first, second)]
    except ConfigError as error:
        st.error(plain(problem_sentence(error.problems[0])))
        return
    except OSError as error:
        st.error(plain(os_sentence(error)))
        return
    option_differences.show({f"1: {first}": pair[0], f"2: {second}": pair[1]}, key="difference")


def _choices(workspace: Workspace) -> dict[str, Source | None]:
    """The configurations to compare, by label."""
    choices: dict[str, Source | None] = {FORM: None, DEFAULTS: None}
    choices |= {f"preset {name}": Source("preset", name) for name in config_file.presets()}
    choices |= {f"saved {name}": Source("saved", name) for name in config_file.saved(workspace)}
    newest = runs.all_runs(workspace)[:MOST_RUNS]
    return choices | {f"run {run_picker.name_of(run)}": Source("run", run.id) for run in newest}


def _values(workspace: Workspace, name: str, source: Source | None, edited: Draft) -> Values:
    """Raises ConfigError, OSError."""
    if name == FORM:
        return edited.values
    return option_list.values(draft.config_of(workspace, source) if source else Config())
