"""A budget of false accepts: the threshold that keeps to it, what it costs in missed words, its way into a model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from trainer.detector import detector_file
from trainer.detector.detector_file import DetectorFile, Threshold
from trainer.evaluation import curve, intervals
from trainer.evaluation.evaluations import CurvePoint, Evaluation
from trainer.system import document_file, durable
from trainer.system.processes import exclusive_lock


@dataclass(frozen=True)
class Choice:
    """The operating point that a budget of `per_hour` false accepts allows in an evaluation."""

    per_hour: float
    point: CurvePoint
    evaluation: Evaluation


def choose(evaluation: Evaluation, per_hour: float) -> Choice:
    """The lowest threshold that keeps to a budget. Raises ValueError when there is none to choose."""
    if not per_hour > 0:
        raise ValueError(f"A budget of {per_hour:g} false accepts per hour is not possible; give more than 0.")
    point = curve.at_rate(evaluation.curve, per_hour)
    if point is None or not evaluation.hours:
        raise ValueError(
            "This evaluation has no audio without the word, so no threshold follows from it. Evaluate with recordings "
            "without the word."
        )
    return Choice(per_hour, point, evaluation)


def percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def miss_text(point: CurvePoint, words: int) -> str:
    """How many words are missed at an operating point, with the interval where it is known."""
    if point.miss_rate is None:
        return "no words were heard"
    told = f"{point.misses:,} of {words:,} words are missed ({percent(point.miss_rate)}"
    if point.low is None or point.high is None:
        return f"{told}; {intervals.TOO_FEW}, no interval is known)"
    return f"{told}, with 95 % confidence {percent(point.low)} to {percent(point.high)})"


def sentences(choice: Choice) -> list[str]:
    """What a choice costs, and what the evaluation cannot tell about it."""
    point, hours = choice.point, choice.evaluation.hours
    said = [
        f"At threshold {point.threshold:.4f}, {miss_text(point, choice.evaluation.words)}; its false accepts are "
        f"{curve.rate_text(point.false_accepts, hours)}."
    ]
    needed = intervals.RULE_OF_THREE / choice.per_hour
    if hours < needed:
        said.append(
            f"{hours:.2f} h without the word are too few to promise {choice.per_hour:g} per hour: that takes "
            f"{curve.short(needed, 3)} h without a false accept."
        )
    if point == choice.evaluation.curve[-1] and point.false_accepts_per_hour < 0.9 * choice.per_hour:
        said.append(f"The curve ends at {curve.short(point.false_accepts_per_hour, 3)} per hour.")
    return said


def write(folder: Path, choice: Choice) -> DetectorFile:
    """Put a chosen threshold into the detector.json of a model folder; nothing else of it changes.

    It is rounded up, as it lies right above the peak that it must not take: another machine, which rounds otherwise,
    would. Higher thresholds keep to the budget too.

    Raises ValueError when the folder holds another model than the evaluated one, OSError.
    """
    if not folder.is_dir():
        raise ValueError(f"There is no exported model in {folder}. Export run {choice.evaluation.run} first.")
    with exclusive_lock(detector_file.lock_in(folder)):
        changed = _changed(folder, choice)
        durable.replace_json(detector_file.path_in(folder), changed.model_dump())
    return changed


def _changed(folder: Path, choice: Choice) -> DetectorFile:
    """The detector.json of a model folder with a chosen threshold. Raises ValueError."""
    point, evaluation = choice.point, choice.evaluation
    file = document_file.read(DetectorFile, detector_file.path_in(folder))
    if file is None:
        raise ValueError(f"There is no exported model in {folder}. Export run {evaluation.run} first.")
    if file.files.get(detector_file.MODEL) != evaluation.model_sha256:
        raise ValueError(
            f"The model in {folder} is that of epoch {file.epoch}, not the one that was evaluated (epoch "
            f"{evaluation.epoch}). Evaluate it, then choose its threshold."
        )
    source = Threshold(
        source="evaluation",
        evaluation=evaluation.id,
        false_accepts_per_hour=choice.per_hour,
        miss_rate=point.miss_rate,
        words=evaluation.words,
        false_accepts=point.false_accepts,
        hours=evaluation.hours,
    )
    above = math.ceil(1e6 * point.threshold) / 1e6
    return file.model_copy(update={"threshold": above, "threshold_from": source})
