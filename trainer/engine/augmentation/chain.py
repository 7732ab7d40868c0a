"""The effects in the order in which sound meets them: speaker, room, noise, microphone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from trainer.engine.augmentation import effects
from trainer.engine.augmentation.draws import NO_ROOM, Draws


def tensor(values: NDArray[Any], device: torch.device) -> Tensor:
    """Drawn numbers on the device: whole ones as they are, others as float32."""
    return torch.from_numpy(values if values.dtype == np.int64 else values.astype(np.float32)).to(device)


def _change(
    source: Tensor,
    target: Tensor,
    rows: NDArray[np.bool_],
    drawn: NDArray[Any],
    effect: Callable[[Tensor, Tensor], Tensor],
) -> None:
    """Put what `effect` makes of the chosen rows of `source`, and of what was drawn for them, in their place."""
    if rows.any():  # an FFT of nothing is an error
        place = tensor(np.flatnonzero(rows), source.device)
        target[place] = effect(source[place], tensor(drawn[rows], source.device))


def blend(layers: list[Tensor]) -> Tensor | None:
    """Several noises [n, samples] of each window as one, each equally loud; None without any."""
    if len(layers) < 2:
        return layers[0] if layers else None
    return torch.stack([effects.at_power(layer, torch.ones_like(layer[:, 0])) for layer in layers]).sum(0)


def augment_wave(
    stretch: Tensor,
    noise: Tensor | None,
    rirs: Tensor | None,
    white: Tensor,
    draws: Draws,
    samples: int,
    generator: Generator,
) -> Tensor:
    """Windows [n, samples] as a microphone may hear them, from stretches [n, source] that are overwritten.

    `noise` [n, samples] is silent where there is none; `rirs` [rooms, taps]; `white` noise [any] of which
    dither is taken; `generator` makes coloured noise.
    """
    device = stretch.device
    wave = stretch[:, -samples:]
    _change(stretch, wave, draws.speed != 1, draws.speed, lambda source, rate: effects.resample(source, rate, samples))
    wave = effects.gain(wave, tensor(draws.gain_db, device))
    if rirs is not None:
        _change(wave, wave, draws.room != NO_ROOM, draws.room, lambda dry, room: effects.reverberate(dry, rirs[room]))
    wave = _with_noise(wave, noise, draws, generator)
    _change(wave, wave, np.isfinite(draws.band_hz[:, 1]), draws.band_hz, effects.limit_band)
    _change(wave, wave, draws.clip_db > 0, draws.clip_db, effects.clip)
    place = tensor((draws.dither_place * (len(white) - samples)).astype(np.int64), device)
    wave = effects.dither(wave, white.unfold(0, samples, 1).index_select(0, place), tensor(draws.dither_db, device))
    return wave.clamp_(-1.0, 1.0)


def _with_noise(wave: Tensor, noise: Tensor | None, draws: Draws, generator: Generator) -> Tensor:
    """Background and coloured noise, each at its own SNR below the sound that both are added to."""
    coloured = np.isfinite(draws.colour_snr_db)
    if noise is None and not coloured.any():
        return wave
    sound = effects.active_power(wave)
    if noise is not None:
        wave = wave + effects.at_snr(noise, sound, tensor(draws.noise_snr_db, wave.device))
    if coloured.any():
        slope, snr_db = (tensor(values[coloured], wave.device) for values in (draws.colour_slope, draws.colour_snr_db))
        place = tensor(np.flatnonzero(coloured), wave.device)
        made = effects.coloured_noise(slope, wave.shape[1], generator)
        wave = wave.index_add(0, place, effects.at_snr(made, sound[place], snr_db))
    return wave


def augment_features(features: Tensor, positive: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
    """Masks and mixup on features [n, rows, frames] and labels [n]."""
    device = features.device
    if draws.time_masks.size or draws.row_masks.size:
        features = effects.mask(features, tensor(draws.time_masks, device), tensor(draws.row_masks, device))
    if (draws.share == 1).all():
        return features, positive
    partner, share = tensor(draws.partner, device), tensor(draws.share, device)
    return effects.mix(features, partner, share), effects.mix(positive, partner, share)
