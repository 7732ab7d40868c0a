"""TC-ResNet8: temporal convolutions with the mel bands as channels."""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from trainer.config.architectures import TC_CHANNELS, TC_FIRST_KERNEL, TC_KERNEL, scaled


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
