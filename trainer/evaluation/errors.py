"""Errors of a detector at a threshold: rates by condition, speaker and phrase, every false accept and miss."""

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
from trainer.streams.stream_set import Part, Recording, ScoredStream, StreamSet, Word

UNKNOWN = "unknown speaker"
LOOK_BACK_SECONDS = 1.0
"""A false accept is attributed to the audio of this time before it."""


@dataclass(frozen=True)
class Row:
    """`wrong` of `count` words were missed, or of `count` utterances of a phrase were accepted; `rate` with its 95 %
    interval (None for few speakers or clips)."""

    name: str
    count: int
    wrong: int
    rate: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Accepts:
    """False accepts in the hours of one condition; `text` is their rate."""

    condition: str
    count: int
    hours: float
    text: str


@dataclass(frozen=True)
class Latency:
    """Seconds from the end of a word to its detection, negative before the end, over the `words` detected."""

    words: int
    median: float
    p90: float


@dataclass(frozen=True)
class _SpokenWord:
    """A word, its condition, whether it was missed, and its source (see `curve.sources`)."""

    word: Word
    condition: str
    missed: bool
    source: str


def _spoken_words(streams: Sequence[ScoredStream], threshold: float) -> list[_SpokenWord]:
    is_missed = curve.missed(streams, np.array([threshold]))[:, 0].tolist()
    words = [(word, each.recording.condition) for each in streams for word in each.recording.words]
    return [_SpokenWord(*word, *rest) for word, *rest in zip(words, is_missed, curve.sources(streams), strict=True)]


def _row(name: str, wrong: Sequence[bool], sources: Sequence[str]) -> Row:
    values = np.array(wrong, dtype=bool)
    return Row(name, len(values), int(values.sum()), float(values.mean()), *intervals.interval(values, sources))


def by_condition(streams: Sequence[ScoredStream], threshold: float) -> list[Row]:
    """Missed words by condition (clean, at an SNR, in a room), in the order of the streams."""
    groups: defaultdict[str, list[_SpokenWord]] = defaultdict(list)
    for word in _spoken_words(streams, threshold):
        groups[word.condition].append(word)
    return [_row(name, [w.missed for w in group], [w.source for w in group]) for name, group in groups.items()]


def by_speaker(streams: Sequence[ScoredStream], threshold: float) -> list[Row]:
    """Missed words by speaker, highest miss rate first; the interval resamples the clips of a speaker."""
    groups: defaultdict[str, list[_SpokenWord]] = defaultdict(list)
    for word in _spoken_words(streams, threshold):
        groups[word.word.speaker].append(word)
    rows = [
        _row(name or UNKNOWN, [w.missed for w in group], [w.word.clip or w.source for w in group])
        for name, group in groups.items()
    ]
    return sorted(rows, key=lambda row: (-row.rate, -row.count, row.name))


def part_before(parts: Sequence[Part], seconds: float) -> Part | None:
    """The part that fills most of the time before a detection, the later of two equal ones; None in silence."""

    def overlap(part: Part) -> float:
        return min(part.end, seconds) - max(part.start, seconds - LOOK_BACK_SECONDS)

    near = [part for part in parts if overlap(part) > 0]
    return max(near, key=lambda part: (round(overlap(part), 6), part.start), default=None)


def accepted_parts(stream: ScoredStream, threshold: float) -> list[Part | None]:
    """The part before each false accept in a stream."""
    hops = stream_scores.false_accepts(stream.track, threshold).tolist()
    return [part_before(stream.recording.parts, (hop + 1) * stream.hop_seconds) for hop in hops]


@dataclass(frozen=True)
class Phrase(Row):
    """`wrong` of `count` utterances of a phrase were accepted, some more than once: `false_accepts`."""

    false_accepts: int = 0


def by_phrase(streams: Sequence[ScoredStream], threshold: float) -> list[Phrase]:
    """Phrases that sound like the word, those accepted most often first."""
    utterances: defaultdict[str, list[tuple[Part, int]]] = defaultdict(list)
    for each in streams:
        if each.recording.counts_false_accepts:
            accepted = accepted_parts(each, threshold)
            for part in each.recording.parts:
                if part.phrase:
                    utterances[part.phrase].append((part, sum(other is part for other in accepted)))
    rows = [_phrase(name, parts) for name, parts in utterances.items()]
    return sorted(rows, key=lambda row: (-row.rate, -row.false_accepts, row.name))


def _phrase(name: str, utterances: Sequence[tuple[Part, int]]) -> Phrase:
    sources = [part.speaker or part.clip or str(number) for number, (part, _) in enumerate(utterances)]
    row = _row(name, [accepts > 0 for _, accepts in utterances], sources)
    return Phrase(**vars(row), false_accepts=sum(accepts for _, accepts in utterances))


