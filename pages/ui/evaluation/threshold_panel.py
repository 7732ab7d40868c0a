"""The operating point: a budget of false accepts, the threshold that keeps to it, what it costs, and taking it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui.evaluation.evaluation_picker import Opened
from pages.ui.shared import evaluation_charts, flash, metrics
from pages.ui.shared.frame import plain
from pages.ui.shared.metrics import Metric
from trainer.detector.detector_file import DetectorFile
from trainer.evaluation import budget, curve, intervals, point_text, tables
from trainer.evaluation.budget import Choice
from trainer.evaluation.evaluations import CurvePoint, Evaluation
from trainer.run import run_models
from trainer.system.display_text import counted

ROUNDED = 2e-6
"""So far a threshold is rounded up on its way into a model."""
READING = (
    "Dashed: the budget. Red: the threshold for it. Band: between these bounds the miss rate lies with 95 % "
    "confidence, by drawing anew from speakers, or clips where speakers are unknown."
)


def budget_form() -> float:
    """False accepts per hour that may be, kept in the address."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        accepts = st.number_input(
            "False accepts, at most", 1, 1000, 1, 1, key="accepts", bind="query-params", width=180
        )
        hours = st.number_input("in hours", 0.1, 1000.0, 2.0, 0.5, key="in_hours", bind="query-params", width=140)
    return float(accepts) / float(hours)


def choose(evaluation: Evaluation, per_hour: float) -> Choice | None:
    """What the budget allows; a budget that nothing follows from is one sentence on the page."""
    try:
        return budget.choose(evaluation, per_hour)
    except ValueError as error:
        st.warning(plain(str(error)))
        return None


def show(opened: Opened, choice: Choice) -> None:
    """The curve, the point that the budget allows, and the button that takes its threshold into the model."""
    evaluation = opened.evaluation
    metrics.show(facts(opened, choice), least_width=170)
    table = evaluation_charts.curve_rows(evaluation.curve, evaluation.hours, f"epoch {evaluation.epoch}")
    if len(table):
        marks = evaluation_charts.curve_rows([choice.point], evaluation.hours, f"epoch {evaluation.epoch}")
        _draw(table, marks, [evaluation], choice.per_hour)
        hours, words = f"{evaluation.hours:.2f} h without the word", counted(evaluation.words, "word")
        none = f"None in that time means below {curve.short(intervals.RULE_OF_THREE / evaluation.hours)} per hour."
        st.caption(f"Behind it: {hours} and {words}. {none} {READING}")
    else:
        st.info("No word was said in these streams, so misses are not known. Evaluate with the test split too.")
    for sentence in budget.sentences(choice):
        st.markdown(plain(sentence))
    _take(opened, choice)


def _draw(table: pd.DataFrame, marks: pd.DataFrame, evaluations: list[Evaluation], per_hour: float) -> None:
    end = evaluation_charts.axis_end(evaluations, per_hour)
    picture = evaluation_charts.det_chart(table, marks, per_hour, end)
    st.altair_chart(picture, width="stretch", key="curve", alt="Miss rate against false accepts per hour")


def _interval(point: CurvePoint) -> str:
    return "" if point.low is None or point.high is None else point_text.interval(point.low, point.high)


def facts(opened: Opened, choice: Choice) -> list[Metric]:
    """The operating point that the budget allows, in numbers."""
    point, evaluation = choice.point, opened.evaluation
    late = tables.latency(opened.heard, point.threshold)
    accepts = point.false_accepts, evaluation.hours
    return [
        Metric("Threshold at budget", f"{point.threshold:.4f}", "The lowest that keeps to the budget here."),
        Metric(
            "Miss rate at budget", point_text.percent(point.miss_rate),
            "With 95 % confidence between the bounds below.", _interval(point),
        ),
        Metric(
            "False accepts at budget", f"{point_text.per_hour(*accepts)}/h",
            "With none, three in that time is the bound.", point_text.in_hours(*accepts),
        ),
        Metric(
            "Latency", metrics.NONE_YET if late is None else f"{1000 * late.median:.0f} ms",
            "From the end of a word to its detection: the median; below, the time that 90 % keep to.",
            "" if late is None else f"90 %: {1000 * late.p90:.0f} ms",
        ),
        Metric("Speed", f"{evaluation.times_real_time:,.0f}×", "Times real time, at which this was heard."),
    ]  # fmt: skip


def _take(opened: Opened, choice: Choice) -> None:
    model = run_models.model_with(opened.run, opened.evaluation.model_sha256)
    file = model[1] if model else None
    with st.container(horizontal=True, vertical_alignment="center"):
        same = file is not None and abs(file.threshold - choice.point.threshold) < ROUNDED
        st.button(
            "Use this threshold", type="primary", disabled=same or file is None, on_click=_write, args=(opened,),
            help="Writes it into the detector.json of the model.",
        )  # fmt: skip
        st.caption(_now(file, same, opened.evaluation.epoch))
    flash.show("threshold")


def _now(file: DetectorFile | None, same: bool, epoch: int) -> str:
    """Which threshold the evaluated model has."""
    if file is None:
        return (
            f"The model of epoch {epoch} that was evaluated is not exported any more. Evaluate that checkpoint again."
        )
    return f"The threshold of the model of epoch {epoch} is {'this one' if same else f'{file.threshold:.4f}'}."


def _write(opened: Opened) -> None:
    """Take the threshold for the budget that the fields show now: a click may come before the page has followed."""

    def write() -> str:
        per_hour = st.session_state["accepts"] / st.session_state["in_hours"]
        choice = budget.choose(opened.evaluation, per_hour)
        model = run_models.model_with(opened.run, opened.evaluation.model_sha256)
        file = budget.write(model[0] if model else opened.run.model, choice)
        return (
            f"The threshold of the model of epoch {file.epoch} is now {file.threshold:.4f}, for {per_hour:g} per hour."
        )

    flash.attempt("threshold", write)
