"""Conformer: attention for what lies far apart, convolutions for what lies close together."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainer.engine.models.attention import SelfAttention
from trainer.engine.models.temporal import over_time
from trainer.estimates.layers import halved, scaled_in_fours
from trainer.estimates.sequence import CONFORMER_BLOCKS, CONFORMER_CHANNELS, CONFORMER_KERNEL, HEADS


class ConvolutionModule(nn.Module):
    """A gated pointwise, a depthwise and a pointwise convolution over time. [n, frames, channels]."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, 2 * channels), nn.GLU())
        self.depthwise = nn.Sequential(
            over_time(channels, channels, kernel, groups=channels), nn.BatchNorm2d(channels), nn.SiLU()
        )
        self.leave = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        row = self.enter(x).transpose(1, 2)[:, :, None]  # already in the layout of `temporal.as_row`
        left: Tensor = self.leave(self.depthwise(row)[:, :, 0].transpose(1, 2))
        return left


def feed_forward(channels: int) -> nn.Sequential:
    """To four times the channels and back. [n, frames, channels]."""
    return nn.Sequential(
        nn.LayerNorm(channels), nn.Linear(channels, 4 * channels), nn.SiLU(), nn.Linear(4 * channels, channels)
    )


class ConformerBlock(nn.Module):
    """Half a feed-forward, attention, convolution, half a feed-forward. [n, frames, channels]."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.before, self.after = feed_forward(channels), feed_forward(channels)
        self.attention = nn.Sequential(nn.LayerNorm(channels), SelfAttention(channels, HEADS))
        self.convolution = ConvolutionModule(channels, kernel)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + 0.5 * self.before(x)
        x = x + self.attention(x)
        x = x + self.convolution(x)
        normalised: Tensor = self.norm(x + 0.5 * self.after(x))
        return normalised


class Conformer(nn.Module):
    """Log-mel [n, bands, frames] to logit [n].

    Gulati et al., "Conformer: Convolution-augmented Transformer for Speech Recognition" (Interspeech 2020), figure 1
    and 2, small: four blocks with 64 channels at `width` 1 where the paper's smallest has sixteen with 144, kernel 15,
    and no relative positions. The mean over time stands for the decoder.
    """

    def __init__(self, bands: int, width: float, dropout: float) -> None:
        super().__init__()
        channels = scaled_in_fours(CONFORMER_CHANNELS, width)
        self.subsample = nn.Sequential(
            nn.BatchNorm2d(1),
            nn.Conv2d(1, channels, 3, 2, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
            nn.Conv2d(channels, channels, 3, 2, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
        )  # fmt: skip
        self.enter = nn.Linear(channels * halved(halved(bands)), channels)
        self.blocks = nn.Sequential(*(ConformerBlock(channels, CONFORMER_KERNEL) for _ in range(CONFORMER_BLOCKS)))
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels, 1))
        # The layout in which a CPU computes it fastest.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, features: Tensor) -> Tensor:
        image: Tensor = self.subsample(features[:, None])
        x: Tensor = self.blocks(self.enter(image.permute(0, 3, 2, 1).flatten(2)))
        logit: Tensor = self.head(x.mean(1))
        return logit[:, 0]
