"""The curves of several runs in one chart per measure, by epoch, step or time."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import numpy as np
import pyarrow as pa
import streamlit as st

from pages.ui.shared import charts
from pages.ui.shared.curves import BLUE, GREEN, GREY, MOST_POINTS, ORANGE, PURPLE, RED, Style, smooth, thin
from pages.ui.shared.history import Epochs
from trainer.run.metrics import Numbers

HEIGHT = 330
LEGEND_COLUMNS, LEGEND_ROW = 3, 17
"""Names per row of the legend, and the pixels that a row adds to a chart."""
ROOM = 40_000
"""Most points of one chart, over all runs."""
FEWEST_POINTS = 200
COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, "#17a2b8", "#b5651d", "#e377c2", "#8c9a2f", GREY)
AXES = {"epoch": ("epoch", 1.0), "step": ("step", 1.0), "time": ("elapsed_seconds", 1 / 60)}
"""The x axes: the value of an epoch, and its scale."""
TITLES = {"epoch": "epoch", "step": "step", "time": "minutes of training"}


@dataclass(frozen=True)
class Measure:
    """A value of an epoch in a chart; with `high`, higher is better."""

    key: str
    title: str
    scale: float = 1.0
    high: bool = False
    number: str = ".4f"


MEASURES = {
    measure.title: measure
    for measure in (
        Measure("val_loss", "Val loss"),
        Measure("train_loss", "Train loss"),
        Measure("val_accuracy", "Val accuracy per window (%)", 100, True, ".2f"),
        Measure("train_accuracy", "Train accuracy per window (%)", 100, True, ".2f"),
        Measure("f1", "F1 per window (%)", 100, True, ".2f"),
        Measure("fpr", "FPR per window (%)", 100, False, ".2f"),
        Measure("fnr", "FNR per window (%)", 100, False, ".2f"),
        Measure("miss_rate", "Stream miss rate (%)", 100, False, ".2f"),
        Measure("learning_rate", "Learning rate", number=".3g"),
        Measure("clips_per_second", "Speed (clips/s)", high=True, number=",.0f"),
    )
}


def table(histories: Mapping[str, Epochs], measure: Measure, axis: str, style: Style) -> pa.Table:
    """Rows (run, x, epoch, value, with smoothing also smooth) of at least one run, thinned to what pixels can show."""
    most = max(FEWEST_POINTS, min(MOST_POINTS, ROOM // max(1, len(histories))))
    parts = [_line(epochs, measure, axis, style, most) for epochs in histories.values()]
    which = np.repeat(np.arange(len(parts), dtype=np.int16), [len(part["x"]) for part in parts])
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return pa.table({"run": pa.DictionaryArray.from_arrays(which, list(histories)), **columns})


def _line(epochs: Epochs, measure: Measure, axis: str, style: Style, most: int) -> dict[str, Numbers]:
    name, scale = AXES[axis]
    none = np.full(len(epochs.numbers.get("epoch", ())), np.nan)
    at, x, values = (epochs.numbers.get(key, none) for key in ("epoch", name, measure.key))
    drawable = np.isfinite(values) & np.isfinite(x) & ((values > 0) | (not style.log_scale))
    at, x, values = at[drawable], scale * x[drawable], measure.scale * values[drawable]
    smoothed = smooth(values, style.smoothing)
    first = 0 if style.first is None else int(np.searchsorted(at, style.first))
    last = len(at) if style.last is None else int(np.searchsorted(at, style.last, side="right"))
    chosen = first + thin(values[first:last], most)
    line = {"x": x[chosen], "epoch": at[chosen], "value": values[chosen]}
    return line | ({"smooth": smoothed[chosen]} if style.smoothing else {})


def _chart(
    measure: Measure, axis: str, log: bool, smoothed: bool, names: Sequence[str]
) -> alt.LayerChart | alt.FacetChart:
    picked = alt.selection_point(fields=["run"], bind="legend", name="picked")
    legend = alt.Legend(
        title=None,
        orient="bottom",
        columns=LEGEND_COLUMNS,
        labelLimit=170,
        symbolLimit=0,
        symbolOpacity=1,
        symbolSize=60,
        rowPadding=3,
    )
    scale = alt.Scale(domain=list(names), range=[COLOURS[place % len(COLOURS)] for place in range(len(names))])
    base = alt.Chart(alt.NamedData("table")).encode(
        x=alt.X(
            "x:Q",
            title=TITLES[axis],
            axis=alt.Axis(grid=True, tickMinStep=1 if axis != "time" else 0),
            scale=alt.Scale(zero=False, domainRaw=alt.ExprRef(expr="zoomed")),
        ),
        color=alt.Color("run:N", scale=scale, legend=legend),
        tooltip=[
            alt.Tooltip("run:N", title="run"),
            alt.Tooltip("epoch:Q", format="d"),
            alt.Tooltip("value:Q", title=measure.title, format=measure.number),
        ],
    )
    upright = alt.Scale(type="log") if log else alt.Scale(zero=False)

    def y(name: str) -> alt.Y:
        return alt.Y(f"{name}:Q", title=measure.title, scale=upright, axis=alt.Axis(grid=True, tickCount=6))

    faint = 0.25 if smoothed else 0.9
    seen = alt.when(picked).then(alt.value(faint)).otherwise(alt.value(0.05))
    layers = [
        base.mark_line(clip=True, strokeWidth=1.2 if smoothed else 1.8)
        .encode(y=y("value"), opacity=seen)
        .add_params(picked),
        base.mark_point(clip=True, filled=True, size=alt.ExprRef(expr=charts.POINT_SIZE)).encode(
            y=y("value"), opacity=seen
        ),
    ]
    if smoothed:
        clear = alt.when(picked).then(alt.value(1.0)).otherwise(alt.value(0.08))
        layers.append(base.mark_line(clip=True, strokeWidth=2.2).encode(y=y("smooth"), opacity=clear))
    return alt.layer(*layers).properties(title=alt.TitleParams(measure.title, anchor="start"))


@functools.lru_cache(maxsize=64)
def specification(title: str, axis: str, log: bool, smoothed: bool, names: tuple[str, ...]) -> str:
    """The chart as Vega-Lite JSON without data."""
    document = _chart(MEASURES[title], axis, log, smoothed, names).to_dict()
    document |= {
        "params": [*document.get("params", []), *charts.ZOOM],
        "usermeta": charts.EMBED,
        "padding": charts.PADDING,
    }
    return json.dumps({name: value for name, value in document.items() if name not in ("data", "config", "$schema")})


def show(histories: Mapping[str, Epochs], titles: Sequence[str], axis: str, style: Style) -> None:
    """Draw one chart per measure."""
    for title in titles:
        data = table(histories, MEASURES[title], axis, style)
        if not len(data):
            st.caption(f"{title}: no data for these runs over this axis.")
            continue
        spec = json.loads(specification(title, axis, style.log_scale, bool(style.smoothing), tuple(histories)))
        height = HEIGHT + LEGEND_ROW * -(-len(histories) // LEGEND_COLUMNS)
        description = f"{title} of {len(histories)} runs"
        st.vega_lite_chart(data, spec, width="stretch", height=height, key=f"overlay_{title}", alt=description)
