"""Level of windows: gain, noise at an SNR, clipping, dither. Waves are [n, samples] in -1..1."""

from __future__ import annotations

import torch
from torch import Tensor

from trainer.audio.audio_formats import SAMPLE_RATE

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
