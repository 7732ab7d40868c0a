"""Speech in composed streams: words cut from clips and concatenated, their speakers and phrases."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from trainer.audio import sound_levels
from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.audio.manifest import Clip
from trainer.audio.sound_levels import Wave, at_level
from trainer.streams.stream_set import Word

WORD_DB, FLOOR_DB = -26.0, -75.0
"""Levels in dBFS of each word and of the noise floor, as microphones give no digital silence."""
MARGIN_SECONDS = 0.3
"""Audio of the clip around a word."""
FADE_SECONDS = 0.02
GAP_SECONDS = (2.0, 4.0)
"""Range of the time between two words, which is more than the refractory time."""
LEAD_SECONDS, TAIL_SECONDS = 1.0, 4.0
LONGEST_RIR_SECONDS = 1.0
SPOKEN_NAME = re.compile(r"\d{5} (.+)")
"""Names of synthesised clips: a number and the phrase."""


@dataclass(frozen=True)
class Piece:
    """A word with a margin around it [samples], in which it lies from `first` to `last`."""

    clip: Clip
    wave: Wave
    first: int
    last: int

    def convolved(self, rir: Wave) -> Piece:
        """The word convolved with an impulse response from its direct path on, at the same level and time."""
        taps = rir[int(np.argmax(np.abs(rir))) :][: round(LONGEST_RIR_SECONDS * SAMPLE_RATE)]
        length = len(self.wave) + len(taps) - 1
        size = 1 << (length - 1).bit_length()
        wet = np.fft.irfft(np.fft.rfft(self.wave, size) * np.fft.rfft(taps, size), size)[:length].astype(np.float32)
        return replace(self, wave=at_level(wet, WORD_DB, wet[self.first : self.last]))


def faded(wave: Wave) -> Wave:
    """The samples with a short fade at both ends."""
    count = min(round(FADE_SECONDS * SAMPLE_RATE), len(wave) // 2)
    ramp = np.linspace(0, 1, count, dtype=np.float32)
    return np.concatenate(
        [wave[:count] * ramp, wave[count : len(wave) - count], wave[len(wave) - count :] * ramp[::-1]]
    )


def noise_floor(samples: int, rng: np.random.Generator) -> Wave:
    return np.float32(10 ** (FLOOR_DB / 20)) * rng.standard_normal(samples, np.float32)


def piece(clip: Clip, wave: Wave) -> Piece:
    """The word of a positive clip [samples], located by its energy."""
    start, end = sound_levels.endpoints(wave)
    margin = round(MARGIN_SECONDS * SAMPLE_RATE)
    before = max(0, start - margin)
    first, last = start - before, max(end, start + 1) - before
    cut = wave[before : end + margin]
    return Piece(clip, faded(at_level(cut, WORD_DB, cut[first:last])), first, last)


def concatenated(pieces: Sequence[Piece], rng: np.random.Generator) -> tuple[Wave, list[Word]]:
    """Consecutive words with random gaps, and their times."""
    offsets, words, end = [], [], round(LEAD_SECONDS * SAMPLE_RATE)
    for each in pieces:
        start = end + round(rng.uniform(*GAP_SECONDS) * SAMPLE_RATE)
        end = start + each.last - each.first
        offsets.append(start - each.first)
        speaker = "" if each.clip.group == each.clip.path else each.clip.group
        words.append(Word(start=start / SAMPLE_RATE, end=end / SAMPLE_RATE, clip=each.clip.path, speaker=speaker))
    wave = noise_floor(end + round(TAIL_SECONDS * SAMPLE_RATE), rng)
    for offset, each in zip(offsets, pieces, strict=True):
        part = wave[offset : offset + len(each.wave)]
        part += each.wave[: len(part)]
    return wave, words


def speakers(clips: Sequence[Clip]) -> frozenset[str]:
    """Groups of positives and negatives that are speakers rather than single clips."""
    return frozenset(clip.group for clip in clips if clip.label in ("positive", "negative") and clip.group != clip.path)


def speaker_and_phrase(clip: Clip, speakers: frozenset[str]) -> tuple[str, str]:
    """Speaker of a clip without the word, and phrase of a hard negative; empty where unknown.

    The phrase is part of the name of a synthesised file, else the folder in data/raw/hard_negative
    (`hard_negative/computer/`), unless that is the name of a speaker.
    """
    speaker = "" if clip.group == clip.path or clip.label == "background" else clip.group
    if clip.label != "hard_negative":
        return speaker, ""
    folders, name = clip.path.split("/")[1:-1], clip.path.rpartition("/")[2].rpartition(".")[0]
    if match := SPOKEN_NAME.fullmatch(name):
        return speaker, match[1]
    if folders and folders[0] not in speakers:
        return "" if speaker == folders[0] else speaker, folders[0].replace("_", " ")
    return speaker, ""
