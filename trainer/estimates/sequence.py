"""Sizes of the networks that read one frame after the other: TCN, LSTM, GRU, and the heads of embeddings."""

from __future__ import annotations

import math

from trainer.estimates.layers import (
    Size,
    attention,
    conv,
    dense,
    head,
    keep,
    layer_norm,
    norm,
    scaled,
    scaled_in_fours,
)

TCN_CHANNELS, TCN_KERNEL, TCN_DILATIONS = 64, 8, (1, 2, 4, 8)
LSTM_UNITS, GRU_UNITS = 118, 154
HEADS = 4
DENSE_UNITS = 128
ATTENTION_CHANNELS, ATTENTION_CONVOLUTIONS = 32, 3


def tcn(bands: int, width: float, columns: int) -> Size:
    """Tcn; each convolution keeps a copy of its input with silence in front."""
    channels = scaled(TCN_CHANNELS, width, 8)
    total = norm(bands, columns) + keep(bands, columns) + conv(bands, channels, 1, columns)
    total += norm(channels, columns) + keep(channels, columns)
    for dilation in TCN_DILATIONS:
        total += keep(channels, columns + dilation * (TCN_KERNEL - 1))
        total += conv(channels, channels, TCN_KERNEL, columns) + norm(channels, columns) + keep(channels, columns)
    return total + head(channels)


def _recurrent(bands: int, units: int, gates: int, columns: int, kept: int) -> Size:
    """One recurrent layer with two biases for each gate, which keeps its input and `kept` numbers besides."""
    weights = gates * units * (bands + units)
    layer = Size(weights + 2 * gates * units, weights * columns, kept) + keep(bands, columns)
    return norm(bands, columns) + layer + head(units)


def lstm(bands: int, width: float, columns: int) -> Size:
    """Lstm; what oneDNN's layer keeps is fitted to measurements: it fills rows up to cache lines of sixteen numbers."""
    units = scaled(LSTM_UNITS, width, 8)
    gate, state = 4 * math.ceil(units / 4), 16 * math.ceil(max(units, bands) / 16)
    kept = units * columns + round(9.1 * gate * columns + state * (5.9 * columns + 11))
    return _recurrent(bands, units, 4, columns, kept)


def gru(bands: int, width: float, columns: int) -> Size:
    """Gru; for each step five numbers a unit of its gates, and its output twice."""
    units = scaled(GRU_UNITS, width, 8)
    return _recurrent(bands, units, 3, columns, 7 * units * columns)


def dense_head(bands: int, width: float, columns: int) -> Size:
    """DenseHead."""
    units = scaled(DENSE_UNITS, width, 8)
    total = dense(bands * columns, units) + layer_norm(units, 1) + keep(units, 1)
    return total + dense(units, units) + layer_norm(units, 1) + keep(units, 1) + head(units)


def conv_attention(bands: int, width: float, columns: int) -> Size:
    """ConvAttention."""
    channels = scaled_in_fours(ATTENTION_CHANNELS, width)
    total = norm(bands, columns) + keep(bands, columns)
    for inputs in (bands, *[channels] * (ATTENTION_CONVOLUTIONS - 1)):
        total += conv(inputs, channels, 3, columns) + norm(channels, columns)
    total += keep(channels, columns) * (ATTENTION_CONVOLUTIONS - 1)  # the last one's is what attention keeps
    total += attention(channels, HEADS, columns) + layer_norm(channels, columns)
    return total + dense(channels, 1, columns) + keep(1, columns) + head(channels)
