"""Where a detector with a given threshold misses words and wakes for others: by condition, speaker and phrase."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.detector import stream_scores
from trainer.evaluation import curve, intervals
from trainer.streams.stream_set import Heard, Part, Word

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
