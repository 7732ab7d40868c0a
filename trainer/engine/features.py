"""What the model sees of a window, on whatever device the window is."""

from __future__ import annotations

import torch
import torchaudio
from torch import Tensor, nn

from trainer import config
from trainer.engine.embedding import SpeechEmbedding

FLOOR = 1e-6
"""Added to the mel power, so that digital silence is -60 dB rather than minus infinity."""


class LogMel(nn.Module):
    """Waveform [n, samples] in -1..1 to log-mel spectrogram [n, bands, frames], its mean over the window removed.

    Power spectrum of Hann frames, triangular filters on the mel scale (HTK), natural logarithm. Removing the mean
    makes the level of a microphone matter less.
    """

    def __init__(self, features: config.Features) -> None:
        super().__init__()
        self.frame = features.frame_ms * config.SAMPLE_RATE // 1000
        self.hop = features.hop_ms * config.SAMPLE_RATE // 1000
        self.fft_size = 1 << (self.frame - 1).bit_length()
        filters = torchaudio.functional.melscale_fbanks(
            self.fft_size // 2 + 1, features.low_hz, features.high_hz, features.mel_bands, config.SAMPLE_RATE
        )
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("hann", torch.hann_window(self.frame), persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        spectrum = torch.stft(
            wave, self.fft_size, self.hop, self.frame, self.get_buffer("hann"), center=False, return_complex=True
        )
        power = spectrum.real.square() + spectrum.imag.square()
        mel = torch.matmul(self.get_buffer("filters").T, power)
        log_mel = torch.log(mel + FLOOR)
        return log_mel - log_mel.mean(dim=(1, 2), keepdim=True)


def front_end(features: config.Features) -> nn.Module:
    """The module that makes waveforms [n, samples] features [n, rows, columns], of the kind that options name."""
    return SpeechEmbedding() if features.kind == "speech_embedding" else LogMel(features)
