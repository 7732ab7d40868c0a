"""Runs that are killed at random moments and go on until they are done, against one that was never killed.

python -m tests.measure_resume --kills 200

Every run must end with the checkpoints (weights, state of the optimizer), best.json and metrics.jsonl of the one in one
go, byte by byte. Attempts are forked from a process that has imported torch, so that a kill costs no start of an
interpreter; they do what the trainer process does from there on, and a kill may meet them anywhere in it.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.tiny import make_workspace
from trainer import config_file, durable
from trainer.config import Config
from trainer.runs import Run
from trainer.workspace import Workspace

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["trainer.engine.loop"])
OFTEN = 1e-9
"""Minutes between checkpoints within an epoch: one after every step."""


def config_of(checkpoint_minutes: float) -> Config:
    """A training of a second or two with all that has a state: mining, averaging, gathered batches, a plateau."""
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


def attempt(root: Path, folder: Path, number: int) -> None:
    """One attempt of a run, in a process of its own."""
    from trainer.engine import loop

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    loop.train(loop.prepare(Workspace(root), Run(folder), number, lambda: None))
    (folder / "done").touch()


def make_run(workspace: Workspace, name: str, config: Config) -> Run:
    run = Run(workspace.runs / name)
    run.folder.mkdir(parents=True)
    durable.replace_bytes(run.config_file, config_file.dump(config))
    return run


def start(workspace: Workspace, run: Run, number: int) -> Any:
    process = FORKS.Process(target=attempt, args=(workspace.root, run.folder, number))
    process.start()
    return process


def _leaves(state: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Every number, text and tensor (as bytes) in what a checkpoint holds."""
    import torch

    if isinstance(state, torch.Tensor):
        yield name, (tuple(state.shape), str(state.dtype), state.numpy().tobytes())
    elif isinstance(state, dict):
        for key in state:
            yield from _leaves(state[key], f"{name}.{key}")
    elif isinstance(state, (list, tuple)):
        for place, value in enumerate(state):
            yield from _leaves(value, f"{name}.{place}")
    else:
        yield name, state


def result(run: Run) -> dict[str, object]:
    """All of a finished run that the seed decides: names and bytes of files, and what the last checkpoint holds."""
    import torch

    kept = sorted(run.checkpoints.glob("epoch-*.pt"))
    state = torch.load(io.BytesIO(kept[-1].read_bytes()), weights_only=True)
    files = {path.name: path.read_bytes() for path in [run.metrics_file, run.checkpoints / "best.json", *kept]}
    return {"files": sorted(path.name for path in run.checkpoints.iterdir()), **files, "state": dict(_leaves(state))}


def differing(run: Run, expected: dict[str, object]) -> list[str]:
    """What of a finished run differs from the result of another."""
    found = result(run)
    return [part for part in expected if found.get(part) != expected[part]]


@dataclass
class Tally:
    """What the kills have met."""

    kills: int = 0
    runs: int = 0
    different: list[str] = field(default_factory=list)
    parts: int = 0
    unmarked: int = 0
    torn_rows: int = 0

    def look(self, run: Run) -> None:
        """Count what a kill has left half-done."""
        folder = run.checkpoints
        self.parts += len([*folder.glob("*.tmp.*"), *run.folder.glob("*.tmp.*")])
        self.unmarked += sum(not path.with_name(f"{path.name}.json").exists() for path in folder.glob("epoch-*.pt"))
        rows = run.metrics_file.read_bytes() if run.metrics_file.exists() else b""
        self.torn_rows += bool(rows) and not rows.endswith(b"\n")

    def text(self) -> str:
        left = f"{self.parts} parts of files, {self.unmarked} checkpoints without a mark, {self.torn_rows} torn rows"
        ended = f"{self.runs} runs done, {len(self.different)} differences {self.different}"
        return f"{self.kills} kills, {ended}; left by kills: {left}"


def killed_run(workspace: Workspace, run: Run, dice: random.Random, longest: float, kills: int, tally: Tally) -> None:
    """Let a run go on until it is done, and kill it up to `kills` times within `longest` seconds of each start."""
    number, most = 0, tally.kills + kills
    while not (run.folder / "done").exists():
        number += 1
        process = start(workspace, run, number)
        process.join(dice.uniform(0, longest) if tally.kills < most else None)
        process.kill()
        process.join()
        if process.exitcode == -signal.SIGKILL:
            tally.kills += 1
            tally.look(run)
        elif process.exitcode:
            raise RuntimeError(f"Attempt {number} of {run.folder} failed with exit code {process.exitcode}.")


def reference(workspace: Workspace) -> tuple[dict[str, object], float]:
    """What a run in one go, with checkpoints after epochs alone, comes to, and the seconds it takes with all."""
    began = time.monotonic()
    for name, minutes in (("warm-up", OFTEN), ("all", OFTEN), ("one-go", 0.0)):
        began, before = time.monotonic(), began
        run = make_run(workspace, name, config_of(minutes))
        process = start(workspace, run, 1)
        process.join()
        if process.exitcode:
            raise RuntimeError(f"The run in one go failed with exit code {process.exitcode}.")
    return result(run), began - before


def measure(kills: int, seed: int) -> Tally:
    """Kill until there were so many."""
    tally, dice = Tally(), random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        workspace = make_workspace(Path(folder))
        expected, seconds = reference(workspace)
        while tally.kills < kills:
            run = make_run(workspace, f"run-{tally.runs}", config_of(OFTEN))
            killed_run(workspace, run, dice, 0.5 * seconds, kills - tally.kills, tally)
            tally.runs += 1
            tally.different += [f"{run.folder.name}: {part}" for part in differing(run, expected)]
            shutil.rmtree(run.folder)
            print(tally.text(), file=sys.stderr, flush=True)
    return tally


def main(kills: int, seed: int) -> int:
    began = time.monotonic()
    tally = measure(kills, seed)
    print(f"{tally.text()}; {time.monotonic() - began:.0f} s")
    return 1 if tally.different else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    sys.exit(main(given.kills, given.seed))
