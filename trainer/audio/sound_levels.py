"""Levels of sounds in dBFS, the root of their mean power; numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float32]


def level_db(wave: Wave) -> float:
    return 10 * float(np.log10(np.mean(np.square(wave, dtype=np.float64)) + 1e-12))


def at_level(wave: Wave, wanted_db: float, of: Wave) -> Wave:
    """`wave` louder or quieter so that its part `of` gets this level."""
    return wave * np.float32(10 ** ((wanted_db - level_db(of)) / 20))
