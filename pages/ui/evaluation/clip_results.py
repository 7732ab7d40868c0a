"""The Clips section: rates per clip of the test split, and rates per window of the validation split."""

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
from trainer.run import models
from trainer.run.metrics import Row
from trainer.run.runs import Run

HEIGHT = 320
DET_TICKS = (0.1, 0.5, 1, 2, 5, 10, 20, 40)
"""Percent at the axes of a DET chart."""
COUNTS = ("true_positives", "false_negatives", "false_positives", "true_negatives")
DETECTED, NOT_DETECTED = "Detected", "Not detected"
ACCEPTS, MISSES, HITS = "False accepts (%)", "Misses (%)", "Detections (%)"


def show(run: Run, row: Row, own: OperatingPoint | None) -> None:
    """The test split as scored by the evaluation behind the run's operating point `own`, else by the newest one; below
    it the validation result of the epoch `row`."""
    ordered = sorted(evaluation_picker.all_of(run), key=lambda each: own is None or each.id != own.evaluation)
    every = ((each, evaluations.read_clips(evaluations.folder_of(run, each.id))) for each in ordered)
    evaluation, scores = next((pair for pair in every if pair[1]), (None, []))
    st.header("Clips of the test split", anchor=False)
    if evaluation:
        st.caption(
            f"Scored by the model of epoch {evaluation.epoch} in evaluation {evaluation.id}. Rates are per clip, not "
            "per hour of listening: each clip counts once, with its highest score. They show which kinds of clips are "
            "difficult; Streams shows how the model performs over hours of sound."
        )
        model = models.model_with(run, evaluation.model_sha256)
        if model is None:
            st.caption("This model is no longer exported, so its threshold is unknown.")
        _show_test_clips(scores, model[1].threshold if model else 0.5)
    else:
        st.info("The clips of the test split have no scores yet. Click Evaluate on Streams to score them.")
    with st.expander("Details: rates per window of the validation split", expanded=not scores):
        _show_validation(row)


def _show_test_clips(scores: list[ClipScore], own: float) -> None:
    """Rates, confusion matrix and charts at a threshold that the user can move; it starts at `own`."""
    labels, score = [each.label for each in scores], np.array([each.score for each in scores])
    own = min(1.0, max(0.0, own))
    threshold = st.slider("Threshold to try", 0.0, 1.0, own, 0.0001, "%.4f", key=f"clips_threshold_{own:.6f}")
    rates, points = clip_rates.rates_by_label(labels, score, threshold), clip_rates.points(labels, score)
    shown = [
        Metric("Miss rate per clip", metrics.percent(rates.fnr), "Share of positive clips that score below it."),
        Metric("False accept rate per clip", metrics.percent(rates.fpr), "Share of other clips that reach it."),
    ]
    if points:
        shown.append(
            Metric(
                "Area under ROC",
                f"{points.area:.4f}",
                "Probability that a positive clip scores higher than another clip.",
            )
        )
        shown.append(
            Metric("Equal error rate", metrics.percent(points.equal_error_rate), "Where both rates are equal.")
        )
    metrics.show(shown, least_width=170)
    st.table(_test_matrix(labels, score, threshold), width="content", alt="Confusion matrix of the test clips")
    if points:
        _show_charts(points, (rates.fpr or 0.0, rates.fnr or 0.0), labels)


def _test_matrix(labels: list[str], score: np.ndarray, threshold: float) -> pd.DataFrame:
    """Clips of each label by whether they reach the threshold; `score` [clips]."""
    counts = clip_rates.by_label(labels, score, threshold)
    table = {
        DETECTED: [each.accepted for each in counts],
        NOT_DETECTED: [each.clips - each.accepted for each in counts],
    }
    return pd.DataFrame(table, index=[each.label for each in counts]).rename_axis("Label")


def _show_charts(points: Points, here: tuple[float, float], labels: list[str]) -> None:
    words = labels.count(clip_rates.WORD)
    with st.grid(2, min_column_width=360, key="clips_charts"):
        st.altair_chart(roc(points, here), width="stretch", key="clips_roc", alt="ROC per clip")
        chart = det(points, here, words, len(labels) - words)
        st.altair_chart(chart, width="stretch", key="clips_det", alt="DET per clip")
    st.caption("Red dot: the threshold to try. The DET chart has no 0 %: it shows a rate of 0 as half a clip.")


