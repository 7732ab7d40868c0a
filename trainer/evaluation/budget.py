"""A budget of false accepts: the threshold within it, its cost in misses, and the report of an evaluation at it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trainer.detector import detector_file
from trainer.detector.detector_file import DetectorFile, Threshold, Unsmoothed
from trainer.evaluation import curve, errors, evaluations, headline, intervals, point_text
from trainer.evaluation.evaluations import CurvePoint, Evaluation, EvaluationFolder
from trainer.evaluation.operating_point import Condition, OperatingPoint, condition_of
from trainer.streams.stream_set import ScoredStream, StreamSet
from trainer.system import durable
from trainer.system.display_text import counted
from trainer.system.processes import exclusive_lock


@dataclass(frozen=True)
class Choice:
    """The operating point that a budget of `per_hour` false accepts allows in an evaluation.

    `bound_per_hour` is the upper bound at 90 % confidence, from the `long_false_accepts` in the `long_hours` of long
    recordings; None when these are too few for the budget, so that the threshold is an estimate. `synthetic_hours` of
    the evaluation are synthetic speech.
    """

    per_hour: float
    point: CurvePoint
    evaluation: Evaluation
    bound_per_hour: float | None = None
    long_hours: float = 0.0
    long_false_accepts: int = 0
    synthetic_hours: float = 0.0


def promise(evaluation: Evaluation, streams: Sequence[ScoredStream], per_hour: float) -> Choice:
    """The lowest threshold that keeps to a budget everywhere in an evaluation and, where its long recordings suffice,
    does so with 90 % confidence in recordings like them. Raises ValueError when there is none to choose."""
    synthetic = curve.hours([each for each in streams if each.recording.is_synthetic])
    estimate = replace(choose(evaluation, per_hour), synthetic_hours=synthetic)
    long = [each for each in streams if each.recording.is_long]
    hours = curve.hours(long)
    allowed = intervals.allowed(per_hour, hours)
    strict = None if allowed is None else curve.at_rate(curve.curve(long), allowed / hours)
    threshold = max(strict.threshold, estimate.point.threshold) if strict else estimate.point.threshold
    accepts = curve.false_accepts(long, threshold)
    counting = replace(estimate, long_hours=hours, long_false_accepts=accepts)
    if strict is None:
        return counting
    point = curve.at_threshold(streams, threshold) or estimate.point
    return replace(counting, point=point, bound_per_hour=float(intervals.most_expected(accepts)) / hours)


def choose(evaluation: Evaluation, per_hour: float) -> Choice:
    """The lowest threshold whose measured false accepts keep to a budget: models are compared at it.

    Raises ValueError when there is none to choose.
    """
    if not per_hour > 0:
        raise ValueError(f"The budget must be above 0 false accepts per hour, not {per_hour:g}.")
    point = curve.at_rate(evaluation.curve, per_hour)
    if point is None or not evaluation.hours:
        raise ValueError(
            "This evaluation has no audio without the word, so no threshold can be chosen from it. Evaluate recordings "
            "without the word."
        )
    return Choice(per_hour, point, evaluation)


def miss_text(point: CurvePoint, words: int) -> str:
    """How many words are missed at an operating point, with the interval where it is known."""
    if point.miss_rate is None:
        return "no words were evaluated"
    text = f"{point.misses:,} of {words:,} words are missed ({point_text.percent(point.miss_rate)}"
    if point.low is None or point.high is None:
        return f"{text}; {intervals.TOO_FEW}, no interval is available)"
    return f"{text}, with 95 % confidence {point_text.percent(point.low)} to {point_text.percent(point.high)})"


def sentences(choice: Choice) -> list[str]:
    """What a choice costs, and what the evaluation cannot tell about it."""
    point, hours = choice.point, choice.evaluation.hours
    lines = [
        f"At threshold {point.threshold:.4f}, {miss_text(point, choice.evaluation.words)}; false accepts: "
        f"{curve.rate_text(point.false_accepts, hours)}."
    ]
    lines += [f"Of these hours, {choice.synthetic_hours:.2f} are synthetic speech."] if choice.synthetic_hours else []
    lines.append(_promise_text(choice))
    if point == choice.evaluation.curve[-1] and point.false_accepts_per_hour < 0.9 * choice.per_hour:
        lines.append(f"The curve ends at {curve.short(point.false_accepts_per_hour, 3)} per hour.")
    return lines


def _promise_text(choice: Choice) -> str:
    """The bound of the false accepts at the threshold, or what is missing for one."""
    if choice.bound_per_hour is not None:
        return (
            f"With 90 % confidence there are at most {curve.short(choice.bound_per_hour)} per hour in recordings like "
            f"these ({choice.long_hours:.2f} h of long recordings)."
        )
    needed = curve.short(float(intervals.most_expected(0)) / choice.per_hour, 3)
    known = f"{choice.long_hours:.2f} h of long recordings are too few"
    others = "clips and synthetic speech" if choice.synthetic_hours else "clips alone"
    estimate = (
        f"This threshold is an estimate: {known if choice.long_hours else f'{others} are not enough'} to promise "
        f"{choice.per_hour:g} per hour, which takes {needed} h of long recordings without a false accept."
    )
    if not choice.long_hours:
        return estimate
    least = math.ceil(100 * float(intervals.most_expected(0)) / choice.long_hours) / 100
    return f"{estimate} The smallest budget that they can support is {least:g} per hour."


def unsmoothed(folder: EvaluationFolder, evaluation: Evaluation, file: DetectorFile, per_hour: float) -> Choice | None:
    """The choice that `promise` makes for programs that load the openWakeWord head of a model, from the same recordings
    as they score them; None for a model without such a head. Raises ValueError."""
    if detector_file.OPENWAKEWORD_MODEL not in file.files:
        return None
    heard = evaluations.as_heard(evaluation, detector_file.of_model(file, detector_file.OPENWAKEWORD_MODEL))
    streams = evaluations.read_streams(folder, heard)
    return promise(heard.model_copy(update={"curve": curve.curve(streams)}), streams, per_hour)


def write(folder: Path, choice: Choice, unsmoothed: Choice | None = None) -> DetectorFile:
    """Put a chosen threshold, and that for unsmoothed scores, into the detector.json of a model folder; nothing else of
    it changes.

    It is rounded up, as it lies right above the peak that it must not take: another machine, which rounds otherwise,
    would. Higher thresholds keep to the budget too.

    Raises ValueError when the folder holds another model than the evaluated one, OSError.
    """
    if not folder.is_dir():
        raise ValueError(f"There is no exported model in {folder}. Export run {choice.evaluation.run} first.")
    with exclusive_lock(detector_file.lock_in(folder)):
        changed = _changed(folder, choice, unsmoothed)
        durable.replace_json(detector_file.path_in(folder), changed.model_dump())
    return changed


def _changed(folder: Path, choice: Choice, unsmoothed: Choice | None) -> DetectorFile:
    """The detector.json of a model folder with chosen thresholds. Raises ValueError."""
    evaluation = choice.evaluation
    file = durable.read_document(DetectorFile, detector_file.path_in(folder))
    if file is None:
        raise ValueError(f"There is no exported model in {folder}. Export run {evaluation.run} first.")
    if file.files.get(detector_file.MODEL) != evaluation.model_sha256:
        raise ValueError(
            f"The model in {folder} (epoch {file.epoch}) is not the one that was evaluated (epoch {evaluation.epoch}). "
            "Evaluate it, then choose its threshold."
        )
    threshold, origin = _chosen(choice)
    changes: dict[str, object] = {"threshold": threshold, "threshold_from": origin}
    if unsmoothed:
        threshold, origin = _chosen(unsmoothed)
        changes["unsmoothed"] = Unsmoothed(threshold=threshold, threshold_from=origin)
    return file.model_copy(update=changes)


def _chosen(choice: Choice) -> tuple[float, Threshold]:
    """The threshold of a choice, rounded up, and where it comes from."""
    point, evaluation = choice.point, choice.evaluation
    source = Threshold(
        source="evaluation",
        evaluation=evaluation.id,
        false_accepts_per_hour=choice.per_hour,
        miss_rate=point.miss_rate,
        words=evaluation.words,
        false_accepts=point.false_accepts,
        hours=evaluation.hours,
        bound_per_hour=choice.bound_per_hour,
        long_hours=choice.long_hours or None,
        long_false_accepts=choice.long_false_accepts if choice.long_hours else None,
    )
    return math.ceil(1e6 * point.threshold) / 1e6, source


BUDGETS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
"""False accepts per hour for which a report has a row."""


def notes(folder: EvaluationFolder) -> list[str]:
    """All notes about the recordings of an evaluation, as sentences."""
    streams = durable.read_document(StreamSet, folder.streams_file)
    return streams.notes if streams else []


def left_out(folder: EvaluationFolder) -> list[str]:
    """The recordings that could not be read, with the reason of each."""
    streams = durable.read_document(StreamSet, folder.streams_file)
    return streams.left_out if streams else []


@dataclass(frozen=True)
class Cost:
    """The choice for a budget, its cost in words, and the missed words by condition, also in those that do not count in
    the rates. Without a choice, `text` is the reason."""

    choice: Choice | None
    text: str
    conditions: Sequence[Condition] = ()


def cost_of(folder: EvaluationFolder, evaluation: Evaluation, per_hour: float) -> Cost:
    """What a budget costs in an evaluation."""
    try:
        streams = evaluations.read_all_streams(folder, evaluation)
        choice = promise(evaluation, evaluations.rated(streams), per_hour)
    except ValueError as error:
        return Cost(None, str(error))
    conditions = [condition_of(row) for row in errors.by_condition(streams, choice.point.threshold)]
    return Cost(choice, " ".join(sentences(choice)), conditions)


def report_document(
    folder: EvaluationFolder,
    evaluation: Evaluation,
    per_hour: float,
    cost: Cost,
    own: OperatingPoint | None,
) -> dict[str, Any]:
    """The evaluation as a JSON document, with the model's operating point `own` and the `cost_of` the budget."""
    choice = cost.choice
    about = {
        "false_accepts_per_hour": per_hour,
        "point": choice and choice.point.model_dump(),
        "bound_per_hour": choice and choice.bound_per_hour,
        "long_hours": choice and choice.long_hours,
    }
    return evaluation.model_dump() | {
        "folder": str(folder.path),
        "times_real_time": evaluation.times_real_time,
        "budget": about,
        "conditions": [each.model_dump() for each in cost.conditions],
        "notes": notes(folder),
        "left_out": left_out(folder),
        **headline.documents(own),
    }


