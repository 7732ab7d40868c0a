"""Draws augmentations on the CPU, so that they are equal on every device, and applies them to whole batches.

Effects are applied in the order in which sound meets them: speaker, room, noise, microphone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from trainer.config.schema import Augmentation
from trainer.engine.augmentation import effects

DITHER_DB = (-85.0, -55.0)
"""Level of the noise in every window, so that a model cannot learn digital silence at the edges of clips."""
NO_ROOM = -1
EDGE_OCTAVES = 0.5
"""Largest random shift of the edges of a band."""

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Draws:
    """The parameters of each window; a neutral value (in brackets) leaves the window unchanged.

    `speed` [n], factor of speed and pitch (1); `gain_db` [n] (0); `room` [n], index of the rir (-1); `noises` [n],
    number of backgrounds (0), `noise_snr_db` [n]; `colour_snr_db` [n] (inf), `colour_slope` [n]; `band_hz` [n, 2],
    lower and upper edge (0, inf); `clip_db` [n] (0); `dither_db` [n], `dither_place` [n], the position in the noise
    from 0 to 1; `time_masks` and `row_masks` [n, masks, 2], first column or row and width (0); `partner` [n],
    `share` [n], the weight of the window in its mix with the partner (1).
    """

    speed: Floats
    gain_db: Floats
    room: Whole
    noises: Whole
    noise_snr_db: Floats
    colour_snr_db: Floats
    colour_slope: Floats
    band_hz: Floats
    clip_db: Floats
    dither_db: Floats
    dither_place: Floats
    time_masks: Whole
    row_masks: Whole
    partner: Whole
    share: Floats

    def take(self, chosen: slice | Whole) -> Draws:
        """The draws of these windows."""
        return Draws(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})


def _sometimes(rng: np.random.Generator, probability: float, drawn: Floats, neutral: float) -> Floats:
    """`drawn` [n] with this probability, else `neutral`."""
    return np.where(rng.random(len(drawn)) < probability, drawn, neutral)


def _band(rng: np.random.Generator, count: int, options: Augmentation) -> Floats:
    edges = np.array([options.band_low_hz, options.band_high_hz])
    drawn = edges * 2 ** rng.uniform(-EDGE_OCTAVES, EDGE_OCTAVES, (count, 2))
    return np.where((rng.random(count) < options.band_probability)[:, None], drawn, (0, np.inf))


def _masks(rng: np.random.Generator, count: int, masks: int, widest: int, size: int) -> Whole:
    """Masks [n, masks, 2] of up to `widest` of `size` cells: the first cell and the width."""
    width = np.floor(rng.random((count, masks)) * (min(widest, size) + 1))
    first = np.floor(rng.random((count, masks)) * (size - width + 1))
    return np.stack([first, width], axis=2).astype(np.int64)


def draw(
    rng: np.random.Generator,
    count: int,
    options: Augmentation,
    time_mask: int,
    shape: tuple[int, int],
    rooms: int,
    noisy: bool,
) -> Draws:
    """Draw for `count` windows with features of `shape` (rows, frames), from `rooms` rirs and, if `noisy`, backgrounds.

    `time_mask` is the longest mask in frames. Parameters that are not used are drawn too, so that enabling one effect
    leaves the others unchanged.
    """
    speed = 1 + rng.uniform(-options.speed_percent, options.speed_percent, count) / 100
    gain_db = rng.uniform(-options.gain_db, options.gain_db, count)
    room = np.floor(rng.random(count) * rooms)
    noises = 1 + np.floor(rng.random(count) * options.backgrounds_most)
    noise_snr_db, colour_snr_db = rng.uniform(options.snr_low_db, options.snr_high_db, (2, count))
    clip_db = rng.uniform(0, options.clip_db, count)
    rows, frames = shape
    return Draws(
        speed=_sometimes(rng, options.speed_probability, speed, 1),
        gain_db=_sometimes(rng, options.gain_probability, gain_db, 0),
        room=_sometimes(rng, options.rir_probability if rooms else 0, room, NO_ROOM).astype(np.int64),
        noises=_sometimes(rng, options.background_probability if noisy else 0, noises, 0).astype(np.int64),
        noise_snr_db=noise_snr_db,
        colour_snr_db=_sometimes(rng, options.colour_probability, colour_snr_db, np.inf),
        colour_slope=rng.uniform(options.colour_slope_low, options.colour_slope_high, count),
        band_hz=_band(rng, count, options),
        clip_db=_sometimes(rng, options.clip_probability, clip_db, 0),
        dither_db=rng.uniform(*DITHER_DB, count),
        dither_place=rng.random(count),
        partner=rng.permutation(count),
        time_masks=_masks(rng, count, options.time_masks, time_mask, frames),
        row_masks=_masks(rng, count, options.frequency_masks, options.frequency_mask_bands, rows),
        share=_sometimes(rng, options.mixup_probability, rng.beta(options.mixup_alpha, options.mixup_alpha, count), 1),
    )


def to_tensor(values: NDArray[Any], device: torch.device) -> Tensor:
    """Parameters on the device: integers unchanged, others as float32."""
    return torch.from_numpy(values if values.dtype == np.int64 else values.astype(np.float32)).to(device)


def _apply_to_rows(
    source: Tensor,
    target: Tensor,
    rows: NDArray[np.bool_],
    drawn: NDArray[Any],
    effect: Callable[[Tensor, Tensor], Tensor],
) -> None:
    """Apply `effect` to the chosen rows of `source` with their parameters, and write the results to `target`."""
    if rows.any():  # an FFT of no rows raises
        place = to_tensor(np.flatnonzero(rows), source.device)
        target[place] = effect(source[place], to_tensor(drawn[rows], source.device))


def mix_noises(layers: list[Tensor]) -> Tensor | None:
    """The sum of several noises [n, samples] of each window, all equally loud; None without any."""
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
    """Augmented windows [n, samples] from `stretch` [n, source], which is overwritten.

    `noise` [n, samples] is zero in windows without noise; `rirs` [rooms, taps]; `white` [any length] is the noise for
    dither; `generator` draws coloured noise.
    """
    device = stretch.device
    wave = stretch[:, -samples:]
    _apply_to_rows(
        stretch, wave, draws.speed != 1, draws.speed, lambda source, rate: effects.resample(source, rate, samples)
    )
    wave = effects.gain(wave, to_tensor(draws.gain_db, device))
    if rirs is not None:
        _apply_to_rows(
            wave, wave, draws.room != NO_ROOM, draws.room, lambda dry, room: effects.reverberate(dry, rirs[room])
        )
    wave = _add_noise(wave, noise, draws, generator)
    _apply_to_rows(wave, wave, np.isfinite(draws.band_hz[:, 1]), draws.band_hz, effects.limit_band)
    _apply_to_rows(wave, wave, draws.clip_db > 0, draws.clip_db, effects.clip)
    place = to_tensor((draws.dither_place * (len(white) - samples)).astype(np.int64), device)
    wave = effects.dither(wave, white.unfold(0, samples, 1).index_select(0, place), to_tensor(draws.dither_db, device))
    return wave.clamp_(-1.0, 1.0)


def _add_noise(wave: Tensor, noise: Tensor | None, draws: Draws, generator: Generator) -> Tensor:
    """Add background and coloured noise, each at its own SNR."""
    coloured = np.isfinite(draws.colour_snr_db)
    if noise is None and not coloured.any():
        return wave
    sound = effects.active_power(wave)
    if noise is not None:
        wave = wave + effects.at_snr(noise, sound, to_tensor(draws.noise_snr_db, wave.device))
    if coloured.any():
        slope, snr_db = (
            to_tensor(values[coloured], wave.device) for values in (draws.colour_slope, draws.colour_snr_db)
        )
        place = to_tensor(np.flatnonzero(coloured), wave.device)
        drawn = effects.coloured_noise(slope, wave.shape[1], generator)
        wave = wave.index_add(0, place, effects.at_snr(drawn, sound[place], snr_db))
    return wave


def augment_features(features: Tensor, positive: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
    """Masks and mixup on features [n, rows, frames] and labels [n]."""
    device = features.device
    if draws.time_masks.size or draws.row_masks.size:
        features = effects.mask(features, to_tensor(draws.time_masks, device), to_tensor(draws.row_masks, device))
    if (draws.share == 1).all():
        return features, positive
    partner, share = to_tensor(draws.partner, device), to_tensor(draws.share, device)
    return effects.mix(features, partner, share), effects.mix(positive, partner, share)
