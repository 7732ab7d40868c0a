"""The headline of a model: words heard, false alarms, hours checked, a verdict, and the most useful next step."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import BaseModel

from trainer.evaluation import intervals
from trainer.evaluation.operating_point import Finite, OperatingPoint, Rate
from trainer.system.display_text import counted

Verdict = Literal["good", "usable", "not yet", "unknown"]
Action = Literal["", "evaluate", "add speech", "reduce false alarms", "add recordings", "take it away"]
GOOD_HEARD, GOOD_PER_HOUR = 0.9, 0.5
USABLE_HEARD, USABLE_PER_HOUR = 0.75, 2.0
"""Least share of words heard, and largest bound of false alarms per hour, for a verdict."""


class Headline(BaseModel, frozen=True):
    """`heard` is the share of words detected, 0 to 1. False alarms (false accepts) are counted in `hours` of long
    recordings without the word, because the rate in concatenated clips, some of them look-alikes, says little about
    fluent speech. `bound_per_hour` is their upper bound at 90 % confidence. None: not measured."""

    heard: Rate | None
    false_alarms_per_hour: Finite | None
    bound_per_hour: Finite | None
    hours: Finite
    verdict: Verdict
    text: str
    advice: str
    """The most useful next step, as a sentence; `action` names it for programs."""
    action: Action


def of(point: OperatingPoint | None) -> Headline | None:
    """The headline of an operating point; None when nothing was measured."""
    if point is None or point.measured_on is None:
        return None
    heard = None if point.miss_rate is None else 1 - point.miss_rate
    hours, count = point.long_hours or 0.0, point.long_false_accepts or 0
    bound = float(intervals.most_expected(count)) / hours if hours else None
    too_many = bool(hours) and intervals.least_expected(count) / hours > USABLE_PER_HOUR
    verdict = _verdict(None if is_synthetic(point) else heard, bound, too_many)
    advice, action = _advice(point, heard, bound, too_many)
    return Headline(
        heard=heard,
        false_alarms_per_hour=count / hours if hours else None,
        bound_per_hour=bound,
        hours=hours,
        verdict=verdict,
        text=f"{_heard_text(point)} {_alarms_text(point, bound, too_many)}",
        advice=advice,
        action=action,
    )


def documents(point: OperatingPoint | None) -> dict[str, Any]:
    """An operating point and its headline for a JSON document; null when unknown."""
    headline = of(point)
    return {"operating_point": point and point.model_dump(mode="json"), "headline": headline and headline.model_dump()}


def is_synthetic(point: OperatingPoint) -> bool:
    """Whether synthetic voices speak most of the words, so that they do not tell how many of people are heard."""
    return 2 * point.synthetic_words > point.words


def _verdict(heard: float | None, bound: float | None, too_many: bool) -> Verdict:
    if too_many:
        return "not yet"
    if heard is None or bound is None or bound > USABLE_PER_HOUR:
        return "unknown"
    if heard < USABLE_HEARD:
        return "not yet"
    return "good" if heard >= GOOD_HEARD and bound <= GOOD_PER_HOUR else "usable"


def _heard_text(point: OperatingPoint) -> str:
    if point.miss_rate is None:
        return "Words heard: unknown."
    heard = 1 - point.miss_rate
    kind = "synthetic word" if is_synthetic(point) else "word"
    if heard == 1:
        return f"Hears all of {counted(point.words, kind)}." if point.words else "Hears every word."
    parts = 100 if heard >= 0.95 else 10
    return f"Hears {math.floor(parts * heard + 1e-9)} of {parts}{' synthetic words' if is_synthetic(point) else ''}."


def _alarms_text(point: OperatingPoint, bound: float | None, too_many: bool) -> str:
    if too_many:
        rate = (point.long_false_accepts or 0) / (point.long_hours or 1)
        return f"About {rate:,.0f} false alarms an hour ({duration(point.long_hours)} checked)."
    if not point.long_hours and point.synthetic_hours:
        return "False alarms unknown: only synthetic speech checked."
    if bound is None or bound > USABLE_PER_HOUR:
        return f"False alarms unknown: {duration(point.long_hours or point.hours)} checked."
    return f"At most {_at_most(bound)} (checked on {duration(point.long_hours)})."


def _at_most(per_hour: float) -> str:
    """A bound in words, rounded up."""
    if per_hour > 1:
        return f"{math.ceil(10 * per_hour) / 10:g} false alarms an hour"
    hours = 1 / per_hour
    whole = math.floor(hours) if hours >= 10 else math.floor(10 * hours) / 10
    return "1 false alarm an hour" if whole == 1 else f"1 false alarm in {whole:g} hours"


def duration(hours: float | None) -> str:
    """Hours as text, rounded down."""
    if not hours:
        return "nothing"
    if hours < 1:
        return counted(math.floor(60 * hours), "minute")
    return f"{math.floor(10 * hours) / 10:g} h"


def hours_needed(count: int, hours: float) -> int:
    """Fewest additional hours without the word that can prove GOOD_PER_HOUR after `count` false alarms in `hours`."""
    return max(1, math.ceil(float(intervals.most_expected(count)) / GOOD_PER_HOUR - hours))


def _advice(point: OperatingPoint, heard: float | None, bound: float | None, too_many: bool) -> tuple[str, Action]:
    needed = hours_needed(point.long_false_accepts or 0, point.long_hours or 0.0)
    text = f"Add {needed} h of speech without the word: public sound, or recordings of your room."
    add_speech: tuple[str, Action] = (text, "add speech")
    if not point.checkpoint:
        return "No model is exported yet. Evaluate it when the training has ended.", ""
    if point.measured_on != "evaluation":
        return "Evaluate the model to learn how well it does.", "evaluate"
    if too_many:
        return "Add its false accepts to the hard negatives, and train again.", "reduce false alarms"
    if bound is None or bound > USABLE_PER_HOUR:
        return add_speech
    if heard is None:
        return "Evaluate it on recordings of the word.", "evaluate"
    if is_synthetic(point):
        text = "Add recordings of the word by people: synthetic voices do not show how many of theirs are heard."
        return text, "add recordings"
    if heard < GOOD_HEARD:
        return "Add recordings of the word by more people, and train again.", "add recordings"
    if bound > GOOD_PER_HOUR:
        return add_speech
    return "Take the model to your device.", "take it away"
