"""The estimates panel: what a training needs, what the machine has, and times measured by a probe."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui.configuration import editing
from pages.ui.configuration.editing import Checked
from pages.ui.shared import flash, job_progress, metrics
from pages.ui.shared.frame import plain
from pages.ui.shared.metrics import Metric
from trainer.config import config_file
from trainer.config.config_file import ConfigError
from trainer.config.schema import Config
from trainer.estimates import model_size, requirements
from trainer.estimates.requirements import Estimate, Machine
from trainer.run import probe
from trainer.system import durable
from trainer.system.display_text import counted
from trainer.system.job import Verb
from trainer.system.log_lines import clock_time
from trainer.system.workspace import Workspace

PROBE: tuple[Verb, ...] = ("probe",)
UNKNOWN = "–"
MEASURE = "Measure time"
MEASURE_HELP = (
    "Trains with this configuration for a few seconds in a separate process, to estimate the time on this machine, "
    "without creating a run. Speech embeddings are computed first, which takes minutes; a later training reuses them."
)
CONTAINER = " (limit of its container)"


def show(workspace: Workspace, checked: Checked) -> None:
    """Draw the estimates, whether they fit this machine, and the probe."""
    config = checked.config
    with st.container(border=True, gap="small"):
        metrics.show([*_sizes(checked.needs, checked.machine), *_times(workspace, config)], least_width=115)
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.caption(_caption(config, checked.machine))
            st.button(
                MEASURE,
                on_click=_measure,
                args=(workspace,),
                disabled=config is None or bool(job_progress.running(workspace, PROBE)),
                help=MEASURE_HELP,
            )
        _show_probe(workspace, config)


def _sizes(needs: Estimate | None, here: Machine) -> list[Metric]:
    gpu = f"on {here.gpu_name}" if here.gpu_name else "on a GPU; this machine has none"
    helps = {
        "Parameters": "Trainable parameters of the model. Exact.",
        "Multiply-adds": "Multiply-adds of the model per window. Exact.",
        "Memory": f"Estimated peak when training on the CPU{_clips(needs)}.",
        "GPU memory": f"Estimated peak {gpu}.",
        "Disk": "Estimated largest size of the run folder.",
    }
    values = _values(needs) if needs else [UNKNOWN] * len(helps)
    return [Metric(name, value, helps[name]) for name, value in zip(helps, values, strict=True)]


def _clips(needs: Estimate | None) -> str:
    if not needs or not needs.clip_bytes:
        return ", without the clips"
    return f"; {metrics.gigabytes(needs.clip_bytes)} of it are cached clips, which the system frees when needed"


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
    hint = f"Click {MEASURE} to measure it on this machine."
    text = "Estimated from a few seconds of training. Early stopping may end the run sooner." if measured else hint
    return [Metric("Time per epoch", epoch, text), Metric("Total time", total, text)]


def _caption(config: Config | None, here: Machine) -> str:
    gpu = f"{plain(here.gpu_name)} with {metrics.gigabytes(here.gpu_memory_free)} free" if here.gpu_name else "no GPU"
    cores = counted(here.cores, "core") + (CONTAINER if here.cores_limited else "")
    memory = metrics.gigabytes(here.memory_total) + (CONTAINER if here.memory_limited else "")
    machine = (
        f"Parameters and multiply-adds are exact, the rest are estimates. This machine: {cores}, "
        f"{metrics.gigabytes(here.memory_free)} of {memory} memory free, {gpu}, "
        f"{metrics.gigabytes(here.disk_free)} of disk space free."
    )
    if config is None:
        return machine
    return " ".join(filter(None, [machine, requirements.fitting_sentence(config, here), _embedding_cost(config)]))


def _embedding_cost(config: Config) -> str:
    """The cost of the speech embedding, which a device computes besides the model."""
    if config.features.kind != "speech_embedding":
        return ""
    return (
        f"The speech embedding adds {model_size.EMBEDDING_PARAMETERS:,} frozen "
        f"parameters, {model_size.EMBEDDING_MULTIPLY_ADDS / 1e6:.1f} M multiply-adds every 80 ms."
    )


def _show_probe(workspace: Workspace, config: Config | None) -> None:
    """Draw the progress of the probe; after it, why there is no time to show."""
    busy, _ = job_progress.show_progress(workspace, PROBE)
    current = config is not None and _probed_digest(workspace) == probe.digest(config)
    ended = job_progress.last_ended(workspace, PROBE)
    if busy and not current:
        st.caption("The form has changed since the measurement started, which uses the previous values.")
    elif current and ended and ended.state == "failed":
        st.error(plain(f"The time could not be measured: {ended.message}"))
    if config and not busy and probe.read(workspace) and not probe.of(workspace, config):
        st.caption(f"The last measurement used another configuration or other splits. Click {MEASURE} to repeat it.")


def _probe_file(workspace: Workspace) -> Path:
    return workspace.jobs / "probe.yaml"


def _probed_digest(workspace: Workspace) -> str:
    """Digest of the configuration that was probed last; empty when there is none."""
    try:
        return probe.digest(config_file.load(_probe_file(workspace)))
    except (OSError, ConfigError):
        return ""


def _measure(workspace: Workspace) -> None:
    """Measure the values of the form, saved or not."""
    checked = editing.check(workspace, editing.save_fields(workspace))
    if checked.config is None:
        editing.post_problems("The configuration is not valid.", checked.problems)
        return
    measure(workspace, checked.config)


def measure(workspace: Workspace, config: Config) -> None:
    """Start a probe of this configuration, unless one is running. For callbacks."""
    path = _probe_file(workspace)
    if job_progress.running(workspace, PROBE):
        return
    try:
        workspace.jobs.mkdir(parents=True, exist_ok=True)
        durable.replace_bytes(path, config_file.dump(config))
    except OSError as error:
        flash.error(job_progress.PLACE, error)
        return
    job_progress.start(workspace, "probe", [str(path)])
