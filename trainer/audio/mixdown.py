"""Mixing several channels to one: which channels to average so that no speech is lost. Arrays only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Fault = Literal["", "cancel", "dead", "uneven"]

DEAD_DB = 40.0
"""A channel this much below the loudest one is silent."""
CANCELLED = 0.25
"""A band is cancelled when the mix has less than this share of the power of a mix of unrelated channels."""
CANCELLED_SHARE = 0.1
"""Share of the bands with sound. Channels of opposite phase cancel in all bands, microphones at two distances from the
mouth in a quarter of them."""
UNEVEN_DB = 12.0
"""Difference between the signal-to-noise ratios of two channels."""
FULL_SCALE, CLIPPED_SHARE = 0.999, 0.005
_FRAME_SECONDS = 0.064
_BAND_HZ, _LOWEST_HZ, _HIGHEST_HZ = 190.0, 100.0, 7600.0
_SOUNDING_DB = 30.0
_ACTIVE_DB = 35.0
_FRAMES_AT_ONCE = 256


@dataclass(frozen=True)
class Mixdown:
    """`channels` (from 0) are averaged; `best` is the best one.

    Faults: `cancel` (they cancel each other when mixed; the best one is used), `dead` (some are silent; the others are
    used), `uneven` (one is far noisier than another, or clipped; all are used).
    """

    channels: tuple[int, ...]
    fault: Fault = ""
    best: int = 0


MONO = Mixdown((0,))


def mixed(samples: Samples, how: Mixdown) -> Samples:
    """Samples [n, channels] as one channel [n]."""
    if len(how.channels) == 1:
        return np.ascontiguousarray(samples[:, how.channels[0]])
    if len(how.channels) == samples.shape[1]:
        return np.asarray(samples.mean(axis=1))
    return np.asarray(samples[:, list(how.channels)].mean(axis=1))


def _decibels(power: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(10 * np.log10(np.maximum(power, 1e-18)))


def _quality(power: NDArray[np.float64], samples: Samples) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Signal-to-noise ratios [channels] in dB, from the powers of frames [frames, channels], and which are clipped."""
    loud, quiet = np.percentile(power, [95, 10], axis=0)
    clipped = (np.abs(samples) >= FULL_SCALE).mean(axis=0) > CLIPPED_SHARE
    return _decibels(loud) - _decibels(np.maximum(quiet, 1e-12)), clipped


def _cancelled_share(frames: Samples, sample_rate: int) -> float:
    """Share of the bands with sound that the mean of the channels cancels; frames [n, size, channels]."""
    size, count = frames.shape[1], frames.shape[2]
    hertz = np.fft.rfftfreq(size, 1 / sample_rate)
    inside = (hertz >= _LOWEST_HZ) & (hertz <= min(_HIGHEST_HZ, 0.45 * sample_rate))
    band = (hertz[inside] // _BAND_HZ).astype(int)
    alone, mix = np.zeros(inside.sum()), np.zeros(inside.sum())
    window = np.hanning(size).astype(np.float32)[None, :, None]
    for first in range(0, len(frames), _FRAMES_AT_ONCE):
        spectrum = np.fft.rfft(frames[first : first + _FRAMES_AT_ONCE] * window, axis=1)[:, inside]
        alone += np.square(np.abs(spectrum)).mean(axis=2).sum(axis=0)
        mix += np.square(np.abs(spectrum.mean(axis=2))).sum(axis=0)
    alone, mix = np.bincount(band, alone), np.bincount(band, mix)
    sounding = alone > alone.max() / 10 ** (_SOUNDING_DB / 10)
    return float((mix < CANCELLED / count * alone)[sounding].mean()) if sounding.any() else 0.0


def decide(samples: Samples, sample_rate: int) -> Mixdown:
    """How samples [n, channels] in -1..1 become one channel; deterministic."""
    every = tuple(range(samples.shape[1]))
    size = round(_FRAME_SECONDS * sample_rate)
    if len(every) == 1 or len(samples) < size:
        return Mixdown(every)
    centred = samples - samples.mean(axis=0)
    frames = centred[: len(centred) // size * size].reshape(-1, size, len(every))
    power = np.square(frames).mean(axis=1, dtype=np.float64)
    whole = power.mean(axis=0)
    if whole.max() <= 1e-12:
        return Mixdown(every)
    live = np.flatnonzero(whole > whole.max() / 10 ** (DEAD_DB / 10))
    ratio, clipped = _quality(power[:, live], samples[:, live])
    best = int(live[np.argmax(np.round(ratio) - 1000 * clipped)])
    loudness = power[:, live].mean(axis=1)
    active = frames[loudness >= loudness.max() / 10 ** (_ACTIVE_DB / 10)][:, :, live]
    if len(live) > 1 and _cancelled_share(active, sample_rate) > CANCELLED_SHARE:
        return Mixdown((best,), "cancel", best)
    if len(live) < len(every):
        return Mixdown(tuple(live.tolist()), "dead", best)
    uneven = ratio.max() - ratio.min() > UNEVEN_DB or clipped.any() != clipped.all()
    return Mixdown(every, "uneven" if uneven else "", best)
