"""Small networks on frozen speech embeddings: 16 frames of 96 numbers, one every 80 ms."""

from __future__ import annotations

from torch import Tensor, nn

from trainer.config.architectures import (
    ATTENTION_CHANNELS,
    ATTENTION_CONVOLUTIONS,
    ATTENTION_HEADS,
    ATTENTION_KERNEL,
    DENSE_UNITS,
    scaled,
    scaled_in_fours,
)
from trainer.engine.models.attention import SelfAttention
from trainer.engine.models.temporal import as_row, over_time


class DenseHead(nn.Module):
    """Embeddings [n, 96, frames] to logit [n].

    The fully connected network of openWakeWord (Scripka, 2022), which has no paper: two layers with layer
    normalisation, of 128 units at `width` 1. Frames come one after the other into the first layer, as there, so that
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
        x = self.convolutions(as_row(features))[:, :, 0].transpose(1, 2)
        x = self.norm(x + self.attention(x))
        pooled = (x * self.importance(x).softmax(1)).sum(1)
        logit: Tensor = self.head(pooled)
        return logit[:, 0]
