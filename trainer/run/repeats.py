"""Finds the runs of a configuration on the current splits: a further one ends with the same model on a CPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trainer.audio import manifest
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.estimates import requirements
from trainer.estimates.requirements import Machine
from trainer.run import earlier_run, launch, runs
from trainer.run.documents import Request
from trainer.run.runs import Run
from trainer.system import durable, regular_file
from trainer.system.workspace import Workspace

MOST_RUNS = 100
"""Number of newest runs that are read."""


@dataclass(frozen=True)
class RunsByConfig:
    """Runs on the current splits, newest first, by the options of their configuration."""

    workspace: Workspace
    runs: Mapping[bytes, tuple[Run, ...]]


def _options(text: bytes) -> bytes:
    """The options in a configuration file of a run, whatever their preset."""
    return b"\n".join(line for line in text.splitlines() if not line.startswith(b"preset:"))


def read(workspace: Workspace) -> RunsByConfig:
    """Read the configurations of the newest runs; without splits there are none."""
    try:
        fingerprint = manifest.fingerprint(workspace)
    except OSError:
        return RunsByConfig(workspace, {})
    by_options: dict[bytes, tuple[Run, ...]] = {}
    for run in runs.all_runs(workspace)[:MOST_RUNS]:
        request = durable.read_document(Request, run.request_file)
        if request and request.split_fingerprint == fingerprint:
            try:
                options = _options(regular_file.read_bytes(run.config_file))
            except OSError:
                continue
            by_options[options] = (*by_options.get(options, ()), run)
    return RunsByConfig(workspace, by_options)


def completed(known: RunsByConfig, config: Config) -> Run | None:
    """The newest run of this configuration that trained all it was to train; None when there is none."""
    try:
        options = _options(config_file.dump(earlier_run.resolved(known.workspace, config)))
    except ValueError:
        return None
    ended = (run for run in known.runs.get(options, ()) if runs.status(run).state == "completed")
    return next(ended, None)


def repeated(known: RunsByConfig, config: Config, here: Machine) -> Run | None:
    """The run that a further one of this configuration would repeat to the byte: on the CPU, with the same versions."""
    run = None if requirements.on_gpu(config, here) else completed(known, config)
    request = durable.read_document(Request, run.request_file) if run else None
    return run if request and request.versions == launch.package_versions() else None


def seconds(run: Run) -> float | None:
    """How long a run trained; None when its report is gone."""
    progress = runs.status(run).progress
    return progress.elapsed_seconds if progress else None
