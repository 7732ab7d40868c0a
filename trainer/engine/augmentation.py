"""Augmentation of whole batches on the training device: gain, rooms, background at an SNR, masks.

Every function takes its own random generator, so that a batch is a pure function of (seed, epoch, batch).
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from trainer.config import SAMPLE_RATE, Augmentation

LONGEST_RIR_SECONDS = 1.0
ACTIVE_FRAME = SAMPLE_RATE // 50
ACTIVE_BELOW_PEAK = 1e-3
"""A frame of 20 ms counts as sound while its power is within 30 dB of the loudest frame."""
DITHER_DB = (-85.0, -55.0)
"""Faint noise under every window: a detector must not learn what digital silence at a clip's edge means."""


def uniform(count: int, low: float, high: float, generator: Generator) -> Tensor:
    """Random numbers [count] on the generator's device."""
    return low + (high - low) * torch.rand(count, generator=generator, device=generator.device)


def chosen(count: int, probability: float, generator: Generator) -> Tensor:
    """A random choice, bool [count]."""
    return torch.rand(count, generator=generator, device=generator.device) < probability


def gain(wave: Tensor, most_db: float, generator: Generator) -> Tensor:
    """Each window [n, samples] louder or quieter by up to `most_db`."""
    return wave * 10 ** (uniform(len(wave), -most_db, most_db, generator) / 20)[:, None]


def active_power(wave: Tensor) -> Tensor:
    """Mean power [n] of the frames that hold sound, so that silence around a word does not count as quiet speech."""
    power = wave.unfold(1, ACTIVE_FRAME, ACTIVE_FRAME).square().mean(2)
    active = power >= ACTIVE_BELOW_PEAK * power.amax(1, keepdim=True)
    return (power * active).sum(1) / active.sum(1).clamp(min=1)


def mix_at_snr(wave: Tensor, noise: Tensor, snr_db: Tensor) -> Tensor:
    """Add noise [n, samples] so that the sound in each window lies `snr_db` [n] above it; no sound, no noise change."""
    wanted = active_power(wave) / 10 ** (snr_db / 10)
    scale = torch.sqrt(wanted / noise.square().mean(1).clamp(min=1e-12))
    return wave + noise * scale[:, None]


def reverberate(wave: Tensor, rir: Tensor) -> Tensor:
    """Each window [n, samples] through its room impulse response [n, taps] by FFT, at its own level.

    The direct path must be the first tap: the word then stays where it was.
    """
    length = wave.shape[1] + rir.shape[1] - 1
    size = 1 << (length - 1).bit_length()
    wet: Tensor = torch.fft.irfft(torch.fft.rfft(wave, size) * torch.fft.rfft(rir, size), size)[:, : wave.shape[1]]
    level = wave.square().mean(1).clamp(min=1e-12) / wet.square().mean(1).clamp(min=1e-12)
    return wet * torch.sqrt(level)[:, None]


def dither(wave: Tensor, generator: Generator) -> Tensor:
    """Faint white noise under each window [n, samples], of random level."""
    level = 10 ** (uniform(len(wave), *DITHER_DB, generator) / 20)
    return wave + level[:, None] * torch.randn(wave.shape, generator=generator, device=wave.device)


def mask(features: Tensor, dimension: int, masks: int, widest: int, generator: Generator) -> Tensor:
    """Blank up to `widest` cells along one dimension of [n, bands, frames], `masks` times.

    Park et al., "SpecAugment" (2019). A blanked cell gets 0, the mean of the window.
    """
    size = features.shape[dimension]
    place = torch.arange(size, device=features.device)
    keep = torch.ones(len(features), size, dtype=torch.bool, device=features.device)
    for _ in range(masks):
        width = uniform(len(features), 0, min(widest, size) + 1, generator).floor()
        first = (uniform(len(features), 0, 1, generator) * (size - width + 1)).floor()
        keep &= (place < first[:, None]) | (place >= (first + width)[:, None])
    return features * (keep[:, :, None] if dimension == 1 else keep[:, None, :])


def augment_wave(
    wave: Tensor, noise: Tensor | None, rirs: Tensor | None, options: Augmentation, generator: Generator
) -> Tensor:
    """Gain, then the room, then background, then dither. `wave` and `noise` [n, samples], `rirs` [rooms, taps]."""
    wave = gain(wave, options.gain_db, generator)
    if rirs is not None and options.rir_probability > 0:
        rows = chosen(len(wave), options.rir_probability, generator).nonzero()[:, 0]
        room = torch.randint(len(rirs), (len(rows),), generator=generator, device=wave.device)
        if len(rows):  # a small last batch often has none, and an FFT of nothing is an error
            wave = wave.index_copy(0, rows, reverberate(wave[rows], rirs[room]))
    if noise is not None and options.background_probability > 0:
        snr = uniform(len(wave), options.snr_low_db, options.snr_high_db, generator)
        mixed = mix_at_snr(wave, noise, snr)
        wave = torch.where(chosen(len(wave), options.background_probability, generator)[:, None], mixed, wave)
    return dither(wave, generator).clamp(-1.0, 1.0)


def augment_features(features: Tensor, options: Augmentation, hop_ms: int, generator: Generator) -> Tensor:
    """Time and frequency masks on [n, bands, frames]."""
    features = mask(features, 2, options.time_masks, options.time_mask_ms // hop_ms, generator)
    return mask(features, 1, options.frequency_masks, options.frequency_mask_bands, generator)
