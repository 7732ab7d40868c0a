"""Builds the ONNX graphs of a trained model: the whole detector, the openWakeWord head, and the 8-bit detector."""

from __future__ import annotations

import io
import math
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import ModelProto, compose
from onnxruntime.quantization import CalibrationDataReader, quantize_static
from torch import Tensor, nn

from trainer.config.schema import Config, feature_rows
from trainer.detector.detector_file import COLUMNS, PROBABILITY, WAVEFORM, ColumnFacts
from trainer.engine.data.windows import window_samples
from trainer.engine.features import embedding
from trainer.engine.features.embedding import SpeechEmbedding
from trainer.engine.features.features import FrontEnd, front_end
from trainer.estimates import model_size

CALIBRATION_WINDOWS = 256
"""Training windows from which the ranges of activations are measured."""
QUANTIZED_PARTS = ("/network/", "/convolutions/")
"""Parts of node names with trained weights; the spectrum needs more than eight bits."""
QUANTIZED_OPERATIONS = ("Conv", "MatMul", "Gemm")


class CalibrationWindows(CalibrationDataReader):  # type: ignore[misc]
    """Adapts batches of waves [n, samples] to onnxruntime's calibration."""

    def __init__(self, waves: Iterator[NDArray[np.float32]]) -> None:
        self.waves = waves

    def get_next(self) -> dict[str, Any] | None:
        wave = next(self.waves, None)
        return None if wave is None else {WAVEFORM: wave}


def quantize(graph: ModelProto, waves: Iterator[NDArray[np.float32]]) -> ModelProto:
    """The model with 8-bit convolutions and matrix products; recurrent layers and features stay unchanged."""
    names = [
        node.name
        for node in graph.graph.node
        if node.op_type in QUANTIZED_OPERATIONS and any(part in node.name for part in QUANTIZED_PARTS)
    ]
    with tempfile.TemporaryDirectory() as folder:
        exact, out = Path(folder) / "exact.onnx", Path(folder) / "model.onnx"
        onnx.save(graph, exact)  # for a graph in memory it uses uuid1, for which libuuid writes to /var/lib
        quantize_static(exact, out, CalibrationWindows(waves), nodes_to_quantize=names, per_channel=True)
        return onnx.load(out)


OPSET = 17
SILENCE_DB = -1000.0
MISSING_FRAMES = 3
"""Frames missing from the first block of a speech window, whose 197 frames are 25 blocks of eight without these."""


