"""MDTC: stacks of dilated depthwise convolutions over time, all of which are heard at the end."""

from __future__ import annotations

from torch import Tensor, nn

from trainer.engine.models.temporal import as_row, over_time
from trainer.estimates.layers import scaled
from trainer.estimates.separable import MDTC_CHANNELS, MDTC_DILATIONS, MDTC_KERNEL, MDTC_STACKS


class DilatedBlock(nn.Module):
    """A depthwise convolution with holes, two pointwise ones and a shortcut. [n, channels, 1, frames]."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        self.keeps = inputs == outputs
        self.body = nn.Sequential(
            over_time(inputs, inputs, MDTC_KERNEL, dilation, groups=inputs), nn.BatchNorm2d(inputs),
            over_time(inputs, outputs, 1), nn.BatchNorm2d(outputs), nn.ReLU(),
            over_time(outputs, outputs, 1), nn.BatchNorm2d(outputs),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return nn.functional.relu(out + x if self.keeps else out)


class Mdtc(nn.Module):
    """Log-mel [n, bands, frames] to logit [n].

    Hou et al., "The NPU System for the 2020 Personalized Voice Trigger Challenge" (2021), with the sizes of WeKws
    (Wang et al., ICASSP 2023): four stacks of four blocks with 64 channels at `width` 1. The convolutions look to both
    sides, as the whole window is there when it is scored; where WeKws takes the best frame, the frames' mean decides.
    """

    def __init__(self, bands: int, width: float, dropout: float) -> None:
        super().__init__()
        channels = scaled(MDTC_CHANNELS, width, 8)
        self.first = nn.Sequential(nn.BatchNorm2d(bands), DilatedBlock(bands, channels, 1))
        self.stacks = nn.ModuleList(
            nn.Sequential(*(DilatedBlock(channels, channels, dilation) for dilation in MDTC_DILATIONS))
            for _ in range(MDTC_STACKS)
        )
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels, 1))

    def forward(self, features: Tensor) -> Tensor:
        x: Tensor = self.first(as_row(features))
        pooled = []
        for stack in self.stacks:
            x = stack(x)
            pooled.append(x.mean((2, 3)))
        logit: Tensor = self.head(sum(pooled[1:], pooled[0]))
        return logit[:, 0]
