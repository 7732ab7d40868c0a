"""Dimensions of the model architectures, for the models and the estimates of their sizes; no torch."""

from __future__ import annotations

from typing import NamedTuple

TC_CHANNELS = (16, 24, 32, 48)
TC_FIRST_KERNEL, TC_KERNEL = 3, 9
"""TC-ResNet8: channels of the first convolution and of each block; blocks halve the frames."""

BC_FIRST_CHANNELS, BC_LAST_CHANNELS = 16, 32
BC_FIRST_KERNEL, BC_LAST_KERNEL = 5, 5
BC_MOST_SUB_BANDS = 5
"""BC-ResNet: most bands of sub-spectral normalisation."""


class BcStage(NamedTuple):
    """One stage of BC-ResNet: `channels` at width 1, blocks, stride over frequency of the first block, dilation over
    time."""

    channels: int
    blocks: int
    stride: int
    dilation: int


BC_STAGES = (BcStage(8, 2, 1, 1), BcStage(12, 2, 2, 2), BcStage(16, 4, 2, 4), BcStage(20, 4, 1, 8))
"""Table 1 of Kim et al., "Broadcasted residual learning for efficient keyword spotting", Interspeech 2021."""

RESNET_CHANNELS, RESNET_STRIDES = (64, 128, 256, 512), (1, 2, 2, 2)
RESNET_FIRST_KERNEL = 7
"""ResNet18: channels and stride of each of the four stages of two blocks."""


class Bottleneck(NamedTuple):
    """One block of MobileNetV3 at width 1: channels `inner` between its convolutions and `outputs` at its end,
    squeeze-and-excite, h-swish instead of ReLU."""

    kernel: int
    inner: int
    outputs: int
    squeeze: bool
    swish: bool
    stride: int


MOBILENET_STAGES = (
    Bottleneck(3, 16, 16, True, False, 2),
    Bottleneck(3, 72, 24, False, False, 2),
    Bottleneck(3, 88, 24, False, False, 1),
    Bottleneck(5, 96, 40, True, True, 2),
    Bottleneck(5, 240, 40, True, True, 1),
    Bottleneck(5, 240, 40, True, True, 1),
    Bottleneck(5, 120, 48, True, True, 1),
    Bottleneck(5, 144, 48, True, True, 1),
    Bottleneck(5, 288, 96, True, True, 2),
    Bottleneck(5, 576, 96, True, True, 1),
    Bottleneck(5, 576, 96, True, True, 1),
)
"""MobileNetV3-Small: table 2 of Howard et al., "Searching for MobileNetV3", ICCV 2019."""
MOBILENET_FIRST, MOBILENET_LAST, MOBILENET_HIDDEN = 16, 576, 1024
MOBILENET_FIRST_KERNEL = 3

TCN_CHANNELS, TCN_KERNEL, TCN_DILATIONS = 64, 8, (1, 2, 4, 8)
LSTM_UNITS, GRU_UNITS = 118, 154
DENSE_UNITS = 128
ATTENTION_CHANNELS, ATTENTION_CONVOLUTIONS, ATTENTION_KERNEL, ATTENTION_HEADS = 32, 3, 3, 4

MIXED_FIRST, MIXED_CHANNELS = 30, 60
MIXED_FIRST_KERNEL, MIXED_STRIDE = 5, 3
MIXED_KERNELS = ((5,), (5, 9), (9, 13), (13, 21))
"""MixedNet: channels of the first convolution and of each block; frames of the first kernel, and from one step to the
next; kernels of each block, one for each group of its channels, in steps."""


def mixed_steps(frames: int) -> int:
    """Steps that the first convolution of a MixedNet leaves of `frames`."""
    return (frames - MIXED_FIRST_KERNEL) // MIXED_STRIDE + 1


def mixed_blocks(frames: int) -> tuple[tuple[int, ...], ...]:
    """Kernels of the blocks of a MixedNet that fit a window of `frames`."""
    steps, blocks = mixed_steps(frames), []
    for kernels in MIXED_KERNELS:
        if steps >= max(kernels):
            steps -= max(kernels) - 1
            blocks.append(kernels)
    return tuple(blocks)


def shares(channels: int, groups: int) -> list[int]:
    """Sizes of groups of channels, as equal as possible."""
    return [(channels + groups - 1 - group) // groups for group in range(groups)]


def scaled(channels: int, width: float, least: int) -> int:
    """Channels of a layer at this width."""
    return max(least, round(width * channels))


def scaled_in_fours(channels: int, width: float) -> int:
    """Channels of a layer at this width, divisible among the attention heads."""
    return ATTENTION_HEADS * scaled(channels // ATTENTION_HEADS, width, 1)


def eighths(channels: float) -> int:
    """The nearest multiple of eight, at most a tenth below, as in MobileNetV3."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def sub_bands(height: int) -> int:
    """Most bands, up to five, that divide `height` frequencies evenly (sub-spectral normalisation)."""
    return max(bands for bands in range(1, BC_MOST_SUB_BANDS + 1) if height % bands == 0)
