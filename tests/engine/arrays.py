"""Small clip arrays for engine tests, made in memory."""

import numpy as np

from trainer.audio.manifest import Clip
from trainer.engine.data.clips import ClipArray

RATE = 16000


def clip(path: str, seconds: float) -> Clip:
    label = path.split("/")[0]
    return Clip(path, label, path, seconds, RATE, 1, path, 0, 0)


def tone(hertz: float, seconds: float, level: float = 0.3) -> np.ndarray:
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)


def array_of(waves: dict[str, np.ndarray], words: dict[str, tuple[int, int]] | None = None) -> ClipArray:
    """Clips by path; the word fills a clip unless `words` says where it lies."""
    lengths = np.array([len(wave) for wave in waves.values()], dtype=np.int64)
    samples = np.concatenate([np.rint(wave * 32767).astype(np.int16) for wave in waves.values()])
    spans = [(words or {}).get(path, (0, len(wave))) for path, wave in waves.items()]
    clips = tuple(clip(path, len(wave) / RATE) for path, wave in waves.items())
    return ClipArray(clips, samples, np.cumsum(lengths) - lengths, lengths, np.array(spans, dtype=np.int64))
