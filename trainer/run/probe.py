"""A short measurement of the training time of a configuration, in a process of its own that imports torch."""

from __future__ import annotations

import hashlib
import signal
import subprocess
from pathlib import Path

from pydantic import BaseModel

from trainer.audio import manifest
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.run import earlier_run, engine_process
from trainer.system import durable, processes
from trainer.system.job import Report
from trainer.system.log_lines import clock_time
from trainer.system.workspace import Workspace

MOST_KEPT = 30
"""Number of configurations whose last result is kept."""


class Measured(BaseModel, frozen=True):
    """The result of a probe: seconds of each part of a training, of one epoch (`batches`, validation and checkpoint),
    and of all `epochs` including start, mining and stream, without early stopping.

    It is valid for `config` and `split_fingerprint`, see `digest` and `manifest.fingerprint`.
    """

    prepare_seconds: float
    first_batch_seconds: float
    batch_seconds: float
    batches: int
    validation_seconds: float
    checkpoint_seconds: float
    mining_seconds: float
    stream_seconds: float
    epoch_seconds: float
    total_seconds: float
    epochs: int
    device: str
    peak_memory_bytes: int
    gpu_memory_bytes: int | None
    config: str
    split_fingerprint: str


def digest(config: Config) -> str:
    """SHA-256 of the options of a configuration, whatever its preset, in hexadecimal."""
    return hashlib.sha256(config_file.dump(config.model_copy(update={"preset": ""}))).hexdigest()


def result_file(workspace: Workspace) -> Path:
    return workspace.jobs / "probe.result.json"


def read(workspace: Workspace) -> Measured | None:
    """The result of the last probe; None before the first."""
    return durable.read_document(Measured, result_file(workspace))


def kept_file(workspace: Workspace, digest: str) -> Path:
    """The last result for the configuration with this digest."""
    return workspace.probes / f"{digest}.json"


def of(workspace: Workspace, config: Config) -> Measured | None:
    """The result for this configuration and the current split; None when there is none."""
    wanted = digest(config)
    try:
        fingerprint = manifest.fingerprint(workspace)
    except FileNotFoundError:
        return None
    results = (read(workspace), durable.read_document(Measured, kept_file(workspace, wanted)))
    valid = (each for each in results if each and (each.config, each.split_fingerprint) == (wanted, fingerprint))
    return next(valid, None)


def _keep(workspace: Workspace, measured: Measured) -> None:
    """Store a result beside those of other configurations, and remove all but the MOST_KEPT newest."""
    path = kept_file(workspace, measured.config)
    path.parent.mkdir(parents=True, exist_ok=True)
    durable.replace_json(path, measured.model_dump())
    for old in durable.newest_first(path.parent.glob("*.json"))[MOST_KEPT:]:
        old.unlink(missing_ok=True)


def _check(workspace: Workspace, config: Config) -> None:
    """Raises ValueError or FileNotFoundError when this cannot be trained, before torch is imported."""
    problems = manifest.problems(workspace, manifest.read_splits(workspace))
    if problem := earlier_run.problem(workspace, config):
        problems.append(problem)
    if problems:
        raise ValueError(problems[0])


def measure(workspace: Workspace, config: Path, report: Report) -> Measured:
    """Measure the configuration in this file; takes about ten seconds, longer when the clips are not cached.

    A second probe waits for the first, because they would slow each other down. Raises ValueError or FileNotFoundError
    with one sentence when it cannot be measured, OSError.
    """
    _check(workspace, config_file.load(config))
    out = result_file(workspace)
    workspace.jobs.mkdir(parents=True, exist_ok=True)
    command = ["trainer.engine.training.probe", str(workspace.root), str(config.absolute()), str(out)]
    with processes.exclusive_lock(workspace.jobs / "probe.lock"):
        done = engine_process.run(workspace, command, report)
        if done.returncode:
            raise ValueError(_refusal(done))
        measured = read(workspace)
        if measured:
            _keep(workspace, measured)
    if measured is None:
        raise ValueError(f"The probe left no result in {out}. Start it again.")
    return measured


def _refusal(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        return f"The probe was ended by {name}. If memory is short, lower training.batch_size."
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return last if done.returncode == 2 else f"The probe failed: {last}"


def sentence(measured: Measured) -> str:
    """The result of a probe, as a sentence."""
    return (
        f"An epoch takes about {measured.epoch_seconds:.1f} s, and all {measured.epochs:,} epochs take at most "
        f"{clock_time(measured.total_seconds)}, on {measured.device}. "
        f"Peak memory: {measured.peak_memory_bytes / 1e9:.1f} GB."
    )
