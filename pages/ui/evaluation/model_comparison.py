"""Models at the same false accepts per hour on the same streams: the Compare section, and the panel that Runs shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from pages.ui.evaluation import evaluation_charts, evaluation_picker, threshold_panel
from pages.ui.shared import metrics, run_picker, statuses
from pages.ui.shared.frame import error_sentence, plain
from trainer.evaluation import budget, comparison, point_text
from trainer.evaluation.comparison import Comparison, Drawn
from trainer.evaluation.evaluations import CurvePoint, Evaluation
from trainer.run import runs
from trainer.run.runs import Run
from trainer.streams.stream_set import ScoredStream
from trainer.system.workspace import Workspace

MOST_TESTED = 10
"""Models that are tested against the best one: each test takes a thousand bootstrap draws."""
PERCENT = st.column_config.NumberColumn(format="%.1f %%")
COLUMNS = {
    "Threshold at budget": st.column_config.NumberColumn(format="%.4f"),
    "Miss rate": PERCENT,
    "95 % from": PERCENT,
    "to": PERCENT,
}
Model = tuple[Run, Evaluation]


def show(workspace: Workspace, run: Run) -> None:
    """The Compare section: an evaluation of this run against another one on the same streams."""
    own = evaluation_picker.all_of(run)
    if not own:
        st.info("This run has no evaluation yet. Evaluate it on Streams, then another run on the same streams.")
        return
    newest = runs.all_runs(workspace)[: statuses.MOST_RUNS]
    every = [(other, each) for other in newest for each in evaluation_picker.all_of(other)]
    first = evaluation_picker.choose(sorted(own, key=lambda each: not _same_streams(every, each)))  # comparable first
    others = _same_streams(every, first)
    if not others:
        st.info(
            "No other evaluation uses the same streams. Evaluate another run, or another checkpoint of this run, with "
            f"the same settings on Streams. Evaluations on other streams: {len(every) - 1:,}."
        )
        return
    by_id = {each.id: (other, each) for other, each in others}
    names = {
        key: f"{run_picker.name_of(other)} · {evaluation_picker.name_of(each)}" for key, (other, each) in by_id.items()
    }
    second = by_id[st.selectbox("Compare with", list(names), format_func=names.__getitem__, key="compared_with")]
    pair = (run, first), second
    show_panel(dict(zip(_names(*pair), pair, strict=True)))


def show_groups(named: Mapping[str, Run]) -> None:
    """The evaluations of these runs, by name, on streams that the user chooses."""
    groups = _by_streams(named)
    if not groups:
        st.info(
            "Fewer than two evaluations of these runs use the same streams. Evaluate each run with the same settings "
            "on the Evaluation page; then their miss rates can be compared."
        )
        return
    keys = sorted(groups, key=lambda key: -len(groups[key]))
    titles = {key: next(iter(groups[key].values()))[1].streams_title for key in keys}
    chosen = st.selectbox(
        "Streams",
        keys,
        key="same_streams",
        width=520,
        format_func=lambda key: f"{titles[key]} ({len(groups[key])} evaluations)",
    )
    show_panel(groups[chosen])


def show_panel(models: Mapping[str, Model]) -> None:
    """Curves and rates of models by name at a budget of false accepts, and how each compares with the best one."""
    per_hour = threshold_panel.budget_form()
    points = _points(models, per_hour)
    ranked = sorted(points, key=lambda name: points[name].miss_rate or 0.0)
    if not ranked:
        return
    tests = _sentences({name: models[name] for name in ranked[: MOST_TESTED + 1]}, per_hour)
    for sentence in tests[:1]:
        st.markdown(f"**{plain(sentence)}**")
    _show_chart({name: models[name][1] for name in ranked}, points, per_hour)
    rows = [_row(name, models[name][1], points[name]) for name in ranked]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        width="stretch",
        column_config=COLUMNS,
        placeholder="–",
        alt="Models at the same budget",
    )
    for sentence in tests[1:]:
        st.markdown(plain(sentence))


def _same_streams(every: Sequence[Model], first: Evaluation) -> list[Model]:
    """Other evaluations, of any run, on the streams of this one."""
    return [(run, each) for run, each in every if each.streams_key == first.streams_key and each.id != first.id]


def _by_streams(named: Mapping[str, Run]) -> dict[str, dict[str, Model]]:
    """The newest evaluation of each checkpoint, by name, for all streams that two or more evaluations use."""
    groups: dict[str, dict[str, Model]] = defaultdict(dict)
    for name, run in named.items():
        for each in evaluation_picker.all_of(run):
            groups[each.streams_key].setdefault(f"{name} · epoch {each.epoch}", (run, each))
    return {key: models for key, models in groups.items() if len(models) > 1}


def _names(first: Model, second: Model) -> tuple[str, str]:
    """The names of the two: by run, or by epoch when both are of one run."""
    if first[0] != second[0]:
        labels = [runs.status(run).label for run, _ in (first, second)]
        return (labels[0], labels[1]) if labels[0] != labels[1] else (first[0].id, second[0].id)
    if first[1].epoch != second[1].epoch:
        return f"epoch {first[1].epoch}", f"epoch {second[1].epoch}"
    return f"evaluation {first[1].id}", f"evaluation {second[1].id}"


def _points(models: Mapping[str, Model], per_hour: float) -> dict[str, CurvePoint]:
    """The operating point of each model at the budget; a model without a miss rate there is left out."""
    points = {}
    for name, (_, evaluation) in models.items():
        try:
            points[name] = budget.choose(evaluation, per_hour).point
        except ValueError as error:
            st.warning(plain(f"{name}: {error}"))
    return {name: point for name, point in points.items() if point.miss_rate is not None}


def _sentences(ranked: Mapping[str, Model], per_hour: float) -> list[str]:
    """How the first, which is the best, compares with each of the others."""
    best, *others = ranked
    sentences = []
    for name in others:
        pair = ranked[best], ranked[name]
        key = tuple(f"{run.folder} {each.id} {each.created}" for run, each in pair)
        try:
            sentences.append(comparison.sentence(_compare(key, per_hour, *pair), best, name))
        except (OSError, ValueError) as error:
            st.warning(plain(f"{name}: {error_sentence(error)}"))
    return sentences


@st.cache_data(max_entries=200, show_spinner="Comparing the models")
def _compare(key: tuple[str, ...], per_hour: float, _first: Model, _second: Model) -> Comparison:
    """As `comparison.compare`, once per pair and budget. Raises ValueError, OSError."""
    first, second = evaluation_picker.read(*_first), evaluation_picker.read(*_second)
    return comparison.compare(first.evaluation, first.heard, second.evaluation, second.heard, per_hour, _draw)


def _draw(evaluation: Evaluation, heard: Sequence[ScoredStream]) -> Drawn:
    """As `comparison.draw`, once for all budgets."""
    return _cached_draw(evaluation.run, evaluation.id, evaluation.created, evaluation, heard)


@st.cache_resource(max_entries=MOST_TESTED + 1, show_spinner=False)
def _cached_draw(run: str, key: str, created: str, _evaluation: Evaluation, _heard: Sequence[ScoredStream]) -> Drawn:
    return comparison.draw(_evaluation, _heard)


def _show_chart(evaluations: Mapping[str, Evaluation], points: Mapping[str, CurvePoint], per_hour: float) -> None:
    lines = [evaluation_charts.curve_rows(each.curve, each.hours, name) for name, each in evaluations.items()]
    marks = [evaluation_charts.curve_rows([points[name]], each.hours, name) for name, each in evaluations.items()]
    end = evaluation_charts.axis_end(list(evaluations.values()), per_hour)
    chart = evaluation_charts.det_chart(pd.concat(lines), pd.concat(marks), per_hour, end)
    st.altair_chart(chart, width="stretch", key="compared", alt="Miss rates against false accepts per hour")


def _row(name: str, evaluation: Evaluation, point: CurvePoint) -> dict[str, object]:
    return {
        "Model": name,
        "Epoch": evaluation.epoch,
        "Threshold at budget": point.threshold,
        "False accepts per hour": point_text.per_hour(point.false_accepts, evaluation.hours),
        "Hours": evaluation.hours,
        "Miss rate": metrics.in_percent(point.miss_rate),
        "95 % from": metrics.in_percent(point.low),
        "to": metrics.in_percent(point.high),
    }
