"""The edited configuration as YAML: to download, to upload, to paste."""

from __future__ import annotations

import streamlit as st

from pages.ui.configuration import draft, editing
from pages.ui.configuration.config_check import Checked
from pages.ui.configuration.draft import Source
from pages.ui.shared.frame import plain
from trainer.config import config_file, yaml_text
from trainer.config.config_file import ConfigError
from trainer.system.workspace import Workspace

EXAMPLE = "preset: recommended\ntraining:\n  epochs: 60"


def show(workspace: Workspace, found: Checked, name: str) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        st.text_area("Paste YAML", key="pasted", height=200, placeholder=EXAMPLE)
        st.button("Load YAML", on_click=_take_pasted, args=(workspace,))
        st.file_uploader(
            "Upload YAML", key="uploaded", type=["yaml", "yml"], max_upload_size=1, on_change=_take_uploaded,
            args=(workspace,), help="It is read and put into the form; nothing is saved yet.",
        )  # fmt: skip
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
