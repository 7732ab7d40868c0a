"""Audio on a page: waveform, log-mel spectrogram, statistics of a data set, and the note beside a recorder."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from trainer.system.workspace import LABELS


def is_allowed(address: str) -> bool:
    """Whether browsers regard `address` as a secure context, which may use a microphone."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost" or host.endswith(".localhost")
    return parts.scheme == "https" or local


def microphone_note() -> None:
    """Explain where browsers allow the microphone, and what to do if they block it on this page."""
    address = st.context.url
    if not address or is_allowed(address):
        st.caption("Browsers allow the microphone only on the machine that runs the app, or over HTTPS.")
        return
    port = urlsplit(address).port or 80
    st.warning(
        "The browser blocks the microphone on this page, because its address is neither HTTPS nor local. "
        f"Upload recordings, or run `ssh -N -L {port}:127.0.0.1:{port} USER@MACHINE` on the machine with the browser, "
        f"where USER@MACHINE is your login on the machine that runs the app, and open `http://127.0.0.1:{port}` there."
    )


POINTS = 600
BINS = 30
MOST_SPEAKERS = 20
LABEL_COLORS = ("#1f77b4", "#ff7f0e", "#d62728", "#7f7f7f", "#9467bd", "#17becf")
_MEL_BANDS, _FRAME_SECONDS, _HOP_SECONDS, _DEPTH_DB = 40, 0.025, 0.01, 60.0


def waveform(wave: NDArray[np.float32], sample_rate: int) -> alt.Chart:
    """Chart of a mono wave [samples]: lowest and highest sample in each of POINTS sections."""
    step = max(1, len(wave) // POINTS)
    rows = wave[: len(wave) // step * step].reshape(-1, step)
    seconds = np.arange(len(rows)) * step / sample_rate
    table = pd.DataFrame({"Seconds": seconds, "Lowest": rows.min(axis=1), "Highest": rows.max(axis=1)})
    scale = alt.Scale(domain=[-1, 1])
    chart: alt.Chart = (
        alt.Chart(table, height=170)  # of which the axis takes 50
        .mark_area(color="#3f82e0")
        .encode(
            x=alt.X("Seconds:Q", title="Seconds"),
            y=alt.Y("Lowest:Q", scale=scale, title=None),
            y2="Highest:Q",
            tooltip=[alt.Tooltip("Seconds:Q", format=".2f"), alt.Tooltip("Highest:Q", format=".2f")],
        )
    )
    return chart


def _mel_filters(size: int, sample_rate: int) -> NDArray[np.float64]:
    """Triangles on the mel scale [_MEL_BANDS, size // 2 + 1]."""
    hertz = np.fft.rfftfreq(size, 1 / sample_rate)
    top = 2595 * np.log10(1 + min(8000, sample_rate / 2) / 700)
    edges = 700 * (10 ** (np.linspace(0, top, _MEL_BANDS + 2) / 2595) - 1)
    rising = (hertz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - hertz) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rising, falling))


def log_mel(wave: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """Log-mel spectrogram of a mono wave in dB below its loudest cell [bands, frames]."""
    size, hop = round(_FRAME_SECONDS * sample_rate), round(_HOP_SECONDS * sample_rate)
    padded = np.pad(wave, (0, max(0, size - len(wave))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop] * np.hanning(size)
    power = _mel_filters(size, sample_rate) @ np.square(np.abs(np.fft.rfft(frames))).T
    decibels = 10 * np.log10(np.maximum(power, 1e-12))
    return np.asarray(np.maximum(decibels - decibels.max(), -_DEPTH_DB))


def image(spectrogram: NDArray[np.floating], height: int = 120) -> NDArray[np.uint8]:
    """A spectrogram [bands, frames] as an image [height, width, 3]: low frequencies at the bottom, loud cells light."""
    low, high = float(spectrogram.min()), float(spectrogram.max())
    level = (np.asarray(spectrogram, dtype=float) - low) / max(high - low, 1e-9)
    stops = np.array([[0, 0, 4], [81, 18, 124], [183, 55, 121], [252, 137, 97], [252, 253, 191]])  # magma, five stops
    place = np.linspace(0, 1, len(stops))
    colors = np.stack([np.interp(level, place, stops[:, channel]) for channel in range(3)], axis=-1)
    repeat = max(1, height // len(level))
    return np.repeat(np.repeat(colors[::-1], repeat, axis=0), 3, axis=1).astype(np.uint8)


def _histogram(clips: pd.DataFrame, column: str, title: str, clip_at: tuple[float, float]) -> alt.Chart:
    lowest, highest = (float(np.clip(end, *clip_at)) for end in (clips[column].min(), clips[column].max()))
    edges = np.linspace(lowest, highest, BINS + 1)
    if edges[0] == edges[-1]:
        edges = np.linspace(edges[0] - 0.5, edges[0] + 0.5, BINS + 1)
    rows = []
    for label, part in clips.groupby("label"):
        counts, _ = np.histogram(part[column].clip(edges[0], edges[-1]), edges)
        rows += [(label, low, high, int(n)) for low, high, n in zip(edges, edges[1:], counts, strict=False) if n]
    table = pd.DataFrame(rows, columns=["Label", "From", "To", "Clips"])
    chart: alt.Chart = (
        alt.Chart(table, height=300)
        .mark_bar(opacity=0.75)
        .encode(
            x=alt.X("From:Q", title=title, bin="binned"),
            x2="To:Q",
            y=alt.Y("Clips:Q", stack=True),
            color=_color(clips["label"]),
            tooltip=["Label", "Clips", alt.Tooltip("From:Q", format=".2f")],
        )
    )
    return chart


def _color(labels: pd.Series, legend: bool = True) -> alt.Color:
    """A colour for each label in the data set."""
    colors = {label: color for label, color in zip(LABELS, LABEL_COLORS, strict=True) if (labels == label).any()}
    scale = alt.Scale(domain=list(colors), range=list(colors.values()))
    return alt.Color("Label:N", scale=scale, legend=alt.Legend(orient="top", columns=2, title=None) if legend else None)


def durations(clips: pd.DataFrame) -> alt.Chart:
    return _histogram(clips, "seconds", "Seconds", (0, 15))


def loudness(clips: pd.DataFrame) -> alt.Chart:
    return _histogram(clips, "level_db", "Level (dB below full scale)", (-80, 0))


def minutes(clips: pd.DataFrame, by: str) -> alt.Chart:
    """Minutes by `label` or `speaker`, for the MOST_SPEAKERS with the most."""
    rows = clips.assign(Minutes=clips["seconds"] / 60, By=clips[by].replace("", "(unknown)"), Label=clips["label"])
    table = rows.groupby(["By", "Label"])["Minutes"].sum().reset_index()
    most: Sequence[str] = table.groupby("By")["Minutes"].sum().nlargest(MOST_SPEAKERS).index.tolist()
    chart: alt.Chart = (
        alt.Chart(table[table["By"].isin(most)], height=110 + 24 * len(most))  # with axis and legend
        .mark_bar()
        .encode(
            x="Minutes:Q",
            y=alt.Y("By:N", sort=list(most), title=None, axis=alt.Axis(labelOverlap=False)),
            color=_color(clips["label"], legend=by != "label"),
            tooltip=["By", "Label", alt.Tooltip("Minutes:Q", format=".2f")],
        )
    )
    return chart
