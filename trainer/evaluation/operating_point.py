"""The operating point of a run: threshold, miss rate and false accepts, and what they were measured on.

Every page and JSON document takes these numbers from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

from trainer.detector import detector_file
from trainer.detector.detector_file import MODEL, DetectorFile
from trainer.evaluation import curve, errors, evaluations, intervals
from trainer.evaluation.evaluations import CurvePoint, Evaluation, EvaluationFolder
from trainer.run import metrics
from trainer.run.metrics import Columns, Row
from trainer.run.runs import Run, Status
from trainer.system import durable

Finite = Annotated[float, Field(allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=10**12)]
Hours = Annotated[float, Field(gt=0, le=1e9)]
ThresholdFrom = Literal["default", "validation_stream", "prior", "evaluation"]


class Condition(BaseModel, frozen=True):
    """Missed words of one condition ("clean", "noise, 5 dB", "room"), with a 95 % interval where there is one."""

    name: str
    words: Count
    misses: Count
    miss_rate: Rate
    low: Finite | None = None
    high: Finite | None = None


class OperatingPoint(BaseModel, frozen=True):
    """Rates of a model at its own threshold, from 0 to 1; None: not measured.

    Words and false accepts are counted on the same recordings: those of an evaluation of this very model, else the
    validation stream of its training (`measured_on`).
    """

    checkpoint: str
    """Empty for an epoch without an exported model."""
    epoch: int
    threshold: Finite | None
    threshold_from: ThresholdFrom
    measured_on: Literal["evaluation", "validation_stream"] | None = None
    evaluation: str = ""
    """The id of the evaluation."""
    streams: str = ""
    """The title of its streams."""
    same_streams: bool = False
    """Whether the threshold was chosen on the same recordings, so that the rates are optimistic."""
    words: Count = 0
    synthetic_words: Count = 0
    """Those of `words` that synthetic voices speak."""
    misses: Count | None = None
    miss_rate: Rate | None = None
    low: Finite | None = None
    """Bounds of the miss rate, 95 %."""
    high: Finite | None = None
    conditions: tuple[Condition, ...] = ()
    false_accepts: Count | None = None
    hours: Hours | None = None
    """Hours without the word, in which false accepts were counted."""
    false_accepts_per_hour: Finite | None = None
    bound_per_hour: Finite | None = None
    """Upper bound of the false accepts per hour, 95 %."""
    long_false_accepts: Count | None = None
    """The false accepts in the `long_hours` of long recordings; the others are in consecutive clips."""
    long_hours: Hours | None = None
    synthetic_hours: Hours | None = None
    """Part of `hours`: synthetic speech."""


@dataclass(frozen=True)
class Measured:
    """An evaluation at one threshold."""

    point: CurvePoint
    conditions: Sequence[errors.Row]
    long_false_accepts: int
    long_hours: float
    synthetic_hours: float = 0.0
    synthetic_words: int = 0


Measure = Callable[[EvaluationFolder, Evaluation, float], Measured | None]


def measure(folder: EvaluationFolder, evaluation: Evaluation, threshold: float) -> Measured | None:
    """An evaluation at any threshold; None when its files are missing or corrupt."""
    try:
        every = evaluations.read_all_streams(folder, evaluation)
    except (OSError, ValueError):
        return None
    streams = evaluations.rated(every)
    point = curve.at_threshold(streams, threshold)
    if point is None:
        return None
    long = [each for each in streams if each.recording.is_long]
    accepts = curve.false_accepts(long, threshold)
    synthetic = curve.hours([each for each in streams if each.recording.is_synthetic])
    words = sum(word.is_synthetic for each in streams for word in each.recording.words)
    return Measured(point, errors.by_condition(every, threshold), accepts, curve.hours(long), synthetic, words)


def epoch_row(run: Run, epoch: int) -> Row | None:
    """The last row of an epoch in metrics.jsonl."""
    rows = Columns(("epoch",))
    try:
        metrics.read_to_end(rows, run.metrics_file)
    except OSError:
        return None
    return metrics.epoch_row(rows, run.metrics_file, epoch)


def of_run(
    status: Status, measure: Measure = measure, epoch_row: Callable[[Run, int], Row | None] = epoch_row
) -> OperatingPoint | None:
    """The operating point of the exported model of a run, or of the best or last epoch with a scored validation
    stream; None when there is neither. `measure` and `epoch_row` may cache their results."""
    return of_model(status.run, status.run.model, measure) or _of_training(_scored_rows(status, epoch_row))


def of_model(run: Run, folder: Path, measure: Measure = measure, name: str = MODEL) -> OperatingPoint | None:
    """The operating point of an exported model of a run, as programs hear it that load its file `name`; None when the
    folder contains none."""
    file = durable.read_document(DetectorFile, detector_file.path_in(folder))
    if file is None:
        return None
    matching = [each for each in evaluations.all_of(run) if _is_of(each, file)]
    if name != MODEL:
        file = detector_file.of_model(file, name)
        matching = [evaluations.as_heard(each, file) for each in matching]
    try:
        with_words = _evaluated(run, file, (each for each in matching if each.words), measure)
        without = (each for each in matching if not each.words)
        return with_words or _documented(file) or _evaluated(run, file, without, measure) or _point(file, {})
    except (ValueError, ArithmeticError):  # impossible numbers in an untrusted file
        return None


def _is_of(evaluation: Evaluation, file: DetectorFile) -> bool:
    """Whether an evaluation is of this very model with its present settings."""
    settings = ("hop_seconds", "smoothing_seconds", "refractory_seconds")
    same = all(getattr(evaluation, name) == getattr(file, name) for name in settings)
    return same and evaluation.model_sha256 == file.files.get(MODEL)


def _point(file: DetectorFile, measured: Mapping[str, object]) -> OperatingPoint:
    own = {
        "checkpoint": file.checkpoint,
        "epoch": file.epoch,
        "threshold": file.threshold,
        "threshold_from": file.threshold_from.source,
    }
    return OperatingPoint.model_validate(own | dict(measured))


def _evaluated(
    run: Run, file: DetectorFile, candidates: Iterable[Evaluation], measure: Measure
) -> OperatingPoint | None:
    """The model at its threshold in the first of these evaluations that can be read."""
    for each in candidates:
        if measured := measure(evaluations.folder_of(run, each.id), each, file.threshold):
            return _point(file, _of_evaluation(file, each, measured))
    return None


def _of_evaluation(file: DetectorFile, evaluation: Evaluation, measured: Measured) -> dict[str, object]:
    point, hours = measured.point, measured.long_hours
    return {
        "measured_on": "evaluation",
        "evaluation": evaluation.id,
        "streams": evaluation.streams_title,
        "same_streams": file.threshold_from.evaluation == evaluation.id,
        "words": evaluation.words,
        "synthetic_words": measured.synthetic_words,
        "misses": point.misses,
        "miss_rate": point.miss_rate,
        "low": point.low,
        "high": point.high,
        "conditions": [condition_of(row) for row in measured.conditions],
        **_false_accepts(point.false_accepts, evaluation.hours),
        **({"long_false_accepts": measured.long_false_accepts, "long_hours": hours} if hours else {}),
        "synthetic_hours": measured.synthetic_hours or None,
    }


def condition_of(row: errors.Row) -> Condition:
    """A row of missed words by condition."""
    return Condition(name=row.name, words=row.count, misses=row.wrong, miss_rate=row.rate, low=row.low, high=row.high)


def _documented(file: DetectorFile) -> OperatingPoint | None:
    """The rates in detector.json, of the recordings on which its threshold was chosen."""
    origin = file.threshold_from
    if origin.source == "default" or origin.false_accepts is None or not origin.hours:
        return None
    words = origin.words if origin.words and origin.miss_rate is not None else 0
    measured: dict[str, object] = {
        "measured_on": "evaluation" if origin.source == "evaluation" else "validation_stream",
        "evaluation": origin.evaluation or "",
        "same_streams": origin.source != "prior",
        "words": words,
        "misses": round((origin.miss_rate or 0.0) * words) if words else None,
        "miss_rate": origin.miss_rate,
    }
    if origin.long_false_accepts is not None and origin.long_hours:  # earlier versions wrote the hours alone
        measured |= {"long_false_accepts": origin.long_false_accepts, "long_hours": origin.long_hours}
    return _point(file, measured | _false_accepts(origin.false_accepts, origin.hours))


def _false_accepts(count: int, hours: float) -> dict[str, float]:
    """False accepts with their hours, their rate and its 95 % bound."""
    bound = intervals.of_count(count)[1] / hours
    return {"false_accepts": count, "hours": hours, "false_accepts_per_hour": count / hours, "bound_per_hour": bound}


class _StreamRow(BaseModel, frozen=True):
    """The fields of an epoch's row about the validation stream; rows of earlier versions lack some."""

    epoch: int
    miss_rate: Rate
    stream_threshold: Finite | None = None
    stream_misses: Count | None = None
    stream_words: Count = 0
    stream_false_accepts: Count | None = None
    stream_hours: Hours | None = None


def _of_training(rows: Iterable[Row]) -> OperatingPoint | None:
    """The first of these epochs with a scored validation stream."""
    for row in rows:
        try:
            scored = _StreamRow.model_validate(row)
        except ValidationError:
            continue
        count, hours = scored.stream_false_accepts, scored.stream_hours
        measured = {
            "checkpoint": "",
            "epoch": scored.epoch,
            "threshold": scored.stream_threshold,
            "threshold_from": "validation_stream",
            "measured_on": "validation_stream",
            "same_streams": True,
            "words": scored.stream_words,
            "misses": scored.stream_misses,
            "miss_rate": scored.miss_rate,
        }
        accepts = _false_accepts(count, hours) if count is not None and hours else {}
        return OperatingPoint.model_validate(measured | accepts)
    return None


def _scored_rows(status: Status, epoch_row: Callable[[Run, int], Row | None]) -> Iterator[Row]:
    """The row of the best epoch, if its validation stream was scored, then that of the last epoch with one."""
    progress = status.progress
    if progress is None:
        return
    last, best = progress.last_stream, progress.best
    if best and best.miss_rate is not None and (last is None or last.get("epoch") != best.epoch):
        yield epoch_row(status.run, best.epoch) or {}
    yield last or {}
