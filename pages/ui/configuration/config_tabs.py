"""The Difference, YAML and Files tabs: compare, upload, paste, download, rename, delete and restore configurations."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from pages.ui.configuration import draft, editing
from pages.ui.configuration.draft import Draft, Source
from pages.ui.configuration.editing import Checked, problem_sentence
from pages.ui.shared import flash, run_picker, tables
from pages.ui.shared.frame import error_sentence, plain
from trainer.config import config_file, option_list, saved_configs, yaml_text
from trainer.config.config_file import ConfigError
from trainer.config.option_list import Values
from trainer.config.schema import Config
from trainer.run import runs
from trainer.system.workspace import Workspace

FORM = "the form"
DEFAULTS = "the defaults"
MOST_RUNS = 50


def show_difference(workspace: Workspace, edited: Draft) -> None:
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
        st.error(plain(error_sentence(error)))
        return
    tables.show_differences({f"1: {first}": pair[0], f"2: {second}": pair[1]}, key="difference")


def _choices(workspace: Workspace) -> dict[str, Source | None]:
    """The configurations to compare, by label."""
    choices: dict[str, Source | None] = {FORM: None, DEFAULTS: None}
    choices |= {f"preset {name}": Source("preset", name) for name in config_file.presets()}
    choices |= {f"saved {name}": Source("saved", name) for name in saved_configs.names(workspace)}
    newest = runs.all_runs(workspace)[:MOST_RUNS]
    return choices | {f"run {run_picker.name_of(run)}": Source("run", run.id) for run in newest}


def _values(workspace: Workspace, name: str, source: Source | None, edited: Draft) -> Values:
    """Raises ConfigError, OSError."""
    if name == FORM:
        return edited.values
    return option_list.values(draft.config_of(workspace, source) if source else Config())


EXAMPLE = "preset: recommended\ntraining:\n  epochs: 60"


def show_yaml(workspace: Workspace, checked: Checked, name: str) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        st.text_area("Paste YAML", key="pasted", height=200, placeholder=EXAMPLE)
        st.button("Load YAML", on_click=_load_pasted, args=(workspace,))
        st.file_uploader(
            "Upload YAML",
            key="uploaded",
            type=["yaml", "yml"],
            max_upload_size=1,
            on_change=_load_uploaded,
            args=(workspace,),
            help="Loads the file into the form without saving it.",
        )
    with right:
        if checked.config is None:
            st.info("Fix the problems first to download the configuration.")
            return
        text = config_file.dump(checked.config)
        file = f"{name if config_file.NAME.fullmatch(name) else 'configuration'}.yaml"
        st.download_button("Download YAML", text, file, "application/yaml", help="All options, each with a comment.")
        with st.container(height=360, border=True):
            st.code(text.decode(), language="yaml", wrap_lines=True)


def _load_pasted(workspace: Workspace) -> None:
    _load_yaml(workspace, st.session_state["pasted"].encode(), "pasted text")


def _load_uploaded(workspace: Workspace) -> None:
    if (file := st.session_state["uploaded"]) is not None:
        _load_yaml(workspace, file.getvalue(), file.name)


def _load_yaml(workspace: Workspace, data: bytes, name: str) -> None:
    """Load YAML into the form, or post all its problems."""
    if len(data) <= yaml_text.MOST_BYTES and not data.strip():
        flash.warning(editing.PLACE, f"{name} is empty. The form is unchanged.")
        return
    try:
        config = config_file.parse(data)
    except ConfigError as error:
        editing.post_problems(f"{name} cannot be loaded.", error.problems)
        return
    editing.take(workspace, draft.of_config(config, Source("file", name.removesuffix(".yaml"))))


def show_files(workspace: Workspace) -> None:
    saved = saved_configs.names(workspace)
    if saved:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.selectbox("Configuration file", saved, key="tidy", width=260)
            st.text_input("New name", key="new_name", max_chars=64, width=260)
            st.button("Rename", on_click=_rename, args=(workspace,))
            st.button("Duplicate", on_click=_duplicate, args=(workspace,))
            st.button(
                "Delete",
                on_click=_delete,
                args=(workspace,),
                help="Moves it to the trash. You can restore it.",
            )
    else:
        st.caption("Nothing is saved yet. Configurations that you save are listed here.")
    if trashed := saved_configs.trash(workspace):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.selectbox("Trash", trashed, key="trashed", format_func=_title, width=400)
            st.button("Restore", on_click=_restore, args=(workspace,))


def _title(trashed: str) -> str:
    stamp, name = trashed.split(" ", 1)
    return f"{name} · deleted {stamp[:4]}-{stamp[4:6]}-{stamp[6:8]} {stamp[9:11]}:{stamp[11:13]} UTC"


def _chosen() -> tuple[str, str]:
    return st.session_state["tidy"], st.session_state["new_name"].strip()


def _rename(workspace: Workspace) -> None:
    name, new = _chosen()

    def work() -> str:
        saved_configs.rename(workspace, name, new)
        edited = draft.current(workspace)
        if edited.source == Source("saved", name):
            draft.keep(workspace, replace(edited, source=Source("saved", new)))
            st.session_state["save_name"] = new
        return f"Renamed “{name}” to “{new}”."

    flash.attempt(editing.PLACE, work)


def _duplicate(workspace: Workspace) -> None:
    name, new = _chosen()
    new = new or saved_configs.free_name(workspace, name)

    def work() -> str:
        saved_configs.duplicate(workspace, name, new)
        return f"Copied “{name}” to “{new}”."

    flash.attempt(editing.PLACE, work)


def _delete(workspace: Workspace) -> None:
    name, _ = _chosen()

    def work() -> str:
        saved_configs.delete(workspace, name)
        return f"Moved “{name}” to the trash."

    flash.attempt(editing.PLACE, work)


def _restore(workspace: Workspace) -> None:
    def work() -> str:
        return f"Restored “{saved_configs.restore(workspace, st.session_state['trashed'])}”."

    flash.attempt(editing.PLACE, work)
