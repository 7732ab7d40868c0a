"""Small networks on frozen speech embeddings (16 frames of 96 numbers, one every 80 ms), and their attention."""

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
from trainer.engine.models.sequence_models import as_row, over_time


class SelfAttention(nn.Module):
    """Every frame of [n, frames, channels] takes from all others what suits it.

    Vaswani et al., "Attention Is All You Need" (NeurIPS 2017), section 3.2.2. Positions are not told: the convolutions
    around it know them.
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
        heard = nn.functional.scaled_dot_product_attention(query, key, value)
        left: Tensor = self.leave(heard.transpose(1, 2).reshape(count, frames, channels))
        return left


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
