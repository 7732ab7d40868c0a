"""Clips in memory: decoded and resampled once into a memory-mapped array of 16-bit samples."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.audio import audio_file, manifest, sound_levels
from trainer.audio.manifest import Clip
from trainer.run.failures import FailedError
from trainer.system import cache, durable, limits, regular_file
from trainer.system.job import Report
from trainer.system.workspace import Workspace

LAYOUT_VERSION = 2
FULL_SCALE = 32768.0


@dataclass(frozen=True)
class ClipArray:
    """Clips end to end in one array of samples at 16 kHz.

    `samples` int16 [all samples]; `starts` and `lengths` int64 [clips]; `words` int64 [clips, 2]: start and end of
    the word inside each clip. All counts are samples.
    """

    clips: tuple[Clip, ...]
    samples: NDArray[np.int16]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    words: NDArray[np.int64]

    def labelled(self, *labels: str) -> NDArray[np.int64]:
        """Indices of the clips with one of these labels."""
        return np.array([i for i, clip in enumerate(self.clips) if clip.label in labels], dtype=np.int64)

    def of_split(self, paths: frozenset[str]) -> ClipArray:
        """The same samples with only these clips."""
        keep = np.array([i for i, clip in enumerate(self.clips) if clip.path in paths], dtype=np.int64)
        chosen = tuple(self.clips[i] for i in keep)
        return ClipArray(chosen, self.samples, self.starts[keep], self.lengths[keep], self.words[keep])


def _key(clips: Sequence[Clip]) -> str:
    """The cache key of an array: the digest of its clips."""
    digest = hashlib.sha256(str(LAYOUT_VERSION).encode())
    for clip in clips:
        digest.update(f"{clip.label}\0{clip.digest}\n".encode())
    return digest.hexdigest()[:24]


def _decode(workspace: Workspace, clip: Clip) -> tuple[NDArray[np.int16], tuple[int, int]]:
    path = workspace.raw / clip.path
    try:
        wave = audio_file.read_16k(path)
    except FileNotFoundError:
        raise FailedError("clip_missing", f"Clip {clip.path} is missing. {manifest.SPLIT_AGAIN}", clip.path) from None
    except audio_file.AudioRefused as error:
        sentence = f"Clip {clip.path} cannot be read: {error} {manifest.SPLIT_AGAIN}"
        raise FailedError("clip_unreadable", sentence, clip.path) from None
    return np.clip(np.rint(wave * FULL_SCALE), -32768, 32767).astype(np.int16), sound_levels.endpoints(wave)


def _decode_all(workspace: Workspace, clips: Sequence[Clip], folder: Path, report: Report) -> None:
    """Decode every clip into `folder`; the index is written last and marks the array as complete."""
    spans = []
    path = folder / "samples.i16"
    with open(path, "wb", buffering=0) as out, ThreadPoolExecutor(limits.cores()) as pool:
        chunk = 256  # limits what is decoded ahead of the writes
        for first in range(0, len(clips), chunk):
            for samples, word in pool.map(lambda clip: _decode(workspace, clip), clips[first : first + chunk]):
                with durable.naming(path):
                    durable.write_all(out.fileno(), samples.tobytes())
                spans.append((len(samples), *word))
                report(len(spans), len(clips), "Reading clips")
    durable.replace_json(folder / "index.json", {"spans": spans})


def _open(clips: Sequence[Clip], folder: Path) -> ClipArray:
    spans = np.array(json.loads(regular_file.read_bytes(folder / "index.json"))["spans"], dtype=np.int64).reshape(-1, 3)
    lengths = spans[:, 0]
    samples = np.memmap(folder / "samples.i16", dtype=np.int16, mode="r", shape=(int(lengths.sum()),))
    return ClipArray(tuple(clips), samples, np.cumsum(lengths) - lengths, lengths, spans[:, 1:])


def prepare(workspace: Workspace, clips: Sequence[Clip], report: Report) -> ClipArray:
    """The array of these clips, decoded or read from the cache.

    Raises FailedError for a clip that is missing or cannot be decoded, OSError.
    """
    folder = workspace.cache / _key(clips)
    if cache.ensure(folder, (folder / "index.json").exists, lambda part: _decode_all(workspace, clips, part, report)):
        cache.prune(workspace.cache)
    return _open(clips, folder)
