"""Charts of a training: lines with markers, tooltips and zoom, and the form of their style."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence

import altair as alt
import numpy as np
import streamlit as st

from pages.ui.shared.curves import PLOTS, Plot, Style, curve_table
from pages.ui.shared.history import Epochs

RANGE_HELP = (
    "A chart draws at most 2,000 points per line and keeps the minimum and maximum of neighbouring points; a shorter "
    "range is drawn in full. In a chart, Ctrl + wheel zooms, dragging pans, and a double click resets the view."
)


def style_form() -> Style:
    """Draw the fields of a style at the end of a row of controls; the epochs stand in the address."""
    first, last = (
        st.number_input(
            label,
            1,
            value=None,
            step=1,
            key=key,
            bind="query-params",
            width=110,
            placeholder=placeholder,
            help=RANGE_HELP if label == "From epoch" else None,
        )
        for label, key, placeholder in (("From epoch", "from_epoch", "first"), ("To epoch", "to_epoch", "last"))
    )
    smoothing = st.slider("Smoothing", 0.0, 0.95, 0.0, 0.05, key="smoothing", width=160)
    log_scale = st.toggle("Log scale for loss", key="log_scale")
    return Style(smoothing, log_scale, first, last)


HEIGHT = 280
PADDING = {"left": 2, "right": 14, "top": 2, "bottom": 2}
"""Pixels around a chart; on the right, room for half of the last epoch's number."""
EDGE = 5
"""Pixels inside the axes, so that the markers of end points are whole."""
POINT_SIZE = "clamp(3 * width / (span(domain('x')) + 1), 4, 40)"
"""Size of markers, by the width of the axis per epoch, so that they do not overlap."""
ZOOM = (
    {
        "name": "grabbed",
        "value": None,
        "on": [
            {"events": "pointerdown", "update": "{at: x(), domain: slice(domain('x'))}"},
        ],
    },
    {
        "name": "zoomed",
        "value": None,
        "on": [
            {
                "events": {"type": "wheel", "filter": "event.ctrlKey || event.metaKey", "consume": True},
                "update": "zoomLinear(domain('x'), invert('x', x()), "
                "pow(1.001, event.deltaY * pow(16, event.deltaMode)))",
            },
            {
                "events": "[pointerdown, window:pointerup] > window:pointermove",
                "update": "zoomed ? panLinear(grabbed.domain, (grabbed.at - x()) / width) : zoomed",
            },
            {"events": "dblclick", "update": "null"},
        ],
    },
)
"""The visible part of the x axis, null for all. Ctrl + wheel zooms (the wheel alone scrolls the page), dragging pans, a
double click resets. The app defines its own signals, because Streamlit resets those of Vega-Lite with new data."""
EMBED = {"embedOptions": {"renderer": "canvas"}}
"""Fixed, because Streamlit recreates a chart when its points exceed what it draws as SVG."""


def _y(plot: Plot, column: str, log: bool) -> alt.Y:
    scale = alt.Scale(type="log" if log else "linear", zero=not log, nice=False, padding=EDGE)
    axis = alt.Axis(grid=True, tickCount=6)
    if plot.top is not None:
        scale = alt.Scale(domain=[0, plot.top], nice=False, padding=EDGE)
    if plot.ticks:
        scale = alt.Scale(type="symlog", constant=plot.ticks[1], domain=[0, plot.top], nice=False, padding=EDGE)
        axis = alt.Axis(grid=True, values=list(plot.ticks), format="~g")
    return alt.Y(f"{column}:Q", title=plot.axis, scale=scale, axis=axis)


