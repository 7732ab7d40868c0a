"""The Files and YAML tabs: upload, paste, download, rename, duplicate, delete and restore configurations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from pages.ui.configuration import current_draft, draft, editing
from pages.ui.configuration.config_check import Checked
from pages.ui.configuration.draft import Source
from pages.ui.configuration.editing import Message
from pages.ui.shared.frame import plain
from trainer.config import config_file, saved_configs, yaml_text
from trainer.config.config_file import ConfigError
from trainer.system.workspace import Workspace

EXAMPLE = "preset: recommended\ntraining:\n  epochs: 60"


def show_yaml(workspace: Workspace, found: Checked, name: str) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        st.text_area("Paste YAML", key="pasted", height=200, placeholder=EXAMPLE)
        st.button("Load YAML", on_click=_take_pasted, args=(workspace,))
        st.file_uploader(
            "Upload YAML",
            key="uploaded",
            type=["yaml", "yml"],
            max_upload_size=1,
            on_change=_take_uploaded,
            args=(workspace,),
            help="It is read and put into the form; nothing is saved yet.",
        )
    with right:
        if found.config is None:
            st.info("Mend the problems first; then the configuration can be downloaded.")
            return
        text = config_file.dump(found.config)
        file = f"{name if config_file.NAME.fullmatch(name) else 'configuration'}.yaml"
        st.download_button("Download YAML", text, file, "application/yaml", help="Every option, with what it does.")
        with st.container(height=360, border=True):
            st.code(text.decode(), language="yaml", wrap_lines=True)


def _take_pasted(workspace: Workspace) -> None:
    _take(workspace, st.session_state["pasted"].encode(), "pasted text")


def _take_uploaded(workspace: Workspace) -> None:
    if (file := st.session_state["uploaded"]) is not None:
        _take(workspace, file.getvalue(), file.name)


def _take(workspace: Workspace, data: bytes, name: str) -> None:
    """Put YAML into the form, or say everything that is wrong with it."""
    if len(data) <= yaml_text.MOST_BYTES and not data.strip():
        editing.say(editing.Message("warning", f"{plain(name)} is empty; the form stays as it is."))
        return
    try:
        config = config_file.parse(data)
    except ConfigError as error:
        editing.say(editing.problems_message(f"{plain(name)} cannot be loaded.", error.problems))
        return
    editing.take(workspace, draft.of_config(config, Source("file", name.removesuffix(".yaml"))))


def show(workspace: Workspace) -> None:
    saved = config_file.saved(workspace)
    if saved:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.selectbox("Saved configuration to tidy", saved, key="tidy", width=260)
            st.text_input("New name", key="new_name", max_chars=64, width=260)
            st.button("Rename", on_click=_rename, args=(workspace,))
            st.button("Duplicate", on_click=_duplicate, args=(workspace,))
            st.button(
                "Delete",
                on_click=_delete,
                args=(workspace,),
                help="Moves it to the trash, from where it can be restored.",
            )
    else:
        st.caption("Nothing is saved yet. Save the form under a name; it is listed here.")
    if trashed := saved_configs.trash(workspace):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.selectbox("In the trash", trashed, key="trashed", format_func=_title, width=400)
            st.button("Restore", on_click=_restore, args=(workspace,))


def _title(trashed: str) -> str:
    stamp, name = trashed.split(" ", 1)
    return f"{name} · deleted {stamp[:4]}-{stamp[4:6]}-{stamp[6:8]} {stamp[9:11]}:{stamp[11:13]} UTC"


def _tell(work: Callable[[], str]) -> None:
    """Do it, and say what was done or what stands against it."""
    try:
        editing.say(Message("success", plain(work())))
    except (ValueError, OSError) as error:
        editing.refuse(error)


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

    _tell(work)


def _duplicate(workspace: Workspace) -> None:
    name, new = _chosen()
    new = new or saved_configs.free_name(workspace, name)

    def work() -> str:
        saved_configs.duplicate(workspace, name, new)
        return f"Copied “{name}” to “{new}”."

    _tell(work)


def _delete(workspace: Workspace) -> None:
    name, _ = _chosen()

    def work() -> str:
        saved_configs.delete(workspace, name)
        return f"“{name}” lies in the trash now. Restore brings it back."

    _tell(work)


def _restore(workspace: Workspace) -> None:
    def work() -> str:
        return f"Restored “{saved_configs.restore(workspace, st.session_state['trashed'])}”."

    _tell(work)
