"""The preset cards: what each preset is for, what a training takes, and buttons that train with it or load it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from pages.ui.configuration import editing, estimate_panel
from pages.ui.configuration.draft import Draft, Source
from pages.ui.shared import clip_cache, flash, frame, job_progress, metrics, run_start
from pages.ui.shared.frame import plain
from trainer.audio import manifest
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.estimates import duration, requirements
from trainer.estimates.requirements import Machine
from trainer.run import earlier_run, pace, probe, repeats
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
ESTIMATED = "From the number of clips, and the pace of {}. Estimate time measures it."


@dataclass(frozen=True)
class Known:
    """What is known of runs on these splits, of this machine and its pace (None before its first training), the seconds
    of each preset on the reference machine, and the newest run."""

    runs: RunsByConfig
    here: Machine
    pace: float | None
    reference: Mapping[str, float]
    newest: str


def _read(workspace: Workspace) -> Known:
    stamp = clip_cache.stamp_of(*(manifest.split_file(workspace, split) for split in manifest.SPLITS))
    reference = _reference_seconds(str(workspace.root), stamp, workspace)
    here, newest = requirements.machine(workspace), run_start.newest_run(workspace)
    return Known(repeats.read(workspace), here, pace.read(workspace), reference, newest)


def show(workspace: Workspace, edited: Draft) -> None:
    """Draw the cards and what the last click on one came to; after a start, lead to the Training page."""
    if run := st.session_state.pop(STARTED, ""):
        st.switch_page(frame.TRAINING, query_params={"run": run})
    known = _read(workspace)
    run_start.link_pages([message.text for message in flash.show(PLACE)])
    names = config_file.presets()
    _grid([name for name in names if name in FIRST], known, edited)
    with st.expander("More presets"):
        _grid([name for name in names if name not in FIRST], known, edited)


def _grid(names: Sequence[str], known: Known, edited: Draft) -> None:
    with st.grid(4, min_column_width=210):
        for name in names:
            with st.container(border=True, height="stretch", gap="small", key=f"card_{name}"):
                _card(name, known, edited)


def _card(name: str, known: Known, edited: Draft) -> None:
    config, workspace = config_file.preset(name), known.runs.workspace
    title, _, purpose = config_file.situation(name).partition(": ")
    loaded = " :blue-badge[loaded]" if edited.source == Source("preset", name) and not edited.changed() else ""
    st.markdown(f"**{plain(title)}**{loaded}")
    st.caption(plain(purpose[:1].upper() + purpose[1:]))
    time = _time(known.runs, config)
    estimate, source = ("", "") if time else _estimate(name, known)
    st.caption(plain(_facts(config, time or estimate)), help=source or None)
    if repeats.repeated(known.runs, config, known.here):
        st.caption("Trained already on these clips: another run ends with the same model.")
    refusal = earlier_run.problem(workspace, config)
    with st.container(horizontal=True, gap="xsmall"):
        st.button(
            "Train now",
            key=f"train_{name}",
            type="primary" if name == FIRST[0] else "secondary",
            on_click=_train,
            args=(workspace, name, known.newest),
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


def _estimate(name: str, known: Known) -> tuple[str, str]:
    """About how long a training takes on the CPU, and from what that follows; both are empty when unknown."""
    if name not in known.reference or requirements.on_gpu(config_file.preset(name), known.here):
        return "", ""
    where, source = ("here", "earlier trainings here") if known.pace else ("on two cores", "a machine with two cores")
    text = duration.rounded(known.reference[name] * (known.pace or 1.0))
    return f"About {text} {where}, estimated", ESTIMATED.format(source)


@st.cache_data(max_entries=4, show_spinner=False)
def _reference_seconds(root: str, stamp: tuple[int, ...], _workspace: Workspace) -> dict[str, float]:
    """Seconds of a training with each preset on the machine of `duration`; empty without splits."""
    try:
        splits = manifest.read_splits(_workspace)
    except (FileNotFoundError, ValueError):
        return {}
    return {name: duration.seconds(config_file.preset(name), splits) for name in config_file.presets()}


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
