"""The preset cards: what each preset is for, what a training takes, and buttons that train with it or load it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.ui.configuration import editing, estimate_panel
from pages.ui.configuration.draft import Draft, Source
from pages.ui.shared import flash, frame, job_progress, metrics, run_start
from pages.ui.shared.frame import plain
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.estimates import requirements
from trainer.estimates.requirements import Machine
from trainer.run import earlier_run, probe, repeats
from trainer.run.repeats import RunsByConfig
from trainer.system.log_lines import clock_time
from trainer.system.workspace import Workspace

FIRST = ("recommended", "quick", "small_data", "tiny_device")
"""The presets in view; the others are folded below them."""
PLACE = "preset_cards"
STARTED = "started_from_preset"
"""Key of the run that a click on a card has started, until the page leads to it."""
TRAIN_HELP = "Starts a training with this preset as it is, and shows it on the Training page."
CHOOSE_HELP = "Loads this preset into the fields under Customize."


def show(workspace: Workspace, edited: Draft) -> None:
    """Draw the cards and what the last click on one came to; after a start, lead to the Training page."""
    if run := st.session_state.pop(STARTED, ""):
        st.switch_page(frame.TRAINING, query_params={"run": run})
    names, here = config_file.presets(), requirements.machine(workspace)
    known, newest = repeats.read(workspace), run_start.newest_run(workspace)
    run_start.link_pages([message.text for message in flash.show(PLACE)])
    _grid([name for name in names if name in FIRST], known, here, newest, edited)
    with st.expander("More presets"):
        _grid([name for name in names if name not in FIRST], known, here, newest, edited)


def _grid(names: Sequence[str], known: RunsByConfig, here: Machine, newest: str, edited: Draft) -> None:
    with st.grid(4, min_column_width=210):
        for name in names:
            with st.container(border=True, height="stretch", gap="small", key=f"card_{name}"):
                _card(name, known, here, newest, edited)


def _card(name: str, known: RunsByConfig, here: Machine, newest: str, edited: Draft) -> None:
    config, workspace = config_file.preset(name), known.workspace
    title, _, purpose = config_file.situation(name).partition(": ")
    loaded = " :blue-badge[loaded]" if edited.source == Source("preset", name) and not edited.changed() else ""
    st.markdown(f"**{plain(title)}**{loaded}")
    st.caption(plain(purpose[:1].upper() + purpose[1:]))
    time = _time(known, config)
    st.caption(plain(_facts(config, time)))
    if repeats.repeated(known, config, here):
        st.caption("Trained already on these clips: another run ends with the same model.")
    refusal = earlier_run.problem(workspace, config)
    with st.container(horizontal=True, gap="xsmall"):
        st.button(
            "Train now",
            key=f"train_{name}",
            type="primary" if name == FIRST[0] else "secondary",
            on_click=_train,
            args=(workspace, name, newest),
            disabled=bool(refusal),
            help=plain(refusal or TRAIN_HELP),
        )
        st.button("Choose", key=f"choose_{name}", on_click=_choose, args=(workspace, name), help=CHOOSE_HELP)
        if not time:
            st.button(
                "Estimate time",
                key=f"estimate_{name}",
                type="tertiary",
                on_click=estimate_panel.measure,
                args=(workspace, config),
                disabled=bool(refusal or job_progress.running(workspace, estimate_panel.PROBE)),
                help=estimate_panel.MEASURE_HELP,
            )


def _time(known: RunsByConfig, config: Config) -> str:
    """How long a training takes here, by a measurement or by a run of this configuration; empty when unknown."""
    if measured := probe.of(known.workspace, config):
        return f"At most {clock_time(measured.total_seconds)} here"
    run = repeats.completed(known, config)
    seconds = repeats.seconds(run) if run else None
    return "" if seconds is None else f"Took {clock_time(seconds)} here"


def _facts(config: Config, time: str) -> str:
    """Time, memory and disk, and the size of the model, on one line."""
    needs = requirements.estimate(config)
    memory = f"{metrics.gigabytes(needs.memory_bytes)} of memory"
    disk = f"{needs.disk_bytes / 1e6:,.0f} MB on disk"
    return " · ".join([*([time] if time else []), memory, disk, f"{needs.parameters:,} parameters"])


def _train(workspace: Workspace, name: str, newest: str) -> None:
    """Start a run with this preset as it is shipped."""
    if run := run_start.start(workspace, config_file.preset(name), name, "", newest, PLACE):
        st.session_state[STARTED] = run


def _choose(workspace: Workspace, name: str) -> None:
    st.session_state["chosen_preset"] = name
    editing.load(workspace, Source("preset", name))
