"""Speed, tempo and pitch of windows: the end of a window stays where it is, and with it the end of the word."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainer.config import Augmentation
from trainer.engine.augmentation.spectra import fft_length

FRAME, HOP = 512, 128
"""Of the phase vocoder: 32 ms hold two periods of a deep voice."""


def fastest(options: Augmentation) -> tuple[float, float]:
    """The highest (speed, tempo) that can be drawn."""
    pitch = 2 ** (options.pitch_semitones / 12) if options.pitch_probability else 1.0
    speed = 1 + options.speed_percent / 100 if options.speed_probability else 1.0
    tempo = 1 + options.tempo_percent / 100 if options.tempo_probability else 1.0
    return speed * pitch, tempo * pitch


def source_samples(options: Augmentation, samples: int) -> int:
    """How long a stretch a window of `samples` can be made from."""
    speed, tempo = fastest(options)
    return math.ceil(samples * speed * tempo)


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


def stretch(wave: Tensor, tempo: Tensor, samples: int) -> Tensor:
    """Speak [n, source] `tempo` [n] times faster at the same pitch; the end stays the end.

    Phase vocoder (Flanagan and Golden 1966): magnitudes between two frames, phases carried on by their difference.
    """
    wave = torch.nn.functional.pad(wave, (-wave.shape[1] % HOP, 0))
    hann = torch.hann_window(FRAME, device=wave.device)
    frames = torch.stft(wave, FRAME, HOP, window=hann, pad_mode="constant", return_complex=True)
    count, last = math.ceil(samples / HOP) + 1, frames.shape[2] - 1
    back = torch.arange(count - 1, -1, -1, device=wave.device)
    place = last - back * tempo[:, None]
    first = place.floor().clamp(0, last - 1).long()
    between = (place - first).clamp(0, 1)[:, None]
    step = (frames[..., 1:] * frames[..., :-1].conj()).angle()
    size, turn = frames.abs(), frames.angle()
    before, after, advance, start = (
        part.gather(2, first[:, None].expand(-1, len(hann) // 2 + 1, -1))
        for part in (size, size[..., 1:], step, turn)
    )  # fmt: skip
    phase = torch.cat([start[..., :1], advance[..., :-1]], dim=2).cumsum(2)
    magnitude = torch.lerp(before, after, between.expand_as(before)) * (place >= 0)[:, None]
    stretched = torch.istft(torch.polar(magnitude, phase), FRAME, HOP, window=hann)
    return stretched[:, stretched.shape[1] - samples :]
