"""Convolutional networks on the spectrogram: TC-ResNet8, BC-ResNet, ResNet18 and MobileNetV3-Small."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from trainer.config.architectures import (
    BC_FIRST_CHANNELS,
    BC_FIRST_KERNEL,
    BC_LAST_CHANNELS,
    BC_LAST_KERNEL,
    BC_STAGES,
    MOBILENET_FIRST,
    MOBILENET_FIRST_KERNEL,
    MOBILENET_HIDDEN,
    MOBILENET_LAST,
    MOBILENET_STAGES,
    RESNET_CHANNELS,
    RESNET_FIRST_KERNEL,
    RESNET_STRIDES,
    TC_CHANNELS,
    TC_FIRST_KERNEL,
    TC_KERNEL,
    eighths,
    scaled,
    sub_bands,
)


class SqueezeExcite(nn.Module):
    """Squeeze-and-excitation: weigh each channel of [n, channels, bands, frames] by a function of all channel means."""

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
        # the fastest layout on a CPU
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, features: Tensor) -> Tensor:
        x: Tensor = self.last(self.blocks(self.first(features[:, None])))
        logit: Tensor = self.head(x.mean((2, 3)))
        return logit[:, 0]


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut. [n, channels, bands, frames]."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(self.body(x) + self.shortcut(x))


class ResNet18(nn.Module):
    """Log-mel [n, bands, frames] to logit [n].

    He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), table 1, 18 layers; `width` scales all
    channels. One input channel, one logit.
    """

    def __init__(self, bands: int, width: float, dropout: float) -> None:
        super().__init__()
        sizes = [scaled(channels, width, 8) for channels in RESNET_CHANNELS]
        self.first = nn.Sequential(
            nn.BatchNorm2d(1),
            nn.Conv2d(1, sizes[0], RESNET_FIRST_KERNEL, 2, RESNET_FIRST_KERNEL // 2, bias=False),
            nn.BatchNorm2d(sizes[0]),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        )
        pairs = zip([sizes[0], *sizes[:-1]], sizes, RESNET_STRIDES, strict=True)
        blocks = [block for a, b, stride in pairs for block in (BasicBlock(a, b, stride), BasicBlock(b, b, 1))]
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(sizes[-1], 1))

    def forward(self, features: Tensor) -> Tensor:
        x: Tensor = self.blocks(self.first(features[:, None]))
        logit: Tensor = self.head(x.mean((2, 3)))
        return logit[:, 0]


class SubSpectralNorm(nn.Module):
    """Batch normalisation of up to five bands of frequency on their own. [n, channels, frequency, frames].

    Chang et al., "SubSpectral Normalization for Neural Audio Data Processing" (ICASSP 2021).
    """

    def __init__(self, channels: int, height: int) -> None:
        super().__init__()
        self.bands = sub_bands(height)
        self.norm = nn.BatchNorm2d(channels * self.bands)

    def forward(self, x: Tensor) -> Tensor:
        count, channels, height, frames = x.shape
        split = x.reshape(count, channels * self.bands, height // self.bands, frames)
        normalised: Tensor = self.norm(split)
        return normalised.reshape(count, channels, height, frames)


class BroadcastBlock(nn.Module):
    """A frequency-wise convolution plus a time-wise one whose result is broadcast over all frequencies."""

    def __init__(self, inputs: int, outputs: int, height: int, stride: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.keeps = inputs == outputs and stride == 1
        self.enter = (
            nn.Identity()
            if inputs == outputs
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
        )
        self.frequency = nn.Sequential(
            nn.Conv2d(outputs, outputs, (3, 1), (stride, 1), (1, 0), groups=outputs, bias=False),
            SubSpectralNorm(outputs, (height - 1) // stride + 1),
        )
        self.time = nn.Sequential(
            nn.Conv2d(outputs, outputs, (1, 3), 1, (0, dilation), (1, dilation), groups=outputs, bias=False),
            nn.BatchNorm2d(outputs),
            nn.SiLU(),
            nn.Conv2d(outputs, outputs, 1, bias=False),
            nn.Dropout2d(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        two_dimensional = self.frequency(self.enter(x))
        total = two_dimensional + self.time(two_dimensional.mean(2, keepdim=True))
        return nn.functional.relu(total + x if self.keeps else total)


class BcResNet(nn.Module):
    """Log-mel [n, bands, frames] to logit [n].

    Kim et al., "Broadcasted Residual Learning for Efficient Keyword Spotting" (Interspeech 2021); `width` is the
    paper's tau. One logit instead of twelve classes.
    """

    def __init__(self, bands: int, width: float, dropout: float) -> None:
        super().__init__()
        channels, height = scaled(BC_FIRST_CHANNELS, width, 4), (bands - 1) // 2 + 1
        self.first = nn.Sequential(
            nn.BatchNorm2d(1),
            nn.Conv2d(1, channels, BC_FIRST_KERNEL, (2, 1), BC_FIRST_KERNEL // 2, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )
        blocks: list[nn.Module] = []
        for size, count, stride, dilation in BC_STAGES:
            outputs = scaled(size, width, 4)
            for index in range(count):
                step = stride if index == 0 else 1
                blocks.append(BroadcastBlock(channels, outputs, height, step, dilation, dropout))
                channels, height = outputs, (height - 1) // step + 1
        self.blocks = nn.Sequential(*blocks)
        last = scaled(BC_LAST_CHANNELS, width, 4)
        self.squeeze = nn.Sequential(
            nn.Conv2d(
                channels,
                channels,
                (height, BC_LAST_KERNEL),
                padding=(0, BC_LAST_KERNEL // 2),
                groups=channels,
                bias=False,
            ),
            nn.Conv2d(channels, last, 1, bias=False),
            nn.BatchNorm2d(last),
            nn.ReLU(),
        )
        self.head = nn.Conv2d(last, 1, 1)

    def forward(self, features: Tensor) -> Tensor:
        x: Tensor = self.squeeze(self.blocks(self.first(features[:, None])))
        logit: Tensor = self.head(x.mean((2, 3), keepdim=True))
        return logit.flatten()


class TemporalBlock(nn.Module):
    """Two convolutions over time, the first halving the frames, and a shortcut. [n, channels, frames]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(inputs, outputs, TC_KERNEL, stride=2, padding=TC_KERNEL // 2, bias=False),
            nn.BatchNorm1d(outputs),
            nn.ReLU(),
            nn.Conv1d(outputs, outputs, TC_KERNEL, padding=TC_KERNEL // 2, bias=False),
            nn.BatchNorm1d(outputs),
        )
        self.shortcut = nn.Sequential(
            nn.Conv1d(inputs, outputs, 1, stride=2, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(self.body(x) + self.shortcut(x))


class TcResNet8(nn.Module):
    """Log-mel [n, bands, frames] to logit [n].

    Choi et al., "Temporal Convolution for Real-time Keyword Spotting on Mobile Devices" (Interspeech 2019); `width`
    is the paper's width multiplier k (1.5 gives TC-ResNet8-1.5). One logit instead of twelve classes.
    """

    def __init__(self, bands: int, width: float, dropout: float) -> None:
        super().__init__()
        sizes = [scaled(channels, width, 4) for channels in TC_CHANNELS]
        self.norm = nn.BatchNorm1d(bands)
        self.first = nn.Conv1d(bands, sizes[0], TC_FIRST_KERNEL, padding=TC_FIRST_KERNEL // 2, bias=False)
        blocks = [TemporalBlock(a, b) for a, b in itertools.pairwise(sizes)]
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(sizes[-1], 1))

    def forward(self, features: Tensor) -> Tensor:
        x: Tensor = self.blocks(self.first(self.norm(features)))
        logit: Tensor = self.head(x.mean(2))
        return logit[:, 0]
