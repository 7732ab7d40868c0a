"""The forms of the Training page: the start form with its checks, and the run and chart controls."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import streamlit as st

from pages.ui.shared import charts, clip_cache, flash, frame, run_controls, run_picker
from pages.ui.shared.curves import Style
from pages.ui.shared.frame import error_sentence, plain
from pages.ui.shared.run_notice import state_word
from trainer.audio import manifest
from trainer.config import config_file, saved_configs
from trainer.config.config_file import ConfigError
from trainer.config.schema import Config
from trainer.dataset import splits, window_fit
from trainer.run import launch, preflight, runs
from trainer.run.runs import Run
from trainer.run.state import ACTIVE
from trainer.system import regular_file
from trainer.system.workspace import Workspace

NO_CONFIGURATION = "No configuration loaded. Choose or save one on the Configuration page first."
ALREADY = "Training already in progress"


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


def form_token(workspace: Workspace, name: str, config: bytes, label: str, newest_run: str) -> str:
    """A digest of the filled-in form: equal in two tabs that hold the same values over the same runs."""
    parts = [name.encode(), config, manifest.fingerprint(workspace).encode(), label.encode(), newest_run.encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


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
        _post_problems([*problems, *preflight.problems(workspace, None)])
        return
    token = form_token(workspace, name, data, label, newest_run)

    def start() -> None:
        try:
            _watch(launch.start(workspace, config, name, label, token))
        except preflight.StartRefusedError as refused:
            _post_problems(refused.problems)

    flash.attempt(run_controls.PLACE, start)


def _post_problems(problems: Sequence[str]) -> None:
    flash.post(run_controls.PLACE, *(flash.Message("error", text) for text in problems))


def _watch(started: launch.Started) -> None:
    """Show the run, and say so when the form had already started it."""
    st.query_params["run"] = started.run.id
    if started.already:
        flash.post(run_controls.PLACE, _already_message(started.run))


def show(workspace: Workspace) -> None:
    """Configuration, name and `Start Training`, which stays enabled: a click shows what is missing."""
    newest_run = next((run.id for run in runs.all_runs(workspace)), "")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            "Configuration",
            saved_configs.names(workspace),
            key="start_config",
            width=260,
            placeholder="None saved yet",
            help="Saved configurations, newest first.",
        )
        st.text_input("Run name (optional)", key="start_label", max_chars=80, width=260)
        st.button("Start Training", type="primary", on_click=_start, args=(workspace, newest_run))
        show_device(workspace, name)


def watch_form(workspace: Workspace, run: Run | None) -> Style:
    """The run picker, the controls of the run and the style of the charts."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if run:
            run_picker.selector(workspace, run)
        run_controls.show(workspace, run)
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
    if NO_CONFIGURATION in texts:
        st.page_link(frame.CONFIGURATION, label="Go to Configuration", icon=":material/tune:")
    if any("Dataset page" in text for text in texts):
        st.page_link(frame.DATASET, label="Go to Dataset", icon=":material/library_music:")


def _missing(workspace: Workspace) -> list[str]:
    """Problems and warnings before a start; the clips themselves are checked at the click."""
    texts = [] if saved_configs.names(workspace) else [NO_CONFIGURATION]
    unsplit = not all(manifest.split_file(workspace, split).exists() for split in manifest.SPLITS)
    name = st.session_state.get("start_config")
    missing = [*shortages(workspace, name), *warnings(workspace, name)]
    return [*texts, *([manifest.NOT_FOUND] if unsplit else []), *missing]


def _already_message(run: Run) -> flash.Message:
    state = runs.status(run).state
    text = ALREADY if state in ACTIVE else f"This form already started a run, which is now {state_word(state).lower()}."
    link = flash.Link(
        frame.TRAINING, f"Open {plain(run_picker.name_of(run))}", ":material/monitoring:", {"run": run.id}
    )
    return flash.Message("warning", text, link=link)
