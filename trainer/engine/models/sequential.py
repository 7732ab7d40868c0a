"""Networks over the frames of a window: TCN, LSTM, GRU, and the dense and attention heads on speech embeddings."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainer.config.architectures import (
    ATTENTION_CHANNELS,
    ATTENTION_CONVOLUTIONS,
    ATTENTION_HEADS,
    ATTENTION_KERNEL,
    DENSE_UNITS,
    GRU_UNITS,
    LSTM_UNITS,
    TCN_CHANNELS,
    TCN_DILATIONS,
    TCN_KERNEL,
    scaled,
    scaled_in_fours,
)


class Recurrent(nn.Module):
    """Features [n, bands, frames] through a recurrent layer, whose output at the last frame gives the logit [n]."""

    def __init__(self, bands: int, layer: nn.LSTM | nn.GRU, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(bands)
        self.layer = layer
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(layer.hidden_size, 1))

    def forward(self, features: Tensor) -> Tensor:
        outputs, _ = self.layer(self.norm(features).permute(2, 0, 1))
        logit: Tensor = self.head(outputs[-1])
        return logit[:, 0]


class Lstm(Recurrent):
    """Log-mel [n, bands, frames] to logit [n].

    Zhang et al., "Hello Edge: Keyword Spotting on Microcontrollers" (2017), its basic LSTM: 118 units at `width` 1 as
    in the small one, 1.8136 gives the medium one (214), 2.9153 the large one (344). One logit instead of twelve
    classes.
    """

    def __init__(self, bands: int, width: float, dropout: float) -> None:
        super().__init__(bands, nn.LSTM(bands, scaled(LSTM_UNITS, width, 8)), dropout)


class Gru(Recurrent):
    """Features [n, bands, frames] to logit [n]; log-mel, or speech embeddings.

    Zhang et al., "Hello Edge: Keyword Spotting on Microcontrollers" (2017), its GRU: 154 units at `width` 1 as in the
    small one, 1.6234 gives the medium one (250), 2.5974 the large one (400). One logit instead of twelve classes.
    """

    def __init__(self, bands: int, width: float, dropout: float) -> None:
        super().__init__(bands, nn.GRU(bands, scaled(GRU_UNITS, width, 8)), dropout)


def to_row(features: Tensor) -> Tensor:
    """Features [n, bands, frames] as [n, bands, 1, frames] with the bands of a frame side by side in memory.

    The convolutions that follow keep this layout, which saves a CPU two copies in each: a training step of small
    networks is 1.4 to 1.7 times as fast as with one-dimensional convolutions.
    """
    return features[:, :, None].contiguous(memory_format=torch.channels_last)


def over_time(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    """A convolution of [n, inputs, 1, frames] that keeps the number of frames; `kernel` is odd."""
    return nn.Conv2d(inputs, outputs, (1, kernel), padding=(0, (kernel - 1) // 2), bias=False)


class CausalBlock(nn.Module):
    """A dilated causal convolution with a shortcut. [n, channels, 1, frames]."""

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
    64 channels at `width` 1. WeKws takes the best frame; here the logit is that of the mean over frames.
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
        x: Tensor = self.blocks(self.first(to_row(features)))
        logit: Tensor = self.head(x.mean((2, 3)))
        return logit[:, 0]


class SelfAttention(nn.Module):
    """Multi-head self-attention over [n, frames, channels].

    Vaswani et al., "Attention Is All You Need" (NeurIPS 2017), section 3.2.2. Without position encoding: the
    convolutions before it depend on positions.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.enter = nn.Linear(channels, 3 * channels)
        self.leave = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        count, frames, channels = x.shape
        split = self.enter(x).reshape(count, frames, 3, self.heads, channels // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind()
        attended = nn.functional.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.leave(attended.transpose(1, 2).reshape(count, frames, channels))
        return out


class DenseHead(nn.Module):
    """Embeddings [n, 96, frames] to logit [n].

    The fully connected network of openWakeWord (Scripka, 2022), which has no paper: two layers with layer
    normalisation, of 128 units at `width` 1. The first layer takes the frames one after the other, as there, so that
    weights can be exchanged.
    """

    def __init__(self, bands: int, frames: int, width: float, dropout: float) -> None:
        super().__init__()
        units = scaled(DENSE_UNITS, width, 8)
        self.layers = nn.Sequential(
            nn.Linear(bands * frames, units),
            nn.LayerNorm(units),
            nn.ReLU(),
            nn.Linear(units, units),
            nn.LayerNorm(units),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(units, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        logit: Tensor = self.layers(features.transpose(1, 2).flatten(1))
        return logit[:, 0]


class ConvAttention(nn.Module):
    """Embeddings [n, 96, frames] to logit [n]: convolutions over time, self-attention, and attentive pooling.

    After the head of the same name in livekit-wakeword (2025), with the pooling of Okabe et al., "Attentive Statistics
    Pooling for Deep Speaker Embedding" (Interspeech 2018), its mean only; 32 channels at `width` 1.
    """

    def __init__(self, bands: int, width: float, dropout: float) -> None:
        super().__init__()
        channels = scaled_in_fours(ATTENTION_CHANNELS, width)
        layers: list[nn.Module] = [nn.BatchNorm2d(bands)]
        for inputs in (bands, *[channels] * (ATTENTION_CONVOLUTIONS - 1)):
            layers += [over_time(inputs, channels, ATTENTION_KERNEL), nn.BatchNorm2d(channels), nn.ReLU()]
        self.convolutions = nn.Sequential(*layers)
        self.attention = SelfAttention(channels, ATTENTION_HEADS)
        self.norm = nn.LayerNorm(channels)
        self.importance = nn.Linear(channels, 1)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels, 1))

    def forward(self, features: Tensor) -> Tensor:
        x = self.convolutions(to_row(features))[:, :, 0].transpose(1, 2)
        x = self.norm(x + self.attention(x))
        pooled = (x * self.importance(x).softmax(1)).sum(1)
        logit: Tensor = self.head(pooled)
        return logit[:, 0]
