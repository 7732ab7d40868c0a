"""Size of single layers: parameters, multiply-adds, and the numbers kept for the backward pass."""

from __future__ import annotations

from dataclasses import astuple, dataclass


@dataclass(frozen=True)
class Size:
    """Of one window: trainable `parameters`, `multiply_adds` of convolutions, linear layers and attention in one
    forward pass, and `kept` numbers (4 bytes each) that the backward pass needs."""

    parameters: int = 0
    multiply_adds: int = 0
    kept: int = 0

    def __add__(self, other: Size) -> Size:
        return Size(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __mul__(self, times: int) -> Size:
        return Size(*(times * value for value in astuple(self)))


def halved(size: int) -> int:
    """Cells that a convolution of stride 2 (odd kernel, padded to `same`) leaves of `size`."""
    return (size - 1) // 2 + 1


def conv(inputs: int, outputs: int, kernel: int, cells: int, groups: int = 1) -> Size:
    """A convolution without bias; `cells` of its output, which it is not counted to keep."""
    weights = outputs * (inputs // groups) * kernel
    return Size(weights, weights * cells)


def norm(channels: int, cells: int) -> Size:
    """Batch normalisation, which keeps its input."""
    return Size(2 * channels, 0, channels * cells)


def keep(channels: int, cells: int) -> Size:
    """What an activation keeps of its output, or a convolution of its input."""
    return Size(0, 0, channels * cells)


def dense(inputs: int, outputs: int, cells: int = 1) -> Size:
    """A linear layer with bias at each of `cells`, which keeps its input."""
    return Size((inputs + 1) * outputs, inputs * outputs * cells, inputs * cells)


def head(channels: int) -> Size:
    """The last layer: one logit of the pooled channels."""
    return dense(channels, 1)


def layer_norm(channels: int, cells: int) -> Size:
    """Layer normalisation over the channels, which keeps its input and the mean and deviation of each cell."""
    return Size(2 * channels, 0, (channels + 2) * cells)


def attention(channels: int, heads: int, frames: int) -> Size:
    """Self-attention over `frames` with the linear layers around it.

    It keeps queries, keys and values, the result, and the logarithm of each softmax's sum: the weights themselves are
    computed again in the backward pass.
    """
    products = Size(0, 2 * channels * frames * frames, (3 * channels + heads) * frames)
    return dense(channels, 3 * channels, frames) + products + dense(channels, channels, frames)
