"""The effects of augmentation: level, noise, speed, rooms and bands of waves, masks and mixup of features."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.config.schema import Augmentation


def _kept(masks: Tensor, size: int) -> Tensor:
    """Which of `size` cells [n, size] no mask covers; `masks` [n, masks, 2] are firsts and widths."""
    place = torch.arange(size, device=masks.device)
    first, width = masks[..., :1], masks[..., 1:]
    return ((place < first) | (place >= first + width)).all(1)


def mask(features: Tensor, time_masks: Tensor, row_masks: Tensor) -> Tensor:
    """Blank stretches of time and of rows with the mean of the window.

    Park et al., "SpecAugment" (2019).
    """
    kept = _kept(row_masks, features.shape[1])[:, :, None] & _kept(time_masks, features.shape[2])[:, None]
    return torch.where(kept, features, features.mean((1, 2), keepdim=True))


def mix(values: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """Blend each row of [n, ...] with that of its `partner` [n]; `share` [n] is its own part. For features and labels.

    Zhang et al., "mixup: beyond empirical risk minimization" (2018).
    """
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    return share * values + (1 - share) * values[partner]


ACTIVE_FRAME = SAMPLE_RATE // 50
ACTIVE_BELOW_PEAK = 1e-3
"""A frame of 20 ms counts as sound while its power is within 30 dB of the loudest frame."""
SILENT = 1e-12
"""Power below which there is nothing to scale."""


def amplitude(level_db: Tensor) -> Tensor:
    """The factor [n, 1] that changes a wave's level by `level_db` [n]."""
    return (10 ** (level_db / 20))[:, None]


def gain(wave: Tensor, level_db: Tensor) -> Tensor:
    """Each window louder by `level_db` [n]."""
    return wave * amplitude(level_db)


def power(wave: Tensor) -> Tensor:
    """Mean power [n], in one pass over the samples."""
    length: Tensor = torch.linalg.vector_norm(wave, dim=-1)
    return length.square() / wave.shape[-1]


def active_power(wave: Tensor) -> Tensor:
    """Mean power [n] of the frames that hold sound, so that silence around a word does not count as quiet speech."""
    frames = power(wave.unfold(1, ACTIVE_FRAME, ACTIVE_FRAME))
    active = frames >= ACTIVE_BELOW_PEAK * frames.amax(1, keepdim=True)
    return (frames * active).sum(1) / active.sum(1).clamp(min=1)


def at_power(wave: Tensor, wanted: Tensor) -> Tensor:
    """Each window at the mean power `wanted` [n]; silence stays silent."""
    return wave * torch.sqrt(wanted / power(wave).clamp(min=SILENT))[:, None]


def at_snr(noise: Tensor, sound_power: Tensor, snr_db: Tensor) -> Tensor:
    """Noise [n, samples] scaled so that sound of this power [n] lies `snr_db` [n] above it."""
    return at_power(noise, sound_power / 10 ** (snr_db / 10))


def clip(wave: Tensor, below_peak_db: Tensor) -> Tensor:
    """Cut off what rises above a threshold this far below the highest peak, as an overdriven microphone does."""
    threshold = wave.abs().amax(1, keepdim=True) * amplitude(-below_peak_db)
    return wave.clamp(-threshold, threshold)


def dither(wave: Tensor, white: Tensor, level_db: Tensor) -> Tensor:
    """Faint white noise under each window; `white` [n, samples] has deviation 1."""
    return torch.addcmul(wave, white, amplitude(level_db))


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
