"""How large a model is before it is built: parameters, multiply-adds and what a training step keeps, without torch.

Each model's sizes follow from its layers as `trainer.engine.models` builds them; a test compares them with the built
model for every width, number of bands and window.
"""

from __future__ import annotations

import itertools
from dataclasses import astuple, dataclass

from trainer.config import EMBEDDING_STEPS, SAMPLE_RATE, Config, Features, feature_rows

TC_CHANNELS = (16, 24, 32, 48)
RESNET_CHANNELS = (64, 128, 256, 512)
DENSE_UNITS = 32
BC_STAGES = ((8, 2, 1, 1), (12, 2, 2, 2), (16, 4, 2, 4), (20, 4, 1, 8))
"""Channels at tau 1, blocks, stride over frequency and dilation over time of each stage (table 1 of the paper)."""


@dataclass(frozen=True)
class Size:
    """Of one window: trainable `parameters`, `multiply_adds` of convolutions and linear layers in one forward pass,
    and `kept` numbers (4 bytes each) that the backward pass needs."""

    parameters: int = 0
    multiply_adds: int = 0
    kept: int = 0

    def __add__(self, other: Size) -> Size:
        return Size(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __mul__(self, times: int) -> Size:
        return Size(*(times * value for value in astuple(self)))


def scaled(channels: int, width: float, least: int) -> int:
    """Channels of a layer at this width."""
    return max(least, round(width * channels))


def halved(size: int) -> int:
    """Cells that a convolution of stride 2 (odd kernel, padded to `same`) leaves of `size`."""
    return (size - 1) // 2 + 1


def fft_size(features: Features) -> int:
    """Samples of a frame, filled up to a power of two."""
    return 1 << (features.frame_ms * SAMPLE_RATE // 1000 - 1).bit_length()


def frames(config: Config) -> int:
    """Columns of the features of one window."""
    if config.features.kind == "speech_embedding":
        return EMBEDDING_STEPS
    samples = round(config.data.window_seconds * SAMPLE_RATE)
    return 1 + (samples - fft_size(config.features)) // (config.features.hop_ms * SAMPLE_RATE // 1000)


def _conv(inputs: int, outputs: int, kernel: int, cells: int, groups: int = 1) -> Size:
    """A convolution without bias; `cells` of its output, which it is not counted to keep."""
    weights = outputs * (inputs // groups) * kernel
    return Size(weights, weights * cells)


def _norm(channels: int, cells: int) -> Size:
    """Batch normalisation, which keeps its input."""
    return Size(2 * channels, 0, channels * cells)


def _keep(channels: int, cells: int) -> Size:
    """What an activation keeps of its output, or a convolution of its input."""
    return Size(0, 0, channels * cells)


def _linear(inputs: int) -> Size:
    return Size(inputs + 1, inputs, inputs)


def tc_resnet(bands: int, width: float, columns: int) -> Size:
    """TcResNet8."""
    sizes = [scaled(channels, width, 4) for channels in TC_CHANNELS]
    total = _norm(bands, columns) + _keep(bands, columns) + _conv(bands, sizes[0], 3, columns)
    total += _keep(sizes[0], columns)
    for a, b in itertools.pairwise(sizes):
        columns = halved(columns)
        total += _conv(a, b, 9, columns) + _conv(b, b, 9, columns) + _conv(a, b, 1, columns)
        total += (_norm(b, columns) + _keep(b, columns)) * 3
    return total + _linear(sizes[-1])


def _basic_block(a: int, b: int, cells: int, shortcut: bool) -> Size:
    total = _conv(a, b, 9, cells) + _conv(b, b, 9, cells) + (_norm(b, cells) + _keep(b, cells)) * 2
    return total + _conv(a, b, 1, cells) + _norm(b, cells) if shortcut else total


def resnet18(bands: int, width: float, columns: int) -> Size:
    """ResNet18."""
    sizes = [scaled(channels, width, 8) for channels in RESNET_CHANNELS]
    total = _norm(1, bands * columns) + _keep(1, bands * columns)
    high, wide = halved(bands), halved(columns)
    total += _conv(1, sizes[0], 49, high * wide) + _norm(sizes[0], high * wide) + _keep(sizes[0], high * wide)
    high, wide = halved(high), halved(wide)
    total += _keep(3 * sizes[0], high * wide)  # the maximum, and where it was in eight bytes
    for a, b, stride in zip([sizes[0], *sizes[:-1]], sizes, (1, 2, 2, 2), strict=True):
        if stride == 2:
            high, wide = halved(high), halved(wide)
        total += _basic_block(a, b, high * wide, stride != 1 or a != b) + _basic_block(b, b, high * wide, False)
    return total + _linear(sizes[-1])


def _broadcast_block(a: int, b: int, height: int, stride: int, columns: int) -> Size:
    total = Size()
    if a != b:
        total += _conv(a, b, 1, height * columns) + _norm(b, height * columns) + _keep(b, height * columns)
    height = (height - 1) // stride + 1
    split = max(bands for bands in range(1, 6) if height % bands == 0)
    total += _conv(b, b, 3, height * columns, groups=b) + _norm(b * split, height * columns // split)
    total += _keep(b, columns) + _conv(b, b, 3, columns, groups=b) + _norm(b, columns)
    total += _keep(2 * b, columns) + _conv(b, b, 1, columns)
    return total + _keep(b, height * columns)


def bc_resnet(bands: int, width: float, columns: int) -> Size:
    """BcResNet."""
    channels, height = scaled(16, width, 4), halved(bands)
    total = _norm(1, bands * columns) + _keep(1, bands * columns) + _conv(1, channels, 25, height * columns)
    total += _norm(channels, height * columns) + _keep(channels, height * columns)
    for size, count, stride, _ in BC_STAGES:
        outputs = scaled(size, width, 4)
        for index in range(count):
            step = stride if index == 0 else 1
            total += _broadcast_block(channels, outputs, height, step, columns)
            channels, height = outputs, (height - 1) // step + 1
    last = scaled(32, width, 4)
    total += _conv(channels, channels, 5 * height, columns, groups=channels) + _keep(channels, columns)
    return total + _conv(channels, last, 1, columns) + _norm(last, columns) + _keep(last, columns) + _linear(last)


def dense(bands: int, width: float, columns: int) -> Size:
    """Dense."""
    units = scaled(DENSE_UNITS, width, 4)
    inputs = bands * columns
    weights = (inputs + 1) * units + (units + 1) * units + 4 * units
    layers = Size(weights, inputs * units + units * units, inputs + 4 * units)
    return _norm(bands, columns) + layers + _linear(units)


MODELS = {"tc_resnet": tc_resnet, "bc_resnet": bc_resnet, "resnet18": resnet18, "dense": dense}


def size(config: Config) -> Size:
    """The size of the model that `config` names."""
    return MODELS[config.model.name](feature_rows(config.features), config.model.width, frames(config))
