"""Features of a window on any device: log-mel spectrogram, MFCC, PCEN or speech embedding."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torchaudio
from torch import Tensor, nn

from trainer.audio import audio_formats
from trainer.config import schema
from trainer.config.schema import feature_rows
from trainer.engine.features.embedding import SpeechEmbedding

FLOOR = 1e-6
"""Added to the mel power, so that digital silence is -60 dB rather than minus infinity."""
LEAST_DEVIATION = 1e-3
"""Lower limit of a divisor, so that constant rows are not amplified."""
PCEN_SMOOTHING, PCEN_GAIN, PCEN_BIAS, PCEN_ROOT = 0.025, 0.98, 2.0, 0.5
PCEN_HOP_MS = 10
"""The hop of the published smoothing."""
COLUMNS_AT_ONCE = 4096
"""Frames of a long recording whose spectra are in memory at a time."""
CPU_WINDOWS = 8
"""Windows that a CPU computes at a time, so that their spectra stay in its cache."""


class FrontEnd(nn.Module):
    """Waveform [n, samples] in -1..1 to features [n, rows, frames] of the configured kind and normalisation."""

    def __init__(self, features: schema.Features) -> None:
        super().__init__()
        self.kind, self.normalisation = features.kind, features.normalisation
        self.frame = features.frame_ms * audio_formats.SAMPLE_RATE // 1000
        self.hop = features.hop_ms * audio_formats.SAMPLE_RATE // 1000
        self.fft_size = 1 << (self.frame - 1).bit_length()
        self.smoothing = 1 - (1 - PCEN_SMOOTHING) ** (features.hop_ms / PCEN_HOP_MS)
        filters = torchaudio.functional.melscale_fbanks(
            self.fft_size // 2 + 1, features.low_hz, features.high_hz, features.mel_bands, audio_formats.SAMPLE_RATE
        )
        before = (self.fft_size - self.frame) // 2
        hann = nn.functional.pad(torch.hann_window(self.frame), (before, self.fft_size - self.frame - before))
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("hann", hann, persistent=False)
        if self.kind == "mfcc":
            cosines = torchaudio.functional.create_dct(feature_rows(features), features.mel_bands, "ortho")
            self.register_buffer("cosines", cosines, persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        size = CPU_WINDOWS if wave.device.type == "cpu" else max(1, len(wave))
        parts = torch.split(wave, size)
        return torch.cat([self.finish(self._power(part.unfold(1, self.fft_size, self.hop))) for part in parts])

    def columns(self, wave: Tensor, heartbeat: Callable[[], None]) -> Tensor:
        """Mel power [columns, bands] of a long wave [samples], which its windows share; `heartbeat` is called after
        each part."""
        features = []
        for piece in torch.split(wave.unfold(0, self.fft_size, self.hop), COLUMNS_AT_ONCE):
            features.append(self._power(piece))
            heartbeat()
        return torch.cat(features)

    def finish(self, mel: Tensor) -> Tensor:
        """Mel power of windows [n, frames, bands] to their features [n, rows, frames]."""
        if self.kind == "pcen":
            features = pcen(mel, self.smoothing)
        else:
            features = mel.add(FLOOR).log_()
            if self.kind == "mfcc":
                features = torch.matmul(features, self.get_buffer("cosines"))
        return normalise(features, self.normalisation, per_row=self.kind == "mfcc").transpose(1, 2)

    def _power(self, frames: Tensor) -> Tensor:
        """Power [..., bands] of Hann frames [..., samples] in triangular filters on the mel scale (HTK)."""
        spectrum = torch.fft.rfft(frames * self.get_buffer("hann"))
        power = spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)
        return torch.matmul(power, self.get_buffer("filters"))


def normalise(features: Tensor, how: str, per_row: bool) -> Tensor:
    """Features [n, frames, rows] normalised over the window: to mean 0 (`mean`), and also to deviation 1 (`window`).

    Cepstral coefficients are normalised `per_row` (Viikki and Laurila 1998), because the first one holds the level.
    """
    over = (1,) if per_row else (1, 2)
    if how in ("mean", "window"):
        features = features - features.mean(over, keepdim=True)
    if how == "window":
        features = features / features.square().mean(over, keepdim=True).sqrt().clamp(min=LEAST_DEVIATION)
    return features


def smoothing_matrix(frames: int, smoothing: float, device: torch.device) -> Tensor:
    """Matrix [frames, frames] that smooths over time: m[t] = (1 - s) m[t-1] + s e[t], from m[0] = e[0].

    The weight of each frame is in closed form, because one matrix product is far faster than a step per frame.
    """
    time = torch.arange(frames, device=device)
    age = time[:, None] - time
    weight = smoothing * (1 - smoothing) ** age.clamp(min=0) * (age >= 0)
    weight[:, 0] = (1 - smoothing) ** time
    return weight


def pcen(mel: Tensor, smoothing: float) -> Tensor:
    """Per-channel energy normalisation of mel power [n, frames, bands], per window.

    Wang et al., "Trainable frontend for robust and far-field keyword spotting" (2017), with fixed constants.
    """
    smooth = torch.matmul(smoothing_matrix(mel.shape[1], smoothing, mel.device), mel)
    controlled = torch.mul(mel, smooth.add_(FLOOR).pow_(-PCEN_GAIN))
    return controlled.add_(PCEN_BIAS).pow_(PCEN_ROOT).sub_(PCEN_BIAS**PCEN_ROOT)


class Standardised(nn.Module):
    """A network on features standardised per row over the training clips; its weights include mean and deviation."""

    def __init__(self, network: nn.Module, rows: int) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.zeros(rows, 1))
        self.register_buffer("deviation", torch.ones(rows, 1))

    def forward(self, features: Tensor) -> Tensor:
        logit: Tensor = self.network((features - self.get_buffer("mean")) / self.get_buffer("deviation"))
        return logit

    def measure(self, features: list[Tensor]) -> None:
        """Set mean and deviation from batches of features [n, rows, frames]."""
        values = torch.cat([part.transpose(0, 1).flatten(1) for part in features], dim=1)
        deviation, mean = torch.std_mean(values, dim=1, keepdim=True)
        self.get_buffer("mean").copy_(mean)
        self.get_buffer("deviation").copy_(deviation.clamp(min=LEAST_DEVIATION))


def front_end(features: schema.Features) -> FrontEnd | SpeechEmbedding:
    """The module that computes features [n, rows, columns] of the configured kind from waveforms [n, samples]."""
    return SpeechEmbedding() if features.kind == "speech_embedding" else FrontEnd(features)
