"""Previews of augmented clips, computed by a process of the engine."""

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


class _DrawFacts(BaseModel):
    epoch: int
    positive: bool
    start_seconds: float
    end_seconds: float


class _Index(BaseModel):
    """index.json, which the engine writes."""

    clip: str
    draws: list[_DrawFacts]


@dataclass(frozen=True)
class Draw:
    """One augmented window: its audio (a WAV file), its features [rows, frames], its epoch, and the part of the clip in
    it (both times are 0 if there is none)."""

    wav: Path
    features: NDArray[np.float32]
    epoch: int
    positive: bool
    start_seconds: float
    end_seconds: float


def make(workspace: Workspace, config: Path, clip: str) -> Path:
    """Compute a preview and return its folder. Raises ValueError with the last line of the engine, OSError."""
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
    """(clip, its draws) of the last preview; both are empty without one."""
    try:
        index = _Index.model_validate(durable.read_json(workspace.preview / "index.json"))
        features = [np.load(workspace.preview / f"{n:02d}.npy", allow_pickle=False) for n in range(len(index.draws))]
    except (OSError, ValueError):
        return "", []
    wavs = [workspace.preview / f"{n:02d}.wav" for n in range(len(index.draws))]
    return index.clip, [
        Draw(wav, array, **facts.model_dump()) for wav, array, facts in zip(wavs, features, index.draws, strict=True)
    ]
