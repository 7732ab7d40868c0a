"""The remaining time of a training, estimated from the durations of its phases so far: arithmetic, no clock."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace

from trainer.config.schema import Config
from trainer.engine.training import mining, validation

WARM_UP_BATCHES = 3
"""The first batches are slower: memory is allocated, kernels are chosen, files are read from disk."""
RECENT_BATCHES = 50
"""The time of a batch is the mean over about this many."""
RECENT_SHARE = 0.5
"""Weight of the newest duration in the average of a phase that occurs once an epoch or less often."""


@dataclass(frozen=True)
class Times:
    """Recent seconds of each phase; None where it was not measured yet.

    `start`: drawing an epoch's windows and its first batch; `batch`: any other full batch with its progress; `within`:
    a checkpoint within an epoch; `opening`: the features of the validation stream; `stream`: scoring it.
    """

    start: float | None = None
    batch: float | None = None
    validation: float | None = None
    saving: float | None = None
    within: float | None = None
    mining: float | None = None
    opening: float | None = None
    stream: float | None = None
    batches: float = 0
    """How many batches `batch` averages."""


def add_batch(times: Times, seconds: float, share: float, number: int) -> Times:
    """The times after batch `number` (1, 2, ...) of an attempt, which is `share` of a full batch."""
    if times.batch is None or (number <= WARM_UP_BATCHES and not times.batches):
        return replace(times, batch=seconds / share)
    if number <= WARM_UP_BATCHES:
        return times
    part = 1 / min(times.batches + 1, RECENT_BATCHES)
    return replace(times, batch=times.batch + part * (seconds / share - times.batch), batches=times.batches + 1)


def add_duration(times: Times, phase: str, seconds: float) -> Times:
    """The times after a phase that occurs once an epoch or less often; `phase` is the name of a field."""
    old = getattr(times, phase)
    return replace(times, **{phase: seconds if old is None else old + RECENT_SHARE * (seconds - old)})


def to_document(times: Times) -> dict[str, float]:
    """The times in the form of progress.json."""
    return {name: round(value, 6) for name, value in asdict(times).items() if value is not None}


def from_document(document: dict[str, float]) -> Times:
    """The inverse of `to_document`; unknown names are ignored."""
    return Times(**{field.name: document[field.name] for field in fields(Times) if field.name in document})


@dataclass(frozen=True)
class Remaining:
    """The remaining work: `rest` batches of the current epoch (the last may be partial), `epochs` more epochs of
    `batches` each, and how often each other phase follows."""

    rest: float
    epochs: int
    batches: float
    validations: int
    minings: int
    openings: int
    streams: int


def remaining_work(config: Config, epoch: int, batch: int, batches: float, stream_ready: bool) -> Remaining:
    """The work after `batch` of an epoch of `batches` (the last may be partial), without early stopping."""
    started = batch > 0
    epochs, streams = config.training.epochs - epoch + 1, validation.count_streams(config, after=epoch - 1)
    return Remaining(
        rest=max(0.0, batches - batch) if started else 0.0,
        epochs=max(0, epochs - started),
        batches=batches,
        validations=max(0, epochs),
        minings=mining.count_minings(config, after=epoch - 1 + started),
        openings=int(streams > 0 and not stream_ready),
        streams=streams,
    )


def remaining_seconds(times: Times, left: Remaining, checkpoint_minutes: float, since_saved: float) -> float | None:
    """The estimate in seconds; None before the first batch. Phases that were not measured yet count as 0.

    `since_saved`: seconds since the last checkpoint of the current epoch, or since its start.
    """
    if times.batch is None:
        return None
    first = times.start or times.batch
    epoch = first + max(0.0, left.batches - 1) * times.batch
    rest = left.rest * times.batch
    saved = _count_checkpoints(rest + since_saved, checkpoint_minutes) if left.rest else 0
    saved += left.epochs * _count_checkpoints(epoch, checkpoint_minutes)
    phases = (
        (left.validations, times.validation),
        (left.validations, times.saving),
        (saved, times.within),
        (left.minings, times.mining),
        (left.openings, times.opening),
        (left.streams, times.stream),
    )
    return rest + left.epochs * epoch + sum(count * (seconds or 0.0) for count, seconds in phases)


def _count_checkpoints(seconds: float, minutes: float) -> int:
    """How many checkpoints fall within this much uninterrupted training."""
    return math.floor(seconds / (60 * minutes)) if minutes else 0