def _show_validation(row: Row) -> None:
    """The rates and the confusion matrix of an epoch row."""
    st.caption(
        "Rates per validation window at threshold 0.5, not per hour of listening: a device scores many windows per "
        "second, so a small rate can still mean many false alarms per day. The test split is not used."
    )
    metrics.show(validation_rates(row))
    table = validation_matrix(row)
    st.header("Confusion matrix", anchor=False)
    if table is None:
        st.caption("This run did not record counts.")
    else:
        st.table(table, width="content", alt="Confusion matrix of the validation windows")


def validation_rates(row: Row) -> list[Metric]:
    """The rates of an epoch row."""
    return [
        Metric("Best epoch", str(row.get("epoch", metrics.NONE_YET)), "Chosen by `training.best_by`."),
        Metric("Val loss", metrics.loss(row.get("val_loss"))),
        Metric("Val accuracy", metrics.percent(row.get("val_accuracy"))),
        Metric("F1", metrics.percent(row.get("f1")), metrics.F1_HELP),
        Metric("FPR", metrics.percent(row.get("fpr")), metrics.FPR_HELP),
        Metric("FNR", metrics.percent(row.get("fnr")), metrics.FNR_HELP),
    ]


def validation_matrix(row: Row) -> pd.DataFrame | None:
    """Validation windows by truth and prediction; None when the row has no counts."""
    counts = [row.get(name) for name in COUNTS]
    if not all(isinstance(count, int) for count in counts):
        return None
    hits, misses, accepts, rejects = counts
    table = {DETECTED: [hits, accepts], NOT_DETECTED: [misses, rejects]}
    return pd.DataFrame(table, index=["Word", "Other"]).rename_axis("Window")


def _chart(table: pd.DataFrame, here: pd.DataFrame, x: alt.X, y: alt.Y, title: str) -> alt.LayerChart | alt.FacetChart:
    """A line with the chosen threshold as a dot on it."""
    tooltip = [alt.Tooltip(f"{name}:Q", format=".3f") for name in ("Threshold", ACCEPTS, MISSES)]
    base = alt.Chart(table)
    layers = (
        base.mark_line(color=BLUE, clip=True).encode(x=x, y=y, order="Threshold:Q"),
        base.mark_point(color=BLUE, filled=True, size=14, clip=True).encode(x=x, y=y, tooltip=tooltip),
        alt.Chart(here).mark_point(color=RED, filled=True, size=130, opacity=1).encode(x=x, y=y),
    )
    return alt.layer(*layers).properties(height=HEIGHT, title=alt.TitleParams(title, anchor="start"))


def _table(points: Points) -> pd.DataFrame:
    thin = clip_rates.thinned(points)
    rates = {ACCEPTS: 100 * thin.fpr, MISSES: 100 * thin.fnr, HITS: 100 * (1 - thin.fnr)}
    return pd.DataFrame({"Threshold": thin.threshold, **rates})


def roc(points: Points, here: tuple[float, float]) -> alt.LayerChart | alt.FacetChart:
    """The ROC curve; `here` is (fpr, fnr) at the threshold."""
    full = alt.Scale(domain=[0, 100])
    x = alt.X(f"{ACCEPTS}:Q", scale=full, title="False accept rate (%)")
    y = alt.Y(f"{HITS}:Q", scale=full, title="Detection rate (%)")
    dot = pd.DataFrame({ACCEPTS: [100 * here[0]], HITS: [100 * (1 - here[1])]})
    return _chart(_table(points), dot, x, y, "ROC, per clip")


def det(points: Points, here: tuple[float, float], words: int, others: int) -> alt.LayerChart | alt.FacetChart:
    """The DET curve: misses against false accepts on probit scales, which spread out good models; `here` is (fpr, fnr)
    at the threshold."""
    table = _table(points)
    dot = pd.DataFrame({ACCEPTS: [100 * here[0]], MISSES: [100 * here[1]]})
    for frame in (table, dot):
        frame["x"] = clip_rates.probit(frame[ACCEPTS].to_numpy() / 100, others)
        frame["y"] = clip_rates.probit(frame[MISSES].to_numpy() / 100, words)
    ticks = clip_rates.probit(np.array(DET_TICKS) / 100, 10**6).tolist()
    pairs = zip(ticks, DET_TICKS, strict=True)
    names = " : ".join(f"abs(datum.value - {at:.4f}) < 0.001 ? '{tick:g}'" for at, tick in pairs)
    axis = alt.Axis(values=ticks, labelExpr=f"{names} : ''", gridColor=GREY, gridOpacity=0.3)
    scale = alt.Scale(domain=[ticks[0], ticks[-1]])
    x = alt.X("x:Q", scale=scale, axis=axis, title="False accept rate (%)")
    return _chart(table, dot, x, alt.Y("y:Q", scale=scale, axis=axis, title="Miss rate (%)"), "DET, per clip")
