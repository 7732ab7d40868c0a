"""The Compare section: two models at the same false accepts per hour, on the same streams, never at one threshold."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.ui.evaluation import evaluation_picker, threshold_panel
from pages.ui.shared import evaluation_charts, run_picker
from pages.ui.shared.frame import plain
from trainer.evaluation import comparison, point_text
from trainer.evaluation.comparison import Comparison, Drawn
from trainer.evaluation.evaluations import CurvePoint, Evaluation
from trainer.run import runs
from trainer.run.runs import Run
from trainer.streams.stream_set import Heard
from trainer.system.workspace import Workspace

Pair = tuple[Run, Evaluation]


def show(workspace: Workspace, run: Run) -> None:
    mine = evaluation_picker.all_of(run)
    if not mine:
        st.info("This run is not evaluated yet. Evaluate it on Streams, and another run with the same streams.")
        return
    every = [
        (other, each)
        for other in runs.all_runs(workspace)[: run_picker.MOST_RUNS]
        for each in evaluation_picker.all_of(other)
    ]
    first = evaluation_picker.choose(
        sorted(mine, key=lambda each: not _same(every, each))
    )  # what can be compared comes first
    others = _same(every, first)
    if not others:
        st.info(
            "Nothing else heard the same streams. Evaluate another run, or another checkpoint of this one, with the "
            f"same choices on Streams; evaluations with other streams: {len(every) - 1:,}."
        )
        return
    names = {each.id: f"{run_picker.name_of(of)} · {evaluation_picker.name_of(each)}" for of, each in others}
    by_id = {each.id: (of, each) for of, each in others}
    chosen = st.selectbox("Compare with", list(names), format_func=names.__getitem__, key="compared_with")
    _show((run, first), by_id[chosen], threshold_panel.budget_form())


def _same(every: Sequence[Pair], first: Evaluation) -> list[Pair]:
    """Evaluations of any run that heard the same streams as this one."""
    return [(run, each) for run, each in every if each.streams_key == first.streams_key and each.id != first.id]


@st.cache_resource(max_entries=4, show_spinner=False)
def _drawn(run: str, key: str, created: str, _evaluation: Evaluation, _heard: Sequence[Heard]) -> Drawn:
    return comparison.draw(_evaluation, _heard)


def _draw_once(evaluation: Evaluation, heard: Sequence[Heard]) -> Drawn:
    """Drawn again, once for all budgets."""
    return _drawn(evaluation.run, evaluation.id, evaluation.created, evaluation, heard)


def _show(one: Pair, other: Pair, per_hour: float) -> None:
    first, second = evaluation_picker.load(*one), evaluation_picker.load(*other)
    if first is None or second is None:
        return
    try:
        found = comparison.compare(first.evaluation, first.heard, second.evaluation, second.heard, per_hour, _draw_once)
    except ValueError as error:
        st.warning(plain(str(error)))
        return
    names = _names(one, other)
    st.markdown(f"**{plain(comparison.sentence(found, *names))}**")
    _draw([one[1], other[1]], found, names)


def _names(one: Pair, other: Pair) -> tuple[str, str]:
    """How a sentence calls the two: by run, or by epoch when they are of one run."""
    if one[0] != other[0]:
        first, second = (runs.status(run).label for run, _ in (one, other))
        return (first, second) if first != second else (one[0].id, other[0].id)
    if one[1].epoch != other[1].epoch:
        return f"epoch {one[1].epoch}", f"epoch {other[1].epoch}"
    return f"the evaluation {one[1].id}", f"the evaluation {other[1].id}"


def _draw(evaluations: list[Evaluation], found: Comparison, names: tuple[str, str]) -> None:
    points = (found.first, found.second)
    lines, marks = [], []
    for name, evaluation, point in zip(names, evaluations, points, strict=True):
        lines.append(evaluation_charts.curve_rows(evaluation.curve, evaluation.hours, name))
        marks.append(evaluation_charts.curve_rows([point], evaluation.hours, name))
    end = evaluation_charts.axis_end(evaluations, found.per_hour)
    picture = evaluation_charts.det_chart(pd.concat(lines), pd.concat(marks), found.per_hour, end)
    st.altair_chart(picture, width="stretch", key="compared", alt="Miss rates against false accepts per hour")
    table = pd.DataFrame([_row(*each) for each in zip(names, evaluations, points, strict=True)])
    formats = {name: st.column_config.NumberColumn(format="percent") for name in ("Missed", "From", "To")}
    formats["Threshold at budget"] = st.column_config.NumberColumn(format="%.4f")
    st.dataframe(table, hide_index=True, width="stretch", column_config=formats, alt="Both at the same budget")


def _row(name: str, evaluation: Evaluation, point: CurvePoint) -> dict[str, object]:
    return {
        "Model": name, "Epoch": evaluation.epoch, "Threshold at budget": point.threshold,
        "False accepts per hour": point_text.per_hour(point.false_accepts, evaluation.hours), "Hours": evaluation.hours,
        "Missed": point.miss_rate,
        "From": point.low, "To": point.high,
    }  # fmt: skip
