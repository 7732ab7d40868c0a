"""Streams of the word as people live: on a narrow channel, over talk and music, far away, in sentences, fast and slow.

Their misses are told by condition. They do not count in the rates of an evaluation, which stay comparable to those of a
training's validation stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import soxr

from trainer.audio import sound_levels
from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.audio.sound_levels import Wave, at_level
from trainer.streams import spoken
from trainer.streams.spoken import WORD_DB, Piece
from trainer.streams.stream_set import Word
from trainer.synthesis import acoustics

FORMAT = 1
"""To be raised when the same clips give other streams."""
BAND_HZ = (300.0, 3400.0)
"""The band of a telephone (ITU-T G.712)."""
SNR_DB, FAR_SNR_DB = 10.0, 5.0
SPEEDS = {"fast (speed 1.2)": 1.2, "slow (speed 0.85)": 0.85}
"""Playback speed, which changes the pitch too."""
MUSIC_SECONDS = 60.0
"""Music without repetition; longer streams repeat it."""
AROUND_SECONDS, TIGHT_SECONDS = 1.5, 0.05
"""Speech on either side of a word inside a sentence, and the sound of its own clip that is kept around the word."""


@dataclass(frozen=True)
class Material:
    """What surrounds the words: noise and speech without the word as long as the clean stream [samples] (empty: none),
    clips of such speech, and impulse responses."""

    noise: Wave
    talk: Wave
    speech: Sequence[Wave]
    rirs: Sequence[Wave]


class Condition(NamedTuple):
    """A stream [samples] of one condition, with the times of its words."""

    name: str
    wave: Wave
    words: list[Word]


def narrow(wave: Wave) -> Wave:
    """The wave without the frequencies outside BAND_HZ."""
    size = 1 << (len(wave) - 1).bit_length()
    spectrum = np.fft.rfft(wave, size)
    hertz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    spectrum[(hertz < BAND_HZ[0]) | (hertz > BAND_HZ[1])] = 0
    return np.fft.irfft(spectrum, size)[: len(wave)].astype(np.float32)


def at_speed(piece: Piece, speed: float) -> Piece:
    """The word played at another speed."""
    wave = soxr.resample(piece.wave, SAMPLE_RATE * speed, SAMPLE_RATE).astype(np.float32)
    first = round(piece.first / speed)
    return replace(piece, wave=wave, first=first, last=max(first + 1, round(piece.last / speed)))


def in_sentence(piece: Piece, before: Wave, after: Wave) -> Piece:
    """The word with the end of one utterance right before it and the start of another right after it."""
    around, tight = round(AROUND_SECONDS * SAMPLE_RATE), round(TIGHT_SECONDS * SAMPLE_RATE)
    cut = max(0, piece.first - tight)
    parts = [_spoken_part(before)[-around:], piece.wave[cut : piece.last + tight], _spoken_part(after)[:around]]
    first = len(parts[0]) + piece.first - cut
    return replace(
        piece,
        wave=np.concatenate([spoken.faded(part) for part in parts]),
        first=first,
        last=first + piece.last - piece.first,
    )


def _spoken_part(wave: Wave) -> Wave:
    """The speech of a clip at the level of the words, without silence around it."""
    start, end = sound_levels.endpoints(wave)
    return at_level(wave, WORD_DB, wave[start:end])[start:end]


def compose(
    pieces: Sequence[Piece], clean: Wave, words: list[Word], material: Material, rng: np.random.Generator
) -> Iterator[Condition]:
    """The words in every condition for which there is material; `clean` [samples] holds them in quiet, at `words`."""
    if len(material.noise):
        yield Condition(f"narrow band, noise, {SNR_DB:g} dB", narrow(clean + _below(material.noise, SNR_DB)), words)
    if len(material.talk):
        yield Condition(f"talk, {SNR_DB:g} dB", clean + _below(material.talk, SNR_DB), words)
    if len(material.noise) and material.rirs:
        far = [piece.convolved(material.rirs[n % len(material.rirs)]) for n, piece in enumerate(pieces)]
        wave, times = spoken.concatenated(far, rng)
        noise = np.resize(material.noise, len(wave))
        yield Condition(f"far, noise, {FAR_SNR_DB:g} dB", wave + _below(noise, FAR_SNR_DB), times)
    if material.speech:
        chosen = rng.integers(len(material.speech), size=(len(pieces), 2))
        inside = [
            in_sentence(piece, *(material.speech[n] for n in pair)) for piece, pair in zip(pieces, chosen, strict=True)
        ]
        yield Condition("in a sentence", *spoken.concatenated(inside, rng))
    for name, speed in SPEEDS.items():
        yield Condition(name, *spoken.concatenated([at_speed(piece, speed) for piece in pieces], rng))
    music = acoustics.noise("music", MUSIC_SECONDS, rng)
    bed = np.resize(at_level(music, WORD_DB, music), len(clean))
    yield Condition(f"synthetic music, {SNR_DB:g} dB", clean + _below(bed, SNR_DB), words)


def _below(bed: Wave, snr_db: float) -> Wave:
    """Sound at the level of the words, lowered by a signal-to-noise ratio."""
    return bed * np.float32(10 ** (-snr_db / 20))
