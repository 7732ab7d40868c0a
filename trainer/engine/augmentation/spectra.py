"""What is done to windows [n, samples] by FFT: rooms, band limits, coloured noise."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.engine.augmentation.levels import at_power, power

BAND_ORDER = 4
"""Of the Butterworth filters at the edges of a band: 24 dB per octave."""


def fft_length(least: int) -> int:
    """The next even length that is a product of 2, 3 and 5, for which FFTs are quick."""
    length = least + least % 2
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 2


def reverberate(wave: Tensor, rir: Tensor) -> Tensor:
    """Each window through its room impulse response [n, taps], at its own level.

    The direct path must be the first tap: the word then stays where it was.
    """
    samples = wave.shape[1]
    size = fft_length(samples + rir.shape[1] - 1)
    spectrum = torch.fft.rfft(wave, size).mul_(torch.fft.rfft(rir, size))
    wet: Tensor = torch.fft.irfft(spectrum, size)[:, :samples]
    return at_power(wet, power(wave))


def limit_band(wave: Tensor, edges_hz: Tensor) -> Tensor:
    """Cut away what lies below and above `edges_hz` [n, 2], without delay."""
    size = fft_length(wave.shape[1])
    hertz = torch.linspace(0, SAMPLE_RATE / 2, size // 2 + 1, device=wave.device)
    low, high = edges_hz[:, :1], edges_hz[:, 1:]
    kept = torch.rsqrt((1 + (low / hertz) ** (2 * BAND_ORDER)) * (1 + (hertz / high) ** (2 * BAND_ORDER)))
    limited: Tensor = torch.fft.irfft(torch.fft.rfft(wave, size) * kept, size)[:, : wave.shape[1]]
    return limited


def coloured_noise(slope: Tensor, samples: int, generator: Generator) -> Tensor:
    """Gaussian noise [n, samples] whose power goes with frequency to the power of `slope` [n]."""
    size = fft_length(samples)
    bins = torch.arange(1, size // 2 + 1, device=slope.device, dtype=slope.dtype) / (size // 2)
    shape = (len(slope), len(bins), 2)
    white = torch.view_as_complex(torch.randn(shape, generator=generator, device=slope.device))
    spectrum = torch.nn.functional.pad(white * bins ** (slope / 2)[:, None], (1, 0))  # no direct current
    noise: Tensor = torch.fft.irfft(spectrum, size)[:, :samples]
    return noise
