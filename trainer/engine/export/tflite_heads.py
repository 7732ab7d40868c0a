"""Heads on the speech embedding as TensorFlow Lite files of plain float32 operations, for Home Assistant.

A head takes embeddings [1, 16, 96] and gives a score [1, 1], as those of openWakeWord do. Recurrent layers are unrolled
over the 16 steps, so that any build of TensorFlow Lite runs them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.config.schema import EMBEDDING_NUMBERS, EMBEDDING_STEPS
from trainer.engine.export import tflite_file as tflite
from trainer.engine.export.tflite_file import Graph
from trainer.engine.features.features import Standardised
from trainer.engine.models.sequential import ConvAttention, DenseHead, Recurrent, SelfAttention

Floats = NDArray[np.float64]


class Affine(NamedTuple):
    """`scale * x + shift` of each of n values [n]."""

    scale: Floats
    shift: Floats

    def then(self, other: Affine) -> Affine:
        return Affine(other.scale * self.scale, other.scale * self.shift + other.shift)


def of_network(network: nn.Module) -> bytes:
    """The file of a head in evaluation mode. Raises TypeError for another network."""
    graph, affine = Graph(), Affine(np.ones(EMBEDDING_NUMBERS), np.zeros(EMBEDDING_NUMBERS))
    embeddings = graph.tensor(1, EMBEDDING_STEPS, EMBEDDING_NUMBERS)
    if isinstance(network, Standardised):
        scale = 1 / _values(network.get_buffer("deviation")).reshape(-1)
        affine, network = Affine(scale, -_values(network.get_buffer("mean")).reshape(-1) * scale), network.network
    if isinstance(network, Recurrent):
        logit = _recurrent(graph, embeddings, affine, network)
    elif isinstance(network, DenseHead):
        logit = _dense(graph, embeddings, affine, network)
    elif isinstance(network, ConvAttention):
        logit = _attention(graph, embeddings, affine, network)
    else:
        raise TypeError(f"{type(network).__name__} is no head on speech embeddings")
    return graph.to_bytes(embeddings, graph.apply(tflite.LOGISTIC, [logit], (1, 1)))


def _values(tensor: Tensor) -> Floats:
    return tensor.detach().cpu().numpy().astype(np.float64)


def _of_norm(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> Affine:
    mean, variance = _values(norm.get_buffer("running_mean")), _values(norm.get_buffer("running_var"))
    scale = _values(norm.weight) / np.sqrt(variance + norm.eps)
    return Affine(scale, _values(norm.bias) - mean * scale)


def _linear(graph: Graph, x: int, weight: Floats, bias: Floats) -> int:
    """The layer of weights [outputs, inputs] and biases [outputs] on rows [n, inputs]."""
    rows = graph.shapes[x][0]
    return graph.apply(tflite.FULLY_CONNECTED, [x, graph.constant(weight), graph.constant(bias)], (rows, len(weight)))


def _layer(graph: Graph, x: int, layer: nn.Module) -> int:
    assert isinstance(layer, nn.Linear)
    return _linear(graph, x, _values(layer.weight), _values(layer.bias))


def _reshaped(graph: Graph, x: int, *shape: int) -> int:
    return graph.apply(tflite.RESHAPE, [x, graph.whole_numbers(*shape)], shape)


def _normalised(graph: Graph, x: int, norm: nn.Module, relu: bool) -> int:
    """Layer normalisation of rows [n, values]."""
    assert isinstance(norm, nn.LayerNorm)
    shape, axis = graph.shapes[x], graph.whole_numbers(1)
    column = (shape[0], 1)
    mean = graph.apply(tflite.MEAN, [x, axis], column, keep_dimensions=True)
    centred = graph.apply(tflite.SUB, [x, mean], shape)
    squares = graph.apply(tflite.MUL, [centred, centred], shape)
    variance = graph.apply(tflite.MEAN, [squares, axis], column, keep_dimensions=True)
    epsilon = graph.constant(np.array([[norm.eps]]))
    inverse = graph.apply(tflite.RSQRT, [graph.apply(tflite.ADD, [variance, epsilon], column)], column)
    scaled = graph.apply(tflite.MUL, [centred, inverse], shape)
    scaled = graph.apply(tflite.MUL, [scaled, graph.constant(_values(norm.weight)[None])], shape)
    return graph.apply(tflite.ADD, [scaled, graph.constant(_values(norm.bias)[None])], shape, relu=relu)


def _dense(graph: Graph, embeddings: int, affine: Affine, network: DenseHead) -> int:
    first, first_norm, _, second, second_norm, _, _, last = network.layers
    assert isinstance(first, nn.Linear)
    weight = _values(first.weight)
    scale, shift = (np.tile(each, EMBEDDING_STEPS) for each in affine)
    flat = _reshaped(graph, embeddings, 1, EMBEDDING_STEPS * EMBEDDING_NUMBERS)
    x = _linear(graph, flat, weight * scale, _values(first.bias) + weight @ shift)
    x = _normalised(graph, x, first_norm, relu=True)
    x = _normalised(graph, _layer(graph, x, second), second_norm, relu=True)
    return _layer(graph, x, last)


def _recurrent(graph: Graph, embeddings: int, affine: Affine, network: Recurrent) -> int:
    """A GRU or LSTM; what it makes of all inputs is computed at once, its state step by step."""
    layer, affine = network.layer, affine.then(_of_norm(network.norm))
    units, count = layer.hidden_size, 3 if isinstance(layer, nn.GRU) else 4
    of_input, of_state, input_bias, state_bias = (
        np.split(_values(getattr(layer, name)), count)
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    )
    rows = _reshaped(graph, embeddings, EMBEDDING_STEPS, EMBEDDING_NUMBERS)
    gates = [
        _linear(graph, rows, weight * affine.scale, bias + weight @ affine.shift)
        for weight, bias in zip(of_input, input_bias, strict=True)
    ]
    constants = [
        (graph.constant(weight), graph.constant(bias)) for weight, bias in zip(of_state, state_bias, strict=True)
    ]
    state = memory = graph.constant(np.zeros((1, units)))
    step = graph.whole_numbers(1, 1)
    for time in range(EMBEDDING_STEPS):
        place = [graph.whole_numbers(time, 0), graph.whole_numbers(time + 1, units), step]
        now = [graph.apply(tflite.STRIDED_SLICE, [gate, *place], (1, units)) for gate in gates]
        before = [graph.apply(tflite.FULLY_CONNECTED, [state, *each], (1, units)) for each in constants]
        if isinstance(layer, nn.GRU):
            state = _gru_step(graph, now, before, state)
        else:
            state, memory = _lstm_step(graph, now, before, memory)
    return _layer(graph, state, network.head[1])


def _combined(graph: Graph, operation: tflite.Operation, first: int, second: int) -> int:
    return graph.apply(operation, [first, second], graph.shapes[first])


def _activated(graph: Graph, operation: tflite.Operation, first: int, second: int) -> int:
    """An activation of the sum."""
    return graph.apply(operation, [_combined(graph, tflite.ADD, first, second)], graph.shapes[first])


def _gru_step(graph: Graph, now: list[int], before: list[int], state: int) -> int:
    """The next state [1, units], from what the gates (reset, update, new) make of the input and of the state."""
    reset, update = (_activated(graph, tflite.LOGISTIC, *each) for each in zip(now[:2], before[:2], strict=True))
    new = _activated(graph, tflite.TANH, now[2], _combined(graph, tflite.MUL, reset, before[2]))
    kept = _combined(graph, tflite.MUL, update, _combined(graph, tflite.SUB, state, new))
    return _combined(graph, tflite.ADD, new, kept)


def _lstm_step(graph: Graph, now: list[int], before: list[int], memory: int) -> tuple[int, int]:
    """The next state and memory [1, units]; the gates are input, forget, cell and output."""
    pairs = list(zip(now, before, strict=True))
    enter, keep, leave = (_activated(graph, tflite.LOGISTIC, *pairs[index]) for index in (0, 1, 3))
    cell = _activated(graph, tflite.TANH, *pairs[2])
    kept, entered = _combined(graph, tflite.MUL, keep, memory), _combined(graph, tflite.MUL, enter, cell)
    memory = _combined(graph, tflite.ADD, kept, entered)
    shown = graph.apply(tflite.TANH, [memory], graph.shapes[memory])
    return _combined(graph, tflite.MUL, leave, shown), memory


def _attention(graph: Graph, embeddings: int, affine: Affine, network: ConvAttention) -> int:
    first_norm, *layers = network.convolutions
    assert isinstance(first_norm, nn.BatchNorm2d)
    affine = affine.then(_of_norm(first_norm))  # not folded into the weights: the padding after it is zero
    x = _reshaped(graph, embeddings, 1, 1, EMBEDDING_STEPS, EMBEDDING_NUMBERS)
    for operation, values in ((tflite.MUL, affine.scale), (tflite.ADD, affine.shift)):
        x = graph.apply(operation, [x, graph.constant(values.reshape(1, 1, 1, -1))], graph.shapes[x])
    for convolution, norm in zip(layers[::3], layers[1::3], strict=True):
        x = _convolved(graph, x, convolution, norm)
    channels = graph.shapes[x][-1]
    x = _reshaped(graph, x, EMBEDDING_STEPS, channels)
    x = _normalised(graph, _combined(graph, tflite.ADD, x, _attended(graph, x, network.attention)), network.norm, False)
    importance = _reshaped(graph, _layer(graph, x, network.importance), 1, EMBEDDING_STEPS)
    weights = graph.apply(tflite.SOFTMAX, [importance], (1, EMBEDDING_STEPS), beta=1.0)
    pooled = graph.apply(tflite.BATCH_MATMUL, [weights, x], (1, channels))
    return _layer(graph, pooled, network.head[1])


def _convolved(graph: Graph, x: int, convolution: nn.Module, norm: nn.Module) -> int:
    """A convolution over time of [1, 1, steps, channels] with its batch normalisation and ReLU."""
    assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    affine = _of_norm(norm)
    weight = _values(convolution.weight).transpose(0, 2, 3, 1) * affine.scale[:, None, None, None]
    inputs = [x, graph.constant(weight), graph.constant(affine.shift)]
    shape = (*graph.shapes[x][:-1], len(weight))
    return graph.apply(tflite.CONV_2D, inputs, shape, stride_width=1, stride_height=1, relu=True)


def _attended(graph: Graph, x: int, attention: SelfAttention) -> int:
    """Self-attention over rows [steps, channels], each head on its own."""
    steps, channels = graph.shapes[x]
    size = channels // attention.heads
    weights, biases = _values(attention.enter.weight), _values(attention.enter.bias)
    results = []
    for head in range(attention.heads):
        parts = [slice(start, start + size) for start in range(head * size, 3 * channels, channels)]
        query, key, value = (_linear(graph, x, weights[part], biases[part]) for part in parts)
        likeness = graph.apply(tflite.BATCH_MATMUL, [query, key], (steps, steps), transposed_second=True)
        share = graph.apply(tflite.SOFTMAX, [likeness], (steps, steps), beta=size**-0.5)
        results.append(graph.apply(tflite.BATCH_MATMUL, [share, value], (steps, size)))
    return _layer(graph, graph.apply(tflite.CONCATENATION, results, (steps, channels), axis=1), attention.leave)
