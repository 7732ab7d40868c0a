"""Speed of windows, pitch and tempo together; the end of a window stays where it is, and so the word near it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainer.config.schema import Augmentation
from trainer.engine.augmentation.spectra import fft_length


def source_samples(options: Augmentation, samples: int) -> int:
    """How long a stretch a window of `samples` can be made from."""
    fastest = 1 + options.speed_percent / 100 if options.speed_probability else 1.0
    return math.ceil(samples * fastest)


def resample(wave: Tensor, speed: Tensor, samples: int) -> Tensor:
    """Play [n, source] `speed` [n] times faster; the last sample stays the last, before the source lies silence.

    Band-limited to twice the rate by FFT, then cubic between the samples (Catmull and Rom 1974). What would rise above
    half the sample rate is cut away.
    """
    source = wave.shape[1]
    size = fft_length(source)
    spectrum = torch.fft.rfft(wave, size)
    share = torch.linspace(0, 1, size // 2 + 1, device=wave.device)
    spectrum = spectrum * (share * speed[:, None] <= 1)
    twice = 2 * torch.fft.irfft(spectrum, 2 * size)[:, : 2 * source - 1]
    back = torch.arange(samples - 1, -1, -1, device=wave.device)
    place = 2 * (source - 1) - 2 * back * speed[:, None]
    return _cubic(twice, place) * (place >= 0)


def _cubic(wave: Tensor, place: Tensor) -> Tensor:
    """Values [n, k] of [n, samples] at fractional places [n, k]; beyond an edge lies more of the edge."""
    left = place.floor()
    t, first = place - left, left.long()
    a, b, c, d = (wave.gather(1, (first + step).clamp(0, wave.shape[1] - 1)) for step in (-1, 0, 1, 2))
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
