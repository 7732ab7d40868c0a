"""Sets of streams: long recordings with the times of the words in them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from trainer.detector import stream_scores
from trainer.detector.stream_scores import Point, Track
from trainer.system.workspace import STREAM, SYNTHETIC_PREFIX

SYNTHETIC = "synthetic speech"
"""The condition of the long recordings of the demo data: no promise comes from them."""


def is_synthetic(clip: str) -> bool:
    """Whether a clip, a path relative to data/raw, was synthesised, and so says little about speech of people."""
    return Path(clip).parent.name.startswith(SYNTHETIC_PREFIX)


class Word(BaseModel, frozen=True):
    """One utterance of the word: `start` and `end` in seconds; `clip` is a path relative to data/raw, or empty."""

    start: float = Field(ge=0)
    end: float = Field(ge=0)
    clip: str = ""
    speaker: str = ""

    @property
    def is_synthetic(self) -> bool:
        """Whether it was spoken by a synthetic voice."""
        return is_synthetic(self.clip)


class Part(BaseModel, frozen=True):
    """A part without the word, from `start` to `end` in seconds; unknown texts are empty."""

    start: float = Field(ge=0)
    end: float = Field(ge=0)
    clip: str = ""
    label: str = ""
    speaker: str = ""
    phrase: str = ""


class Recording(BaseModel, frozen=True):
    """One stream. `path` is absolute, or relative to the folder of its set; `condition` is text for a table ("clean",
    "noise, 10 dB", "room", "speech").

    `counts_false_accepts`: whether detections outside of its words are false accepts and its hours count. They do not
    in a stream composed of words only, which is not representative of everyday audio.
    """

    name: str
    path: str
    seconds: float = Field(ge=0)
    condition: str
    snr_db: float | None = None
    room: str = ""
    counts_false_accepts: bool
    in_rates: bool = True
    """Whether its words count in the rates of an evaluation; those of `hard_conditions` are told apart."""
    words: list[Word] = []
    parts: list[Part] = []

    @property
    def is_synthetic(self) -> bool:
        """Whether it is synthetic speech, which says little about that of people."""
        return self.condition == SYNTHETIC

    @property
    def is_long(self) -> bool:
        """Whether false accepts count in it and it consists of long recordings of people, not of short clips."""
        long = all(part.label == STREAM for part in self.parts)
        return self.counts_false_accepts and long and not self.is_synthetic


class StreamSet(BaseModel, frozen=True):
    """Streams of one evaluation; equal keys mean equal audio and words."""

    key: str
    title: str
    folder: str
    """The base of relative paths."""
    recordings: list[Recording]
    notes: list[str] = []
    """Sentences about these recordings, such as which were left out and why."""
    left_out: list[str] = []
    """The notes about recordings that were left out."""

    def path_of(self, recording: Recording) -> Path:
        return Path(self.folder) / recording.path

    @property
    def seconds(self) -> float:
        return sum(recording.seconds for recording in self.recordings)

    @property
    def words(self) -> int:
        """The words that count in the rates."""
        return sum(len(recording.words) for recording in self.recordings if recording.in_rates)

    def without(self, refused: Mapping[str, str]) -> StreamSet:
        """These streams without some, given by name with the reason as a sentence; the key changes."""
        return self.model_copy(
            update={
                "key": _joined_key([self.key, ", ".join(sorted(refused))]),
                "title": f"{self.title}, of which {len(refused):,} could not be read",
                "recordings": [each for each in self.recordings if each.name not in refused],
                "notes": [*self.notes, *refused.values()],
                "left_out": [*self.left_out, *refused.values()],
            }
        )


def _joined_key(keys: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:24]


def combined(sets: Sequence[StreamSet]) -> StreamSet:
    """Several sets as one; only recordings of the first may have relative paths."""
    if len(sets) == 1:
        return sets[0]
    return StreamSet(
        key=_joined_key([each.key for each in sets]),
        title="; ".join(each.title for each in sets),
        folder=sets[0].folder,
        recordings=[recording for each in sets for recording in each.recordings],
        notes=[note for each in sets for note in each.notes],
        left_out=[note for each in sets for note in each.left_out],
    )


@dataclass(frozen=True)
class ScoredStream:
    """The smoothed probabilities [n] of a stream, the k-th of the window that ends after k+1 hops."""

    recording: Recording
    probability: NDArray[np.float64]
    hop_seconds: float
    refractory_seconds: float

    @property
    def track(self) -> Track:
        words = np.array([(word.start, word.end) for word in self.recording.words]).reshape(-1, 2)
        return Track(self.probability, words, self.hop_seconds, self.refractory_seconds)


def point_at(streams: Sequence[ScoredStream], threshold: float) -> Point:
    """Misses and false accepts at a threshold over all streams."""
    words = [each.track for each in streams if each.recording.words]
    negative = [each.track for each in streams if each.recording.counts_false_accepts]
    return Point(
        threshold,
        sum(stream_scores.misses(track, threshold) for track in words),
        sum(len(track.words) for track in words),
        sum(len(stream_scores.false_accepts(track, threshold)) for track in negative),
        sum(track.hours for track in negative),
    )


def operating_point(streams: Sequence[ScoredStream], per_hour: float) -> Point | None:
    """The operating point at a rate of false accepts over all streams; None without words or audio without the word."""
    words = [each.track for each in streams if each.recording.words]
    negative = [each.track for each in streams if each.recording.counts_false_accepts]
    return stream_scores.at_false_accepts(words, negative, per_hour)
