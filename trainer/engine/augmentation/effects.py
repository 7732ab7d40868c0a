"""The effects of augmentation: level, noise, speed, rooms and bands of waves, masks and mixup of features."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.config.schema import Augmentation


def _uncovered(masks: Tensor, size: int) -> Tensor:
    """Which of `size` cells [n, size] no mask covers; `masks` [n, masks, 2] hold first cells and widths."""
    place = torch.arange(size, device=masks.device)
    first, width = masks[..., :1], masks[..., 1:]
    return ((place < first) | (place >= first + width)).all(1)


def mask(features: Tensor, time_masks: Tensor, row_masks: Tensor) -> Tensor:
    """Replace masked columns and rows with the mean of the window.

    Park et al., "SpecAugment" (2019).
    """
    unmasked = _uncovered(row_masks, features.shape[1])[:, :, None] & _uncovered(time_masks, features.shape[2])[:, None]
    return torch.where(unmasked, features, features.mean((1, 2), keepdim=True))


def mix(values: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """Mix each row of [n, ...] with that of its `partner` [n]; `share` [n] is its own weight. For features and labels.

    Zhang et al., "mixup: beyond empirical risk minimization" (2018).
    """
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    return share * values + (1 - share) * values[partner]


ACTIVE_FRAME = SAMPLE_RATE // 50
ACTIVE_BELOW_PEAK = 1e-3
"""A frame of 20 ms counts as sound while its power is within 30 dB of the loudest frame."""
SILENT = 1e-12
"""Power below which a wave is not scaled."""


def amplitude(level_db: Tensor) -> Tensor:
    """The factor [n, 1] that changes a wave's level by `level_db` [n]."""
    return (10 ** (level_db / 20))[:, None]


def gain(wave: Tensor, level_db: Tensor) -> Tensor:
    """Amplify each window by `level_db` [n]."""
    return wave * amplitude(level_db)


def power(wave: Tensor) -> Tensor:
    """Mean power [n], in one pass over the samples."""
    length: Tensor = torch.linalg.vector_norm(wave, dim=-1)
    return length.square() / wave.shape[-1]


def active_power(wave: Tensor) -> Tensor:
    """Mean power [n] of the frames that hold sound, so that silence around a word does not lower it."""
    frames = power(wave.unfold(1, ACTIVE_FRAME, ACTIVE_FRAME))
    active = frames >= ACTIVE_BELOW_PEAK * frames.amax(1, keepdim=True)
    return (frames * active).sum(1) / active.sum(1).clamp(min=1)


def at_power(wave: Tensor, target: Tensor) -> Tensor:
    """Scale each window to the mean power `target` [n]; silence stays silent."""
    return wave * torch.sqrt(target / power(wave).clamp(min=SILENT))[:, None]


def at_snr(noise: Tensor, sound_power: Tensor, snr_db: Tensor) -> Tensor:
    """Scale noise [n, samples] to lie `snr_db` [n] below sound of this power [n]."""
    return at_power(noise, sound_power / 10 ** (snr_db / 10))


def clip(wave: Tensor, below_peak_db: Tensor) -> Tensor:
    """Clip each window at a threshold this far below its peak, like an overdriven microphone."""
    threshold = wave.abs().amax(1, keepdim=True) * amplitude(-below_peak_db)
    return wave.clamp(-threshold, threshold)


def dither(wave: Tensor, white: Tensor, level_db: Tensor) -> Tensor:
    """Add white noise at `level_db` [n]; `white` [n, samples] has deviation 1."""
    return torch.addcmul(wave, white, amplitude(level_db))


BAND_ORDER = 4
"""Of the Butterworth filters at the edges of a band: 24 dB per octave."""


def fft_length(least: int) -> int:
    """The next even length whose prime factors are 2, 3 and 5, for which FFTs are fast."""
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
    """Convolve each window with its room impulse response [n, taps], and restore its level.

    The direct path must be the first tap, so that the word stays in place.
    """
    samples = wave.shape[1]
    size = fft_length(samples + rir.shape[1] - 1)
    spectrum = torch.fft.rfft(wave, size).mul_(torch.fft.rfft(rir, size))
    wet: Tensor = torch.fft.irfft(spectrum, size)[:, :samples]
    return at_power(wet, power(wave))


def limit_band(wave: Tensor, edges_hz: Tensor) -> Tensor:
    """Attenuate frequencies below and above `edges_hz` [n, 2], without delay."""
    size = fft_length(wave.shape[1])
    hertz = torch.linspace(0, SAMPLE_RATE / 2, size // 2 + 1, device=wave.device)
    low, high = edges_hz[:, :1], edges_hz[:, 1:]
    response = torch.rsqrt((1 + (low / hertz) ** (2 * BAND_ORDER)) * (1 + (hertz / high) ** (2 * BAND_ORDER)))
    limited: Tensor = torch.fft.irfft(torch.fft.rfft(wave, size) * response, size)[:, : wave.shape[1]]
    return limited


def coloured_noise(slope: Tensor, samples: int, generator: Generator) -> Tensor:
    """Gaussian noise [n, samples] whose power is proportional to frequency ** `slope` [n]."""
    size = fft_length(samples)
    bins = torch.arange(1, size // 2 + 1, device=slope.device, dtype=slope.dtype) / (size // 2)
    shape = (len(slope), len(bins), 2)
    white = torch.view_as_complex(torch.randn(shape, generator=generator, device=slope.device))
    spectrum = torch.nn.functional.pad(white * bins ** (slope / 2)[:, None], (1, 0))  # no DC
    noise: Tensor = torch.fft.irfft(spectrum, size)[:, :samples]
    return noise


def source_samples(options: Augmentation, samples: int) -> int:
    """The largest number of source samples for a window of `samples`."""
    fastest = 1 + options.speed_percent / 100 if options.speed_probability else 1.0
    return math.ceil(samples * fastest)


def resample(wave: Tensor, speed: Tensor, samples: int) -> Tensor:
    """Play [n, source] `speed` [n] times faster; the last sample stays last, and silence precedes the source.

    Upsamples twofold by FFT without the frequencies that would alias, then interpolates with cubic splines (Catmull and
    Rom, 1974).
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
    """Values [n, k] of [n, samples] at fractional places [n, k]; edge values extend beyond the edges."""
    left = place.floor()
    t, first = place - left, left.long()
    a, b, c, d = (wave.gather(1, (first + step).clamp(0, wave.shape[1] - 1)) for step in (-1, 0, 1, 2))
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
