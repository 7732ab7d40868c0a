"""MobileNetV3-Small on the spectrogram as a picture of one channel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainer.config.architectures import (
    MOBILENET_FIRST,
    MOBILENET_FIRST_KERNEL,
    MOBILENET_HIDDEN,
    MOBILENET_LAST,
    MOBILENET_STAGES,
    eighths,
)


class SqueezeExcite(nn.Module):
    """Each channel of [n, channels, bands, frames] is weighted by what all channels hold on average."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        less = eighths(channels / 4)
        self.weigh = nn.Sequential(nn.Linear(channels, less), nn.ReLU(), nn.Linear(less, channels), nn.Hardsigmoid())

    def forward(self, x: Tensor) -> Tensor:
        weight: Tensor = self.weigh(x.mean((2, 3)))
        return x * weight[:, :, None, None]


class Bottleneck(nn.Module):
    """Expand, convolve each channel alone, weigh the channels, and project. [n, channels, bands, frames]."""

    def __init__(
        self, inputs: int, inner: int, outputs: int, kernel: int, squeeze: bool, swish: bool, stride: int
    ) -> None:
        super().__init__()
        self.keeps = inputs == outputs and stride == 1
        activation = nn.Hardswish if swish else nn.ReLU
        layers: list[nn.Module] = []
        if inner != inputs:
            layers += [nn.Conv2d(inputs, inner, 1, bias=False), nn.BatchNorm2d(inner), activation()]
        layers += [
            nn.Conv2d(inner, inner, kernel, stride, kernel // 2, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            activation(),
        ]
        if squeeze:
            layers.append(SqueezeExcite(inner))
        self.body = nn.Sequential(*layers, nn.Conv2d(inner, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out + x if self.keeps else out


class MobileNetV3Small(nn.Module):
    """Log-mel [n, bands, frames] to logit [n].

    Howard et al., "Searching for MobileNetV3" (ICCV 2019), table 2; `width` is the paper's width multiplier. One input
    channel, one logit.
    """

    def __init__(self, bands: int, width: float, dropout: float) -> None:
        super().__init__()
        channels = eighths(MOBILENET_FIRST * width)
        last, hidden = eighths(MOBILENET_LAST * width), eighths(MOBILENET_HIDDEN * width)
        self.first = nn.Sequential(
            nn.BatchNorm2d(1),
            nn.Conv2d(1, channels, MOBILENET_FIRST_KERNEL, 2, MOBILENET_FIRST_KERNEL // 2, bias=False),
            nn.BatchNorm2d(channels),
            nn.Hardswish(),
        )
        blocks: list[nn.Module] = []
        for kernel, inner, out, squeeze, swish, stride in MOBILENET_STAGES:
            outputs = eighths(out * width)
            blocks.append(Bottleneck(channels, eighths(inner * width), outputs, kernel, squeeze, swish, stride))
            channels = outputs
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Sequential(nn.Conv2d(channels, last, 1, bias=False), nn.BatchNorm2d(last), nn.Hardswish())
        self.head = nn.Sequential(nn.Linear(last, hidden), nn.Hardswish(), nn.Dropout(dropout), nn.Linear(hidden, 1))
        # The layout in which a CPU computes it fastest.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, features: Tensor) -> Tensor:
        x: Tensor = self.last(self.blocks(self.first(features[:, None])))
        logit: Tensor = self.head(x.mean((2, 3)))
        return logit[:, 0]
