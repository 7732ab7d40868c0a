"""Every false accept and every missed word as a value that a person can look up, hear and see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainer.audio import audio_reader
from trainer.detector import stream_scores
from trainer.evaluation import tables
from trainer.streams.stream_set import Heard, Recording, StreamSet

BEFORE_SECONDS, AFTER_SECONDS = 2.0, 1.5


@dataclass(frozen=True)
class Event:
    """A false accept at `end`, or a word from `start` to `end` that was missed; times in seconds. `score` is the
    highest probability of the detection, or while the word could have been heard; of what was said as much as is known.
    """

    kind: Literal["false_accept", "miss"]
    recording: str
    condition: str
    start: float
    end: float
    score: float
    clip: str = ""
    label: str = ""
    phrase: str = ""
    speaker: str = ""


@dataclass(frozen=True)
class Trace:
    """Smoothed probabilities [n] of windows that end at `seconds` [n]."""

    seconds: NDArray[np.float64]
    probability: NDArray[np.float64]


@dataclass(frozen=True)
class Excerpt:
    """The audio around an event: mono float32 [samples] in -1..1, from `start` seconds of its recording on."""

    wave: NDArray[np.float32]
    sample_rate: int
    start: float


def false_accepts(heard: Sequence[Heard], threshold: float) -> list[Event]:
    """Every false accept, the most certain first."""
    events = [event for each in heard if each.recording.counts_false_accepts for event in _accepts(each, threshold)]
    return sorted(events, key=lambda event: (-event.score, event.recording, event.end))


def _accepts(heard: Heard, threshold: float) -> list[Event]:
    silent = stream_scores.hops_silent(heard.hop_seconds, heard.refractory_seconds)
    recording, events = heard.recording, []
    for hop in stream_scores.false_accepts(heard.track, threshold).tolist():
        seconds, score = (hop + 1) * heard.hop_seconds, float(heard.probability[hop : hop + silent].max())
        part = tables.part_before(recording.parts, seconds)
        said = part.model_dump(include={"clip", "label", "phrase", "speaker"}) if part else {}
        events.append(Event("false_accept", recording.name, recording.condition, seconds, seconds, score, **said))
    return events


def misses(heard: Sequence[Heard], threshold: float) -> list[Event]:
    """Every word that was missed, the one that was heard least first."""
    events = [event for each in heard if each.recording.words for event in _misses(each, threshold)]
    return sorted(events, key=lambda event: (event.score, event.recording, event.end))


def _misses(heard: Heard, threshold: float) -> list[Event]:
    recording, track = heard.recording, heard.track
    missed = np.flatnonzero(np.isnan(stream_scores.latencies(track, threshold))).tolist()
    places = np.maximum(stream_scores.places(track), 0).tolist()
    return [
        Event(
            "miss",
            recording.name,
            recording.condition,
            word.start,
            word.end,
            float(track.probability[slice(*places[number])].max(initial=0.0)),
            clip=word.clip,
            label="positive",
            speaker=word.speaker,
        )
        for number, word in ((number, recording.words[number]) for number in missed)
    ]


def of_name(heard: Sequence[Heard], name: str) -> Heard:
    """The stream of this name. Raises ValueError."""
    for each in heard:
        if each.recording.name == name:
            return each
    raise ValueError(f"There is no recording {name!r:.80} in this evaluation.")


def span(event: Event, recording: Recording) -> tuple[float, float]:
    """From two seconds before an event to a little after it, within its recording."""
    return max(0.0, event.start - BEFORE_SECONDS), min(recording.seconds, event.end + AFTER_SECONDS)


def trace(heard: Sequence[Heard], event: Event) -> Trace:
    """The probabilities around an event."""
    of_event = of_name(heard, event.recording)
    seconds = np.arange(1, len(of_event.probability) + 1, dtype=np.float64) * np.float64(of_event.hop_seconds)
    first, last = span(event, of_event.recording)
    inside = slice(int(np.searchsorted(seconds, first)), int(np.searchsorted(seconds, last, side="right")))
    return Trace(seconds[inside], of_event.probability[inside])


def excerpt(streams: StreamSet, event: Event) -> Excerpt:
    """The audio around an event. Raises ValueError when its recording is gone or cannot be read any more."""
    recording = next((each for each in streams.recordings if each.name == event.recording), None)
    if recording is None:
        raise ValueError(f"There is no recording {event.recording!r:.80} in this evaluation.")
    return cut(streams.path_of(recording), *span(event, recording))


def cut(path: Path, first: float, last: float) -> Excerpt:
    """From `first` to `last` second of a recording. Raises ValueError."""
    try:
        wave, rate = audio_reader.part(path, first, last)
    except FileNotFoundError:
        raise ValueError(f"{path} no longer exists. Evaluate the run again.") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    return Excerpt(wave, rate, first)
