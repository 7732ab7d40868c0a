"""Computed acoustics: ten kinds of background noise, and impulse responses of simulated shoebox rooms."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from trainer.audio.audio_formats import SAMPLE_RATE

LONGEST_SECONDS = 0.8
"""Of an impulse response; the rest is cut off."""
MOST_REFLECTIONS = 20
Wave = NDArray[np.float64]


def _place(size: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """A point [3] in metres, at least 0.5 m from every wall, at the height of a table or a head."""
    return np.append(rng.uniform(0.5, size[:2] - 0.5), rng.uniform(0.7, 1.8))


def room_responses(positions: int, rng: np.random.Generator) -> list[NDArray[np.float32]]:
    """Impulse responses, float32 [samples] each with its peak at 0.9, between random points in one random room.

    Computed by the image method (Allen and Berkley, "Image method for efficiently simulating small-room acoustics",
    1979). The absorption of the walls follows from a random reverberation time of 0.15 to 0.7 s by Sabine's formula.
    """
    import pyroomacoustics  # late: it takes a second, and composing streams needs the noise only

    size = rng.uniform((2.5, 2.5, 2.3), (8.0, 6.0, 3.2))
    sabine = 0.161 * np.prod(size) / (2 * (size[0] * size[1] + size[0] * size[2] + size[1] * size[2]))
    absorption = min(0.95, float(sabine / rng.uniform(0.15, 0.7)))
    rirs = []
    for _ in range(positions):
        room = pyroomacoustics.ShoeBox(
            size, fs=SAMPLE_RATE, materials=pyroomacoustics.Material(absorption), max_order=MOST_REFLECTIONS
        )
        room.add_source(_place(size, rng))
        room.add_microphone(_place(size, rng))
        room.compute_rir()
        rir = np.asarray(room.rir[0][0])[: round(LONGEST_SECONDS * SAMPLE_RATE)]
        rirs.append((0.9 * rir / np.abs(rir).max()).astype(np.float32))
    return rirs


def _coloured(samples: int, slope: float, rng: np.random.Generator) -> Wave:
    """Gaussian noise whose power falls as 1 / frequency ** slope: 0 white, 1 pink, 2 brown."""
    frequency = np.fft.rfftfreq(samples)
    shape = np.maximum(frequency, 30 / SAMPLE_RATE) ** (-slope / 2)
    return np.fft.irfft(np.fft.rfft(rng.standard_normal(samples)) * shape, samples)


def _slow_curve(samples: int, rng: np.random.Generator) -> Wave:
    """A random curve [samples] between 0 and 1 that changes over seconds."""
    points = rng.random(samples // SAMPLE_RATE + 3)
    return np.interp(np.arange(samples) / SAMPLE_RATE, np.arange(len(points)), points)


def _tones(samples: int, frequencies: Sequence[float], rng: np.random.Generator) -> Wave:
    """A sum of sine waves with random phases; the amplitude of the n-th is 1 / n."""
    time = np.arange(samples) / SAMPLE_RATE
    return sum((np.sin(2 * np.pi * (f * time + rng.random())) / (1 + i) for i, f in enumerate(frequencies)), 0 * time)


def white(samples: int, rng: np.random.Generator) -> Wave:
    return _coloured(samples, rng.uniform(0, 0.4), rng)


def pink(samples: int, rng: np.random.Generator) -> Wave:
    return _coloured(samples, rng.uniform(0.8, 1.2), rng)


def brown(samples: int, rng: np.random.Generator) -> Wave:
    return _coloured(samples, rng.uniform(1.7, 2.2), rng)


def hum(samples: int, rng: np.random.Generator) -> Wave:
    """Mains hum of 50 or 60 Hz with harmonics."""
    base = rng.choice((50.0, 60.0))
    return _tones(samples, [base * k for k in range(1, 9)], rng) + 0.05 * rng.standard_normal(samples)


def fan(samples: int, rng: np.random.Generator) -> Wave:
    """Pink noise, modulated by the rotation of the blades."""
    blades = 1 + 0.4 * _tones(samples, [rng.uniform(15, 60)], rng)
    return _coloured(samples, 1.2, rng) * blades


def rain(samples: int, rng: np.random.Generator) -> Wave:
    """Many short drops over a hiss."""
    drops = np.zeros(samples)
    starts = rng.integers(0, samples, samples // 160)
    np.add.at(drops, starts, rng.exponential(1.0, len(starts)))
    decay = np.exp(-np.arange(200) / rng.uniform(15, 60)) * rng.standard_normal(200)
    return np.convolve(drops, decay, "same") + 0.5 * _coloured(samples, 0.3, rng)


def knocks(samples: int, rng: np.random.Generator) -> Wave:
    """Occasional impacts, as of steps, doors and dishes."""
    wave = 0.02 * _coloured(samples, 1.0, rng)
    for start in rng.integers(0, samples - 4000, rng.integers(6, 25)):
        ring = _tones(4000, rng.uniform(80, 3000, 4).tolist(), rng) * np.exp(-np.arange(4000) / rng.uniform(100, 900))
        wave[start : start + 4000] += rng.uniform(0.2, 1) * ring
    return wave


def traffic(samples: int, rng: np.random.Generator) -> Wave:
    """Low-frequency noise whose level rises and falls as cars pass."""
    return _coloured(samples, 1.8, rng) * (0.1 + _slow_curve(samples, rng)) + 0.1 * _coloured(samples, 0.8, rng)


def music(samples: int, rng: np.random.Generator) -> Wave:
    """Chords that change every half second."""
    length = SAMPLE_RATE // 2
    fade = np.minimum(1, np.minimum(np.arange(length), np.arange(length)[::-1]) / 800)
    scale = 220 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12]) / 12)
    chords = [
        fade * sum((_tones(length, [f, 2 * f, 3 * f], rng) for f in rng.choice(scale, 3)), np.zeros(length))
        for _ in range(samples // length + 1)
    ]
    return np.concatenate(chords)[:samples]


def siren(samples: int, rng: np.random.Generator) -> Wave:
    """A tone that rises and falls, over traffic."""
    pitch = rng.uniform(500, 900) * (1 + 0.4 * _tones(samples, [rng.uniform(0.2, 1.0)], rng))
    return np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE) + 0.5 * traffic(samples, rng)


KINDS: dict[str, Callable[[int, np.random.Generator], Wave]] = {
    generate.__name__: generate for generate in (white, pink, brown, hum, fan, rain, knocks, traffic, music, siren)
}


def noise(kind: str, seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Noise of one of KINDS, float32 [samples], with its peak at half of full scale."""
    wave = KINDS[kind](round(seconds * SAMPLE_RATE), rng)
    return np.asarray(0.5 * wave / np.abs(wave).max(), dtype=np.float32)


def babble(voices: Sequence[NDArray[np.float32]], seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Many people talking at once: clips of speech mixed at random positions, with its peak at half of full scale."""
    wave = np.zeros(round(seconds * SAMPLE_RATE))
    for voice in voices:
        start = int(rng.integers(0, max(1, len(wave) - len(voice))))
        part = voice[: len(wave) - start]
        wave[start : start + len(part)] += rng.uniform(0.3, 1.0) * part
    return (0.5 * wave / max(1e-9, float(np.abs(wave).max()))).astype(np.float32)
