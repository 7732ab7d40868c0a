"""From the speech of an engine to a clip: pace and microphone, level, silence around it, and a faint noise floor.

Engines speak faster and more evenly than people, all into one microphone. `varied` gives each clip a pace and a
microphone of its own; what that brings is measured in docs/experiments.md ("Typed words").
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from trainer.audio.audio_formats import SAMPLE_RATE

RESPONSE_HZ = (60, 150, 300, 600, 1200, 2400, 4800, 8000)
"""Frequencies between which the response of a microphone is interpolated."""
TILT_DB = (-1.5, 3.5)
"""Range of the slope of a microphone's response, in dB per octave: recordings of people are brighter than engines."""
LEVEL_HZ = 500
"""Where the slope is 0 dB."""
RIPPLE_DB = 2.5
"""Standard deviation of a response around its slope."""
PACE = (0.8, 1.05)
"""Range of the pace. Below 1, speech is slower and deeper, as by a larger speaker."""


@dataclass(frozen=True)
class Utterance:
    """One clip to speak: rate in words per minute, pitch from 0 to 99, silence around it in seconds, level in dBFS."""

    text: str
    voice: str
    rate: int
    pitch: int
    lead_seconds: float
    tail_seconds: float
    level_db: float
    seed: int
    path: Path
    pronunciation: str = ""
    """IPA, spoken instead of the text."""
    pace: float = 1.0
    """How many times faster the speech is played; its pitch changes too."""
    response_db: tuple[float, ...] = ()
    """The response of the microphone at RESPONSE_HZ; flat without any."""
    is_accented: bool = False
    """Whether it sounds like somebody with another mother tongue and melody, where the engine can do that."""


def varied(utterance: Utterance) -> Utterance:
    """The utterance with a pace and a microphone of its own, which its seed decides."""
    rng = np.random.default_rng([utterance.seed, 1])
    octaves = np.log2(np.array(RESPONSE_HZ) / LEVEL_HZ)
    pace, slope = rng.uniform(*PACE), rng.uniform(*TILT_DB)
    response = slope * octaves + rng.normal(0, RIPPLE_DB, len(octaves))
    return replace(utterance, pace=round(pace, 4), response_db=tuple(response.round(2).tolist()))


def write(wave: NDArray[np.float32], sample_rate: int, utterance: Utterance) -> None:
    """Write the clip of an utterance from its speech [samples]."""
    centred = wave - wave.mean()  # some voices have a constant offset
    spoken = soxr.resample(centred, sample_rate * utterance.pace, SAMPLE_RATE)
    if utterance.response_db:
        spoken = _through_microphone(spoken, utterance.response_db)
    soundfile.write(utterance.path, _with_silence(spoken, utterance), SAMPLE_RATE, subtype="PCM_16")


def _through_microphone(wave: NDArray[np.float32], response_db: tuple[float, ...]) -> NDArray[np.float32]:
    """The speech [samples] with a response at RESPONSE_HZ, without delay."""
    size = len(wave) + SAMPLE_RATE // 10
    hertz = np.maximum(np.fft.rfftfreq(size, 1 / SAMPLE_RATE), RESPONSE_HZ[0])
    gain_db = np.interp(np.log(hertz), np.log(RESPONSE_HZ), response_db)
    filtered = np.fft.irfft(np.fft.rfft(wave, size) * 10 ** (gain_db / 20), size)[: len(wave)]
    return filtered.astype(np.float32)


def _with_silence(wave: NDArray[np.float32], utterance: Utterance) -> NDArray[np.float32]:
    """The speech at its level, with silence around it and a faint noise floor."""
    rng = np.random.default_rng(utterance.seed)
    lead, tail = (round(s * SAMPLE_RATE) for s in (utterance.lead_seconds, utterance.tail_seconds))
    power = float(np.sqrt(np.mean(np.square(wave)))) or 1.0
    spoken = wave * np.float32(10 ** (utterance.level_db / 20) / power)
    spoken /= max(1.0, float(np.abs(spoken).max()) / 0.99)
    floor = 10 ** (rng.uniform(-80, -62) / 20) * rng.standard_normal(lead + len(spoken) + tail)
    floor[lead : lead + len(spoken)] += spoken
    return floor.astype(np.float32)