def report_text(
    folder: EvaluationFolder,
    evaluation: Evaluation,
    per_hour: float,
    cost: Cost,
    own: OperatingPoint | None,
) -> str:
    """The evaluation as lines for the command line."""
    allowed = [curve.at_rate(evaluation.curve, each) for each in BUDGETS]
    rows = [
        f"{each.threshold:9.4f} {each.false_accepts_per_hour:14.2f} {point_text.percent(each.miss_rate):>9}"
        f" {point_text.percent(each.low):>9} {point_text.percent(each.high):>9}"
        for each in dict.fromkeys(point for point in allowed if point)
    ]
    speed = f"{evaluation.audio_seconds / 3600:.2f} h scored at {evaluation.times_real_time:.0f} times real time"
    return "\n".join(
        [
            f"{evaluation.run}, epoch {evaluation.epoch}. {evaluation.streams_title}.",
            f"{speed}; {evaluation.hours:.2f} h without the word, {counted(evaluation.words, 'word')}.",
            *notes(folder),
            "threshold  false acc. / h    missed   95 % from        to",
            *rows,
            f"Budget of {per_hour:g} false accepts per hour: {cost.text}",
            *(
                f"{point_text.percent(each.miss_rate):>9} missed of {each.words:,} words: {each.name}"
                for each in cost.conditions
            ),
            *(["The exported model:", *point_text.lines(own)] if own else []),
            f"Stored in {folder.path}",
        ]
    )
