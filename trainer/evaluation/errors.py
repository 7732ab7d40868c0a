"""Errors of a detector at a threshold: rates by condition, speaker and phrase, and each false accept and miss."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainer.audio import audio_reader
from trainer.detector import stream_scores
from trainer.evaluation import curve, intervals
from trainer.streams.stream_set import Heard, Part, Recording, StreamSet, Word

UNKNOWN = "unknown speaker"
LOOK_BACK_SECONDS = 1.0
"""What was said in this time before a detection is what it woke for."""


@dataclass(frozen=True)
class Row:
    """So many of `count` words were missed, or of `count` times that a phrase was said woke the detector; `rate` with
    its 95 % interval (none for few speakers or clips)."""

    name: str
    count: int
    wrong: int
    rate: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Accepts:
    """False accepts in the hours of one condition; `text` is their rate in words."""

    condition: str
    count: int
    hours: float
    text: str


@dataclass(frozen=True)
class Latency:
    """Seconds from the end of a word to its detection, negative before the end, of the `words` that were heard."""

    words: int
    median: float
    p90: float


@dataclass(frozen=True)
class _Said:
    """A word, whether it was missed, and where it was said."""

    word: Word
    heard: Heard
    missed: bool
    source: str


def _said(heard: Sequence[Heard], threshold: float) -> list[_Said]:
    wrong = curve.missed(heard, np.array([threshold]))[:, 0].tolist()
    words = [(word, each) for each in heard for word in each.recording.words]
    return [_Said(*pair, *rest) for pair, *rest in zip(words, wrong, curve.sources(heard), strict=True)]


def _row(name: str, wrong: Sequence[bool], sources: Sequence[str]) -> Row:
    values = np.array(wrong, dtype=bool)
    return Row(name, len(values), int(values.sum()), float(values.mean()), *intervals.interval(values, sources))


def by_condition(heard: Sequence[Heard], threshold: float) -> list[Row]:
    """Missed words by how they are heard (clean, at an SNR, in a room), in the order of the streams."""
    groups: defaultdict[str, list[_Said]] = defaultdict(list)
    for said in _said(heard, threshold):
        groups[said.heard.recording.condition].append(said)
    return [_row(name, [s.missed for s in group], [s.source for s in group]) for name, group in groups.items()]


def by_speaker(heard: Sequence[Heard], threshold: float) -> list[Row]:
    """Missed words by speaker, weakest first; here the clips of one speaker are what an interval draws from."""
    groups: defaultdict[str, list[_Said]] = defaultdict(list)
    for said in _said(heard, threshold):
        groups[said.word.speaker].append(said)
    rows = [
        _row(name or UNKNOWN, [s.missed for s in group], [s.word.clip or s.source for s in group])
        for name, group in groups.items()
    ]
    return sorted(rows, key=lambda row: (-row.rate, -row.count, row.name))


def part_before(parts: Sequence[Part], seconds: float) -> Part | None:
    """What was said before a detection: of the parts in the time before it the one that fills most of that, the later
    of two; None in silence."""

    def shared(part: Part) -> float:
        return min(part.end, seconds) - max(part.start, seconds - LOOK_BACK_SECONDS)

    near = [part for part in parts if shared(part) > 0]
    return max(near, key=lambda part: (round(shared(part), 6), part.start), default=None)


def accepted_parts(heard: Heard, threshold: float) -> list[Part | None]:
    """What each false accept in a stream woke for."""
    hops = stream_scores.false_accepts(heard.track, threshold).tolist()
    return [part_before(heard.recording.parts, (hop + 1) * heard.hop_seconds) for hop in hops]


@dataclass(frozen=True)
class Phrase(Row):
    """`count` times a phrase was said, `wrong` of them woke the detector, some more than once: `false_accepts`."""

    false_accepts: int = 0


def by_phrase(heard: Sequence[Heard], threshold: float) -> list[Phrase]:
    """Phrases that sound like the word, the one that wakes most often first; those never taken for it at the end."""
    said: defaultdict[str, list[tuple[Part, int]]] = defaultdict(list)
    for each in heard:
        if each.recording.counts_false_accepts:
            woken = accepted_parts(each, threshold)
            for part in each.recording.parts:
                if part.phrase:
                    said[part.phrase].append((part, sum(one is part for one in woken)))
    return sorted((_phrase(*item) for item in said.items()), key=lambda row: (-row.rate, -row.false_accepts, row.name))


def _phrase(name: str, said: Sequence[tuple[Part, int]]) -> Phrase:
    sources = [part.speaker or part.clip or str(number) for number, (part, _) in enumerate(said)]
    row = _row(name, [times > 0 for _, times in said], sources)
    times = sum(times for _, times in said)
    return Phrase(row.name, row.count, row.wrong, row.rate, row.low, row.high, times)


def accepts_by_condition(heard: Sequence[Heard], threshold: float) -> list[Accepts]:
    """False accepts by what was heard (speech, other words, noise), in the order of the streams."""
    groups: defaultdict[str, list[Heard]] = defaultdict(list)
    for each in heard:
        if each.recording.counts_false_accepts:
            groups[each.recording.condition].append(each)
    counted = [(name, curve.false_accepts(group, threshold), curve.hours(group)) for name, group in groups.items()]
    return [Accepts(*row, curve.rate_text(*row[1:])) for row in counted]


def latency(heard: Sequence[Heard], threshold: float) -> Latency | None:
    """How long after the end of a word it is detected; None when none is."""
    tracks: Iterable[NDArray[np.float64]] = (
        stream_scores.latencies(each.track, threshold) for each in heard if each.recording.words
    )
    every = np.concatenate([np.empty(0), *tracks])
    values = every[~np.isnan(every)]
    if not len(values):
        return None
    median, p90 = np.percentile(values, [50, 90]).tolist()
    return Latency(len(values), median, p90)


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
        part = part_before(recording.parts, seconds)
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
