"""LSTM and GRU: one recurrent layer over the frames, whose last output decides."""

from __future__ import annotations

from torch import Tensor, nn

from trainer.config.architectures import GRU_UNITS, LSTM_UNITS, scaled


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
