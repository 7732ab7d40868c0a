"""DS-CNN: depthwise separable convolutions on the spectrogram."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainer.estimates.separable import ds_cnn_shape


def separable(channels: int, stride: int) -> nn.Sequential:
    """A depthwise 3 x 3 convolution and a pointwise one. [n, channels, bands, frames]."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
        nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
    )  # fmt: skip


class DsCnn(nn.Module):
    """Log-mel [n, bands, frames] to logit [n].

    Zhang et al., "Hello Edge: Keyword Spotting on Microcontrollers" (2017), with the sizes of its published training
    commands; `width` 1 is DS-CNN-S, 2.6875 DS-CNN-M and 4.3125 DS-CNN-L. One logit instead of twelve classes.
    """

    def __init__(self, bands: int, width: float, dropout: float) -> None:
        super().__init__()
        channels, band_stride, block_stride, blocks = ds_cnn_shape(width)
        self.first = nn.Sequential(
            nn.BatchNorm2d(1),
            nn.ZeroPad2d((4, 5, 1, 2)),  # even kernels: as many cells come out as go in, before the stride
            nn.Conv2d(1, channels, (4, 10), (band_stride, 2), bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
        )  # fmt: skip
        self.blocks = nn.Sequential(*(separable(channels, 1 if index else block_stride) for index in range(blocks)))
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels, 1))
        # The layout in which a CPU computes it fastest.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, features: Tensor) -> Tensor:
        x: Tensor = self.blocks(self.first(features[:, None]))
        logit: Tensor = self.head(x.mean((2, 3)))
        return logit[:, 0]
