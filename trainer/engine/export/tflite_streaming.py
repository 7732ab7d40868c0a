"""A MixedNet as the streaming int8 TensorFlow Lite file that microWakeWord runs on an ESP32.

Each call takes the next frames of features, int8 [1, 3, 40], and gives the probability of the word, uint8 [1, 1]. A
variable keeps what a layer needs of earlier steps. Only operations that ESPHome registers are used; weights are int8
per channel (Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
inference", CVPR 2018), activations int8 by their range over calibration features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trainer.engine.export import tflite_file as tflite
from trainer.engine.export.tflite_file import INT8, RESOURCE, UINT8, Graph, Quantised
from trainer.engine.models.mixednet import StreamingLayer

INPUT = Quantised(26 / 255, -128)
"""Of features: ESPHome computes them with these numbers in its code."""
PROBABILITY, INT8_PROBABILITY = Quantised(1 / 256), Quantised(1 / 256, -128)
LEVELS, MOST_WEIGHT, LEAST_SCALE = 255, 127, 1e-8
INT32_ENDS = np.iinfo(np.int32).min, np.iinfo(np.int32).max

Floats = NDArray[np.float64]


def activations(layers: Sequence[StreamingLayer], features: Floats) -> list[Floats]:
    """What each layer gives, [n, steps, outputs], for stretches of features [n, frames, bands]; the last are logits."""
    found, x = [], features
    for layer in layers:
        windows = np.lib.stride_tricks.sliding_window_view(x, layer.kernel, axis=1)[:, :: layer.stride]
        if layer.kind == "depthwise":
            x = np.einsum("nsck,ck->nsc", windows, layer.weight[:, :, 0])
        else:
            x = np.einsum("nsck,okc->nso", windows, layer.weight, optimize=True)
        x = x + layer.bias
        x = np.maximum(x, 0) if layer.relu else x
        found.append(x)
    return found


def of_layers(layers: Sequence[StreamingLayer], calibration: Floats) -> bytes:
    """The file of the layers of a MixedNet; `calibration` are stretches of features [n, frames, bands] like those of
    the training, whose activations set the range of each layer."""
    outputs = [_quantised(each) for each in activations(layers, calibration)]
    writer, first = _Writer(), layers[0]
    features = writer.graph.tensor(1, first.stride, calibration.shape[2], kind=INT8, quantised=INPUT)
    writer.graph.perform(tflite.CALL_ONCE, graph=1)
    x = writer.reshaped(features, 1, first.stride, 1, calibration.shape[2])
    for layer, output in zip(layers[:-1], outputs[:-1], strict=True):
        x = writer.layer(layer, writer.with_earlier(x, layer.kernel - layer.stride), output)
    last = layers[-1]
    x = writer.with_earlier(x, last.kernel - 1)
    logit = writer.dense(last, writer.reshaped(x, 1, last.weight.size), outputs[-1])
    score = writer.graph.apply(tflite.LOGISTIC, [logit], (1, 1), INT8, INT8_PROBABILITY)
    probability = writer.graph.apply(tflite.QUANTIZE, [score], (1, 1), UINT8, PROBABILITY)
    return writer.graph.to_bytes(features, probability, writer.beginning)


def _quantised(values: Floats) -> Quantised:
    """A range of int8 that holds these values, and zero exactly."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    scale = max((high - low) / LEVELS, LEAST_SCALE)
    return Quantised(scale, round(-128 - low / scale))


def _whole(values: Floats) -> NDArray[np.int32]:
    return np.clip(np.round(values), *INT32_ENDS).astype(np.int32)


