"""Measures of the sound of a clip: level, faults, extent of speech, fingerprint."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float32]

FRAME_SECONDS = 0.02
ACTIVE_BELOW_LOUDEST_DB = 35.0
"""A frame within this range of the loudest one contains sound."""
SILENT_DB = -120.0
_DEPTH_DB = 25.0  # of the fingerprint: lower noise is ignored
FULL_SCALE = 0.999
BANDS, SEGMENTS = 16, 12
FINGERPRINT_BYTES = BANDS * SEGMENTS
MOST_FRAMES = 6000
"""Number of spectra in a fingerprint: about all of a minute; longer recordings use a larger hop."""
_FRAMES_AT_ONCE = 2048  # all spectra of a long recording at once would take gigabytes
_LOWEST_HZ, _HIGHEST_HZ = 120.0, 3600.0  # the band that telephones and low-rate codecs keep


@dataclass(frozen=True)
class Measures:
    """Measures of a wave: levels in dB relative to full scale, `clipped` as a share of the samples, times in seconds.

    `level_db` is the root mean square over the frames with sound; `lead_seconds` and `tail_seconds` are the silence
    before the first and after the last of them. `fingerprint` has FINGERPRINT_BYTES bytes.
    """

    peak_db: float
    level_db: float
    clipped: float
    offset: float
    lead_seconds: float
    tail_seconds: float
    fingerprint: bytes


def fingerprint_of(text: str) -> bytes:
    """The fingerprint in base64 as bytes."""
    return base64.b64decode(text)


def decibels(amplitude: float) -> float:
    return max(SILENT_DB, float(20 * np.log10(max(amplitude, 1e-9))))


def _frames(wave: Wave, size: int) -> Wave:
    """The wave as rows [frames, size]; a wave shorter than a frame is padded to one."""
    if len(wave) < size:
        wave = np.pad(wave, (0, size - len(wave)))
    return wave[: len(wave) // size * size].reshape(-1, size)


def _active(power: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which frames contain sound, by their mean square [n]."""
    return np.asarray(power >= max(float(power.max()), 1e-18) / 10 ** (ACTIVE_BELOW_LOUDEST_DB / 10))


def measure(wave: Wave, sample_rate: int) -> Measures:
    """Measure a mono wave [samples] in -1..1. Needs the memory of one more such wave, as recordings may be long."""
    offset = float(wave.mean())
    size = max(1, round(FRAME_SECONDS * sample_rate))
    frames = _frames(wave - np.float32(offset), size)
    power = np.einsum("ij,ij->i", frames, frames).astype(np.float64) / size
    active = _active(power)
    first, last = int(np.argmax(active)), len(active) - 1 - int(np.argmax(active[::-1]))
    tail = max(0, len(wave) - (last + 1) * size)
    level = float(np.sqrt(power[active].mean())) if active.any() else 0.0
    del frames
    peak = max(float(wave.max()), -float(wave.min()))
    clipped = np.count_nonzero(wave >= FULL_SCALE) + np.count_nonzero(wave <= -FULL_SCALE)
    return Measures(
        decibels(peak),
        decibels(level),
        clipped / len(wave),
        offset,
        first * size / sample_rate,
        tail / sample_rate,
        fingerprint(wave, sample_rate),
    )


@cache
def _filters(size: int, sample_rate: int) -> NDArray[np.float32]:
    """Rectangular bands, evenly spaced on the mel scale of O'Shaughnessy (1987): [BANDS, size // 2 + 1]."""
    lowest, highest = (float(_mel(hertz)) for hertz in (_LOWEST_HZ, min(_HIGHEST_HZ, 0.45 * sample_rate)))
    width = (highest - lowest) / BANDS
    band = np.floor((_mel(np.fft.rfftfreq(size, 1 / sample_rate)) - lowest) / width)
    filters = (band[None, :] == np.arange(BANDS)[:, None]).astype(np.float32)
    return np.asarray(filters / np.maximum(1, filters.sum(axis=1, keepdims=True)))


def _mel(hertz: NDArray[np.floating[Any]] | float) -> NDArray[np.float64]:
    return np.asarray(2595 * np.log10(1 + np.asarray(hertz) / 700))


def _band_power(frames: Wave, sample_rate: int) -> Wave:
    """Power of frames [n, size] in each band [n, BANDS]."""
    size = frames.shape[1]
    spectrum = np.square(np.abs(np.fft.rfft(frames * np.hanning(size).astype(np.float32))))
    return np.asarray(spectrum @ _filters(size, sample_rate).T)


def fingerprint(wave: Wave, sample_rate: int) -> bytes:
    """A coarse log-mel spectrogram of the sound, robust to re-encoding, trimming and changes of level.

    It has BANDS x SEGMENTS cells as signed bytes: floored at _DEPTH_DB below the loudest, without their mean, scaled to
    the largest.
    """
    size = max(64, round(2 * FRAME_SECONDS * sample_rate))
    hop = max(size // 4, len(wave) // MOST_FRAMES)
    padded = np.pad(wave, (0, max(0, size - len(wave))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    power = np.concatenate(
        [_band_power(frames[n : n + _FRAMES_AT_ONCE], sample_rate) for n in range(0, len(frames), _FRAMES_AT_ONCE)]
    )
    energy = power.sum(axis=1)
    sounding = np.flatnonzero(energy >= energy.max() * 10 ** (-_DEPTH_DB / 10))
    power = power[sounding[0] : sounding[-1] + 1]
    whole = np.concatenate([np.zeros((1, BANDS)), np.cumsum(power, axis=0)])
    bounds = np.linspace(0, len(power), SEGMENTS + 1)
    at_bounds = np.stack([np.interp(bounds, np.arange(len(whole)), band) for band in whole.T])
    cells = np.diff(at_bounds, axis=1)
    picture = np.log10(np.maximum(cells, cells.max() * 10 ** (-_DEPTH_DB / 10)) + 1e-12)
    picture -= picture.mean()
    return bytes(np.rint(127 * picture / max(float(np.abs(picture).max()), 1e-6)).astype(np.int8).tobytes())
