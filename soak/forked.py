"""Attempts of runs forked from a process that has imported torch, and the results of runs.

An attempt does the same as the trainer process without the start of an interpreter. Equal trainings must have equal
checkpoints (weights, optimizer state), best.json and metrics.jsonl, byte by byte.
"""

from __future__ import annotations

import atexit
import functools
import io
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tiny import make_workspace
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.run.runs import Run
from trainer.system import durable
from trainer.system.workspace import Workspace

ReadRequest = Callable[[], Any]
"""As of `trainer.engine.training.session`, which takes too long to import here."""
FORKS = multiprocessing.get_context("forkserver")
PRELOADED = (
    "trainer.engine.training.loop",
    "trainer.engine.training.failure_report",
    "trainer.run.launch",
    "tests.tiny",
)
FORKS.set_forkserver_preload(list(PRELOADED))
OFTEN = 1e-9
"""Minutes between checkpoints within an epoch, so that one follows every step."""


def config_of(checkpoint_minutes: float) -> Config:
    """A training of a second or two with everything that has state: mining, averaging, accumulation, a plateau."""
    return config_file.build({
        "model": {"width": 0.25, "dropout": 0.2},
        "data": {"mined_share": 0.3, "mining_epochs": 1},
        "augmentation": {"shift_ms": 100},
        "optimizer": {
            "learning_rate": 0.02, "warmup_epochs": 0.2, "schedule": "plateau", "plateau_patience": 1, "ema_decay": 0.9,
        },
        "training": {
            "epochs": 4, "batch_size": 8, "patience": 3, "threads": 1, "device": "cpu", "accumulate": 2,
            "checkpoint_minutes": checkpoint_minutes,
        },
    })  # fmt: skip


def nothing() -> None:
    """No request, and nothing to do before an attempt."""


def attempt(root: Path, folder: Path, number: int, read_request: ReadRequest, before: Callable[[], None]) -> None:
    """One attempt of a run in a process of its own; `before` is called first."""
    from trainer.engine.training import loop

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    before()
    try:
        if loop.train(loop.prepare(Workspace(root), Run(folder), number, read_request)).state == "completed":
            (folder / "done").touch()
    except loop.EndedEarlyError:
        return


def is_done(run: Run) -> bool:
    return (run.folder / "done").exists()


def make_run(workspace: Workspace, name: str, config: Config) -> Run:
    run = Run(workspace.runs / name)
    run.folder.mkdir(parents=True)
    durable.replace_bytes(run.config_file, config_file.dump(config))
    return run


def start(
    workspace: Workspace,
    run: Run,
    number: int,
    read_request: ReadRequest = nothing,
    before: Callable[[], None] = nothing,
) -> Any:
    process = FORKS.Process(target=attempt, args=(workspace.root, run.folder, number, read_request, before))
    process.start()
    return process


def play(
    workspace: Workspace,
    run: Run,
    number: int,
    read_request: ReadRequest = nothing,
    before: Callable[[], None] = nothing,
) -> int:
    """Run an attempt to its end; returns its exit code."""
    process = start(workspace, run, number, read_request, before)
    process.join()
    return process.exitcode


def _leaves(state: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Every number, text and tensor (as bytes) in a checkpoint."""
    import torch

    if isinstance(state, torch.Tensor):
        yield name, (tuple(state.shape), str(state.dtype), state.numpy().tobytes())
    elif isinstance(state, dict):
        for key in state:
            yield from _leaves(state[key], f"{name}.{key}")
    elif isinstance(state, (list, tuple)):
        for index, value in enumerate(state):
            yield from _leaves(value, f"{name}.{index}")
    else:
        yield name, state


def result(run: Run) -> dict[str, object]:
    """Everything that the seed decides in a completed run: names and bytes of files, content of the last checkpoint."""
    import torch

    saved = sorted(run.checkpoints.glob("epoch-*.pt"))
    state = torch.load(io.BytesIO(saved[-1].read_bytes()), weights_only=True)
    files = {
        path.name: path.read_bytes()
        for path in [run.metrics_file, run.label_scores_file, run.checkpoints / "best.json", *saved]
    }
    return {"files": sorted(path.name for path in run.checkpoints.iterdir()), **files, "state": dict(_leaves(state))}


def differing(run: Run, expected: dict[str, object]) -> list[str]:
    """The parts of the result of a run that differ from another result."""
    own = result(run)
    return [part for part in expected if own.get(part) != expected[part]]


@dataclass(frozen=True)
class Baseline:
    """A workspace, the result of an uninterrupted run in it, and the seconds of one that saves after every step."""

    workspace: Workspace
    expected: dict[str, object]
    seconds: float


@functools.cache
def data() -> Workspace:
    """A workspace with data, created once per process."""
    root = Path(tempfile.mkdtemp(prefix="soak-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    return make_workspace(root)


@functools.cache
def baseline() -> Baseline:
    """Created once per process. The uninterrupted run has checkpoints after epochs only."""
    workspace, started = data(), time.monotonic()
    for name, minutes in (("warm-up", OFTEN), ("all", OFTEN), ("uninterrupted", 0.0)):
        started, before = time.monotonic(), started
        run = make_run(workspace, name, config_of(minutes))
        if code := play(workspace, run, 1):
            raise RuntimeError(f"The uninterrupted run failed with exit code {code}.")
    return Baseline(workspace, result(run), started - before)
