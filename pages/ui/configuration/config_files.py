"""The Files and YAML tabs: upload, paste, download, rename, duplicate, delete and restore configurations."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from pages.ui.configuration import current_draft, draft, editing
from pages.ui.configuration.config_check import Checked
from pages.ui.configuration.draft import Source
from pages.ui.shared import flash
from trainer.config import config_file, saved_configs, yaml_text
from trainer.config.config_file import ConfigError
from trainer.system.workspace import Workspace

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


def show(workspace: Workspace) -> None:
    saved = config_file.saved(workspace)
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
        edited = current_draft.current(workspace)
        if edited.source == Source("saved", name):
            current_draft.keep(workspace, replace(edited, source=Source("saved", new)))
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
