"""The windows of an epoch, cut as a stream presents them: a pure function of seed and epoch.

The features of `PrecomputedWindows` were computed before the training and lie in a memory-mapped array.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.config.schema import Config
from trainer.engine.data.clips import ClipArray
from trainer.estimates import duration
from trainer.system.workspace import STREAM

OTHER_WORDS = ("negative", "hard_negative")
MINED_LABELS = (*OTHER_WORDS, "background", STREAM)
MINED_JITTER_MS = 100
"""A mined window moves by up to this much each time it is drawn, which reduces overfitting."""


@dataclass(frozen=True)
class Windows:
    """A list of windows: `clip` int64 [n], `start` int64 [n] in samples from the clip's own start (it may lie before
    it, and the window may reach past the clip's end), `positive` bool [n]."""

    clip: NDArray[np.int64]
    start: NDArray[np.int64]
    positive: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.clip)

    def take(self, chosen: NDArray[np.int64] | slice) -> Windows:
        return Windows(self.clip[chosen], self.start[chosen], self.positive[chosen])


def window_samples(config: Config) -> int:
    return round(config.data.window_seconds * SAMPLE_RATE)


def _milliseconds(value: float) -> int:
    return round(value * SAMPLE_RATE / 1000)


def join(parts: list[Windows]) -> Windows:
    clip = np.concatenate([part.clip for part in parts])
    start = np.concatenate([part.start for part in parts])
    return Windows(clip, start, np.concatenate([part.positive for part in parts]))


def _ending(array: ClipArray, clip: NDArray[np.int64], end: NDArray[np.int64], size: int, positive: bool) -> Windows:
    return Windows(clip, end - size, np.full(len(clip), positive))