@dataclass
class _Writer:
    """The graph of a step, and `beginning`, the graph that gives the variables their first values."""

    graph: Graph = field(default_factory=Graph)
    beginning: Graph = field(default_factory=Graph)
    variables: int = 0

    def reshaped(self, x: int, *shape: int) -> int:
        sizes = self.graph.whole_numbers(*shape)
        return self.graph.apply(tflite.RESHAPE, [x, sizes], shape, INT8, self.graph.quantised[x])

    def with_earlier(self, x: int, count: int) -> int:
        """Steps [1, steps, 1, channels] behind the `count` steps before them, which a variable keeps: silence at first,
        as zeros stand for it."""
        if not count:
            return x
        (_, steps, _, channels), quantised = self.graph.shapes[x], self.graph.quantised[x]
        handles = [self._variable(graph) for graph in (self.graph, self.beginning)]
        self.variables += 1
        zeros = np.full((1, count, 1, channels), quantised.zero_point, np.int8)
        self.beginning.perform(tflite.ASSIGN_VARIABLE, [handles[1], self.beginning.constant(zeros, quantised)])
        kept = (1, count, 1, channels)
        earlier = self.graph.apply(tflite.READ_VARIABLE, handles[:1], kept, INT8, quantised)
        both_shape = (1, count + steps, 1, channels)
        both = self.graph.apply(tflite.CONCATENATION, [earlier, x], both_shape, INT8, quantised, axis=1)
        ends = [self.graph.whole_numbers(*each) for each in ((0, -count, 0, 0), (0, 0, 0, 0), (1, 1, 1, 1))]
        masks = {"begin_mask": 0b1101, "end_mask": 0b1111}  # whole but for the begin of axis 1
        latest = self.graph.apply(tflite.STRIDED_SLICE, [both, *ends], kept, INT8, quantised, **masks)
        self.graph.perform(tflite.ASSIGN_VARIABLE, [handles[0], latest])
        return both

    def _variable(self, graph: Graph) -> int:
        """The next variable, which has one name in both graphs."""
        name = f"steps_{self.variables}"
        return graph.apply(tflite.VAR_HANDLE, [], (), RESOURCE, container="", name=name)

    def layer(self, layer: StreamingLayer, x: int, output: Quantised) -> int:
        """A convolution of one step [1, kernel, 1, inputs] to [1, 1, 1, outputs]."""
        is_depthwise = layer.kind == "depthwise"
        axis = 3 if is_depthwise else 0
        shape = (1, layer.kernel, 1, len(layer.weight)) if is_depthwise else (*layer.weight.shape[:2], 1, -1)
        weight = (layer.weight[:, :, 0].T if is_depthwise else layer.weight).reshape(shape)
        scales = self._scales(layer.weight)
        stored = np.round(weight / np.expand_dims(scales, tuple(each for each in range(4) if each != axis)))
        inputs = [x, self.graph.constant(stored.astype(np.int8), Quantised(scales, axis=axis))]
        inputs.append(self._bias(layer, scales, x))
        options = {"valid": 1, "stride_width": 1, "stride_height": layer.stride, "relu": int(layer.relu)}
        if is_depthwise:
            options |= {"stride_height": 1, "multiplier": 1}
        operation = tflite.DEPTHWISE_CONV_2D if is_depthwise else tflite.CONV_2D
        return self.graph.apply(operation, inputs, (1, 1, 1, len(layer.weight)), INT8, output, **options)

    def dense(self, layer: StreamingLayer, x: int, output: Quantised) -> int:
        """The logit [1, 1] of all values of some steps [1, values]; one scale, which all builds compute."""
        weight = layer.weight.reshape(1, -1)
        scales = self._scales(weight[None])
        stored = np.round(weight / scales).astype(np.int8)
        inputs = [x, self.graph.constant(stored, Quantised(scales)), self._bias(layer, scales, x)]
        return self.graph.apply(tflite.FULLY_CONNECTED, inputs, (1, 1), INT8, output)

    def _scales(self, weight: Floats) -> Floats:
        """Of each output [n] of weights [n, ...]."""
        scales: Floats = np.maximum(np.abs(weight).reshape(len(weight), -1).max(1) / MOST_WEIGHT, LEAST_SCALE)
        return scales

    def _bias(self, layer: StreamingLayer, scales: Floats, x: int) -> int:
        steps = scales * self.graph.quantised[x].scale
        return self.graph.constant(_whole(layer.bias / steps), Quantised(steps))
