"""An exported model with weights and activations of eight bits, and what that costs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto
from onnxruntime.quantization import CalibrationDataReader, quantize_static

from trainer.detector.detector_file import WAVEFORM, Int8, Rates
from trainer.detector.stream_scores import Point
from trainer.evaluation import clip_rates

CALIBRATION_WINDOWS = 256
"""Training windows from which the ranges of the activations are taken."""
QUANTIZED_PARTS = ("/network/", "/convolutions/")
"""In the names of nodes that have weights; a spectrum of eight bits would be noise."""
QUANTIZED_OPERATIONS = ("Conv", "MatMul", "Gemm")


class CalibrationWindows(CalibrationDataReader):  # type: ignore[misc]
    """Batches of waves [n, samples], in the form in which onnxruntime asks for them."""

    def __init__(self, waves: Iterator[NDArray[np.float32]]) -> None:
        self.waves = waves

    def get_next(self) -> dict[str, Any] | None:
        wave = next(self.waves, None)
        return None if wave is None else {WAVEFORM: wave}


def quantize(graph: ModelProto, waves: Iterator[NDArray[np.float32]]) -> ModelProto:
    """The model with its convolutions and matrices in eight bits; recurrent layers and features stay as they are."""
    learned = [
        node.name
        for node in graph.graph.node
        if node.op_type in QUANTIZED_OPERATIONS and any(part in node.name for part in QUANTIZED_PARTS)
    ]
    with tempfile.TemporaryDirectory() as folder:
        exact, out = Path(folder) / "exact.onnx", Path(folder) / "model.onnx"
        onnx.save(graph, exact)  # given a graph, it names files by uuid1, for which libuuid writes into /var/lib
        quantize_static(exact, out, CalibrationWindows(waves), nodes_to_quantize=learned, per_channel=True)
        return onnx.load(out)


def _rates(positive: NDArray[np.bool_], probability: NDArray[np.float32]) -> Rates:
    rates = clip_rates.rates(positive, probability)
    return Rates(accuracy=rates.accuracy, fpr=rates.fpr, fnr=rates.fnr)


def int8_cost(
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    positive: NDArray[np.bool_],
    sizes: tuple[int, int],
    streams: tuple[Point | None, Point | None],
) -> Int8:
    """What rounding costs, from the probabilities of the same windows, sizes in bytes and points in a stream."""
    difference = np.abs(before - after)
    return Int8(
        largest_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        float32=_rates(positive, before),
        int8=_rates(positive, after),
        bytes=sizes[1],
        float32_bytes=sizes[0],
        float32_stream=streams[0],
        int8_stream=streams[1],
    )
