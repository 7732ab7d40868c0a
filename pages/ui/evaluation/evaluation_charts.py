"""Charts of an evaluation: the DET curve with its 95 % band, and the trace of scores over a stretch of sound."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pages.ui.shared.curves import BLUE, GREEN, GREY, ORANGE, RED
from trainer.detector.detector import Detection
from trainer.evaluation import curve
from trainer.evaluation.evaluations import CurvePoint, Evaluation

TRACE_HEIGHT = 230
MOST_POINTS = 1500
TRACE_LEGEND = (
    "Thin line: score of each window. Thick line: smoothed score, which the detector compares with the dashed "
    "threshold. Dots: detections."
)


def trace_table(
    times: NDArray[np.float64], smoothed: NDArray[np.floating], raw: NDArray[np.floating] | None = None
) -> pd.DataFrame:
    """Times [n] in seconds and scores [n]; a long trace keeps the maximum of neighbouring scores."""
    starts = np.arange(0, len(times), max(1, -(-len(times) // MOST_POINTS)))
    scores = {"Smoothed": smoothed} if raw is None else {"Smoothed": smoothed, "Score": raw}
    if not len(starts):
        return pd.DataFrame(columns=["Seconds", *scores], dtype=float)
    highest = {name: np.maximum.reduceat(values, starts) for name, values in scores.items()}
    return pd.DataFrame({"Seconds": times[starts], **highest})


def trace_chart(
    points: pd.DataFrame, threshold: float, fired: Sequence[Detection], spoken: Sequence[tuple[float, float]] = ()
) -> alt.LayerChart | alt.FacetChart:
    """The chart of a `trace_table`; `spoken` are the times in seconds at which the word starts and ends."""
    x = alt.X("Seconds:Q", title="Seconds", scale=alt.Scale(nice=False, zero=False))
    scale = alt.Scale(domain=[0, 1])
    base = alt.Chart(points).encode(x=x)
    tooltip = [alt.Tooltip(f"{name}:Q", format=".3f") for name in points.columns]
    words = alt.Chart(pd.DataFrame(spoken, columns=["Start", "End"], dtype=float))
    dots = alt.Chart(pd.DataFrame([each._asdict() for each in fired], columns=["time", "score"], dtype=float))
    faint = base.mark_line(color=GREY, opacity=0.55, strokeWidth=1)
    return alt.layer(
        words.mark_rect(opacity=0.2, color=ORANGE).encode(x="Start:Q", x2="End:Q"),
        *([faint.encode(y=alt.Y("Score:Q", scale=scale, title="Score"))] if "Score" in points else []),
        base.mark_line(color=BLUE, strokeWidth=2).encode(
            y=alt.Y("Smoothed:Q", scale=scale, title="Score"), tooltip=tooltip
        ),
        alt.Chart(pd.DataFrame({"Threshold": [threshold]}))
        .mark_rule(color=RED, strokeDash=[6, 4])
        .encode(y=alt.Y("Threshold:Q", scale=scale)),
        dots.mark_point(color=RED, filled=True, size=90, opacity=1).encode(
            x="time:Q",
            y=alt.Y("score:Q", scale=scale),
            tooltip=[alt.Tooltip("time:Q", title="Detected at", format=".2f"), alt.Tooltip("score:Q", format=".3f")],
        ),
    ).properties(height=TRACE_HEIGHT)


CURVE_HEIGHT = 360
X_TITLE = "False accepts per hour"
TICKS = (0, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
COLORS = (BLUE, ORANGE, GREEN, RED, GREY)
SHOWN_AT_LEAST = 2.0
"""Smallest end of the axis in false accepts per hour, if a model has so many."""


def curve_rows(points: Sequence[CurvePoint], hours: float, name: str) -> pd.DataFrame:
    """Operating points with rates in percent; empty when the streams hold no word."""
    rated = [point for point in points if point.miss_rate is not None]
    return pd.DataFrame(
        {
            "Model": name,
            "False accepts per hour": [point.false_accepts_per_hour for point in rated],
            "Misses (%)": [100 * (point.miss_rate or 0) for point in rated],
            "Low": [_hundredfold(point.low) for point in rated],
            "High": [_hundredfold(point.high) for point in rated],
            "Threshold": [point.threshold for point in rated],
            "False accepts": [curve.rate_text(point.false_accepts, hours) for point in rated],
        }
    )


def _hundredfold(rate: float | None) -> float | None:
    return None if rate is None else 100 * rate


def axis_end(evaluations: Sequence[Evaluation], per_hour: float) -> float:
    """End of the axis of false accepts: beyond the budget, but not far beyond the last point."""
    most = max((point.false_accepts_per_hour for each in evaluations for point in each.curve), default=0.0)
    return max(min(max(SHOWN_AT_LEAST, 4 * per_hour), most), 1.2 * per_hour)


def det_chart(table: pd.DataFrame, marks: pd.DataFrame, per_hour: float, end: float) -> alt.LayerChart | alt.FacetChart:
    """The curves of one or more models; `marks` are rows like those of `table`, drawn as large dots."""
    models = list(dict.fromkeys(table["Model"]))
    color = alt.Color(
        "Model:N",
        scale=alt.Scale(domain=models, range=list(COLORS[: len(models)])),
        legend=alt.Legend(orient="top", columns=1, title=None, labelLimit=500, symbolOpacity=1)
        if len(models) > 1
        else None,
    )
    values = [tick for tick in TICKS if not tick or end / 100 <= tick <= end]
    ticks = alt.Axis(values=values, labelExpr="datum.value || '0'", grid=True)
    scale = alt.Scale(type="sqrt", domain=[0, end], nice=False)
    x = alt.X("False accepts per hour:Q", scale=scale, axis=ticks, title=X_TITLE)
    top = min(100.0, max(10.0, 1.05 * float(table[["Misses (%)", "High"]].max().max())))
    upright = alt.Scale(domain=[0, top])
    tooltip = [
        "Model:N",
        alt.Tooltip("Threshold:Q", format=".4f"),
        "False accepts:N",
        *(
            alt.Tooltip(f"{name}:Q", format=".1f", title=title)
            for name, title in (("Misses (%)", "Misses (%)"), ("Low", "95 % from"), ("High", "to"))
        ),
    ]
    base = alt.Chart(table).encode(x=x, color=color)
    budget = alt.Chart(pd.DataFrame({"Budget": [per_hour]}))
    missed = alt.Y("Misses (%):Q", scale=upright, title="Missed words (%)")
    return alt.layer(
        base.mark_area(clip=True, opacity=0.15, interpolate="step-after").encode(
            y=alt.Y("Low:Q", scale=upright, title="Missed words (%)"), y2="High:Q"
        ),
        base.mark_line(clip=True, strokeWidth=2, interpolate="step-after").encode(y=missed),
        base.mark_point(clip=True, filled=True, size=18).encode(y=missed, tooltip=tooltip),
        budget.mark_rule(color=GREY, strokeDash=[6, 4]).encode(
            x=alt.X("Budget:Q", scale=scale, axis=ticks, title=X_TITLE)
        ),
        alt.Chart(marks)
        .mark_point(filled=True, size=150, opacity=1)
        .encode(x=x, y=missed, tooltip=tooltip, color=alt.value(RED)),
    ).properties(height=CURVE_HEIGHT)
