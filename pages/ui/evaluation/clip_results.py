"""The Clips section: how the clips of the test split are told apart, called what it is: rates per clip."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.evaluation import evaluation_picker
from pages.ui.shared import metrics
from pages.ui.shared.curves import BLUE, GREY, RED
from pages.ui.shared.metrics import Metric
from trainer.evaluation import clip_rates, evaluations
from trainer.evaluation.clip_rates import Points
from trainer.evaluation.evaluations import ClipScore
from trainer.evaluation.operating_point import OperatingPoint
from trainer.run import run_models
from trainer.run.metrics import Row
from trainer.run.runs import Run

COUNTS = ("true_positives", "false_negatives", "false_positives", "true_negatives")


def rate_numbers(row: Row) -> list[Metric]:
    """The rates of an epoch row."""
    return [
        Metric("Best epoch", str(row.get("epoch", metrics.NONE_YET)), "By the measure of `training.best_by`."),
        Metric("Val loss", metrics.loss(row.get("val_loss"))),
        Metric("Val accuracy", metrics.percent(row.get("val_accuracy"))),
        Metric("F1", metrics.percent(row.get("f1")), metrics.F1_HELP),
        Metric("FPR", metrics.percent(row.get("fpr")), metrics.FPR_HELP),
        Metric("FNR", metrics.percent(row.get("fnr")), metrics.FNR_HELP),
    ]


def matrix(row: Row) -> pd.DataFrame | None:
    """Windows by what they are and what the model said; None when the row has no counts."""
    counts = [row.get(name) for name in COUNTS]
    if not all(isinstance(count, int) for count in counts):
        return None
    hit, miss, alarm, right = counts
    return pd.DataFrame(
        {"said: word": [hit, alarm], "said: not the word": [miss, right]}, index=["is the word", "is not the word"]
    ).rename_axis("validation window")


def show_validation(row: Row) -> None:
    """Draw the rates and the confusion matrix of an epoch row."""
    metrics.show(rate_numbers(row))
    table = matrix(row)
    st.subheader("Confusion matrix", anchor=False)
    if table is None:
        st.caption("This run did not record counts.")
    else:
        st.table(table, width="content", alt="Confusion matrix of the validation windows")


HEIGHT = 320
DET_TICKS = (0.1, 0.5, 1, 2, 5, 10, 20, 40)
"""Percent at the axes of a DET chart."""


def show(run: Run, row: Row, own: OperatingPoint | None) -> None:
    """An evaluation that scored the test split, at a threshold: the one that the run's operating point `own` is of,
    else the newest. Below, the validation result."""
    ordered = sorted(evaluation_picker.all_of(run), key=lambda each: own is None or each.id != own.evaluation)
    every = ((each, evaluations.read_clips(evaluations.folder_of(run, each.id))) for each in ordered)
    evaluation, scored = next((pair for pair in every if pair[1]), (None, []))
    st.subheader("Clips of the test split", anchor=False)
    if evaluation:
        st.caption(
            f"Heard by the model of epoch {evaluation.epoch} in its evaluation {evaluation.id}. Rates per clip, not "
            "per hour of listening: each clip counts once, with its highest score. They show which kind of clip is "
            "hard; how the model does all day is on Streams."
        )
        model = run_models.model_with(run, evaluation.model_sha256)
        if model is None:
            st.caption("That model is not exported any more, so its own threshold is not known.")
        _scored(scored, model[1].threshold if model else 0.5)
    else:
        st.info("The clips of the test split were not heard yet. Press Evaluate on Streams; they are scored with it.")
    with st.expander("Details: rates per window of the validation split", expanded=not scored):
        _validation(row)


def _validation(row: Row) -> None:
    st.caption(
        "Rates per validation window at threshold 0.5, not per hour of listening: a device hears many windows in a "
        "second, so a small rate here can still mean many false alarms a day. The clips of the test split were not "
        "used."
    )
    show_validation(row)


def _scored(scored: list[ClipScore], own: float) -> None:
    labels, score = [each.label for each in scored], np.array([each.score for each in scored])
    own = min(1.0, max(0.0, own))
    threshold = st.slider("Threshold to try", 0.0, 1.0, own, 0.0001, "%.4f", key=f"clips_threshold_{own:.6f}")
    found, points = clip_rates.rates_by_label(labels, score, threshold), clip_rates.points(labels, score)
    shown = [
        Metric(
            "Missed per clip", metrics.percent(found.fnr), "Share of positive clips that score below the threshold."
        ),
        Metric("Taken for it per clip", metrics.percent(found.fpr), "Share of other clips that reach the threshold."),
    ]
    if points:
        shown.append(Metric("Area under ROC", f"{points.area:.4f}", "How often a word scores above another clip."))
        shown.append(Metric("Equal error rate", metrics.percent(points.equal_error_rate), "Where both rates are one."))
    metrics.show(shown, least_width=150)
    counts = clip_rates.by_label(labels, score, threshold)
    called, others = [each.called for each in counts], [each.clips - each.called for each in counts]
    table = pd.DataFrame({"said: word": called, "said: not the word": others}, index=[each.label for each in counts])
    table = table.rename_axis("test clip")
    st.table(table, width="content", alt="Confusion matrix of the test clips")
    if points:
        here = (found.fpr or 0.0, found.fnr or 0.0)
        words = labels.count(clip_rates.WORD)
        picture = det(points, here, words, len(labels) - words)
        with st.grid(2, min_column_width=360, key="clips_charts"):
            st.altair_chart(roc(points, here), width="stretch", key="clips_roc", alt="ROC per clip")
            st.altair_chart(picture, width="stretch", key="clips_det", alt="DET per clip")


def _lines(table: pd.DataFrame, here: pd.DataFrame, x: alt.X, y: alt.Y, title: str) -> alt.LayerChart | alt.FacetChart:
    """A line with the chosen threshold as a dot on it."""
    tooltip = [alt.Tooltip(f"{name}:Q", format=".3f") for name in ("Threshold", "Others taken (%)", "Missed (%)")]
    return alt.layer(
        alt.Chart(table).mark_line(color=BLUE, clip=True).encode(x=x, y=y, order="Threshold:Q"),
        alt.Chart(table).mark_point(color=BLUE, filled=True, size=14, clip=True).encode(x=x, y=y, tooltip=tooltip),
        alt.Chart(here).mark_point(color=RED, filled=True, size=130, opacity=1).encode(x=x, y=y),
    ).properties(height=HEIGHT, title=alt.TitleParams(title, anchor="start"))  # fmt: skip


def _table(points: Points) -> pd.DataFrame:
    thin = clip_rates.thinned(points)
    rates = {"Others taken (%)": 100 * thin.fpr, "Missed (%)": 100 * thin.fnr, "Found (%)": 100 * (1 - thin.fnr)}
    return pd.DataFrame({"Threshold": thin.threshold, **rates})


def roc(points: Points, here: tuple[float, float]) -> alt.LayerChart | alt.FacetChart:
    """Words that are found against other clips that are taken for it; `here` is (fpr, fnr) at the threshold."""
    full = alt.Scale(domain=[0, 100])
    x = alt.X("Others taken (%):Q", scale=full, title="Other clips taken for the word (%)")
    y = alt.Y("Found (%):Q", scale=full, title="Words found (%)")
    dot = pd.DataFrame({"Others taken (%)": [100 * here[0]], "Found (%)": [100 * (1 - here[1])]})
    return _lines(_table(points), dot, x, y, "ROC, per clip")


def det(points: Points, here: tuple[float, float], words: int, others: int) -> alt.LayerChart | alt.FacetChart:
    """Misses against false positives on the scale of the normal distribution, on which good models lie apart."""
    table = _table(points)
    dot = pd.DataFrame({"Others taken (%)": [100 * here[0]], "Missed (%)": [100 * here[1]]})
    for frame in (table, dot):
        frame["x"] = clip_rates.probit(frame["Others taken (%)"].to_numpy() / 100, others)
        frame["y"] = clip_rates.probit(frame["Missed (%)"].to_numpy() / 100, words)
    ticks = clip_rates.probit(np.array(DET_TICKS) / 100, 10**6).tolist()
    pairs = zip(ticks, DET_TICKS, strict=True)
    names = " : ".join(f"abs(datum.value - {at:.4f}) < 0.001 ? '{tick:g}'" for at, tick in pairs)
    axis = alt.Axis(values=ticks, labelExpr=f"{names} : ''", gridColor=GREY, gridOpacity=0.3)
    scale = alt.Scale(domain=[ticks[0], ticks[-1]])
    x = alt.X("x:Q", scale=scale, axis=axis, title="Other clips taken for the word (%)")
    return _lines(table, dot, x, alt.Y("y:Q", scale=scale, axis=axis, title="Words missed (%)"), "DET, per clip")