class MelPower(nn.Module):
    """Waveform [n, samples] to mel power [n, bands, frames], as one convolution with cosines and sines.

    Not every runtime has an FFT, and a stream computes each frame once, so that the cost is small. The file holds one
    period of a cosine, from which the runtime computes the waves when it loads the graph; stored, they would be most of
    a small model.
    """

    def __init__(self, hann: Tensor, fft_size: int, hop: int, filters: Tensor, scale: float) -> None:
        super().__init__()
        self.hop, self.before, self.fft_size = hop, (fft_size - len(hann)) // 2, fft_size
        self.after = fft_size - self.before - len(hann)
        turn = torch.arange(fft_size, dtype=torch.float64) * (2 * math.pi / fft_size)
        used = filters.any(1).nonzero()[:, 0]
        self.register_buffer("cosine", turn.cos().float())
        self.register_buffer("hann", scale * hann)
        self.register_buffer("used", used[:, None])
        self.register_buffer("time", torch.arange(len(hann)))
        self.register_buffer("filters", filters[used].T.contiguous())

    def forward(self, wave: Tensor) -> Tensor:
        turns = self.get_buffer("used") * self.get_buffer("time")
        both = torch.cat([turns, turns + self.fft_size // 4 * 3])  # a sine is a cosine three quarters of a period later
        waves = self.get_buffer("hann") * self.get_buffer("cosine")[both % self.fft_size]
        inner = wave[:, None, self.before : -self.after or None]
        spectrum = nn.functional.conv1d(inner, waves[:, None], stride=self.hop)
        bins = len(self.get_buffer("used"))
        power = spectrum[:, :bins].square() + spectrum[:, bins:].square()
        return torch.matmul(self.get_buffer("filters"), power)


class MelColumns(nn.Module):
    """Waveform [n, samples] to mel power [n, frames, bands]."""

    def __init__(self, front: FrontEnd) -> None:
        super().__init__()
        before = (front.fft_size - front.frame) // 2
        hann = front.get_buffer("hann")[before : before + front.frame]
        self.power = MelPower(hann, front.fft_size, front.hop, front.get_buffer("filters"), 1.0)

    def forward(self, wave: Tensor) -> Tensor:
        power: Tensor = self.power(wave)
        return power.transpose(1, 2)


class EmbeddingColumns(nn.Module):
    """Waveform [n, samples] to speech embeddings [n, steps, 96]; samples are two seconds and any number of steps.

    Equal to `SpeechEmbedding`, in operations that are valid for every such length.
    """

    def __init__(self, front: SpeechEmbedding) -> None:
        super().__init__()
        hann, filters = front.mel.get_buffer("hann"), front.mel.get_buffer("filters")
        self.power = MelPower(hann, embedding.FFT_SIZE, embedding.HOP, filters, embedding.INT16_RANGE)
        self.convolutions = front.convolutions

    def forward(self, wave: Tensor) -> Tensor:
        power = self.power(wave).transpose(1, 2)[:, None]
        decibels = 10 * torch.log10(power.clamp(min=embedding.LEAST_POWER))
        blocks = nn.functional.pad(decibels, (0, 0, MISSING_FRAMES, 0), value=SILENCE_DB)
        peak = nn.functional.max_pool2d(blocks, (embedding.FRAMES_PER_STEP, embedding.BANDS))
        floor = (
            nn.functional.interpolate(peak, scale_factor=(float(embedding.FRAMES_PER_STEP), 1.0)) - embedding.RANGE_DB
        )
        mel = torch.maximum(blocks, floor) / 10 + 2
        first = (embedding.FRAMES_PER_STEP - embedding.FRAMES_PER_EMBEDDING) % embedding.FRAMES_PER_STEP
        embeddings: Tensor = self.convolutions(mel[:, :, first:])
        return embeddings[..., 0].transpose(1, 2)


class Head(nn.Module):
    """Columns of windows [n, frames, rows] to the probability [n] of the word."""

    def __init__(self, front: FrontEnd | SpeechEmbedding, network: nn.Module) -> None:
        super().__init__()
        self.front, self.network = front, network

    def forward(self, columns: Tensor) -> Tensor:
        logit: Tensor = self.network(self.front.finish(columns))
        return logit.sigmoid()


class OpenWakeWordHead(nn.Module):
    """Embeddings [1, 16, 96] to a score [1, 1], the interface that openWakeWord loads."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, embeddings: Tensor) -> Tensor:
        logit: Tensor = self.network(embeddings.transpose(1, 2))
        return logit.sigmoid()[:, None]


def column_facts(config: Config, front: FrontEnd | SpeechEmbedding) -> ColumnFacts:
    """How columns are computed from the samples of a stream."""
    count = model_size.frames(config)
    if isinstance(front, FrontEnd):
        return ColumnFacts(step_samples=front.hop, context_samples=front.fft_size, dropped=0, per_window=count)
    context = (
        embedding.FIRST_END + embedding.STEP
    )  # one step more, because the first block of a window has missing frames
    return ColumnFacts(step_samples=embedding.STEP, context_samples=context, dropped=1, per_window=count)


def _graph(
    module: nn.Module, example: Tensor, names: tuple[str, str], dynamic: tuple[str, ...], fold: bool = False
) -> ModelProto:
    """Export the module as a graph from one name to the other whose first dimensions, named in `dynamic`, are dynamic.

    With `fold`, what depends on weights alone is computed now; the waves of a spectrum would be most of a small model.
    Uses the older of torch's exporters, because the newer one needs onnxscript, which is not installed.
    """
    axes = {name: dict(enumerate(dynamic)) for name in names} if dynamic else {}
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that it is deprecated
        torch.onnx.export(
            module.eval(),
            (example,),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            do_constant_folding=fold,
            opset_version=OPSET,
            input_names=[names[0]],
            output_names=[names[1]],
            dynamic_axes=axes,
        )
    return onnx.load_from_string(buffer.getvalue())


def _prefixed(graph: ModelProto, prefix: str) -> ModelProto:
    return compose.add_prefix(graph, prefix, rename_inputs=False, rename_outputs=False)


@torch.no_grad()
def detector_graph(config: Config, network: nn.Module) -> ModelProto:
    """The whole detector: waveform float32 [batch, samples of one window] to probability [batch]."""
    front, samples = front_end(config.features), window_samples(config)
    columns = EmbeddingColumns(front) if isinstance(front, SpeechEmbedding) else MelColumns(front)
    shape = (2, model_size.frames(config), _column_rows(config))
    first = _graph(columns, torch.zeros(2, samples), (WAVEFORM, COLUMNS), ("batch", "time"))
    last = _graph(Head(front, network), torch.zeros(shape), (COLUMNS, PROBABILITY), ("batch",))
    whole = compose.merge_models(
        _prefixed(first, "front/"),
        _prefixed(last, "head/"),
        io_map=[(COLUMNS, COLUMNS)],
        producer_name="wakeword-studio",
    )
    del whole.graph.value_info[:], whole.opset_import[1:]  # shapes of other lengths differ; duplicate opsets
    whole.graph.input[0].type.tensor_type.shape.dim[1].dim_value = samples
    onnx.checker.check_model(whole, full_check=True)
    return whole


def _column_rows(config: Config) -> int:
    """Rows of a column before the front end finishes a window: mel bands, also for cepstral coefficients."""
    kind = config.features.kind
    return feature_rows(config.features) if kind == "speech_embedding" else config.features.mel_bands


@torch.no_grad()
def openwakeword_graph(config: Config, network: nn.Module) -> ModelProto:
    """The head of a model on speech embeddings: [1, 16, 96] to [1, 1]."""
    example = torch.zeros(1, model_size.frames(config), feature_rows(config.features))
    graph = _graph(OpenWakeWordHead(network), example, ("embeddings", "score"), (), fold=True)
    onnx.checker.check_model(graph, full_check=True)
    return graph
