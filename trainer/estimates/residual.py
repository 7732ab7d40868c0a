"""Sizes of the residual networks: TC-ResNet8, BC-ResNet and ResNet18."""

from __future__ import annotations

import itertools

from trainer.estimates.layers import Size, conv, halved, head, keep, norm, scaled

TC_CHANNELS = (16, 24, 32, 48)
RESNET_CHANNELS = (64, 128, 256, 512)
BC_STAGES = ((8, 2, 1, 1), (12, 2, 2, 2), (16, 4, 2, 4), (20, 4, 1, 8))
"""Channels at tau 1, blocks, stride over frequency and dilation over time of each stage (table 1 of the paper)."""


def tc_resnet(bands: int, width: float, columns: int) -> Size:
    """TcResNet8."""
    sizes = [scaled(channels, width, 4) for channels in TC_CHANNELS]
    total = norm(bands, columns) + keep(bands, columns) + conv(bands, sizes[0], 3, columns)
    total += keep(sizes[0], columns)
    for a, b in itertools.pairwise(sizes):
        columns = halved(columns)
        total += conv(a, b, 9, columns) + conv(b, b, 9, columns) + conv(a, b, 1, columns)
        total += (norm(b, columns) + keep(b, columns)) * 3
    return total + head(sizes[-1])


def _basic_block(a: int, b: int, cells: int, shortcut: bool) -> Size:
    total = conv(a, b, 9, cells) + conv(b, b, 9, cells) + (norm(b, cells) + keep(b, cells)) * 2
    return total + conv(a, b, 1, cells) + norm(b, cells) if shortcut else total


def resnet18(bands: int, width: float, columns: int) -> Size:
    """ResNet18."""
    sizes = [scaled(channels, width, 8) for channels in RESNET_CHANNELS]
    total = norm(1, bands * columns) + keep(1, bands * columns)
    high, wide = halved(bands), halved(columns)
    total += conv(1, sizes[0], 49, high * wide) + norm(sizes[0], high * wide) + keep(sizes[0], high * wide)
    high, wide = halved(high), halved(wide)
    total += keep(3 * sizes[0], high * wide)  # the maximum, and where it was in eight bytes
    for a, b, stride in zip([sizes[0], *sizes[:-1]], sizes, (1, 2, 2, 2), strict=True):
        if stride == 2:
            high, wide = halved(high), halved(wide)
        total += _basic_block(a, b, high * wide, stride != 1 or a != b) + _basic_block(b, b, high * wide, False)
    return total + head(sizes[-1])


def _broadcast_block(a: int, b: int, height: int, stride: int, columns: int) -> Size:
    total = Size()
    if a != b:
        total += conv(a, b, 1, height * columns) + norm(b, height * columns) + keep(b, height * columns)
    height = (height - 1) // stride + 1
    split = max(bands for bands in range(1, 6) if height % bands == 0)
    total += conv(b, b, 3, height * columns, groups=b) + norm(b * split, height * columns // split)
    total += keep(b, columns) + conv(b, b, 3, columns, groups=b) + norm(b, columns)
    total += keep(2 * b, columns) + conv(b, b, 1, columns)
    return total + keep(b, height * columns)


def bc_resnet(bands: int, width: float, columns: int) -> Size:
    """BcResNet."""
    channels, height = scaled(16, width, 4), halved(bands)
    total = norm(1, bands * columns) + keep(1, bands * columns) + conv(1, channels, 25, height * columns)
    total += norm(channels, height * columns) + keep(channels, height * columns)
    for size, count, stride, _ in BC_STAGES:
        outputs = scaled(size, width, 4)
        for index in range(count):
            step = stride if index == 0 else 1
            total += _broadcast_block(channels, outputs, height, step, columns)
            channels, height = outputs, (height - 1) // step + 1
    last = scaled(32, width, 4)
    total += conv(channels, channels, 5 * height, columns, groups=channels) + keep(channels, columns)
    return total + conv(channels, last, 1, columns) + norm(last, columns) + keep(last, columns) + head(last)
