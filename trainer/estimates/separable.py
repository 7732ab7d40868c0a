"""Sizes of the networks of depthwise separable convolutions: DS-CNN, MobileNetV3-Small, MatchboxNet and MDTC."""

from __future__ import annotations

import itertools

from trainer.estimates.layers import Size, conv, dense, halved, head, keep, norm, scaled

MOBILENET_STAGES = (
    (3, 16, 16, True, False, 2), (3, 72, 24, False, False, 2), (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2), (5, 240, 40, True, True, 1), (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1), (5, 144, 48, True, True, 1), (5, 288, 96, True, True, 2),
    (5, 576, 96, True, True, 1), (5, 576, 96, True, True, 1),
)  # fmt: skip
"""Kernel, channels inside, channels out, squeeze-and-excite, h-swish, stride of each block (table 2 of the paper)."""
MOBILENET_FIRST, MOBILENET_LAST, MOBILENET_HIDDEN = 16, 576, 1024
MATCHBOX_SIDE, MATCHBOX_INSIDE = 128, 64
MATCHBOX_FIRST, MATCHBOX_BLOCKS, MATCHBOX_LAST = 11, (13, 15, 17), 29
"""Channels and kernels of the paper's table 1."""
MDTC_CHANNELS, MDTC_KERNEL, MDTC_STACKS, MDTC_DILATIONS = 64, 5, 4, (1, 2, 4, 8)


def ds_cnn_shape(width: float) -> tuple[int, int, int, int]:
    """Channels, stride over bands of the first convolution, stride of the first block, and blocks at this width.

    Width 1 is the paper's small network, 2.6875 its medium and 4.3125 its large one, which differ in strides and depth.
    """
    channels = scaled(64, width, 8)
    if width < 2:
        return channels, 2, 1, 4
    return channels, 1, 2, 4 if width < 4 else 5


def ds_cnn(bands: int, width: float, columns: int) -> Size:
    """DsCnn."""
    channels, band_stride, block_stride, blocks = ds_cnn_shape(width)
    total = norm(1, bands * columns) + keep(1, (bands + 3) * (columns + 9))
    high, wide = halved(bands) if band_stride == 2 else bands, halved(columns)
    total += conv(1, channels, 40, high * wide) + norm(channels, high * wide) + keep(channels, high * wide)
    for index in range(blocks):
        if index == 0 and block_stride == 2:
            high, wide = halved(high), halved(wide)
        total += conv(channels, channels, 9, high * wide, groups=channels) + conv(channels, channels, 1, high * wide)
        total += (norm(channels, high * wide) + keep(channels, high * wide)) * 2
    return total + head(channels)


def eighths(channels: float) -> int:
    """The nearest multiple of eight, none more than a tenth below, as in the paper's networks."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def _bottleneck(a: int, inner: int, b: int, kernel: int, squeeze: bool, before: int, after: int) -> Size:
    """One block of MobileNetV3 with `before` cells at its entry and `after` behind its stride."""
    total = Size()
    if inner != a:
        total += conv(a, inner, 1, before) + norm(inner, before) + keep(inner, before)
    total += conv(inner, inner, kernel * kernel, after, groups=inner) + norm(inner, after) + keep(inner, after)
    if squeeze:
        less = eighths(inner / 4)
        total += dense(inner, less) + dense(less, inner) + keep(inner, after) + keep(2 * inner, 1)
    return total + conv(inner, b, 1, after) + norm(b, after) + keep(b, after)


def mobilenet_v3_small(bands: int, width: float, columns: int) -> Size:
    """MobileNetV3Small; an h-swish keeps its input besides its output."""
    high, wide = halved(bands), halved(columns)
    a = eighths(MOBILENET_FIRST * width)
    total = norm(1, bands * columns) + keep(1, bands * columns) + conv(1, a, 9, high * wide)
    total += norm(a, high * wide) + keep(2 * a, high * wide)
    for kernel, inner, outputs, squeeze, swish, stride in MOBILENET_STAGES:
        inner, b, before = eighths(inner * width), eighths(outputs * width), high * wide
        if stride == 2:
            high, wide = halved(high), halved(wide)
        total += _bottleneck(a, inner, b, kernel, squeeze, before, high * wide)
        if swish:
            total += keep(inner, before + high * wide)
        a = b
    last, hidden = eighths(MOBILENET_LAST * width), eighths(MOBILENET_HIDDEN * width)
    total += conv(a, last, 1, high * wide) + norm(last, high * wide) + keep(last, high * wide)
    return total + dense(last, hidden) + keep(hidden, 1) + head(hidden)


def matchbox_repeats(width: float) -> int:
    """Sub-blocks of a block: 3x1x64 is width 1, everything wider has two, as the paper's 3x2x64 and 3x2x112."""
    return 1 if width <= 1 else 2


def _separable(a: int, b: int, kernel: int, columns: int) -> Size:
    return conv(a, a, kernel, columns, groups=a) + keep(a, columns) + conv(a, b, 1, columns) + norm(b, columns)


def matchboxnet(bands: int, width: float, columns: int) -> Size:
    """MatchboxNet."""
    side, inside = scaled(MATCHBOX_SIDE, width, 8), scaled(MATCHBOX_INSIDE, width, 8)
    total = norm(bands, columns) + keep(bands, columns)
    total += _separable(bands, side, MATCHBOX_FIRST, columns) + keep(side, columns)
    for a, kernel in zip((side, inside, inside), MATCHBOX_BLOCKS, strict=True):
        total += conv(a, inside, 1, columns) + norm(inside, columns)
        for entry in [a] + [inside] * (matchbox_repeats(width) - 1):
            total += _separable(entry, inside, kernel, columns) + keep(inside, columns)
    total += _separable(inside, side, MATCHBOX_LAST, columns) + keep(side, columns)
    return total + conv(side, side, 1, columns) + norm(side, columns) + keep(side, columns) + head(side)


def mdtc(bands: int, width: float, columns: int) -> Size:
    """Mdtc."""
    channels = scaled(MDTC_CHANNELS, width, 8)
    sizes = [bands, *[channels] * (1 + MDTC_STACKS * len(MDTC_DILATIONS))]
    total = norm(bands, columns) + keep(bands, columns)
    for a, b in itertools.pairwise(sizes):
        total += conv(a, a, MDTC_KERNEL, columns, groups=a) + norm(a, columns) + keep(a, columns)
        total += conv(a, b, 1, columns) + conv(b, b, 1, columns) + (norm(b, columns) + keep(b, columns)) * 2
    return total + head(channels)
