"""The scores of a stretch of sound as a picture: raw and smoothed, the threshold, and where the detector fires."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pages.ui.shared.plots import BLUE, GREY, ORANGE, RED
from trainer.detector.detector import Detection

HEIGHT = 230
MOST_POINTS = 1500
READING = (
    "Faint: the score of each window. Strong: the smoothed score, which the detector goes by. Dashed: the threshold. "
    "Dots: detections."
)


def table(
    times: NDArray[np.float64], smoothed: NDArray[np.floating], raw: NDArray[np.floating] | None = None
) -> pd.DataFrame:
    """Times [n] in seconds with the scores [n] there; of a long stretch the highest of neighbours: no peak is lost."""
    starts = np.arange(0, len(times), max(1, -(-len(times) // MOST_POINTS)))
    scores = {"Smoothed": smoothed} if raw is None else {"Smoothed": smoothed, "Score": raw}
    if not len(starts):
        return pd.DataFrame(columns=["Seconds", *scores], dtype=float)
    highest = {name: np.maximum.reduceat(values, starts) for name, values in scores.items()}
    return pd.DataFrame({"Seconds": times[starts], **highest})


def chart(
    points: pd.DataFrame, threshold: float, fired: Sequence[Detection], spoken: Sequence[tuple[float, float]] = ()
) -> alt.LayerChart | alt.FacetChart:
    """The trace of a `table`; `spoken` are stretches in seconds in which the word is said."""
    x = alt.X("Seconds:Q", title="Seconds", scale=alt.Scale(nice=False, zero=False))
    scale = alt.Scale(domain=[0, 1])
    base = alt.Chart(points).encode(x=x)
    tooltip = [alt.Tooltip(f"{name}:Q", format=".3f") for name in points.columns]
    said = alt.Chart(pd.DataFrame(spoken, columns=["Start", "End"], dtype=float))
    dots = alt.Chart(pd.DataFrame([each._asdict() for each in fired], columns=["time", "score"], dtype=float))
    faint = base.mark_line(color=GREY, opacity=0.55, strokeWidth=1)
    return alt.layer(
        said.mark_rect(opacity=0.2, color=ORANGE).encode(x="Start:Q", x2="End:Q"),
        *([faint.encode(y=alt.Y("Score:Q", scale=scale, title="Score"))] if "Score" in points else []),
        base.mark_line(color=BLUE, strokeWidth=2).encode(
            y=alt.Y("Smoothed:Q", scale=scale, title="Score"), tooltip=tooltip
        ),
        alt.Chart(pd.DataFrame({"Threshold": [threshold]})).mark_rule(color=RED, strokeDash=[6, 4]).encode(
            y=alt.Y("Threshold:Q", scale=scale)
        ),
        dots.mark_point(color=RED, filled=True, size=90, opacity=1).encode(
            x="time:Q", y=alt.Y("score:Q", scale=scale),
            tooltip=[alt.Tooltip("time:Q", title="Detected at", format=".2f"), alt.Tooltip("score:Q", format=".3f")],
        ),
    ).properties(height=HEIGHT)  # fmt: skip
