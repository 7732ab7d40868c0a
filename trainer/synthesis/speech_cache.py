"""Speech that an engine has made, in data/cache/speech, so that the same clip is not computed twice.

Each entry is a FLAC file named after everything that decides its sound. An entry that cannot be read is made again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from trainer.system import durable
from trainer.system.workspace import Workspace

MOST_BYTES = 2_000_000_000
UNUSED_DAYS = 30
"""Entries unused for longer are removed, and beyond MOST_BYTES those unused for longest."""
PEAK = 0.9
"""The peak of stored speech: clips get their level later, and 16 bits are used well."""
_DAY = 86_400


def folder(workspace: Workspace) -> Path:
    return workspace.cache / "speech"


def key(*parts: object) -> str:
    """A name for the speech that these parts decide: engine, phonemes, voice, rate."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def _file(cache: Path, name: str) -> Path:
    return cache / name[:2] / f"{name}.flac"


def load(cache: Path, name: str) -> NDArray[np.float32] | None:
    """Stored speech [samples]; None when there is none."""
    path = _file(cache, name)
    try:
        wave: NDArray[np.float32] = soundfile.read(path, dtype="float32")[0]
        os.utime(path)  # marks it as used
    except (OSError, soundfile.LibsndfileError):
        return None
    return wave if wave.ndim == 1 and len(wave) else None


def store(cache: Path, name: str, wave: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """Store speech [samples] and return it as `load` will. Raises OSError."""
    samples = np.round(wave * (PEAK * 32767 / max(float(np.abs(wave).max()), 1e-9))).astype(np.int16)
    data, path = io.BytesIO(), _file(cache, name)
    soundfile.write(data, samples, sample_rate, format="FLAC", subtype="PCM_16")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{name}.tmp.{secrets.token_hex(4)}")
    try:
        temporary.write_bytes(data.getvalue())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return samples.astype(np.float32) / np.float32(32768)


def prune(cache: Path, most_bytes: int = MOST_BYTES) -> None:
    """Remove entries that were not used for long, and the oldest beyond the limit."""
    total, now = 0, time.time()
    for path in durable.newest_first(cache.glob("*/*")):
        with suppress(OSError):  # another process removes it
            facts = path.stat()
            total += facts.st_size
            if total > most_bytes or now - facts.st_mtime > UNUSED_DAYS * _DAY:
                path.unlink()
