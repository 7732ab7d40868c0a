"""How long the pieces of one training take on this machine, measured on its real clips with the code that trains."""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import torch
from torch import Tensor

from trainer.engine.data.batches import heard_in, one_ahead, seed_dropout, training_batch
from trainer.engine.data.windows import Windows
from trainer.engine.training import checkpoints, mining, resume, validation
from trainer.engine.training.epoch import Stride, open_stream, take_step
from trainer.engine.training.journal import tell
from trainer.engine.training.session import Parts
from trainer.engine.training.training_state import Course
from trainer.engine.training.validation import Stream, score
from trainer.run.documents import Best

WARM_UP_BATCHES = 2
LEAST_BATCHES, MOST_BATCHES = 3, 40
BATCHES_SECONDS = 5.0
PART_SECONDS = 1.0
PART_WINDOWS = 256
"""Validation and mining are measured in parts of this many windows, one of their batches."""
TOLD_BETWEEN_EPOCHS = 4
"""How often the loop tells its progress at once (training, validating, saving, done) around each epoch."""


def _timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _train_one(parts: Parts, features: Tensor, positive: Tensor, epoch: int, batch: int) -> None:
    """What the loop does with one batch; the rate is that of the first epoch, which no time depends on."""
    seed_dropout(parts.config, epoch, batch)
    take_step(parts, features, positive, Stride(step=1, rate=1e-6))
    tell(parts.journal, batch=batch + 1)


def _enough(seconds: list[float]) -> bool:
    timed = len(seconds) - WARM_UP_BATCHES
    return timed >= MOST_BATCHES or (timed >= LEAST_BATCHES and sum(seconds) >= BATCHES_SECONDS)


def batch_seconds(parts: Parts, windows: Windows) -> tuple[float, float]:
    """(Seconds of the very first batch, mean seconds of a full one afterwards); takes about five seconds in all."""
    size = parts.config.training.batch_size
    full = max(1, len(windows) // size)

    def make(number: int) -> tuple[Tensor, Tensor]:
        before, batch = divmod(number, full)
        return training_batch(parts.train, windows.take(slice(batch * size, (batch + 1) * size)), before + 1, batch)

    seconds: list[float] = []
    parts.model.train()
    with closing(one_ahead(make, itertools.count())) as coming:
        while not _enough(seconds):
            began = time.monotonic()
            features, positive = next(coming)
            before, batch = divmod(len(seconds), full)
            _train_one(parts, features, positive, before + 1, batch)
            seconds.append(time.monotonic() - began)
    return seconds[0], statistics.mean(seconds[WARM_UP_BATCHES:])


def scaled_seconds(windows: Windows, work: Callable[[Windows], object]) -> float:
    """Seconds that `work` takes on all windows, from as many of them as a second allows; the first part warms up."""
    if not len(windows):
        return 0.0
    work(windows.take(slice(0, PART_WINDOWS)))
    done, began = 0, time.monotonic()
    while done < len(windows) and time.monotonic() - began < PART_SECONDS:
        part = windows.take(slice(done, done + PART_WINDOWS))
        work(part)
        done += len(part)
    return (time.monotonic() - began) * len(windows) / done


def _commit(parts: Parts) -> None:
    """What the loop writes after an epoch, all of it for the first time and as the best."""
    name = checkpoints.name(1)
    best = Best(epoch=1, val_loss=1.0, val_accuracy=None, checkpoint=name)
    resume.save(parts, replace(parts.start, best=best), name)
    checkpoints.mark_best(parts.run.checkpoints, best)
    for _ in range(TOLD_BETWEEN_EPOCHS):
        tell(parts.journal, now=True)


def mining_seconds(parts: Parts) -> float:
    """Seconds of one look for hard negatives; 0 where none is configured."""
    if not mining.count_minings(parts.config):
        return 0.0
    every = mining.candidates_of(parts.train)
    return scaled_seconds(every, lambda part: mining.score(parts.judged, parts.train, part, lambda done: parts.beat()))


def _stream_seconds(parts: Parts) -> float:
    """Seconds of hearing the validation stream once, scaled from a part of it; 0 where it is never heard."""
    if not validation.count_streams(parts.config):
        return 0.0
    began = time.monotonic()
    whole = parts.stream()
    opening = time.monotonic() - began
    return opening / validation.count_streams(parts.config) + hearing_seconds(parts, whole)


def hearing_seconds(parts: Parts, whole: Stream) -> float:
    """Seconds of hearing a stream that is open, scaled from a part of it that is heard twice: the first warms up."""
    columns = max(whole.columns, key=len)
    part = columns[: validation.columns_of_windows(parts.config, PART_WINDOWS)]
    _, scored = (
        _timed(lambda: validation.stream_probability(parts.judged, parts.val, part, parts.beat)) for _ in range(2)
    )
    return scored * sum(map(len, whole.columns)) / len(part)


def measure_coming(parts: Parts, course: Course) -> None:
    """Measure what comes later for the first time on a part of it, so that the ETA knows of it. Raises Interruption."""
    config, journal, done = parts.config, parts.journal, course.epoch - 1
    if journal.times.stream is None and validation.count_streams(config, after=done):
        tell(journal, doing="Measuring the time of the validation stream")
        seconds = hearing_seconds(parts, open_stream(parts))
        journal.times = replace(journal.times, stream=seconds)
    if (
        journal.times.mining is None
        and mining.count_minings(config, after=done)
        and not mining.due(config, course.epoch)
    ):
        tell(journal, doing="Measuring the time of hard-negative mining")
        journal.times = replace(journal.times, mining=mining_seconds(parts))


def measure(parts: Parts, prepare_seconds: float) -> dict[str, object]:
    """The pieces of this training in seconds, and what they add up to: an epoch, and all without early stopping.

    `prepare_seconds` is what the start took until now. The weights of `parts` are of no use afterwards.
    """
    config = parts.config
    windows = heard_in(parts.train, 1)
    drawing = _timed(lambda: heard_in(parts.train, 2))
    first, batch = batch_seconds(parts, windows)
    val_seconds = scaled_seconds(parts.val_windows, lambda part: score(parts.judged, parts.val, part, parts.beat))
    checkpoint, mined, heard = _timed(lambda: _commit(parts)), mining_seconds(parts), _stream_seconds(parts)
    of_epoch = max(1.0, len(windows) / config.training.batch_size)  # the last batch is seldom a full one
    epoch = drawing + of_epoch * batch + val_seconds + checkpoint
    total = prepare_seconds + first - batch + config.training.epochs * epoch
    total += mining.count_minings(config) * mined + validation.count_streams(config) * heard
    on_gpu = parts.train.device.type == "cuda"
    return {
        "prepare_seconds": prepare_seconds,
        "first_batch_seconds": first,
        "batch_seconds": batch,
        "batches": math.ceil(of_epoch),
        "validation_seconds": val_seconds,
        "checkpoint_seconds": checkpoint,
        "mining_seconds": mined,
        "stream_seconds": heard,
        "epoch_seconds": epoch,
        "total_seconds": max(total, epoch),
        "epochs": config.training.epochs,
        "device": parts.journal.progress.device,
        "gpu_memory_bytes": torch.cuda.max_memory_reserved(parts.train.device) if on_gpu else None,
    }
