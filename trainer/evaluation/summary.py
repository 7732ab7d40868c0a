"""What an evaluation found, as a document for scripts and as lines for a person."""

from __future__ import annotations

from typing import Any

from trainer.evaluation import budget, curve, point_text
from trainer.evaluation.evaluations import CurvePoint, Evaluation, EvaluationFolder
from trainer.evaluation.operating_point import OperatingPoint
from trainer.streams.stream_set import StreamSet
from trainer.system import document_file

BUDGETS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
"""False accepts per hour."""


def _streams(folder: EvaluationFolder) -> tuple[list[str], list[str]]:
    """(every note about the recordings, those that tell what was left out)."""
    streams = document_file.read(StreamSet, folder.streams_file)
    return (streams.notes, streams.left_out) if streams else ([], [])


def notes(folder: EvaluationFolder) -> list[str]:
    """What there is to know of the recordings, one sentence each."""
    return _streams(folder)[0]


def left_out(folder: EvaluationFolder) -> list[str]:
    """The recordings that could not be read, and why: one sentence each."""
    return _streams(folder)[1]


def sentence(made: Evaluation, per_hour: float) -> str:
    """What a budget of false accepts per hour costs, or why there is no threshold for it."""
    try:
        return " ".join(budget.sentences(budget.choose(made, per_hour)))
    except ValueError as error:
        return str(error)


def document(folder: EvaluationFolder, made: Evaluation, per_hour: float, own: OperatingPoint | None) -> dict[str, Any]:
    """The evaluation with where it lies, the model's own operating point, and the point that a budget allows (None: no
    such point)."""
    point = curve.at_rate(made.curve, per_hour)
    chosen = {"false_accepts_per_hour": per_hour, "point": point and point.model_dump()}
    return made.model_dump() | {
        "folder": str(folder.path),
        "times_real_time": made.times_real_time,
        "budget": chosen,
        "notes": notes(folder),
        "left_out": left_out(folder),
        "operating_point": own and own.model_dump(mode="json"),
    }


def _rows(points: list[CurvePoint]) -> list[CurvePoint]:
    """The points that usual budgets allow, each once."""
    allowed = [curve.at_rate(points, per_hour) for per_hour in BUDGETS]
    return list(dict.fromkeys(point for point in allowed if point))


def text(folder: EvaluationFolder, made: Evaluation, per_hour: float, own: OperatingPoint | None) -> str:
    rows = [
        f"{each.threshold:9.4f} {each.false_accepts_per_hour:14.2f} {point_text.percent(each.miss_rate):>9}"
        f" {point_text.percent(each.low):>9} {point_text.percent(each.high):>9}"
        for each in _rows(made.curve)
    ]
    speed = f"{made.audio_seconds / 3600:.2f} h heard at {made.times_real_time:.0f} times real time"
    return "\n".join(
        [
            f"{made.run}, epoch {made.epoch}. {made.streams_title}.",
            f"{speed}; {made.hours:.2f} h without the word, the word {made.words:,} times.",
            *notes(folder),
            "threshold  false acc. / h    missed   95 % from        to",
            *rows,
            f"Budget of {per_hour:g} false accepts per hour: {sentence(made, per_hour)}",
            *(["The exported model:", *point_text.lines(own)] if own else []),
            f"Kept in {folder.path}",
        ]
    )
