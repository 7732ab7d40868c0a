"""The forms of the Training page: the start form with its checks, and the run and chart controls."""

from __future__ import annotations

import streamlit as st

from pages.ui.shared import charts, clip_cache, flash, run_controls, run_picker, run_start
from pages.ui.shared.curves import Style
from pages.ui.shared.frame import error_sentence, plain
from pages.ui.shared.run_start import NO_CONFIGURATION
from trainer.audio import manifest
from trainer.config import config_file, saved_configs
from trainer.config.config_file import ConfigError
from trainer.config.schema import Config
from trainer.dataset import splits, window_fit
from trainer.run import preflight, repeats
from trainer.run.runs import Run
from trainer.system import regular_file
from trainer.system.workspace import Workspace


def _saved_config(workspace: Workspace, name: str | None) -> Config | None:
    """The saved configuration of this name; None when there is none or it is not valid, which a click reports."""
    try:
        return config_file.load(saved_configs.path_of(workspace, name)) if name else None
    except (OSError, ConfigError):
        return None


def show_device(workspace: Workspace, name: str | None) -> None:
    """Show the device that a run with this saved configuration would train on."""
    if config := _saved_config(workspace, name):
        st.caption(
            f"Trains on: {plain(preflight.trains_on(config, preflight.machine(workspace, config)))}", width="content"
        )


def shortages(workspace: Workspace, name: str | None) -> list[str]:
    """Shortages of memory and disk that prevent a start with this saved configuration."""
    config = _saved_config(workspace, name)
    return preflight.shortages(workspace, config, preflight.machine(workspace, config)) if config else []


def warnings(workspace: Workspace, name: str | None) -> list[str]:
    """Warnings before a start with this saved configuration."""
    config, scan = _saved_config(workspace, name), clip_cache.scanned(workspace)
    unfit = window_fit.problem(config, window_fit.speech_of(scan.clips)) if config and scan else None
    return [*([str(unfit)] if unfit else []), *(splits.voice_sentences(workspace) if config else [])]


def _start(workspace: Workspace, newest_run: str) -> None:
    """Start a run and show it, or show every problem. `newest_run` is the newest run when the form was drawn."""
    name: str = st.session_state.get("start_config") or ""
    label = " ".join(st.session_state.get("start_label", "").split())
    try:
        data = regular_file.read_bytes(saved_configs.path_of(workspace, name)) if name else b""
        config, problems = config_file.parse(data), [] if name else [NO_CONFIGURATION]
    except ConfigError as error:
        problems = [f"{name}.yaml: {problem}" for problem in error.problems]
    except OSError as error:
        problems = [f"The configuration {name} cannot be read: {error_sentence(error)}"]
    if problems:
        run_start.post_problems([*problems, *preflight.problems(workspace, None)], run_controls.PLACE)
        return
    if run := run_start.start(workspace, config, name, label, newest_run, run_controls.PLACE):
        st.query_params["run"] = run


def show(workspace: Workspace) -> None:
    """Configuration, name and `Start Training`, which stays enabled: a click shows what is missing."""
    newest_run = run_start.newest_run(workspace)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            "Configuration",
            saved_configs.names(workspace),
            key="start_config",
            width=210,
            placeholder="None saved yet",
            help="Saved configurations, newest first.",
        )
        st.text_input("Run name (optional)", key="start_label", max_chars=80, width=185)
        st.button("Start Training", type="primary", on_click=_start, args=(workspace, newest_run))
        show_device(workspace, name)


def watch_form(workspace: Workspace, run: Run | None) -> Style:
    """The run picker, the controls of the run and the style of its charts."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if run:
            run_picker.selector(workspace, run)
        run_controls.show(workspace, run)
    if run is None:
        return Style()
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="right"):
        style = charts.style_form()
    st.space("xsmall")  # room for the chart toolbar, which appears above the charts on hover
    return style


def messages(workspace: Workspace) -> None:
    """The results of the last click, else what a start still lacks; each sentence once, with links to the pages."""
    errors = [message.text for message in flash.show(run_controls.PLACE) if message.tone == "error"]
    texts = errors or _missing(workspace)
    for text in [] if errors else dict.fromkeys(texts):
        st.warning(plain(text))
    run_start.link_pages(texts)
    _show_repeat(workspace, st.session_state.get("start_config"))


def _show_repeat(workspace: Workspace, name: str | None) -> None:
    """Say before a start that it would repeat a run to the byte."""
    config = _saved_config(workspace, name)
    here = preflight.machine(workspace, config) if config else None
    if config and here and (run := repeats.repeated(repeats.read(workspace), config, here)):
        st.info(
            f"{plain(run_picker.name_of(run))} was trained with these options on these clips. Another run ends with "
            "the same model, byte for byte, unless you change the seed, an option or the clips."
        )


def _missing(workspace: Workspace) -> list[str]:
    """Problems and warnings before a start; the clips themselves are checked at the click."""
    texts = [] if saved_configs.names(workspace) else [NO_CONFIGURATION]
    unsplit = not all(manifest.split_file(workspace, split).exists() for split in manifest.SPLITS)
    name = st.session_state.get("start_config")
    missing = [*shortages(workspace, name), *warnings(workspace, name)]
    return [*texts, *([manifest.NOT_FOUND] if unsplit else []), *missing]
