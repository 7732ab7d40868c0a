"""Charts of a training: the form of their style, and lines with markers, tooltips and zoom."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence

import altair as alt
import streamlit as st

from pages.ui.shared.curves import PLOTS, Plot, Style, curve_table
from pages.ui.shared.history import Epochs

RANGE_HELP = (
    "Charts show at most 2,000 points a line, the lowest and the highest of neighbours; so few epochs are shown in "
    "full. In a chart: Ctrl and the wheel zoom, dragging moves, a double click shows all again."
)


def style_form() -> Style:
    """Draw the fields; for the end of a row of controls."""
    first, last = (
        st.number_input(
            label, 1, value=None, step=1, key=key, bind="query-params", width=110, placeholder=placeholder,
            help=RANGE_HELP if label == "From epoch" else None,
        )
        for label, key, placeholder in (("From epoch", "from_epoch", "first"), ("To epoch", "to_epoch", "last"))
    )  # fmt: skip
    smoothing = st.slider("Smoothing", 0.0, 0.95, 0.0, 0.05, key="smoothing", width=160)
    log_scale = st.toggle("Log scale for loss", key="log_scale")
    return Style(smoothing, log_scale, first, last)


HEIGHT = 280
PADDING = {"left": 2, "right": 14, "top": 2, "bottom": 2}
"""Pixels around a chart: room for the half of the last epoch's number that stands beyond the axis."""
POINT_SIZE = "clamp(3 * width / (span(domain('x')) + 1), 4, 40)"
"""Markers that do not run into each other: by the room that the axis shown leaves for each epoch."""
ZOOM = (
    {"name": "grabbed", "value": None, "on": [
        {"events": "pointerdown", "update": "{at: x(), domain: slice(domain('x'))}"},
    ]},
    {"name": "zoomed", "value": None, "on": [
        {"events": {"type": "wheel", "filter": "event.ctrlKey || event.metaKey", "consume": True},
         "update": "zoomLinear(domain('x'), invert('x', x()), pow(1.001, event.deltaY * pow(16, event.deltaMode)))"},
        {"events": "[pointerdown, window:pointerup] > window:pointermove",
         "update": "zoomed ? panLinear(grabbed.domain, (grabbed.at - x()) / width) : zoomed"},
        {"events": "dblclick", "update": "null"},
    ]},
)  # fmt: skip
"""The part of the x axis that is shown, null for all: Ctrl and the wheel zoom, for the wheel alone scrolls the page;
dragging moves, a double click shows all again. Signals of our own: what Vega-Lite binds to scales by itself, Streamlit
sets back whenever new data come."""
EMBED = {"embedOptions": {"renderer": "canvas"}}
"""Said here, because Streamlit makes a chart anew when more points than it draws as SVG come."""


def _y(plot: Plot, column: str, log: bool) -> alt.Y:
    scale = alt.Scale(type="log") if log else alt.Scale(zero=True)
    if plot.top is not None:
        scale = alt.Scale(domain=[0, plot.top], nice=False)
    return alt.Y(f"{column}:Q", title=plot.axis, scale=scale, axis=alt.Axis(grid=True, tickCount=6))


def chart(plot: Plot, smoothed: bool, log: bool, lines: Sequence[str]) -> alt.LayerChart | alt.FacetChart:
    """The chart of any table (epoch, line, value, smooth) of these lines: markers with tooltips, grid and legend."""
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
            scale=alt.Scale(zero=False, domainRaw=alt.ExprRef(expr="zoomed")),
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
    """The chart as Vega-Lite JSON without data: it is the same at every tick, so that a zoom survives it."""
    plot = next(plot for plot in PLOTS if plot.key == key)
    document = chart(plot, smoothed, log, lines).to_dict() | {"params": ZOOM, "usermeta": EMBED, "padding": PADDING}
    return json.dumps({name: value for name, value in document.items() if name not in ("data", "config", "$schema")})


def show(epochs: Epochs, style: Style) -> None:
    """Draw every chart of a training, two beside each other where there is room."""
    with st.grid(2, min_column_width=300, key="charts"):
        for plot in PLOTS:
            _show_one(epochs.version, plot.key, style, epochs)
    if epochs.unreadable:
        st.caption(
            f"Unreadable lines in the run's metrics: {epochs.unreadable:,}. They are damaged, or of a newer version, "
            "and left out here."
        )


@st.cache_resource(max_entries=128, show_spinner=False)
def _show_one(version: str, key: str, style: Style, _epochs: Epochs) -> None:
    """Draw one chart; made once for every version of the epochs, for all browsers: what is drawn is kept with it."""
    plot = next(plot for plot in PLOTS if plot.key == key)
    log = style.log_scale and plot.may_be_log
    names = {source: name for source, (name, _) in plot.lines.items()}
    table = curve_table(_epochs.numbers, names, plot.scale, style, positive=log)
    if not len(table):
        with st.container(height=HEIGHT + 20, border=True, key=f"empty_{plot.key}"):
            st.markdown(f"**{plot.title}**")
            st.caption("No data yet" if style.first is None and style.last is None else "No data in these epochs")
        return
    spec = specification(plot.key, bool(style.smoothing), log, tuple(table["line"].unique().to_pylist()))
    st.vega_lite_chart(
        table, json.loads(spec), width="stretch", height=HEIGHT, key=f"chart_{plot.key}", alt=f"{plot.title} by epoch"
    )
