"""Estimates how long a training takes on the CPU, from its clips and its options, before anything is measured.

All times are those of the reference machine, two cores without other work; the pace of another machine is a factor.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence

from trainer.audio.manifest import Clip
from trainer.config import config_file
from trainer.config.schema import EMBEDDING_WINDOW_SECONDS, Config, Data
from trainer.estimates import model_size
from trainer.system.workspace import STREAM

_STEP_WINDOWS = {
    "tc_resnet": 3_290,
    "bc_resnet": 275,
    "resnet18": 104,
    "mobilenet_v3_small": 612,
    "tcn": 1_093,
    "lstm": 1_709,
    "gru": 600,
    "dense": 21_774,
    "conv_attention": 9_119,
    "mixednet": 3_000,
}
"""Windows that each model at its default width learns in a second: the limits of benchmarks.training_speed. That of
mixednet is the limit of tc_resnet, times the ratio of their paces on a busy machine."""
_ON_EMBEDDINGS = ("dense", "conv_attention")
"""The models whose limit was measured on speech embeddings."""
_WORK_EXPONENT = 0.6
"""Of the work in a frame: wider layers use the processor better. Fitted to the presets; the errors are printed by
`python -m benchmarks.durations`."""
_AUGMENT_SECONDS = 2.7e-4
"""Augmentation and features for a second of a window."""
_EMBED_SECONDS = 2.8e-3
"""The speech embedding of a window."""
_START_SECONDS, _BATCH_SECONDS, _EPOCH_SECONDS = 4.0, 1.5e-3, 0.1
"""From the start to the first batch with all clips in the cache; on top of every batch; on top of every epoch."""
_SCORED = 0.4
"""Scoring a window, as a share of learning it."""
_STREAM_HOP_SECONDS = 0.08
"""A validation stream costs as many windows as it has steps of this length."""


def epoch_size(data: Data, positives: int, others: int, hard: int, has_stream: bool) -> float:
    """Windows of an epoch before `epoch_windows` limits them: every clip at least once, in the configured shares.

    `positives` counts clips; `others` windows of the ordinary negatives, `hard` those of hard negatives with a share of
    their own (else 0).
    """
    shares = data.positive_share + data.unfinished_share + data.background_share + data.mined_share
    shares += data.hard_negative_share if hard else 0.0
    stream_share = data.stream_share if has_stream else 0.0
    total = max(others / (1 - shares) / (1 - stream_share), positives / data.positive_share)
    return max(total, hard / data.hard_negative_share) if hard else total


def epoch_windows(config: Config, clips: Iterable[Clip]) -> int:
    """Windows of an epoch on these clips of the training split."""
    data, counts = config.data, dict.fromkeys(("positive", "negative", "hard_negative", STREAM), 0)
    for clip in clips:
        if clip.label in counts:
            repeats = 1 if clip.label == "positive" else max(1, int(clip.seconds / data.window_seconds))
            counts[clip.label] += repeats
    hard = counts["hard_negative"] if data.hard_negative_share else 0
    others = counts["negative"] + counts["hard_negative"] - hard
    total = epoch_size(data, counts["positive"], others, hard, counts[STREAM] > 0)
    return round(min(total, data.epoch_windows) if data.epoch_windows else total)


@functools.cache
def _default(model: str) -> Config:
    """The configuration with which the limit of a model was measured."""
    document: dict[str, object] = {"model": {"name": model}}
    if model in _ON_EMBEDDINGS:
        document |= {"features": {"kind": "speech_embedding"}, "data": {"window_seconds": EMBEDDING_WINDOW_SECONDS}}
    return config_file.build(document)


def _step_seconds(config: Config) -> float:
    """Learning one window, with computed features."""
    default = _default(config.model.name)
    frames = model_size.frames(config) / model_size.frames(default)
    in_frame = model_size.size(config).multiply_adds / model_size.size(default).multiply_adds / frames
    return float(frames * in_frame**_WORK_EXPONENT) / _STEP_WINDOWS[config.model.name]


def _window_seconds(config: Config) -> float:
    """One window of a batch: augmented anew, unless its speech embedding was computed before."""
    if config.features.kind == "speech_embedding":
        return _step_seconds(config)
    return _step_seconds(config) + _AUGMENT_SECONDS * config.data.window_seconds


def batch_seconds(config: Config) -> float:
    """Seconds of a full batch on the reference machine."""
    return _BATCH_SECONDS + config.training.batch_size * _window_seconds(config)


def seconds(config: Config, splits: Mapping[str, Sequence[Clip]]) -> float:
    """Seconds of a training on these splits on the reference machine, without early stopping."""
    training, windows = config.training, epoch_windows(config, splits["train"])
    scored = [clip for clip in splits["val"] if clip.label != "rirs"]
    validation = sum(max(1, int(clip.seconds / config.data.window_seconds)) for clip in scored)
    score = _SCORED * _window_seconds(config)
    epoch = windows * _window_seconds(config) + windows / training.batch_size * _BATCH_SECONDS
    epoch += _EPOCH_SECONDS + validation * score
    streams = -(-training.epochs // training.stream_epochs) if training.stream_epochs else 0
    stream = sum(clip.seconds for clip in scored) / _STREAM_HOP_SECONDS * _SCORED * _step_seconds(config)
    return _START_SECONDS + _embedding_seconds(config, windows, validation) + training.epochs * epoch + streams * stream


def _embedding_seconds(config: Config, windows: int, validation: int) -> float:
    """Seconds in which the speech embeddings of all windows are computed before the first epoch."""
    if config.features.kind != "speech_embedding":
        return 0.0
    augmented = config.features.embedding_rounds * windows
    augment = _AUGMENT_SECONDS * config.data.window_seconds
    return augmented * (augment + _EMBED_SECONDS) + validation * _EMBED_SECONDS


def rounded(seconds: float) -> str:
    """An estimate as text, no more exact than it is."""
    if seconds < 55:
        return f"{max(1, round(seconds / 10)) * 10} s"
    minutes = seconds / 60
    if minutes < 10:
        return f"{max(1, round(minutes))} min"
    return f"{round(minutes / 5) * 5} min" if minutes < 90 else f"{round(minutes / 60)} h"
