"""MatchboxNet: residual blocks of separable convolutions over time."""

from __future__ import annotations

from torch import Tensor, nn

from trainer.engine.models.temporal import as_row, over_time
from trainer.estimates.layers import scaled
from trainer.estimates.separable import (
    MATCHBOX_BLOCKS,
    MATCHBOX_FIRST,
    MATCHBOX_INSIDE,
    MATCHBOX_LAST,
    MATCHBOX_SIDE,
    matchbox_repeats,
)


def separable(inputs: int, outputs: int, kernel: int, dilation: int = 1) -> list[nn.Module]:
    """A depthwise convolution over time, a pointwise one and batch normalisation. [n, channels, 1, frames]."""
    return [
        over_time(inputs, inputs, kernel, dilation, groups=inputs), over_time(inputs, outputs, 1),
        nn.BatchNorm2d(outputs),
    ]  # fmt: skip


class MatchboxBlock(nn.Module):
    """`repeats` separable convolutions and a shortcut. [n, channels, 1, frames]."""

    def __init__(self, inputs: int, outputs: int, kernel: int, repeats: int) -> None:
        super().__init__()
        layers = separable(inputs, outputs, kernel)
        for _ in range(repeats - 1):
            layers += [nn.ReLU(), *separable(outputs, outputs, kernel)]
        self.body = nn.Sequential(*layers)
        self.shortcut = nn.Sequential(over_time(inputs, outputs, 1), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(self.body(x) + self.shortcut(x))


class MatchboxNet(nn.Module):
    """Log-mel [n, bands, frames] to logit [n].

    Majumdar and Ginsburg, "MatchboxNet: 1D Time-Channel Separable Convolutional Neural Network Architecture for Speech
    Commands Recognition" (Interspeech 2020), table 1; `width` 1 is its 3x1x64, 1.75 its 3x2x112. One logit instead of
    thirty classes.
    """

    def __init__(self, bands: int, width: float, dropout: float) -> None:
        super().__init__()
        side, inside = scaled(MATCHBOX_SIDE, width, 8), scaled(MATCHBOX_INSIDE, width, 8)
        repeats = matchbox_repeats(width)
        self.first = nn.Sequential(nn.BatchNorm2d(bands), *separable(bands, side, MATCHBOX_FIRST), nn.ReLU())
        entries = (side, inside, inside)
        blocks = [MatchboxBlock(a, inside, k, repeats) for a, k in zip(entries, MATCHBOX_BLOCKS, strict=True)]
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Sequential(
            *separable(inside, side, MATCHBOX_LAST, dilation=2), nn.ReLU(),
            over_time(side, side, 1), nn.BatchNorm2d(side), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(side, 1))

    def forward(self, features: Tensor) -> Tensor:
        x: Tensor = self.last(self.blocks(self.first(as_row(features))))
        logit: Tensor = self.head(x.mean((2, 3)))
        return logit[:, 0]
