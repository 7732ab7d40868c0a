"""The threshold for a budget of false accepts: budget form, operating point, curve, and the button that writes it,
which offers what no hours support as an estimate."""

from __future__ import annotations

import streamlit as st

from pages.ui.evaluation import evaluation_charts
from pages.ui.evaluation.evaluation_picker import ScoredEvaluation
from pages.ui.shared import flash, metrics
from pages.ui.shared.frame import plain
from pages.ui.shared.metrics import Metric
from trainer.detector.detector_file import DetectorFile
from trainer.evaluation import budget, curve, errors, evaluations, intervals, point_text
from trainer.evaluation.budget import Choice
from trainer.evaluation.evaluations import CurvePoint
from trainer.run import models
from trainer.system.display_text import counted

PLACE = "threshold"
ROUNDED = 2e-6
"""A threshold is rounded up by less than this when it is written into a model."""
BUDGET_HELP = (
    "The lowest threshold that keeps to the budget, with 90 % confidence where the long recordings are enough for that."
)
READING = (
    "Dashed line: the budget. Red dot: the threshold for it. Band: the 95 % confidence interval of the miss rate, "
    "bootstrapped over speakers, or over clips where speakers are unknown."
)


def budget_form() -> float:
    """The budget, in false accepts per hour; its two fields are kept in the address."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        accepts = st.number_input(
            "False accepts, at most", 1, 1000, 1, 1, key="accepts", bind="query-params", width=180
        )
        hours = st.number_input("in hours", 0.1, 1000.0, 2.0, 0.5, key="in_hours", bind="query-params", width=140)
    return float(accepts) / float(hours)


def choose(scored: ScoredEvaluation, per_hour: float) -> Choice | None:
    """The operating point for the budget, or a sentence on the page when there is none."""
    try:
        return budget.promise(scored.evaluation, scored.heard, per_hour)
    except ValueError as error:
        st.warning(plain(str(error)))
        return None


def show(scored: ScoredEvaluation, choice: Choice) -> None:
    """The operating point for the budget, the curve, and the button that writes the threshold into the model."""
    evaluation = scored.evaluation
    metrics.show(operating_numbers(scored, choice), least_width=170)
    name = f"epoch {evaluation.epoch}"
    table = evaluation_charts.curve_rows(evaluation.curve, evaluation.hours, name)
    if len(table):
        marks = evaluation_charts.curve_rows([choice.point], evaluation.hours, name)
        end = evaluation_charts.axis_end([evaluation], choice.per_hour)
        chart = evaluation_charts.det_chart(table, marks, choice.per_hour, end)
        with st.expander("Misses against false accepts", expanded=curve.bends(evaluation.curve)):
            st.altair_chart(chart, width="stretch", key="curve", alt="Miss rate against false accepts per hour")
            st.caption(f"{_measured_on(choice)} {READING}")
    else:
        st.info("These streams do not contain the word, so the miss rate is unknown. Evaluate on the test split too.")
    for sentence in budget.sentences(choice):
        st.markdown(plain(sentence))
    _show_write_button(scored, choice)


def _measured_on(choice: Choice) -> str:
    """The amount of sound behind the curve, and the lowest rate that it can show."""
    evaluation = choice.evaluation
    synthetic = f" ({choice.synthetic_hours:.2f} h of it synthetic speech)" if choice.synthetic_hours else ""
    bound = curve.short(intervals.RULE_OF_THREE / evaluation.hours)
    return (
        f"Measured on {counted(evaluation.words, 'word')} and {evaluation.hours:.2f} h without the word{synthetic}. "
        f"No false accept in {evaluation.hours:.2f} h means fewer than {bound} per hour with 95 % confidence."
    )


def _interval(point: CurvePoint) -> str:
    return "" if point.low is None or point.high is None else point_text.interval(point.low, point.high)


def operating_numbers(scored: ScoredEvaluation, choice: Choice) -> list[Metric]:
    """The operating point for the budget."""
    point, evaluation = choice.point, scored.evaluation
    latency = errors.latency(scored.heard, point.threshold)
    accepts = point.false_accepts, evaluation.hours
    return [
        Metric("Threshold at budget", f"{point.threshold:.4f}", BUDGET_HELP),
        Metric(
            "Miss rate at budget",
            point_text.percent(point.miss_rate),
            "Share of the words that the model misses. Below: the 95 % confidence interval.",
            _interval(point),
        ),
        Metric(
            "False accepts at budget",
            f"{point_text.per_hour(*accepts)}/h",
            "None in H hours means fewer than 3/H per hour with 95 % confidence.",
            point_text.in_hours(*accepts),
        ),
        Metric(
            "Latency",
            metrics.NONE_YET if latency is None else f"{1000 * latency.median:.0f} ms",
            "From the end of the word to its detection: median, and below it the 90th percentile.",
            "" if latency is None else f"90 %: {1000 * latency.p90:.0f} ms",
        ),
        Metric("Speed", f"{evaluation.times_real_time:,.0f}×", "Speed of the evaluation, relative to real time."),
    ]


def _show_write_button(scored: ScoredEvaluation, choice: Choice) -> None:
    model = models.model_with(scored.run, scored.evaluation.model_sha256)
    file = model[1] if model else None
    with st.container(horizontal=True, vertical_alignment="center"):
        same = file is not None and abs(file.threshold - choice.point.threshold) < ROUNDED
        st.button(
            "Use this estimate" if choice.bound_per_hour is None else "Use this threshold",
            type="secondary" if choice.bound_per_hour is None else "primary",
            disabled=same or file is None,
            on_click=_write,
            args=(scored,),
            help="Writes the threshold into the detector.json of the model.",
        )
        st.caption(_current(file, same, scored.evaluation.epoch))
    flash.show(PLACE)


def _current(file: DetectorFile | None, same: bool, epoch: int) -> str:
    """The current threshold of the evaluated model."""
    if file is None:
        return f"The evaluated model of epoch {epoch} is no longer exported. Evaluate its checkpoint again."
    if same:
        return f"The model of epoch {epoch} uses this threshold."
    return f"The current threshold of the model of epoch {epoch} is {file.threshold:.4f}."


def _write(scored: ScoredEvaluation) -> None:
    """Write the threshold for the budget in the fields, which may be newer than the drawn page."""

    def write() -> str:
        per_hour = st.session_state["accepts"] / st.session_state["in_hours"]
        choice = budget.promise(scored.evaluation, scored.heard, per_hour)
        folder, file = models.model_with(scored.run, scored.evaluation.model_sha256) or (scored.run.model, None)
        place = evaluations.folder_of(scored.run, scored.evaluation.id)
        unsmoothed = budget.unsmoothed(place, scored.evaluation, file, per_hour) if file else None
        file = budget.write(folder, choice, unsmoothed)
        return (
            f"The threshold of the model of epoch {file.epoch} is now {file.threshold:.4f}, for a budget of "
            f"{per_hour:g} false accepts per hour."
        )

    flash.attempt(PLACE, write)
