"""The charts of a training: which lines they show, in which colours, and how they are drawn."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd
import streamlit as st

from pages.ui.curves import curve_table
from pages.ui.history import Epochs
from trainer.metrics import Row

HEIGHT = 280
BLUE, ORANGE, RED, GREEN, PURPLE, GREY = "#2f7ed8", "#f28e2b", "#d9363e", "#2e9e4f", "#8a63d2", "#7a8594"


@dataclass(frozen=True)
class Plot:
    """One chart: its lines as {column of an epoch row: (name, colour)}, and its axis."""

    key: str
    title: str
    axis: str
    lines: Mapping[str, tuple[str, str]]
    scale: float = 1.0
    top: float | None = None
    number: str = ".4f"
    may_be_log: bool = False


@dataclass(frozen=True)
class Style:
    """How the user wants curves drawn."""

    smoothing: float = 0.0
    log_scale: bool = False


PLOTS = (
    Plot(
        "loss", "Loss", "loss", {"train_loss": ("Training", BLUE), "val_loss": ("Validation", ORANGE)},
        may_be_log=True,
    ),
    Plot(
        "accuracy", "Accuracy", "accuracy (%)",
        {"train_accuracy": ("Training", BLUE), "val_accuracy": ("Validation", ORANGE)}, 100, 105, ".2f",
    ),
    Plot(
        "rates", "Validation rates", "rate (%)", {"fpr": ("FPR", RED), "fnr": ("FNR", ORANGE), "f1": ("F1", GREEN)},
        100, 105, ".2f",
    ),
    Plot(
        "stream", "Misses in the validation stream", "miss rate (%)", {"miss_rate": ("Miss rate", RED)}, 100, 105, ".2f"
    ),
    Plot("speed", "Speed", "clips/s", {"clips_per_second": ("Speed", GREY)}, number=",.0f"),
    Plot("learning_rate", "Learning rate", "learning rate", {"learning_rate": ("Learning rate", PURPLE)}, number=".3g"),
)  # fmt: skip


def _point_size(points: int) -> int:
    """Markers that do not run into each other."""
    return 40 if points <= 60 else 14 if points <= 300 else 4


def _y(plot: Plot, column: str, log: bool) -> alt.Y:
    scale = alt.Scale(type="log") if log else alt.Scale(zero=True)
    if plot.top is not None:
        scale = alt.Scale(domain=[0, plot.top], nice=False)
    return alt.Y(f"{column}:Q", title=plot.axis, scale=scale, axis=alt.Axis(grid=True, tickCount=6))


def chart(plot: Plot, style: Style, point_size: int) -> alt.LayerChart | alt.FacetChart:
    """The chart of any table (epoch, line, value, smooth): lines, markers with tooltips, grid and legend."""
    log = style.log_scale and plot.may_be_log
    names, colours = zip(*plot.lines.values(), strict=True)
    legend = (
        alt.Legend(title=None, orient="top", direction="horizontal", symbolSize=60, symbolOpacity=1, offset=4)
        if len(names) > 1
        else None
    )
    base = alt.Chart(alt.NamedData("table")).encode(
        x=alt.X(
            "epoch:Q", title="epoch", axis=alt.Axis(grid=True, tickMinStep=1, format="d"), scale=alt.Scale(zero=False)
        ),
        color=alt.Color("line:N", scale=alt.Scale(domain=list(names), range=list(colours)), legend=legend),
        tooltip=[
            alt.Tooltip("line:N", title="line"),
            alt.Tooltip("epoch:Q", title="epoch", format="d"),
            alt.Tooltip("value:Q", title=plot.axis, format=plot.number),
        ],
    )
    faint = 0.3 if style.smoothing else 1.0
    layers = [
        base.mark_line(strokeWidth=1.5 if style.smoothing else 2, opacity=faint).encode(y=_y(plot, "value", log)),
        base.mark_point(filled=True, size=point_size, opacity=faint).encode(y=_y(plot, "value", log)),
    ]
    if style.smoothing:
        layers.append(base.mark_line(strokeWidth=2.5).encode(y=_y(plot, "smooth", log)))
    return alt.layer(*layers).properties(height=HEIGHT, title=alt.TitleParams(plot.title, anchor="start"))


@functools.lru_cache(maxsize=64)
def specification(key: str, style: Style, point_size: int) -> str:
    """The chart as Vega-Lite JSON without data: it is the same at every tick, and making it is most of the work."""
    plot = next(plot for plot in PLOTS if plot.key == key)
    document = chart(plot, style, point_size).to_dict()
    return json.dumps({name: value for name, value in document.items() if name not in ("data", "config", "$schema")})


@st.cache_resource(max_entries=256, show_spinner=False)
def _table(version: str, key: str, style: Style, _rows: Sequence[Row]) -> pd.DataFrame:
    """The rows of one chart; made once for every version of the epochs, so that a tick without news costs no more."""
    plot = next(plot for plot in PLOTS if plot.key == key)
    names = {source: name for source, (name, _) in plot.lines.items()}
    table = curve_table(_rows, names, plot.scale, style.smoothing)
    log = style.log_scale and plot.may_be_log
    return table[table["value"] > 0].reset_index(drop=True) if log else table


def show(epochs: Epochs, style: Style) -> None:
    """Draw every chart of a training, two beside each other where there is room."""
    with st.grid(2, min_column_width=300, key="charts"):
        for plot in PLOTS:
            _show_one(plot, epochs, style)


def _show_one(plot: Plot, epochs: Epochs, style: Style) -> None:
    table = _table(epochs.version, plot.key, style, epochs.rows)
    if table.empty:
        with st.container(height=HEIGHT + 20, border=True, key=f"empty_{plot.key}"):
            st.markdown(f"**{plot.title}**")
            st.caption("No data yet")
        return
    size = _point_size(len(table) // len(plot.lines))
    st.vega_lite_chart(
        table, json.loads(specification(plot.key, style, size)), width="stretch", height=HEIGHT,
        key=f"chart_{plot.key}", alt=f"{plot.title} by epoch",
    )  # fmt: skip