def _after_word(
    array: ClipArray, clip: NDArray[np.int64], config: Config, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Ends shortly after the word: the margin, then a random shift."""
    shift = rng.integers(0, _milliseconds(config.augmentation.shift_ms) + 1, len(clip))
    return np.asarray(array.words[clip, 1] + _milliseconds(config.data.word_margin_ms) + shift)


def _unfinished(array: ClipArray, clip: NDArray[np.int64], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Ends that show 20 to 65 % of the word, or so long after it that its first half has left the window."""
    start, end = array.words[clip].T
    length = end - start
    early = start + (rng.uniform(0.2, 0.65, len(clip)) * length).astype(np.int64)
    late = start + (rng.uniform(0.5, 1.0, len(clip)) * length).astype(np.int64) + size
    return np.asarray(np.where(rng.random(len(clip)) < 0.6, early, late))


def _anywhere(array: ClipArray, clip: NDArray[np.int64], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Ends anywhere, including the edges, where a clip fills only a part of the window."""
    low, high = size * 4 // 10, array.lengths[clip] + size * 3 // 10
    return low + (rng.random(len(clip)) * np.maximum(high - low, 1)).astype(np.int64)


def _fill(clips: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """`count` draws from `clips`, each as equally often as possible, in random order."""
    if not len(clips) or count <= 0:
        return np.empty(0, np.int64)
    rounds = [rng.permutation(clips) for _ in range(-(-count // len(clips)))]
    return np.concatenate(rounds)[:count]


def _repeats(array: ClipArray, clips: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """How often an epoch uses each clip: once, or as often as it holds windows."""
    return np.maximum(1, array.lengths[clips] // size)


def _draw_other_words(array: ClipArray, config: Config, labels: tuple[str, ...], rng: np.random.Generator) -> Windows:
    """Windows of every clip of these labels, see `_repeats`; half of the short ones end like a positive."""
    size = window_samples(config)
    clips = array.labelled(*labels)
    clips = np.repeat(clips, _repeats(array, clips, size))
    short = array.lengths[clips] < 3 * size
    like_positive = short & (rng.random(len(clips)) < 0.5)
    ends = np.where(like_positive, _after_word(array, clips, config, rng), _anywhere(array, clips, size, rng))
    return _ending(array, clips, ends, size, positive=False)


@dataclass(frozen=True)
class Counts:
    """How many windows of each kind an epoch has; `mined` ones are ordinary negatives until there is a pool.

    Without a share for hard negatives, `hard` is 0 and `other` includes them. `stream` ones are from long recordings.
    """

    positive: int
    unfinished: int
    background: int
    hard: int
    mined: int
    stream: int
    other: int


def epoch_counts(array: ClipArray, config: Config) -> Counts:
    """The counts of every epoch: every clip at least once, in the configured shares, unless limited by
    `epoch_windows`."""
    data, positives = config.data, len(array.labelled("positive"))
    hard_share = data.hard_negative_share if len(array.labelled("hard_negative")) else 0.0
    size = window_samples(config)
    others = int(_repeats(array, array.labelled(*_other_labels(hard_share)), size).sum())
    hards = int(_repeats(array, array.labelled("hard_negative"), size).sum()) if hard_share else 0
    shares = np.array([data.positive_share, data.unfinished_share, data.background_share, hard_share, data.mined_share])
    has_stream = len(array.labelled(STREAM)) > 0
    stream_share = data.stream_share if has_stream else 0.0
    total = duration.epoch_size(data, positives, others, hards, has_stream)
    if data.epoch_windows:
        total = min(total, data.epoch_windows)
    spoken, unfinished, background, hard, mined = np.rint(total * shares).astype(int).tolist()
    background = background if len(array.labelled("background")) else 0
    spoken, unfinished = (spoken, unfinished) if positives else (0, 0)
    other = max(1, round(total) - spoken - unfinished - background - hard - mined)
    stream = round(stream_share * other)
    return Counts(spoken, unfinished, background, hard, mined, stream, other - stream)


def _other_labels(hard: float) -> tuple[str, ...]:
    """Labels of the ordinary negatives, which include hard ones unless these have a share of their own."""
    return ("negative",) if hard else OTHER_WORDS


def _draw_from_streams(array: ClipArray, size: int, count: int, rng: np.random.Generator) -> Windows:
    """`count` windows at random times of the long recordings."""
    clips = array.labelled(STREAM)
    if not count:
        return _ending(array, clips[:0], clips[:0], size, positive=False)
    drawn = rng.choice(clips, count, p=array.lengths[clips] / array.lengths[clips].sum())
    return _ending(array, drawn, _anywhere(array, drawn, size, rng), size, positive=False)


def _draw_from_pool(pool: Windows | None, count: int, rng: np.random.Generator) -> Windows:
    """`count` windows from the pool, each moved by a random jitter; none without a pool."""
    pool = pool or Windows(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, bool))
    drawn = pool.take(_fill(np.arange(len(pool)), count, rng))
    most = _milliseconds(MINED_JITTER_MS)
    return Windows(drawn.clip, drawn.start + rng.integers(-most, most + 1, len(drawn)), drawn.positive)


def epoch_windows(array: ClipArray, config: Config, epoch: int, pool: Windows | None = None) -> Windows:
    """The windows of one training epoch in order.

    `pool` holds the negatives that the model finds hardest, see `training.mining`.
    """
    rng = np.random.default_rng([config.training.seed, epoch, 1])
    size, counts = window_samples(config), epoch_counts(array, config)
    other = _draw_other_words(array, config, _other_labels(counts.hard), rng)
    positives, backgrounds = array.labelled("positive"), array.labelled("background")
    spoken, unfinished = (_fill(positives, count, rng) for count in (counts.positive, counts.unfinished))
    background = _fill(backgrounds, counts.background, rng)
    rest = counts.other if pool else counts.other + counts.mined
    parts = [
        _ending(array, spoken, _after_word(array, spoken, config, rng), size, positive=True),
        _ending(array, unfinished, _unfinished(array, unfinished, size, rng), size, positive=False),
        _ending(array, background, _anywhere(array, background, size, rng), size, positive=False),
        other.take(_fill(np.arange(len(other)), rest, rng)),
        _draw_from_pool(pool, counts.mined, rng),
    ]
    if counts.hard:
        hard = _draw_other_words(array, config, ("hard_negative",), rng)
        parts.append(hard.take(_fill(np.arange(len(hard)), counts.hard, rng)))
    parts.append(_draw_from_streams(array, size, counts.stream, rng))
    every = join(parts)
    return every.take(rng.permutation(len(every)))


def validation_windows(array: ClipArray, config: Config) -> Windows:
    """Fixed windows: each positive and each short negative once, its word ended as in training; long ones in full."""
    size = window_samples(config)
    after = _milliseconds(config.data.word_margin_ms + config.augmentation.shift_ms / 2)
    positives, others = array.labelled("positive"), array.labelled(*OTHER_WORDS)
    short = others[array.lengths[others] < 2 * size]
    tiles = [(i, end) for i in others[array.lengths[others] >= 2 * size] for end in range(size, array.lengths[i], size)]
    tiled = np.array(tiles, dtype=np.int64).reshape(-1, 2)
    return join(
        [
            _ending(array, positives, array.words[positives, 1] + after, size, positive=True),
            _ending(array, short, array.words[short, 1] + after, size, positive=False),
            _ending(array, tiled[:, 0], tiled[:, 1], size, positive=False),
        ]
    )


def gather(array: ClipArray, windows: Windows, size: int) -> NDArray[np.int16]:
    """The samples of these windows, int16 [n, size]; samples outside a clip are silence."""
    out = np.zeros((len(windows), size), np.int16)
    for row, clip, start in zip(out, windows.clip.tolist(), windows.start.tolist(), strict=True):
        length, origin = int(array.lengths[clip]), int(array.starts[clip])
        first, last = max(0, start), min(length, start + size)
        if first < last:
            row[first - start : last - start] = array.samples[origin + first : origin + last]
    return out


@dataclass(frozen=True)
class PrecomputedWindows(Windows):
    """Windows with computed features: `row` int64 [n] of `features` float16 [all, numbers, steps]."""

    row: NDArray[np.int64]
    features: NDArray[np.float16]

    def take(self, chosen: NDArray[np.int64] | slice) -> PrecomputedWindows:
        part = super().take(chosen)
        return PrecomputedWindows(part.clip, part.start, part.positive, self.row[chosen], self.features)

    def read(self, device: torch.device) -> Tensor:
        """Features float32 [n, numbers, steps] on the device."""
        return torch.from_numpy(self.features[self.row]).to(device).float()


@dataclass(frozen=True)
class Precomputed:
    """All windows of a training: `rounds` of augmented training windows, mining `candidates`, and `validation` windows
    without augmentation."""

    rounds: tuple[PrecomputedWindows, ...]
    candidates: PrecomputedWindows
    validation: PrecomputedWindows


def join_precomputed(first: PrecomputedWindows, second: PrecomputedWindows) -> PrecomputedWindows:
    """Concatenate two lists that share one array of features."""
    pairs = ((getattr(first, name), getattr(second, name)) for name in ("clip", "start", "positive", "row"))
    clip, start, positive, row = (np.concatenate(pair) for pair in pairs)
    return PrecomputedWindows(clip, start, positive, row, first.features)


def find_precomputed(pool: Windows, candidates: PrecomputedWindows) -> PrecomputedWindows:
    """The windows of a pool with their features; a pool from a checkpoint holds only clips and starts."""
    rows = {
        place: row for row, place in enumerate(zip(candidates.clip.tolist(), candidates.start.tolist(), strict=True))
    }
    return candidates.take(
        np.array([rows[place] for place in zip(pool.clip.tolist(), pool.start.tolist(), strict=True)])
    )


def precomputed_epoch(
    precomputed: Precomputed, array: ClipArray, config: Config, epoch: int, pool: Windows | None
) -> PrecomputedWindows:
    """The windows of one epoch in order: the rounds in turn, each time shuffled anew.

    The windows of a pool replace as many other negatives.
    """
    rng = np.random.default_rng([config.training.seed, epoch, 2])
    windows = precomputed.rounds[(epoch - 1) % len(precomputed.rounds)]
    if pool:
        other = np.flatnonzero(np.isin(windows.clip, array.labelled(*OTHER_WORDS)))
        count = min(epoch_counts(array, config).mined, len(other))
        mined = find_precomputed(pool, precomputed.candidates).take(np.resize(rng.permutation(len(pool)), count))
        replaced = rng.choice(other, count, replace=False)
        windows = join_precomputed(windows.take(np.delete(np.arange(len(windows)), replaced)), mined)
    return windows.take(rng.permutation(len(windows)))
