"""Measures how long the phases of one training take on this machine, on its real clips and with its real code."""

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

from trainer.engine.data.batches import draw_epoch, prefetch, seed_dropout, training_batch
from trainer.engine.data.windows import Windows
from trainer.engine.training import checkpoints, mining, resume, validation
from trainer.engine.training.epoch import StepPlan, open_stream, take_step
from trainer.engine.training.journal import update_progress
from trainer.engine.training.session import Session
from trainer.engine.training.training_state import TrainingState
from trainer.engine.training.validation import Stream, score
from trainer.run.documents import Best

WARM_UP_BATCHES = 2
LEAST_BATCHES, MOST_BATCHES = 3, 40
BATCHES_SECONDS = 5.0
PART_SECONDS = 1.0
PART_WINDOWS = 256
"""Validation and mining are measured in parts of this many windows, one of their batches."""
PROGRESS_WRITES = 4
"""How often the loop flushes its progress around each epoch (training, validating, saving, done)."""


def _duration(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _train_one(session: Session, features: Tensor, positive: Tensor, epoch: int, batch: int) -> None:
    """What the loop does with one batch; the duration does not depend on the learning rate."""
    seed_dropout(session.config, epoch, batch)
    take_step(session, features, positive, StepPlan(step=1, rate=1e-6))
    update_progress(session.journal, batch=batch + 1)


def _measured_enough(seconds: list[float]) -> bool:
    timed = len(seconds) - WARM_UP_BATCHES
    return timed >= MOST_BATCHES or (timed >= LEAST_BATCHES and sum(seconds) >= BATCHES_SECONDS)


def batch_seconds(session: Session, windows: Windows) -> tuple[float, float]:
    """Seconds of the very first batch, and mean seconds of the full ones after it; takes about five seconds."""
    size = session.config.training.batch_size
    full = max(1, len(windows) // size)

    def make(number: int) -> tuple[Tensor, Tensor]:
        before, batch = divmod(number, full)
        return training_batch(session.train, windows.take(slice(batch * size, (batch + 1) * size)), before + 1, batch)

    seconds: list[float] = []
    session.model.train()
    with closing(prefetch(make, itertools.count())) as prepared:
        while not _measured_enough(seconds):
            began = time.monotonic()
            features, positive = next(prepared)
            before, batch = divmod(len(seconds), full)
            _train_one(session, features, positive, before + 1, batch)
            seconds.append(time.monotonic() - began)
    return seconds[0], statistics.mean(seconds[WARM_UP_BATCHES:])


def scaled_seconds(windows: Windows, work: Callable[[Windows], object]) -> float:
    """Seconds that `work` takes on all windows, scaled from one second of work; the first part is the warm-up."""
    if not len(windows):
        return 0.0
    work(windows.take(slice(0, PART_WINDOWS)))
    done, began = 0, time.monotonic()
    while done < len(windows) and time.monotonic() - began < PART_SECONDS:
        part = windows.take(slice(done, done + PART_WINDOWS))
        work(part)
        done += len(part)
    return (time.monotonic() - began) * len(windows) / done


def _save_first_epoch(session: Session) -> None:
    """What the loop writes after an epoch that is the first and the best one."""
    name = checkpoints.name(1)
    best = Best(epoch=1, val_loss=1.0, val_accuracy=None, checkpoint=name)
    resume.save(session, replace(session.start, best=best), name)
    checkpoints.mark_best(session.run.checkpoints, best)
    for _ in range(PROGRESS_WRITES):
        update_progress(session.journal, flush=True)


def validation_seconds(session: Session) -> float:
    """Seconds of scoring the validation windows."""
    return scaled_seconds(
        session.val_windows,
        lambda part: score(session.eval_model, session.val, part, lambda *progress: session.heartbeat()),
    )


def mining_seconds(session: Session) -> float:
    """Seconds of one mining of hard negatives; 0 when none is configured."""
    if not mining.count_minings(session.config):
        return 0.0
    return scaled_seconds(
        mining.feed_candidates(session.train),
        lambda part: score(
            session.eval_model, session.train, part, lambda *progress: session.heartbeat(), probability=True
        ),
    )


def _stream_seconds(session: Session) -> float:
    """Seconds of scoring the validation stream once, with its share of the opening; 0 when it is never scored."""
    scorings = validation.count_streams(session.config)
    if not scorings:
        return 0.0
    began = time.monotonic()
    stream = session.stream()
    opening = time.monotonic() - began
    return opening / scorings + scoring_seconds(session, stream)


def scoring_seconds(session: Session, stream: Stream) -> float:
    """Seconds of scoring an open stream, scaled from a part of it that is scored twice: the first is the warm-up."""
    columns = max(stream.columns, key=len)
    part = columns[: validation.columns_of_windows(session.config, PART_WINDOWS)]

    def score_part() -> object:
        return validation.stream_probability(session.eval_model, session.val, part, session.heartbeat)

    score_part()
    return _duration(score_part) * sum(map(len, stream.columns)) / len(part)


def measure_later_phases(session: Session, state: TrainingState) -> None:
    """Measure phases that come later for the first time on a part of them, for the ETA. Raises Interruption."""
    config, journal, done = session.config, session.journal, state.epoch - 1
    if journal.times.stream is None and validation.count_streams(config, after=done):
        update_progress(journal, doing="Measuring the time of the validation stream")
        journal.times = replace(journal.times, stream=scoring_seconds(session, open_stream(session)))
    if (
        journal.times.mining is None
        and mining.count_minings(config, after=done)
        and not mining.due(config, state.epoch)
    ):
        update_progress(journal, doing="Measuring the time of hard-negative mining")
        journal.times = replace(journal.times, mining=mining_seconds(session))


def measure(session: Session, prepare_seconds: float) -> dict[str, object]:
    """Seconds of each phase of this training, of an epoch, and of all epochs without early stopping.

    `prepare_seconds` is how long the start took. The weights of the session are unusable afterwards.
    """
    config = session.config
    windows = draw_epoch(session.train, 1)
    drawing = _duration(lambda: draw_epoch(session.train, 2))
    first, batch = batch_seconds(session, windows)
    val_seconds, checkpoint = validation_seconds(session), _duration(lambda: _save_first_epoch(session))
    mining_time, stream_time = mining_seconds(session), _stream_seconds(session)
    batches = max(1.0, len(windows) / config.training.batch_size)  # the last batch is seldom a full one
    epoch = drawing + batches * batch + val_seconds + checkpoint
    total = prepare_seconds + first - batch + config.training.epochs * epoch
    total += mining.count_minings(config) * mining_time + validation.count_streams(config) * stream_time
    on_gpu = session.train.device.type == "cuda"
    return {
        "prepare_seconds": prepare_seconds,
        "first_batch_seconds": first,
        "batch_seconds": batch,
        "batches": math.ceil(batches),
        "validation_seconds": val_seconds,
        "checkpoint_seconds": checkpoint,
        "mining_seconds": mining_time,
        "stream_seconds": stream_time,
        "epoch_seconds": epoch,
        "total_seconds": max(total, epoch),
        "epochs": config.training.epochs,
        "device": session.journal.progress.device,
        "gpu_memory_bytes": torch.cuda.max_memory_reserved(session.train.device) if on_gpu else None,
    }