def accepts_by_condition(streams: Sequence[ScoredStream], threshold: float) -> list[Accepts]:
    """False accepts by condition (speech, look-alikes, noise), in the order of the streams."""
    groups: defaultdict[str, list[ScoredStream]] = defaultdict(list)
    for each in streams:
        if each.recording.counts_false_accepts:
            groups[each.recording.condition].append(each)
    rows = [(name, curve.false_accepts(group, threshold), curve.hours(group)) for name, group in groups.items()]
    return [Accepts(*row, curve.rate_text(*row[1:])) for row in rows]


def latency(streams: Sequence[ScoredStream], threshold: float) -> Latency | None:
    """The time from the end of a word to its detection; None when no word is detected."""
    tracks: Iterable[NDArray[np.float64]] = (
        stream_scores.latencies(each.track, threshold) for each in streams if each.recording.words
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
    """A false accept at `end`, or a missed word from `start` to `end`; times in seconds. `score` is the highest
    probability of the detection, or while a detection would have been a hit. Unknown texts are empty."""

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


def false_accepts(streams: Sequence[ScoredStream], threshold: float) -> list[Event]:
    """Every false accept, highest score first."""
    events = [event for each in streams if each.recording.counts_false_accepts for event in _accepts(each, threshold)]
    return sorted(events, key=lambda event: (-event.score, event.recording, event.end))


def _accepts(stream: ScoredStream, threshold: float) -> list[Event]:
    refractory = stream_scores.refractory_hops(stream.hop_seconds, stream.refractory_seconds)
    recording, events = stream.recording, []
    for hop in stream_scores.false_accepts(stream.track, threshold).tolist():
        seconds, score = (hop + 1) * stream.hop_seconds, float(stream.probability[hop : hop + refractory].max())
        part = part_before(recording.parts, seconds)
        texts = part.model_dump(include={"clip", "label", "phrase", "speaker"}) if part else {}
        events.append(Event("false_accept", recording.name, recording.condition, seconds, seconds, score, **texts))
    return events


def misses(streams: Sequence[ScoredStream], threshold: float) -> list[Event]:
    """Every missed word, lowest score first."""
    events = [event for each in streams if each.recording.words for event in _misses(each, threshold)]
    return sorted(events, key=lambda event: (event.score, event.recording, event.end))


def _misses(stream: ScoredStream, threshold: float) -> list[Event]:
    recording, track = stream.recording, stream.track
    missed = np.flatnonzero(np.isnan(stream_scores.latencies(track, threshold))).tolist()
    hops = np.maximum(stream_scores.word_hops(track), 0).tolist()
    return [
        Event(
            "miss",
            recording.name,
            recording.condition,
            word.start,
            word.end,
            float(track.probability[slice(*hops[number])].max(initial=0.0)),
            clip=word.clip,
            label="positive",
            speaker=word.speaker,
        )
        for number, word in ((number, recording.words[number]) for number in missed)
    ]


def _span(event: Event, recording: Recording) -> tuple[float, float]:
    """The seconds of a recording around an event."""
    return max(0.0, event.start - BEFORE_SECONDS), min(recording.seconds, event.end + AFTER_SECONDS)


def _no_recording(event: Event) -> ValueError:
    return ValueError(f"There is no recording {event.recording!r:.80} in this evaluation.")


def trace(streams: Sequence[ScoredStream], event: Event) -> Trace:
    """The probabilities around an event. Raises ValueError when it is of none of these streams."""
    stream = next((each for each in streams if each.recording.name == event.recording), None)
    if stream is None:
        raise _no_recording(event)
    seconds = np.arange(1, len(stream.probability) + 1, dtype=np.float64) * np.float64(stream.hop_seconds)
    first, last = _span(event, stream.recording)
    inside = slice(int(np.searchsorted(seconds, first)), int(np.searchsorted(seconds, last, side="right")))
    return Trace(seconds[inside], stream.probability[inside])


def excerpt(streams: StreamSet, event: Event) -> Excerpt:
    """The audio around an event. Raises ValueError when its recording is missing or cannot be read."""
    recording = next((each for each in streams.recordings if each.name == event.recording), None)
    if recording is None:
        raise _no_recording(event)
    return cut(streams.path_of(recording), *_span(event, recording))


def cut(path: Path, first: float, last: float) -> Excerpt:
    """A recording from `first` to `last` in seconds. Raises ValueError."""
    try:
        wave, rate = audio_reader.part(path, first, last)
    except FileNotFoundError:
        raise ValueError(f"{path} no longer exists. Evaluate the run again.") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    return Excerpt(wave, rate, first)
