"""Size of a model before it is built: parameters, multiply-adds and memory of a training step, without torch.

The size of each model is the sum over the layers that `trainer.engine.models` builds; a test compares it with the built
model for every width, number of bands and window.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import astuple, dataclass

from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.config import architectures as arch
from trainer.config.architectures import eighths, scaled, scaled_in_fours
from trainer.config.schema import EMBEDDING_STEP_SECONDS, EMBEDDING_STEPS, Config, Features, feature_rows


@dataclass(frozen=True)
class Size:
    """Of one window: trainable `parameters`, `multiply_adds` of convolutions, linear layers and attention in one
    forward pass, and `kept` numbers (4 bytes each) that the backward pass needs."""

    parameters: int = 0
    multiply_adds: int = 0
    kept: int = 0

    def __add__(self, other: Size) -> Size:
        return Size(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __mul__(self, times: int) -> Size:
        return Size(*(times * value for value in astuple(self)))


def halved(size: int) -> int:
    """Cells that a convolution of stride 2 (odd kernel, padded to `same`) leaves of `size`."""
    return (size - 1) // 2 + 1


def conv(inputs: int, outputs: int, kernel: int, cells: int, groups: int = 1) -> Size:
    """A convolution without bias; `cells` of its output, which it is not counted to keep."""
    weights = outputs * (inputs // groups) * kernel
    return Size(weights, weights * cells)


def norm(channels: int, cells: int) -> Size:
    """Batch normalisation, which keeps its input."""
    return Size(2 * channels, 0, channels * cells)


def keep(channels: int, cells: int) -> Size:
    """What an activation keeps of its output, or a convolution of its input."""
    return Size(0, 0, channels * cells)


def dense(inputs: int, outputs: int, cells: int = 1) -> Size:
    """A linear layer with bias at each of `cells`, which keeps its input."""
    return Size((inputs + 1) * outputs, inputs * outputs * cells, inputs * cells)


def head(channels: int) -> Size:
    """The last layer: one logit of the pooled channels."""
    return dense(channels, 1)


def layer_norm(channels: int, cells: int) -> Size:
    """Layer normalisation over the channels, which keeps its input and the mean and deviation of each cell."""
    return Size(2 * channels, 0, (channels + 2) * cells)


def attention(channels: int, heads: int, frames: int) -> Size:
    """Self-attention over `frames` with the linear layers around it.

    It keeps queries, keys and values, the result, and the logarithm of each softmax's sum: the weights themselves are
    computed again in the backward pass.
    """
    products = Size(0, 2 * channels * frames * frames, (3 * channels + heads) * frames)
    return dense(channels, 3 * channels, frames) + products + dense(channels, channels, frames)


def tcn(bands: int, width: float, columns: int) -> Size:
    """Tcn; each convolution keeps a copy of its input with silence in front."""
    channels = scaled(arch.TCN_CHANNELS, width, 8)
    total = norm(bands, columns) + keep(bands, columns) + conv(bands, channels, 1, columns)
    total += norm(channels, columns) + keep(channels, columns)
    for dilation in arch.TCN_DILATIONS:
        total += keep(channels, columns + dilation * (arch.TCN_KERNEL - 1))
        total += conv(channels, channels, arch.TCN_KERNEL, columns) + norm(channels, columns) + keep(channels, columns)
    return total + head(channels)


def _recurrent(bands: int, units: int, gates: int, columns: int, kept: int) -> Size:
    """One recurrent layer with two biases for each gate, which keeps its input and `kept` numbers besides."""
    weights = gates * units * (bands + units)
    layer = Size(weights + 2 * gates * units, weights * columns, kept) + keep(bands, columns)
    return norm(bands, columns) + layer + head(units)


def lstm(bands: int, width: float, columns: int) -> Size:
    """Lstm; what oneDNN's layer keeps is fitted to measurements: it fills rows up to cache lines of sixteen numbers."""
    units = scaled(arch.LSTM_UNITS, width, 8)
    gate, state = 4 * math.ceil(units / 4), 16 * math.ceil(max(units, bands) / 16)
    kept = units * columns + round(9.1 * gate * columns + state * (5.9 * columns + 11))
    return _recurrent(bands, units, 4, columns, kept)


