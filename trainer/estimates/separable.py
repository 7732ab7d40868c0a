"""Size of the network of depthwise separable convolutions: MobileNetV3-Small."""

from __future__ import annotations

from trainer.estimates.layers import Size, conv, dense, halved, head, keep, norm

MOBILENET_STAGES = (
    (3, 16, 16, True, False, 2), (3, 72, 24, False, False, 2), (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2), (5, 240, 40, True, True, 1), (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1), (5, 144, 48, True, True, 1), (5, 288, 96, True, True, 2),
    (5, 576, 96, True, True, 1), (5, 576, 96, True, True, 1),
)  # fmt: skip
"""Kernel, channels inside, channels out, squeeze-and-excite, h-swish, stride of each block (table 2 of the paper)."""
MOBILENET_FIRST, MOBILENET_LAST, MOBILENET_HIDDEN = 16, 576, 1024


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
