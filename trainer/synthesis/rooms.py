"""Simulated rooms: impulse responses of shoebox rooms by the image source method."""

from __future__ import annotations

import numpy as np
import pyroomacoustics
from numpy.typing import NDArray

from trainer.audio.audio_formats import SAMPLE_RATE

LONGEST_SECONDS = 0.8
MOST_REFLECTIONS = 20


def _place(size: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """A point at least half a metre from every wall, at the height of a table or a head."""
    return np.append(rng.uniform(0.5, size[:2] - 0.5), rng.uniform(0.7, 1.8))


def responses(positions: int, rng: np.random.Generator) -> list[NDArray[np.float32]]:
    """Impulse responses, float32 [samples] each with its peak at 0.9, between random places in one random room.

    Allen and Berkley, "Image method for efficiently simulating small-room acoustics" (1979); the absorption of the
    walls follows from the reverberation time by Sabine's formula.
    """
    size = rng.uniform((2.5, 2.5, 2.3), (8.0, 6.0, 3.2))
    sabine = 0.161 * np.prod(size) / (2 * (size[0] * size[1] + size[0] * size[2] + size[1] * size[2]))
    absorption = min(0.95, float(sabine / rng.uniform(0.15, 0.7)))
    found = []
    for _ in range(positions):
        room = pyroomacoustics.ShoeBox(
            size, fs=SAMPLE_RATE, materials=pyroomacoustics.Material(absorption), max_order=MOST_REFLECTIONS
        )
        room.add_source(_place(size, rng))
        room.add_microphone(_place(size, rng))
        room.compute_rir()
        rir = np.asarray(room.rir[0][0])[: round(LONGEST_SECONDS * SAMPLE_RATE)]
        found.append((0.9 * rir / np.abs(rir).max()).astype(np.float32))
    return found
