"""Evaluations of the compared runs and their checkpoints at the same false accepts per hour, on the same streams."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from pages.ui.evaluation import evaluation_picker, threshold_panel
from pages.ui.shared import evaluation_charts
from pages.ui.shared.frame import plain
from trainer.evaluation import budget, comparison, point_text
from trainer.evaluation.comparison import Comparison
from trainer.evaluation.evaluations import CurvePoint, Evaluation
from trainer.run.runs import Run

MOST_TESTED = 10
"""Pairs of which it is told whether their difference is more than noise: each is drawn again a thousand times."""
Heard = tuple[Run, Evaluation]


def show(found: Mapping[str, Run]) -> None:
    groups = grouped(found)
    if not groups:
        st.info(
            "Fewer than two evaluations of these runs heard the same streams. Evaluate each on the Evaluation page "
            "with the same choices; then their miss rates can be compared at the same false accepts."
        )
        return
    keys = sorted(groups, key=lambda key: -len(groups[key]))
    chosen = st.selectbox(
        "Streams", keys, key="same_streams", width=520,
        format_func=lambda key: f"{next(iter(groups[key].values()))[1].streams_title} ({len(groups[key])} evaluations)",
    )  # fmt: skip
    _show(groups[chosen], threshold_panel.budget_form())


def grouped(found: Mapping[str, Run]) -> dict[str, dict[str, Heard]]:
    """The newest evaluation of each checkpoint, by name, for all streams that two or more heard."""
    groups: dict[str, dict[str, Heard]] = defaultdict(dict)
    for name, run in found.items():
        for each in evaluation_picker.all_of(run):
            groups[each.streams_key].setdefault(f"{name} · epoch {each.epoch}", (run, each))
    return {key: members for key, members in groups.items() if len(members) > 1}


def _show(members: Mapping[str, Heard], per_hour: float) -> None:
    points: dict[str, CurvePoint] = {}
    for name, (_, each) in members.items():
        try:
            points[name] = budget.choose(each, per_hour).point
        except ValueError as error:
            st.warning(plain(f"{name}: {error}"))
    known = [name for name in points if points[name].miss_rate is not None]
    if not known:
        return
    ranked = sorted(known, key=lambda name: points[name].miss_rate or 0.0)
    evaluations = [members[name][1] for name in ranked]
    lines = [
        evaluation_charts.curve_rows(each.curve, each.hours, name)
        for name, each in zip(ranked, evaluations, strict=True)
    ]
    marks = [evaluation_charts.curve_rows([points[name]], members[name][1].hours, name) for name in ranked]
    end = evaluation_charts.axis_end(evaluations, per_hour)
    picture = evaluation_charts.det_chart(pd.concat(lines), pd.concat(marks), per_hour, end)
    st.altair_chart(picture, width="stretch", key="same_accepts", alt="Miss rates against false accepts per hour")
    formats = {name: st.column_config.NumberColumn(format="percent") for name in ("Missed", "From", "To")}
    table = pd.DataFrame([_row(name, members[name][1], points[name]) for name in ranked])
    st.dataframe(table, hide_index=True, width="stretch", column_config=formats, alt="All at the same budget")
    _tell(members, ranked, per_hour)


def _row(name: str, evaluation: Evaluation, point: CurvePoint) -> dict[str, object]:
    return {
        "Model": name, "Threshold at budget": round(point.threshold, 4),
        "False accepts per hour": point_text.per_hour(point.false_accepts, evaluation.hours), "Hours": evaluation.hours,
        "Missed": point.miss_rate,
        "From": point.low, "To": point.high,
    }  # fmt: skip


@st.cache_data(max_entries=200, show_spinner=False)
def _compared(key: tuple[str, ...], per_hour: float, _one: Heard, _other: Heard) -> Comparison | None:
    first, second = evaluation_picker.load(*_one), evaluation_picker.load(*_other)
    if first is None or second is None:
        return None
    return comparison.compare(first.evaluation, first.heard, second.evaluation, second.heard, per_hour)


def _tell(members: Mapping[str, Heard], ranked: Sequence[str], per_hour: float) -> None:
    """Whether the best one is better than each of the others by more than noise."""
    best = ranked[0]
    for name in ranked[1 : MOST_TESTED + 1]:
        pair = members[best], members[name]
        key = tuple(f"{run.folder} {each.id} {each.created}" for run, each in pair)
        try:
            found = _compared(key, per_hour, *pair)
        except ValueError as error:
            st.caption(plain(f"{name}: {error}"))
            continue
        if found:
            st.markdown(plain(comparison.sentence(found, best, name)))
