"""What is said in a stream that is composed: words cut from their clips, put in a row; who says what."""

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
"""Levels in dBFS: of each word, and of the noise under all, as no microphone gives digital silence."""
MARGIN_SECONDS = 0.3
"""Of its clip, kept around a word."""
FADE_SECONDS = 0.02
GAP_SECONDS = (2.0, 4.0)
"""From the end of a word to the start of the next, so that each is heard alone."""
LEAD_SECONDS, TAIL_SECONDS = 1.0, 4.0
LONGEST_RIR_SECONDS = 1.0
SPOKEN_NAME = re.compile(r"\d{5} (.+)")
"""Names of clips that were synthesised: a number and what is said."""


@dataclass(frozen=True)
class Piece:
    """A word [samples] with a margin around it; `first` and `last` are where it starts and ends in that."""

    clip: Clip
    wave: Wave
    first: int
    last: int

    def through(self, rir: Wave) -> Piece:
        """The word as heard through an impulse response whose direct path is moved to time zero, so that it stays
        where it is; at the same level."""
        taps = rir[int(np.argmax(np.abs(rir))) :][: round(LONGEST_RIR_SECONDS * SAMPLE_RATE)]
        length = len(self.wave) + len(taps) - 1
        size = 1 << (length - 1).bit_length()
        wet = np.fft.irfft(np.fft.rfft(self.wave, size) * np.fft.rfft(taps, size), size)[:length].astype(np.float32)
        return replace(self, wave=at_level(wet, WORD_DB, wet[self.first : self.last]))


def faded(wave: Wave) -> Wave:
    """Without a click where it was cut."""
    count = min(round(FADE_SECONDS * SAMPLE_RATE), len(wave) // 2)
    ramp = np.linspace(0, 1, count, dtype=np.float32)
    return np.concatenate(
        [wave[:count] * ramp, wave[count : len(wave) - count], wave[len(wave) - count :] * ramp[::-1]]
    )


def floor(samples: int, rng: np.random.Generator) -> Wave:
    return np.float32(10 ** (FLOOR_DB / 20)) * rng.standard_normal(samples, np.float32)


def piece(clip: Clip, wave: Wave) -> Piece:
    """The word of a positive clip [samples], found by its energy."""
    start, end = sound_levels.endpoints(wave)
    margin = round(MARGIN_SECONDS * SAMPLE_RATE)
    before = max(0, start - margin)
    first, last = start - before, max(end, start + 1) - before
    cut = wave[before : end + margin]
    return Piece(clip, faded(at_level(cut, WORD_DB, cut[first:last])), first, last)


def in_a_row(pieces: Sequence[Piece], rng: np.random.Generator) -> tuple[Wave, list[Word]]:
    """Words one after the other, and where they are."""
    places, words, place = [], [], round(LEAD_SECONDS * SAMPLE_RATE)
    for each in pieces:
        start = place + round(rng.uniform(*GAP_SECONDS) * SAMPLE_RATE)
        place = start + each.last - each.first
        places.append(start - each.first)
        speaker = "" if each.clip.group == each.clip.path else each.clip.group
        words.append(Word(start=start / SAMPLE_RATE, end=place / SAMPLE_RATE, clip=each.clip.path, speaker=speaker))
    wave = floor(place + round(TAIL_SECONDS * SAMPLE_RATE), rng)
    for at, each in zip(places, pieces, strict=True):
        part = wave[at : at + len(each.wave)]
        part += each.wave[: len(part)]
    return wave, words


def people(clips: Sequence[Clip]) -> frozenset[str]:
    """Groups that are speakers: those of other words and of the word, not of clips alone or folders of look-alikes."""
    return frozenset(clip.group for clip in clips if clip.label in ("positive", "negative") and clip.group != clip.path)


def speaker_and_phrase(clip: Clip, known: frozenset[str]) -> tuple[str, str]:
    """Who speaks in a clip without the word and, in a hard negative, what is said; empty where it is not known.

    Synthesis writes what is said into the name of the file. Else the folder below data/raw/hard_negative names it
    (`hard_negative/computer/`), if nobody of this name speaks in other clips.
    """
    speaker = "" if clip.group == clip.path or clip.label == "background" else clip.group
    if clip.label != "hard_negative":
        return speaker, ""
    folders, name = clip.path.split("/")[1:-1], clip.path.rpartition("/")[2].rpartition(".")[0]
    if match := SPOKEN_NAME.fullmatch(name):
        return speaker, match[1]
    if folders and folders[0] not in known:
        return "" if speaker == folders[0] else speaker, folders[0].replace("_", " ")
    return speaker, ""
