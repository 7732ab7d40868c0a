"""The operating point of a run: its threshold, its miss rate and false accepts there, and what they were measured on.

Every page and every JSON document takes these numbers from here.
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
ThresholdFrom = Literal["default", "validation_stream", "evaluation"]


class Condition(BaseModel, frozen=True):
    """Missed words of one condition ("clean", "noise, 5 dB", "room"), with the 95 % interval where it is known."""

    name: str
    words: Count
    misses: Count
    miss_rate: Rate
    low: Finite | None = None
    high: Finite | None = None


class OperatingPoint(BaseModel, frozen=True):
    """What a model does at its own threshold. Rates from 0 to 1; None: not measured.

    `measured_on` says where words and false accepts were counted: in an evaluation of this very model, else in the
    validation stream of its training. Both counts are always of the same recordings.
    """

    checkpoint: str
    """Empty for an epoch of a training that has no exported model."""
    epoch: int
    threshold: Finite | None
    threshold_from: ThresholdFrom
    measured_on: Literal["evaluation", "validation_stream"] | None = None
    evaluation: str = ""
    """The id of the evaluation."""
    streams: str = ""
    """What was heard in it, in words."""
    same_streams: bool = False
    """Whether the threshold was chosen on these recordings too, which flatters the rates."""
    words: Count = 0
    misses: Count | None = None
    miss_rate: Rate | None = None
    low: Finite | None = None
    """Bounds of the miss rate, 95 %; None where they are not known."""
    high: Finite | None = None
    conditions: tuple[Condition, ...] = ()
    false_accepts: Count | None = None
    hours: Hours | None = None
    """Without the word, in which false accepts were counted."""
    false_accepts_per_hour: Finite | None = None
    bound_per_hour: Finite | None = None
    """With 95 % confidence there are not more false accepts per hour than this."""
    long_false_accepts: Count | None = None
    """Of the false accepts, those in the `long_hours` of long recordings; the rest is in clips one after another."""
    long_hours: Hours | None = None


@dataclass(frozen=True)
class Measured:
    """An evaluation at one threshold."""

    point: CurvePoint
    conditions: Sequence[errors.Row]
    long_false_accepts: int
    long_hours: float


Measure = Callable[[EvaluationFolder, Evaluation, float], Measured | None]


def measure(folder: EvaluationFolder, evaluation: Evaluation, threshold: float) -> Measured | None:
    """An evaluation at any threshold; None when its files are damaged or gone."""
    try:
        heard = evaluations.read_heard(folder, evaluation)
    except (OSError, ValueError):
        return None
    point = curve.at_threshold(heard, threshold)
    if point is None:
        return None
    long = [each for each in heard if each.recording.is_long]
    accepts = curve.false_accepts(long, threshold)
    return Measured(point, errors.by_condition(heard, threshold), accepts, curve.hours(long))


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
    """The operating point of the exported model of a run; without one, that of the best epoch whose validation stream
    was heard. None when nothing is known yet. `measure` and `epoch_row` may be ones that remember."""
    return of_model(status.run, status.run.model, measure) or _of_training(_heard_rows(status, epoch_row))


def of_model(run: Run, folder: Path, measure: Measure = measure) -> OperatingPoint | None:
    """The operating point of one exported model of a run; None when the folder holds none."""
    file = durable.read_document(DetectorFile, detector_file.path_in(folder))
    if file is None:
        return None
    heard = [each for each in evaluations.all_of(run) if _is_of(each, file)]
    try:
        with_words = _evaluated(run, file, (each for each in heard if each.words), measure)
        without = (each for each in heard if not each.words)
        return with_words or _documented(file) or _evaluated(run, file, without, measure) or _point(file, {})
    except (ValueError, ArithmeticError):  # numbers of a stranger's file that no measurement gives
        return None


def _is_of(evaluation: Evaluation, file: DetectorFile) -> bool:
    """Whether an evaluation heard this very model as it hears now."""
    times = (file.hop_seconds, file.smoothing_seconds, file.refractory_seconds)
    heard = (evaluation.hop_seconds, evaluation.smoothing_seconds, evaluation.refractory_seconds)
    return evaluation.model_sha256 == file.files.get(MODEL) and times == heard


def _point(file: DetectorFile, measured: Mapping[str, object]) -> OperatingPoint:
    known = {
        "checkpoint": file.checkpoint,
        "epoch": file.epoch,
        "threshold": file.threshold,
        "threshold_from": file.threshold_from.source,
    }
    return OperatingPoint.model_validate(known | dict(measured))


def _evaluated(run: Run, file: DetectorFile, heard: Iterable[Evaluation], measure: Measure) -> OperatingPoint | None:
    """The model at its threshold in the first of these evaluations that can be read."""
    for each in heard:
        measured = measure(evaluations.folder_of(run, each.id), each, file.threshold)
        if measured:
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
        "misses": point.misses,
        "miss_rate": point.miss_rate,
        "low": point.low,
        "high": point.high,
        "conditions": [_condition(row) for row in measured.conditions],
        **_accepts(point.false_accepts, evaluation.hours),
        **({"long_false_accepts": measured.long_false_accepts, "long_hours": hours} if hours else {}),
    }


def _condition(row: errors.Row) -> Condition:
    return Condition(name=row.name, words=row.count, misses=row.wrong, miss_rate=row.rate, low=row.low, high=row.high)


def _documented(file: DetectorFile) -> OperatingPoint | None:
    """What detector.json says of the recordings on which its threshold was chosen."""
    chosen = file.threshold_from
    if chosen.source == "default" or chosen.false_accepts is None or not chosen.hours:
        return None
    words = chosen.words if chosen.words and chosen.miss_rate is not None else 0
    measured = {
        "measured_on": chosen.source,
        "evaluation": chosen.evaluation or "",
        "same_streams": True,
        "words": words,
        "misses": round((chosen.miss_rate or 0.0) * words) if words else None,
        "miss_rate": chosen.miss_rate,
    }
    return _point(file, measured | _accepts(chosen.false_accepts, chosen.hours))


def _accepts(count: int, hours: float) -> dict[str, float]:
    """False accepts with their hours, their rate and its 95 % bound."""
    bound = intervals.of_count(count)[1] / hours
    return {"false_accepts": count, "hours": hours, "false_accepts_per_hour": count / hours, "bound_per_hour": bound}


class _StreamRow(BaseModel, frozen=True):
    """What an epoch's row says of the validation stream; rows of earlier versions lack some of it."""

    epoch: int
    miss_rate: Rate
    stream_threshold: Finite | None = None
    stream_misses: Count | None = None
    stream_words: Count = 0
    stream_false_accepts: Count | None = None
    stream_hours: Hours | None = None


def _of_training(rows: Iterable[Row]) -> OperatingPoint | None:
    """The first of these epochs that was heard in the validation stream."""
    for row in rows:
        try:
            heard = _StreamRow.model_validate(row)
        except ValidationError:
            continue
        count, hours = heard.stream_false_accepts, heard.stream_hours
        measured = {
            "checkpoint": "",
            "epoch": heard.epoch,
            "threshold": heard.stream_threshold,
            "threshold_from": "validation_stream",
            "measured_on": "validation_stream",
            "same_streams": True,
            "words": heard.stream_words,
            "misses": heard.stream_misses,
            "miss_rate": heard.miss_rate,
        }
        return OperatingPoint.model_validate(measured | (_accepts(count, hours) if count is not None and hours else {}))
    return None


def _heard_rows(status: Status, epoch_row: Callable[[Run, int], Row | None]) -> Iterator[Row]:
    """The rows of the best epoch, where it was heard in the validation stream, and of the last one that was."""
    progress = status.progress
    if progress is None:
        return
    last, best = progress.last_stream, progress.best
    if best and best.miss_rate is not None and (last is None or last.get("epoch") != best.epoch):
        yield epoch_row(status.run, best.epoch) or {}
    yield last or {}
