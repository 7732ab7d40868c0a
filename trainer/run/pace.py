"""The pace of this machine, from the newest training on the CPU, and the times that follow from it."""

from __future__ import annotations

from contextlib import suppress

from trainer.config import config_file
from trainer.config.config_file import ConfigError
from trainer.estimates import duration
from trainer.run import runs
from trainer.run.documents import Progress
from trainer.system import durable
from trainer.system.workspace import Workspace

MOST_RUNS = 20
"""Number of newest runs that are looked at."""


def read(workspace: Workspace) -> float | None:
    """Seconds here for each second of the reference machine, see `duration`; None before the first training."""
    for run in runs.all_runs(workspace)[:MOST_RUNS]:
        progress = durable.read_document(Progress, run.progress_file)
        measured = progress and progress.device.startswith("CPU") and progress.times.get("batches")  # after a warm-up
        seconds = progress.times.get("batch") if progress and measured else None
        if seconds:
            with suppress(OSError, ConfigError):
                return seconds / duration.batch_seconds(config_file.load(run.config_file))
    return None