def gru(bands: int, width: float, columns: int) -> Size:
    """Gru; for each step five numbers a unit of its gates, and its output twice."""
    units = scaled(arch.GRU_UNITS, width, 8)
    return _recurrent(bands, units, 3, columns, 7 * units * columns)


def dense_head(bands: int, width: float, columns: int) -> Size:
    """DenseHead."""
    units = scaled(arch.DENSE_UNITS, width, 8)
    total = dense(bands * columns, units) + layer_norm(units, 1) + keep(units, 1)
    return total + dense(units, units) + layer_norm(units, 1) + keep(units, 1) + head(units)


def conv_attention(bands: int, width: float, columns: int) -> Size:
    """ConvAttention."""
    channels = scaled_in_fours(arch.ATTENTION_CHANNELS, width)
    total = norm(bands, columns) + keep(bands, columns)
    for inputs in (bands, *[channels] * (arch.ATTENTION_CONVOLUTIONS - 1)):
        total += conv(inputs, channels, arch.ATTENTION_KERNEL, columns) + norm(channels, columns)
    total += keep(channels, columns) * (arch.ATTENTION_CONVOLUTIONS - 1)  # the last one's is what attention keeps
    total += attention(channels, arch.ATTENTION_HEADS, columns) + layer_norm(channels, columns)
    return total + dense(channels, 1, columns) + keep(1, columns) + head(channels)


def mixednet(bands: int, width: float, columns: int) -> Size:
    """MixedNet."""
    channels, outputs = scaled(arch.MIXED_FIRST, width, 8), scaled(arch.MIXED_CHANNELS, width, 8)
    steps = arch.mixed_steps(columns)
    read = arch.MIXED_FIRST_KERNEL + (steps - 1) * arch.MIXED_STRIDE
    total = keep(bands, read) + conv(bands, channels, arch.MIXED_FIRST_KERNEL, steps)
    total += norm(channels, steps) + keep(channels, steps)
    for kernels in arch.mixed_blocks(columns):
        before, steps = steps, steps - max(kernels) + 1
        for size, kernel in zip(arch.shares(channels, len(kernels)), kernels, strict=True):
            total += conv(size, size, kernel, before - kernel + 1, groups=size)
        total += keep(channels, steps) + conv(channels, outputs, 1, steps) + norm(outputs, steps) + keep(outputs, steps)
        channels = outputs
    return total + keep(channels, steps) + head(channels * steps)  # dropout keeps what it left of all steps


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
    a = eighths(arch.MOBILENET_FIRST * width)
    total = (
        norm(1, bands * columns) + keep(1, bands * columns) + conv(1, a, arch.MOBILENET_FIRST_KERNEL**2, high * wide)
    )
    total += norm(a, high * wide) + keep(2 * a, high * wide)
    for kernel, inner, outputs, squeeze, swish, stride in arch.MOBILENET_STAGES:
        inner, b, before = eighths(inner * width), eighths(outputs * width), high * wide
        if stride == 2:
            high, wide = halved(high), halved(wide)
        total += _bottleneck(a, inner, b, kernel, squeeze, before, high * wide)
        if swish:
            total += keep(inner, before + high * wide)
        a = b
    last, hidden = eighths(arch.MOBILENET_LAST * width), eighths(arch.MOBILENET_HIDDEN * width)
    total += conv(a, last, 1, high * wide) + norm(last, high * wide) + keep(last, high * wide)
    return total + dense(last, hidden) + keep(hidden, 1) + head(hidden)


def tc_resnet(bands: int, width: float, columns: int) -> Size:
    """TcResNet8."""
    sizes = [scaled(channels, width, 4) for channels in arch.TC_CHANNELS]
    total = norm(bands, columns) + keep(bands, columns) + conv(bands, sizes[0], arch.TC_FIRST_KERNEL, columns)
    total += keep(sizes[0], columns)
    for a, b in itertools.pairwise(sizes):
        columns = halved(columns)
        total += conv(a, b, arch.TC_KERNEL, columns) + conv(b, b, arch.TC_KERNEL, columns) + conv(a, b, 1, columns)
        total += (norm(b, columns) + keep(b, columns)) * 3
    return total + head(sizes[-1])


def _basic_block(a: int, b: int, cells: int, shortcut: bool) -> Size:
    total = conv(a, b, 9, cells) + conv(b, b, 9, cells) + (norm(b, cells) + keep(b, cells)) * 2
    return total + conv(a, b, 1, cells) + norm(b, cells) if shortcut else total


