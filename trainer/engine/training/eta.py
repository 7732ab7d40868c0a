"""How long a training will still take, from what the pieces of it took so far: arithmetic, no clock."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace

from trainer.config.schema import Config
from trainer.engine.training import mining, validation

WARM_UP_BATCHES = 3
"""So many batches after a start say little: memory is taken, kernels are chosen, files come from the disk."""
RECENT_BATCHES = 50
"""The time of a batch is the mean over about so many."""
RECENT_SHARE = 0.5
"""How much of a piece that comes once an epoch is the last time, and not those before."""


@dataclass(frozen=True)
class Times:
    """Seconds of each piece, as lately measured; None where there was none yet.

    `start` is an epoch's windows and its first batch, `batch` a full one of the others with all that is told of it,
    `within` a checkpoint within an epoch, `opening` the features of the validation stream, `stream` hearing it.
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
    """How many batches `batch` is the mean of."""


def after_batch(times: Times, seconds: float, share: float, number: int) -> Times:
    """After batch `number` (1, 2, ...) of an attempt, of which `share` of a full batch took `seconds`."""
    if times.batch is None or (number <= WARM_UP_BATCHES and not times.batches):
        return replace(times, batch=seconds / share)
    if number <= WARM_UP_BATCHES:
        return times
    part = 1 / min(times.batches + 1, RECENT_BATCHES)
    return replace(times, batch=times.batch + part * (seconds / share - times.batch), batches=times.batches + 1)


def after_piece(times: Times, piece: str, seconds: float) -> Times:
    """After one more of the pieces that come once an epoch or less often; `piece` is the name of a field."""
    had = getattr(times, piece)
    return replace(times, **{piece: seconds if had is None else had + RECENT_SHARE * (seconds - had)})


def as_document(times: Times) -> dict[str, float]:
    """The times as progress.json keeps them."""
    return {name: round(value, 6) for name, value in asdict(times).items() if value is not None}


def of_document(kept: dict[str, float]) -> Times:
    """The times that progress.json kept; names that are none of ours are left out."""
    return Times(**{field.name: kept[field.name] for field in fields(Times) if field.name in kept})


@dataclass(frozen=True)
class Left:
    """What is still to come: `rest` batches of the epoch under way (the last may be a part), `batches` of each of
    `epochs` besides, and how often all else."""

    rest: float
    epochs: int
    batches: float
    validations: int
    minings: int
    openings: int
    streams: int


def left_of(config: Config, epoch: int, batch: int, batches: float, opened: bool) -> Left:
    """What is left of a training of so many batches an epoch (the last may be a part), if it is not stopped early;
    `opened` when the validation stream is open."""
    begun = batch > 0
    epochs, streams = config.training.epochs - epoch + 1, validation.count_streams(config, after=epoch - 1)
    return Left(
        rest=max(0.0, batches - batch) if begun else 0.0,
        epochs=max(0, epochs - begun),
        batches=batches,
        validations=max(0, epochs),
        minings=mining.count_minings(config, after=epoch - 1 + begun),
        openings=int(streams > 0 and not opened),
        streams=streams,
    )


def seconds_left(times: Times, left: Left, checkpoint_minutes: float, since_saved: float) -> float | None:
    """The estimate; None before the first batch. What was never measured counts nothing.

    `since_saved` are the seconds since the last checkpoint of the epoch under way, or since its start.
    """
    if times.batch is None:
        return None
    first = times.start or times.batch
    epoch = first + max(0.0, left.batches - 1) * times.batch
    rest = left.rest * times.batch
    saved = _checkpoints(rest + since_saved, checkpoint_minutes) if left.rest else 0
    saved += left.epochs * _checkpoints(epoch, checkpoint_minutes)
    pieces = (
        (left.validations, times.validation),
        (left.validations, times.saving),
        (saved, times.within),
        (left.minings, times.mining),
        (left.openings, times.opening),
        (left.streams, times.stream),
    )
    return rest + left.epochs * epoch + sum(count * (seconds or 0.0) for count, seconds in pieces)


def _checkpoints(seconds: float, minutes: float) -> int:
    """How many checkpoints fall within so much training in a row."""
    return math.floor(seconds / (60 * minutes)) if minutes else 0
