"""Previews of augmented clips, computed by a process that may import torch."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from trainer.system import durable, processes
from trainer.system.workspace import PROJECT_ROOT, Workspace


class _Fact(BaseModel):
    epoch: int
    positive: bool
    start_seconds: float
    end_seconds: float


class _Index(BaseModel):
    """What the engine leaves as index.json."""

    clip: str
    draws: list[_Fact]


@dataclass(frozen=True)
class Draw:
    """One draw: what is heard (a WAV file), what the model sees [rows, frames], when it would come, and which part of
    the clip it takes (both 0 when none)."""

    wav: Path
    features: NDArray[np.float32]
    epoch: int
    positive: bool
    start_seconds: float
    end_seconds: float


def make(workspace: Workspace, config: Path, clip: str) -> Path:
    """Have the engine draw; returns the folder. Raises ValueError with its last word when it cannot, OSError."""
    partial = workspace.preview.with_name("preview.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    command = [
        sys.executable,
        "-m",
        "trainer.engine.training.preview",
        str(workspace.root),
        str(config.absolute()),
        clip,
        str(partial),
    ]
    environment = processes.environment_of_engine(workspace)
    done = subprocess.run(command, cwd=PROJECT_ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ValueError(last if done.returncode == 2 else f"The preview failed: {last}")
    shutil.rmtree(workspace.preview, ignore_errors=True)
    partial.rename(workspace.preview)
    return workspace.preview


def read(workspace: Workspace) -> tuple[str, list[Draw]]:
    """(clip, its draws) of the last preview; without one, an empty text and an empty list."""
    try:
        index = _Index.model_validate(durable.read_json(workspace.preview / "index.json"))
        features = [np.load(workspace.preview / f"{n:02d}.npy", allow_pickle=False) for n in range(len(index.draws))]
    except (OSError, ValueError):
        return "", []
    wavs = [workspace.preview / f"{n:02d}.wav" for n in range(len(index.draws))]
    return index.clip, [
        Draw(wav, seen, **fact.model_dump()) for wav, seen, fact in zip(wavs, features, index.draws, strict=True)
    ]