def chart(plot: Plot, smoothed: bool, log: bool, lines: Sequence[str]) -> alt.LayerChart | alt.FacetChart:
    """The chart of a table (epoch, line, value, smooth) with these lines: markers, tooltips, grid and legend."""
    names, colours = zip(*(line for line in plot.lines.values() if line[0] in lines), strict=True)
    legend = (
        alt.Legend(title=None, orient="top", direction="horizontal", symbolSize=60, symbolOpacity=1, offset=4)
        if len(plot.lines) > 1
        else None
    )
    base = alt.Chart(alt.NamedData("table")).encode(
        x=alt.X(
            "epoch:Q",
            title="epoch",
            axis=alt.Axis(grid=True, tickMinStep=1, format="d"),
            scale=alt.Scale(zero=False, nice=False, padding=EDGE, domainRaw=alt.ExprRef(expr="zoomed")),
        ),
        color=alt.Color("line:N", scale=alt.Scale(domain=list(names), range=list(colours)), legend=legend),
        tooltip=[
            alt.Tooltip("line:N", title="line"),
            alt.Tooltip("epoch:Q", title="epoch", format="d"),
            alt.Tooltip("value:Q", title=plot.axis, format=plot.number),
        ],
    )
    faint, size = 0.3 if smoothed else 1.0, alt.ExprRef(expr=POINT_SIZE)
    layers = [
        base.mark_line(clip=True, strokeWidth=1.5 if smoothed else 2, opacity=faint).encode(y=_y(plot, "value", log)),
        base.mark_point(clip=True, filled=True, size=size, opacity=faint).encode(y=_y(plot, "value", log)),
    ]
    if smoothed:
        layers.append(base.mark_line(clip=True, strokeWidth=2.5).encode(y=_y(plot, "smooth", log)))
    return alt.layer(*layers).properties(height=HEIGHT, title=alt.TitleParams(plot.title, anchor="start"))


@functools.lru_cache(maxsize=128)
def specification(key: str, smoothed: bool, log: bool, lines: tuple[str, ...]) -> str:
    """The chart as Vega-Lite JSON without data: equal at every refresh, so that a zoom persists."""
    plot = next(plot for plot in PLOTS if plot.key == key)
    document = chart(plot, smoothed, log, lines).to_dict() | {"params": ZOOM, "usermeta": EMBED, "padding": PADDING}
    return json.dumps({name: value for name, value in document.items() if name not in ("data", "config", "$schema")})


COLUMN_WIDTH = 430
"""Least pixels of a chart: two stand side by side on a page of 1,400, one on a page below 1,000."""


def show(epochs: Epochs, style: Style) -> None:
    """Draw every chart for which this training has numbers, two per row if they fit."""
    drawable = [plot for plot in PLOTS if any(_has_numbers(epochs, name) for name in plot.lines)]
    if not drawable:
        st.caption("No data yet: charts appear after the first epoch.")
        return
    with st.grid(2, min_column_width=COLUMN_WIDTH, key="charts"):
        for plot in drawable:
            _show_one(epochs.version, plot.key, style, epochs)
    if epochs.unreadable:
        st.caption(
            f"Unreadable lines in the run's metrics: {epochs.unreadable:,}. They are damaged or from a newer version; "
            "charts leave them out."
        )


def _has_numbers(epochs: Epochs, name: str) -> bool:
    return bool(np.isfinite(epochs.numbers.get(name, np.empty(0))).any())


@st.cache_resource(max_entries=128, show_spinner=False)
def _show_one(version: str, key: str, style: Style, _epochs: Epochs) -> None:
    """Draw one chart; cached with its elements for each version of the epochs, for all browsers."""
    plot = next(plot for plot in PLOTS if plot.key == key)
    log = style.log_scale and plot.may_be_log
    names = {source: name for source, (name, _) in plot.lines.items()}
    table = curve_table(_epochs.numbers, names, plot.scale, style, positive=log)
    if not len(table):
        with st.container(border=True, key=f"empty_{plot.key}"):
            st.markdown(f"**{plot.title}**")
            st.caption("No data in these epochs")
        return
    spec = specification(plot.key, bool(style.smoothing), log, tuple(table["line"].unique().to_pylist()))
    st.vega_lite_chart(
        table, json.loads(spec), width="stretch", height=HEIGHT, key=f"chart_{plot.key}", alt=f"{plot.title} by epoch"
    )
