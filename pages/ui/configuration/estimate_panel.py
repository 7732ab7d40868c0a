"""What the edited configuration would need, beside what the machine has: sizes at once, times from a probe."""

from __future__ import annotations

import subprocess
from pathlib import Path

import streamlit as st

from pages.ui.configuration import config_check, editing
from pages.ui.configuration.config_check import Checked
from pages.ui.shared import metrics
from pages.ui.shared.frame import os_sentence, plain
from pages.ui.shared.metrics import Metric
from trainer.config import config_file
from trainer.config.config_file import ConfigError
from trainer.config.schema import Config
from trainer.estimates import model_size, requirements
from trainer.estimates.requirements import Estimate, Machine
from trainer.run import probe
from trainer.system import durable, job
from trainer.system.display_text import counted
from trainer.system.log_lines import clock_time
from trainer.system.workspace import Workspace

REFRESH_SECONDS = 1.0
UNKNOWN = "–"
MEASURE = "Measure time"
CONTAINER = " (limit of its container)"


def show(workspace: Workspace, found: Checked) -> None:
    """The numbers, what fits, and the probe."""
    config = found.config
    with st.container(border=True, gap="small"):
        metrics.show([*_sizes(found.needs, found.machine), *_times(workspace, config)], least_width=115)
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.caption(_caption(config, found.machine))
            st.button(
                MEASURE,
                on_click=_measure,
                args=(workspace,),
                disabled=config is None or _running(workspace),
                help="Trains a few seconds by this configuration, in a process of its own, and tells how long it would "
                "take here. No run is made. Speech embeddings are computed first; that takes minutes, and the "
                "training finds them.",
            )
        _progress(workspace, config)


def _sizes(needs: Estimate | None, here: Machine) -> list[Metric]:
    gpu = f"on {here.gpu_name}" if here.gpu_name else "of a training on a GPU; this machine has none"
    helps = {
        "Parameters": "Trainable numbers of the model. Exact.",
        "Multiply-adds": "Work of the model's layers for one window. Exact.",
        "Memory": f"Estimated peak of a training on the CPU{_clips(needs)}.",
        "GPU memory": f"Estimated peak {gpu}.",
        "Disk": "Estimated size of the run's folder, at most.",
    }
    values = _values(needs) if needs else [UNKNOWN] * len(helps)
    return [Metric(name, value, helps[name]) for name, value in zip(helps, values, strict=True)]


def _clips(needs: Estimate | None) -> str:
    if not needs or not needs.clip_bytes:
        return ", without the clips"
    return f"; {metrics.gigabytes(needs.clip_bytes)} of it are clips, which the system drops when others need memory"


def _values(size: Estimate) -> list[str]:
    return [
        f"{size.parameters:,}",
        f"{size.multiply_adds / 1e6:,.2f} M",
        metrics.gigabytes(size.memory_bytes),
        metrics.gigabytes(size.gpu_memory_bytes),
        f"{size.disk_bytes / 1e6:,.1f} MB",
    ]


def _times(workspace: Workspace, config: Config | None) -> list[Metric]:
    measured = probe.of(workspace, config) if config else None
    epoch = metrics.seconds(measured.epoch_seconds) if measured else UNKNOWN
    total = clock_time(measured.total_seconds) if measured else UNKNOWN
    hint = f"Press {MEASURE} to have it measured on this machine."
    told = "Estimated from a few seconds of training here; early stopping may end all sooner." if measured else hint
    return [Metric("Time per epoch", epoch, told), Metric("Time in all", total, told)]


def _caption(config: Config | None, here: Machine) -> str:
    gpu = f"{plain(here.gpu_name)} with {metrics.gigabytes(here.gpu_memory_free)} free" if here.gpu_name else "no GPU"
    cores = counted(here.cores, "core") + (CONTAINER if here.cores_limited else "")
    memory = metrics.gigabytes(here.memory_total) + (CONTAINER if here.memory_limited else "")
    machine = (
        f"Estimates, but for parameters and multiply-adds, which are exact. This machine: {cores}, "
        f"{metrics.gigabytes(here.memory_free)} of {memory} memory free, {gpu}, "
        f"{metrics.gigabytes(here.disk_free)} of disk free."
    )
    if config is None:
        return machine
    return " ".join(filter(None, [machine, requirements.fitting_sentence(config, here), _in_front(config)]))


def _in_front(config: Config) -> str:
    """What a device computes besides the model."""
    if config.features.kind != "speech_embedding":
        return ""
    return (
        f"The speech embedding in front of the model comes on top: {model_size.EMBEDDING_PARAMETERS:,} frozen "
        f"parameters, {model_size.EMBEDDING_MULTIPLY_ADDS / 1e6:.1f} M multiply-adds every 80 ms."
    )


def _running(workspace: Workspace) -> bool:
    found = job.read(workspace, "probe")
    return found is not None and found.state == "running"


def _progress(workspace: Workspace, config: Config | None) -> None:
    """What the probe does while it runs; else why there is no time to show."""
    busy = _running(workspace)
    asked = _asked(workspace) == probe.digest(config) if config else False
    st.fragment(_live, run_every=REFRESH_SECONDS if busy else None, key="probe")(workspace, busy, asked)
    if config and not busy and probe.read(workspace) and not probe.of(workspace, config):
        st.caption(f"What was measured last is another configuration or other splits; press {MEASURE} for this one.")


def _live(workspace: Workspace, busy: bool, asked: bool) -> None:
    """`asked`: whether what the probe was started for is what the form holds now."""
    found = job.read(workspace, "probe")
    if found and found.state == "running":
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(
                min(1.0, found.done / found.total) if found.total else 0.0, text=plain(found.doing or "Starting")
            )
            st.button("Cancel", key="cancel_probe", on_click=job.cancel, args=(workspace, "probe"))
        if not asked:
            st.caption("The form was changed since; what is being measured is the configuration before.")
    elif busy:
        st.rerun()
    elif asked and found and found.state == "failed":
        st.error(plain(f"The time could not be measured: {found.message}"))


def _asked_file(workspace: Workspace) -> Path:
    return workspace.jobs / "probe.yaml"


def _asked(workspace: Workspace) -> str:
    """The digest of what the probe was started for last; empty when there was none."""
    try:
        return probe.digest(config_file.load(_asked_file(workspace)))
    except (OSError, ConfigError):
        return ""


def _measure(workspace: Workspace) -> None:
    """Start the probe of the form as it is, saved or not; another tab's goes on undisturbed."""
    found, path = config_check.check(workspace, editing.as_it_stands(workspace)), _asked_file(workspace)
    if found.config is None:
        editing.say(editing.problems_message("The configuration is not valid.", found.problems))
        return
    if _running(workspace):
        return
    try:
        workspace.jobs.mkdir(parents=True, exist_ok=True)
        durable.replace_bytes(path, config_file.dump(found.config))
        job.start(workspace, "probe", [str(path)])
    except OSError as error:
        editing.say(editing.Message("error", plain(f"The data folder cannot be used: {os_sentence(error)}")))
    except subprocess.SubprocessError:
        log = job.log_file(workspace, "probe")
        editing.say(editing.Message("error", plain(f"The probe could not be started; see {log}.")))
