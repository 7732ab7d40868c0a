"""The scores of a stretch of sound as a picture: raw and smoothed, the threshold, and where the detector fires."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pages.ui.plots import BLUE, GREY, ORANGE, RED
from trainer.detector import Detection

HEIGHT = 200
MOST_POINTS = 1500
READING = (
    "Faint: the score of each window. Strong: the smoothed score, which the detector goes by. Dashed: the threshold. "
    "Dots: detections."
)


def table(
    times: NDArray[np.float64], raw: NDArray[np.floating], smoothed: NDArray[np.floating], most: int = MOST_POINTS
) -> pd.DataFrame:
    """Times [n] in seconds with the scores [n] there; of a long stretch the highest of neighbours: no peak is lost."""
    step = max(1, -(-len(times) // most))
    starts = np.arange(0, len(times), step)
    if not len(starts):
        return pd.DataFrame({"Seconds": [], "Score": [], "Smoothed": []})
    highest = [np.maximum.reduceat(scores, starts) for scores in (raw, smoothed)]
    return pd.DataFrame({"Seconds": times[starts], "Score": highest[0], "Smoothed": highest[1]})


def chart(
    points: pd.DataFrame, threshold: float, fired: Sequence[Detection], spoken: Sequence[tuple[float, float]] = ()
) -> alt.LayerChart | alt.FacetChart:
    """The trace of a `table`; `spoken` are stretches in seconds in which the word is said."""
    x = alt.X("Seconds:Q", title="Seconds", scale=alt.Scale(nice=False, zero=False))
    score = alt.Scale(domain=[0, 1])
    base = alt.Chart(points).encode(x=x)
    smooth = alt.Y("Smoothed:Q", scale=score, title="Score")
    tooltip = [alt.Tooltip(f"{name}:Q", format=".3f") for name in points.columns]
    said = alt.Chart(pd.DataFrame(spoken, columns=["Start", "End"]))
    dots = alt.Chart(pd.DataFrame([each._asdict() for each in fired], columns=["time", "score"]))
    return alt.layer(
        said.mark_rect(opacity=0.15, color=ORANGE).encode(x="Start:Q", x2="End:Q"),
        base.mark_line(color=GREY, opacity=0.55, strokeWidth=1).encode(y=alt.Y("Score:Q", scale=score, title="Score")),
        base.mark_line(color=BLUE, strokeWidth=2).encode(y=smooth, tooltip=tooltip),
        alt.Chart(pd.DataFrame({"Threshold": [threshold]}))
        .mark_rule(color=RED, strokeDash=[6, 4])
        .encode(y=alt.Y("Threshold:Q", scale=score)),
        dots.mark_point(color=RED, filled=True, size=90, opacity=1).encode(
            x="time:Q", y=alt.Y("score:Q", scale=score),
            tooltip=[alt.Tooltip("time:Q", title="Detected at", format=".2f"), alt.Tooltip("score:Q", format=".3f")],
        ),
    ).properties(height=HEIGHT)  # fmt: skip
