"""The numbers of an operating point as text, the same on every page and on the command line."""

from __future__ import annotations

from trainer.evaluation import curve, headline, intervals
from trainer.evaluation.operating_point import OperatingPoint
from trainer.system.display_text import counted

NONE_YET = "–"
NOT_MEASURED = (
    "Not measured yet: there is neither an evaluation nor a scored validation stream with missed words and false "
    "accepts."
)
CHOSEN = {
    "default": "is the default",
    "validation_stream": "was chosen on the validation stream",
    "prior": "was chosen from what models of other words did",
    "evaluation": "was chosen on an evaluation",
}


def percent(rate: float | None) -> str:
    return NONE_YET if rate is None else f"{100 * rate:.1f} %"


def threshold(point: OperatingPoint | None) -> str:
    return NONE_YET if point is None or point.threshold is None else f"{point.threshold:.4f}"


def miss_rate(point: OperatingPoint | None) -> str:
    return percent(point.miss_rate if point else None)


def bounds(point: OperatingPoint | None) -> str:
    """The 95 % interval of the miss rate, where it is known."""
    return "" if point is None or point.low is None or point.high is None else interval(point.low, point.high)


def interval(low: float, high: float) -> str:
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def per_hour(false_accepts: int | None, hours: float | None) -> str:
    """A rate short enough for a metric; for no false accept its 95 % bound."""
    if false_accepts is None or not hours:
        return NONE_YET
    if not false_accepts:
        return f"below {curve.short(intervals.RULE_OF_THREE / hours)}"
    return curve.short(false_accepts / hours)


def false_accepts_per_hour(point: OperatingPoint | None) -> str:
    return per_hour(point.false_accepts, point.hours) if point else NONE_YET


def in_hours(false_accepts: int | None, hours: float | None) -> str:
    """A number of false accepts with its hours."""
    return "" if false_accepts is None or not hours else f"{false_accepts:,} in {hours:.2f} h"


def words(point: OperatingPoint) -> str:
    """How many words were evaluated; those that synthetic voices speak are called so."""
    return counted(point.words, "synthetic word" if headline.is_synthetic(point) else "word")


def measured_on(point: OperatingPoint | None) -> str:
    """What the rates were measured on, for a table."""
    if point is None or point.measured_on is None:
        return "not measured"
    where = "evaluation" if point.measured_on == "evaluation" else "validation stream"
    parts = [where, words(point) if point.words else "", f"{point.hours:.2f} h" if point.hours else ""]
    return ", ".join(filter(None, parts))


def lines(point: OperatingPoint) -> list[str]:
    """The headline, the numbers and what they were measured on, for the command line."""
    first = headline.of(point)
    head = [f"{first.text} Verdict: {first.verdict}. {first.advice}"] if first else []
    texts = [bounds(point), in_hours(point.false_accepts, point.hours)]
    bound, counts = (f" ({text})" if text else "" for text in texts)
    numbers = f"threshold {threshold(point)}, miss rate {miss_rate(point)}{bound}"
    return [*head, f"{numbers}, false accepts per hour {false_accepts_per_hour(point)}{counts}", *sentences(point)]


def sentences(point: OperatingPoint | None) -> list[str]:
    """The model, the origin of its threshold, and what its rates were measured on."""
    if point is None:
        return [NOT_MEASURED]
    return list(filter(None, [_model(point), _measured(point), _by_condition(point)]))


def _model(point: OperatingPoint) -> str:
    if not point.checkpoint:
        return f"Epoch {point.epoch} of the training; no model has been exported yet."
    return f"Model of epoch {point.epoch}; its threshold {CHOSEN[point.threshold_from]}."


def _measured(point: OperatingPoint) -> str:
    if point.measured_on is None:
        return NOT_MEASURED
    where = f"evaluation {point.evaluation}" if point.measured_on == "evaluation" else "the validation stream"
    streams = f" ({point.streams})" if point.streams else ""
    same = ", on which the threshold was also chosen" if point.same_streams else ""
    return f"Measured on {where}{streams}{same}: {', '.join(_counts(point))}."


def _counts(point: OperatingPoint) -> list[str]:
    """The counts; some are unknown in runs of earlier versions."""
    accepts = in_hours(point.false_accepts, point.hours)
    heard = "no words evaluated" if point.miss_rate is None else ""
    if point.words:
        total = words(point)
        heard = f"{total} evaluated" if point.misses is None else f"{point.misses:,} of {total} missed"
    synthetic = f", {point.synthetic_hours:.2f} h of it synthetic speech" if point.synthetic_hours else ""
    return list(filter(None, [heard, accepts and f"false accepts: {accepts}{synthetic}"]))


def _by_condition(point: OperatingPoint) -> str:
    if len(point.conditions) < 2:
        return ""
    rates = "; ".join(f"{each.name}: {percent(each.miss_rate)}" for each in point.conditions)
    return f"Miss rate by condition: {rates}."
