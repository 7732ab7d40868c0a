"""The model folder of a run: whether it holds the run's best model, and making it so."""

from __future__ import annotations

import subprocess
import sys

from trainer import detector_file, documents, processes
from trainer.detector_file import DetectorFile
from trainer.documents import Best
from trainer.runs import Run
from trainer.workspace import PROJECT_ROOT


def _current(run: Run, with_int8: bool) -> DetectorFile | None:
    """What the model folder of a run holds, if that is its best model, with eight bits where that is wanted."""
    file = documents.read(DetectorFile, detector_file.path_in(run.model))
    best = documents.read(Best, run.checkpoints / "best.json")
    return file if file and best and file.checkpoint == best.checkpoint and (file.int8 or not with_int8) else None


def _make(run: Run, with_int8: bool) -> None:
    """Export in a process of its own, the only kind that has torch. Raises ValueError with its last line."""
    command = [sys.executable, "-m", "trainer.engine.export", str(run.folder), *(["--int8"] if with_int8 else [])]
    done = subprocess.run(
        command, cwd=PROJECT_ROOT, env=processes.environment_of_engine(), capture_output=True, text=True
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ValueError(last if done.returncode == 2 else f"Run {run.id} could not be exported: {last}")


def ensure(run: Run, with_int8: bool = False) -> DetectorFile:
    """Export the best model of a run unless it is there already. Raises ValueError with why it cannot be."""
    if _current(run, with_int8) is None:
        _make(run, with_int8)
    file = documents.read(DetectorFile, detector_file.path_in(run.model))
    if file is None:
        raise ValueError(f"{run.model} is damaged; remove it and export again.")
    return file
