"""Two dense layers over a speech embedding."""

from __future__ import annotations

from torch import Tensor, nn

from trainer.config import EMBEDDING_STEPS
from trainer.model_size import DENSE_UNITS, scaled


class Dense(nn.Module):
    """Speech embedding [n, 96, 16] to logit [n]: the fully connected head of openWakeWord, with layer norms.

    A batch norm stands before it: what all embeddings have in common is many times larger than what tells them apart.
    """

    def __init__(self, bands: int, width: float, dropout: float) -> None:
        super().__init__()
        units = scaled(DENSE_UNITS, width, 4)
        self.layers = nn.Sequential(
            nn.BatchNorm1d(bands), nn.Flatten(),
            nn.Linear(bands * EMBEDDING_STEPS, units), nn.LayerNorm(units), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(units, units), nn.LayerNorm(units), nn.ReLU(), nn.Linear(units, 1),
        )  # fmt: skip

    def forward(self, features: Tensor) -> Tensor:
        logit: Tensor = self.layers(features)
        return logit[:, 0]
