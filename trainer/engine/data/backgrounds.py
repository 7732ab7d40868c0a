"""Stretches of background noise: where they are taken, and their samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainer.engine.data.clips import ClipArray


def places(
    array: ClipArray, backgrounds: NDArray[np.int64], count: int, size: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """(clip, start) [count, 2] of random stretches of `size` samples; a shorter clip is taken from its start."""
    clip = rng.choice(backgrounds, count)
    room = np.maximum(1, array.lengths[clip] - size + 1)
    return np.stack([clip, np.floor(rng.random(count) * room).astype(np.int64)], axis=1)


def cut(array: ClipArray, places: NDArray[np.int64], heard: NDArray[np.bool_], size: int) -> NDArray[np.int16]:
    """Samples int16 [n, size] from `places` [n, 2], a short clip repeated; silence where it is not `heard` [n]."""
    out = np.zeros((len(places), size), np.int16)
    for row in np.flatnonzero(heard).tolist():
        clip, start = places[row].tolist()
        length, origin = int(array.lengths[clip]), int(array.starts[clip])
        out[row] = np.resize(array.samples[origin + start : origin + min(length, start + size)], size)
    return out