def resnet18(bands: int, width: float, columns: int) -> Size:
    """ResNet18."""
    sizes = [scaled(channels, width, 8) for channels in arch.RESNET_CHANNELS]
    total = norm(1, bands * columns) + keep(1, bands * columns)
    high, wide = halved(bands), halved(columns)
    total += (
        conv(1, sizes[0], arch.RESNET_FIRST_KERNEL**2, high * wide)
        + norm(sizes[0], high * wide)
        + keep(sizes[0], high * wide)
    )
    high, wide = halved(high), halved(wide)
    total += keep(3 * sizes[0], high * wide)  # the maximum, and where it was in eight bytes
    for a, b, stride in zip([sizes[0], *sizes[:-1]], sizes, arch.RESNET_STRIDES, strict=True):
        if stride == 2:
            high, wide = halved(high), halved(wide)
        total += _basic_block(a, b, high * wide, stride != 1 or a != b) + _basic_block(b, b, high * wide, False)
    return total + head(sizes[-1])


def _broadcast_block(a: int, b: int, height: int, stride: int, columns: int) -> Size:
    total = Size()
    if a != b:
        total += conv(a, b, 1, height * columns) + norm(b, height * columns) + keep(b, height * columns)
    height = (height - 1) // stride + 1
    split = arch.sub_bands(height)
    total += conv(b, b, 3, height * columns, groups=b) + norm(b * split, height * columns // split)
    total += keep(b, columns) + conv(b, b, 3, columns, groups=b) + norm(b, columns)
    total += keep(2 * b, columns) + conv(b, b, 1, columns)
    return total + keep(b, height * columns)


def bc_resnet(bands: int, width: float, columns: int) -> Size:
    """BcResNet."""
    channels, height = scaled(arch.BC_FIRST_CHANNELS, width, 4), halved(bands)
    total = (
        norm(1, bands * columns)
        + keep(1, bands * columns)
        + conv(1, channels, arch.BC_FIRST_KERNEL**2, height * columns)
    )
    total += norm(channels, height * columns) + keep(channels, height * columns)
    for size, count, stride, _ in arch.BC_STAGES:
        outputs = scaled(size, width, 4)
        for index in range(count):
            step = stride if index == 0 else 1
            total += _broadcast_block(channels, outputs, height, step, columns)
            channels, height = outputs, (height - 1) // step + 1
    last = scaled(arch.BC_LAST_CHANNELS, width, 4)
    total += conv(channels, channels, arch.BC_LAST_KERNEL * height, columns, groups=channels) + keep(channels, columns)
    return total + conv(channels, last, 1, columns) + norm(last, columns) + keep(last, columns) + head(last)


EMBEDDING_PARAMETERS, EMBEDDING_MULTIPLY_ADDS = 328_128, 5_612_544
"""Of the frozen speech embedding in front of a model; the work is that of 80 ms of a stream."""


def fft_size(features: Features) -> int:
    """Samples of a frame, filled up to a power of two."""
    return 1 << (features.frame_ms * SAMPLE_RATE // 1000 - 1).bit_length()


def column_seconds(config: Config) -> float:
    """From one column of the features to the next."""
    return EMBEDDING_STEP_SECONDS if config.features.kind == "speech_embedding" else config.features.hop_ms / 1000


def frames(config: Config) -> int:
    """Columns of the features of one window."""
    if config.features.kind == "speech_embedding":
        return EMBEDDING_STEPS
    samples = round(config.data.window_seconds * SAMPLE_RATE)
    return 1 + (samples - fft_size(config.features)) // (config.features.hop_ms * SAMPLE_RATE // 1000)


MODELS = {
    "tc_resnet": tc_resnet,
    "bc_resnet": bc_resnet,
    "resnet18": resnet18,
    "mobilenet_v3_small": mobilenet_v3_small,
    "tcn": tcn,
    "lstm": lstm,
    "gru": gru,
    "dense": dense_head,
    "conv_attention": conv_attention,
    "mixednet": mixednet,
}


@functools.lru_cache(maxsize=256)
def size(config: Config) -> Size:
    """The size of the model that `config` names."""
    return MODELS[config.model.name](feature_rows(config.features), config.model.width, frames(config))
