"""TCN: a few dilated causal convolutions over time with shortcuts."""

from __future__ import annotations

from torch import Tensor, nn

from trainer.config.architectures import TCN_CHANNELS, TCN_DILATIONS, TCN_KERNEL, scaled
from trainer.engine.models.temporal import as_row, over_time


class CausalBlock(nn.Module):
    """A convolution with holes that hears nothing later than its frame, and a shortcut. [n, channels, 1, frames]."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ZeroPad2d((dilation * (TCN_KERNEL - 1), 0, 0, 0)),
            nn.Conv2d(channels, channels, (1, TCN_KERNEL), dilation=(1, dilation), bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out + x


class Tcn(nn.Module):
    """Log-mel [n, bands, frames] to logit [n].

    Bai et al., "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence Modeling" (2018),
    in the form of WeKws (Wang et al., ICASSP 2023): one convolution a block, batch instead of weight normalisation,
    64 channels at `width` 1. Where WeKws takes the best frame, the frames' mean decides.
    """

    def __init__(self, bands: int, width: float, dropout: float) -> None:
        super().__init__()
        channels = scaled(TCN_CHANNELS, width, 8)
        self.first = nn.Sequential(
            nn.BatchNorm2d(bands), over_time(bands, channels, 1), nn.BatchNorm2d(channels), nn.ReLU()
        )
        self.blocks = nn.Sequential(*(CausalBlock(channels, dilation) for dilation in TCN_DILATIONS))
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels, 1))

    def forward(self, features: Tensor) -> Tensor:
        x: Tensor = self.blocks(self.first(as_row(features)))
        logit: Tensor = self.head(x.mean((2, 3)))
        return logit[:, 0]
