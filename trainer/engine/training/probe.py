"""The process that measures how long a configuration would train on this machine.

    python -m trainer.engine.training.probe ROOT CONFIG_FILE OUT_FILE

Writes OUT_FILE atomically, see `trainer.run.probe.Measured`. Exits with 2 and one sentence when the
configuration cannot be trained.
"""

from __future__ import annotations

import functools
import os
import shutil
import sys
from pathlib import Path

import torch

from trainer.audio import manifest
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.engine.data import clips
from trainer.engine.training import loop, timing
from trainer.run import probe
from trainer.run.documents import Progress
from trainer.run.engine_process import print_progress
from trainer.run.runs import Run
from trainer.system import durable, processes
from trainer.system.workspace import Workspace


def write(workspace: Workspace, config: Config, out: Path) -> None:
    """Measure and write. Raises ValueError, FileNotFoundError, OSError as a training does at its start.

    The clips are prepared before the measurement, because the training finds them in the cache. Checkpoints go to a
    folder beside `out`, on the disk that a run would use; it is removed.
    """
    started, fingerprint = processes.age_seconds(), manifest.fingerprint(workspace)
    splits = manifest.read_splits(workspace)
    clips.prepare(workspace, [*splits["train"], *splits["val"]], print_progress)
    run = Run(out.with_name(f"{out.name}.partial"))
    shutil.rmtree(run.folder, ignore_errors=True)  # left by a probe that was killed
    run.folder.mkdir(parents=True)
    try:
        durable.replace_bytes(run.config_file, config_file.dump(config))
        began = processes.age_seconds()
        session = loop.prepare(workspace, run, 1, functools.partial(_tell_preparation, run))
        print_progress(0, 0, "Training for some seconds")
        measured = timing.measure(session, started + processes.age_seconds() - began)
    finally:
        shutil.rmtree(run.folder, ignore_errors=True)
    memory = {"peak_memory_bytes": processes.peak_memory_bytes()}
    names = {"config": probe.digest(config), "split_fingerprint": fingerprint}
    durable.replace_json(out, probe.Measured.model_validate(measured | memory | names).model_dump())


def _tell_preparation(run: Run) -> None:
    """Print what the preparation of a training does, by its journal, in place of reading requests."""
    progress = durable.read_document(Progress, run.progress_file)
    if progress and progress.doing:
        print_progress(0, 0, progress.doing)


def main(root: str, config: str, out: str) -> int:
    processes.die_with_parent(os.getppid())
    try:
        write(Workspace(Path(root)), config_file.load(Path(config)), Path(out))
    except torch.OutOfMemoryError:
        print("The GPU's memory is full; take a smaller training.batch_size.", file=sys.stderr)  # noqa: T201 - the job shows the last line
        return 2
    except (ValueError, FileNotFoundError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)  # noqa: T201 - the job shows the last line
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
