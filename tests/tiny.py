"""A data set of tones and noise, small enough to train on in seconds, real enough to go the whole way."""

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from trainer.config import config_file
from trainer.config.schema import Config
from trainer.dataset import splits
from trainer.dataset.scan import scan
from trainer.system.workspace import Workspace

RATE = 16000


def ignore(done: int, total: int, doing: str) -> None:
    """Progress nobody watches."""


def write_wav(path: Path, wave: np.ndarray, rate: int = RATE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, rate)


def clip_of(rng: np.random.Generator, hertz: float) -> np.ndarray:
    """A tone of half a second in a second and a half of faint noise."""
    wave = 0.002 * rng.standard_normal(24000)
    time = np.arange(8000) / RATE
    wave[6000:14000] += 0.3 * np.sin(2 * np.pi * hertz * time) * np.hanning(8000)
    return wave


def make_raw(workspace: Workspace, voices: int = 8, clips: int = 3) -> None:
    """Positives are tones near 600 Hz, negatives near 1,500 Hz; `voices` groups with `clips` clips each."""
    rng = np.random.default_rng(0)
    for voice in range(voices):
        for number in range(clips):
            for label, hertz in (("positive", 600.0), ("negative", 1500.0)):
                wave = clip_of(rng, hertz * rng.uniform(0.9, 1.1))
                write_wav(workspace.raw / label / f"voice{voice}" / f"{number}.wav", wave)
    for number in range(4):
        write_wav(workspace.raw / "background" / f"{number}.wav", 0.05 * rng.standard_normal(32000))
        rir = rng.standard_normal(2000) * np.exp(-np.arange(2000) / 300)
        write_wav(workspace.raw / "rirs" / f"{number}.wav", rir / np.abs(rir).max())


def make_workspace(root: Path, hard_negatives: int = 0, streams: int = 0) -> Workspace:
    """A workspace with clips, a scan, splits and no runs; with some negatives that are labelled hard, and long
    recordings (`streams` sources with a minute each).

    It is a copy of one that is made once; files keep the times that the scan has seen, modes follow the umask.
    """
    template = _template(hard_negatives, streams)
    for path in sorted(template.rglob("*")):
        copy = root / path.relative_to(template)
        if path.is_dir():
            copy.mkdir(parents=True, exist_ok=True)
        else:
            shutil.copyfile(path, copy)
            os.utime(copy, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    return Workspace(root)


@functools.cache
def _template(hard_negatives: int, streams: int) -> Path:
    root = Path(tempfile.mkdtemp(prefix="tiny-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    workspace = Workspace(root)
    make_raw(workspace)
    for voice in range(hard_negatives):
        wave = clip_of(np.random.default_rng(voice), 1500.0)
        write_wav(workspace.raw / "hard_negative" / f"voice{voice}" / "0.wav", wave)
    for source in range(streams):
        rng = np.random.default_rng([source, 1])
        for number in range(2):
            wave = np.concatenate([clip_of(rng, 1500.0 * rng.uniform(0.5, 1.5)) for _ in range(20)])
            write_wav(workspace.raw / "stream" / f"room{source}" / f"{number}.wav", wave)
    scan(workspace, ignore)
    splits.split_dataset(workspace, (0.6, 0.2, 0.2), 0)
    return root


def tiny_config(**training: object) -> Config:
    """A training that lasts seconds."""
    options = {"epochs": 2, "batch_size": 16, "patience": 0, "threads": 1} | training
    return config_file.build(
        {
            "model": {"width": 0.25},
            "training": options,
            "augmentation": {"shift_ms": 100},
            "optimizer": {"learning_rate": 0.01, "warmup_epochs": 0.2},
        }
    )
