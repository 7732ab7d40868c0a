"""What a start would train on, and what this machine has too little of for it, said before the click."""

from __future__ import annotations

import streamlit as st

from pages.ui.shared import clip_cache
from pages.ui.shared.frame import plain
from trainer.config import config_file
from trainer.config.config_file import ConfigError
from trainer.config.schema import Config
from trainer.dataset import splits, window_fit
from trainer.run import preflight
from trainer.system.workspace import Workspace


def _config(workspace: Workspace, name: str | None) -> Config | None:
    """The saved configuration of this name; None without one, or when it is not valid, which the click tells."""
    try:
        return config_file.load(config_file.saved_path(workspace, name)) if name else None
    except (OSError, ConfigError):
        return None


def show_device(workspace: Workspace, name: str | None) -> None:
    """The device that training by this saved configuration would take."""
    if config := _config(workspace, name):
        st.caption(
            f"Trains on: {plain(preflight.trains_on(config, preflight.machine(workspace, config)))}", width="content"
        )


def lacking(workspace: Workspace, name: str | None) -> list[str]:
    """What a start by this saved configuration would be refused for now; clips are looked at at the click."""
    config = _config(workspace, name)
    return preflight.lacking(workspace, config, preflight.machine(workspace, config)) if config else []


def warnings(workspace: Workspace, name: str | None) -> list[str]:
    """What should be known before a start by this saved configuration."""
    config, found = _config(workspace, name), clip_cache.found(workspace)
    unfit = window_fit.problem(config, window_fit.speech_of(found.clips)) if config and found else None
    return [*([str(unfit)] if unfit else []), *(splits.voice_sentences(workspace) if config else [])]
