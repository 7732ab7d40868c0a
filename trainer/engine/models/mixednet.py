"""MixedNet, the network of microWakeWord for microcontrollers, and its layers as a streaming converter needs them."""

from __future__ import annotations

import itertools
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.config.architectures import (
    MIXED_CHANNELS,
    MIXED_FIRST,
    MIXED_FIRST_KERNEL,
    MIXED_STRIDE,
    mixed_blocks,
    mixed_steps,
    scaled,
    shares,
)
from trainer.engine.features.features import Standardised
from trainer.engine.models.sequential import to_row


class MixedDepthwise(nn.Module):
    """Convolutions of each channel alone over [n, channels, 1, steps], with another kernel for each group of channels.

    Tan and Le, "MixConv: Mixed depthwise convolutional kernels" (BMVC 2019). All groups end with the latest step.
    """

    def __init__(self, channels: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        self.sizes = shares(channels, len(kernels))
        self.longest = max(kernels)
        self.groups = nn.ModuleList(
            nn.Conv2d(size, size, (1, kernel), groups=size, bias=False)
            for size, kernel in zip(self.sizes, kernels, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        steps = x.shape[-1] - self.longest + 1
        outputs = [
            group(part)[..., -steps:] for group, part in zip(self.groups, torch.split(x, self.sizes, 1), strict=True)
        ]
        return torch.cat(outputs, 1) if len(outputs) > 1 else outputs[0]

    def weight(self) -> Tensor:
        """The weights [channels, longest kernel]; a shorter kernel begins with zeros."""
        rows = [group.get_parameter("weight")[:, 0, 0] for group in self.groups]
        return torch.cat([nn.functional.pad(row, (self.longest - row.shape[1], 0)) for row in rows])


class Block(nn.Module):
    """A mixed depthwise convolution, a linear map of the channels of each step, batch normalisation and ReLU."""

    def __init__(self, inputs: int, outputs: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        self.depthwise = MixedDepthwise(inputs, kernels)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.pointwise(self.depthwise(x))).relu()
        return out


class MixedNet(nn.Module):
    """Features [n, bands, frames] to logit [n].

    The network of microWakeWord (Ahrendt, 2024), which has no paper, in the shape of its `hey_jarvis` at `width` 1. No
    convolution is padded, so that a microcontroller computes each step once, one for every three frames. The last
    layer reads all steps that the window has left. Blocks that do not fit a short window are left out.
    """

    def __init__(self, bands: int, frames: int, width: float, dropout: float) -> None:
        super().__init__()
        inputs, channels = scaled(MIXED_FIRST, width, 8), scaled(MIXED_CHANNELS, width, 8)
        self.frames = MIXED_FIRST_KERNEL + (mixed_steps(frames) - 1) * MIXED_STRIDE
        self.first = nn.Conv2d(bands, inputs, (1, MIXED_FIRST_KERNEL), (1, MIXED_STRIDE), bias=False)
        self.norm = nn.BatchNorm2d(inputs)
        kernels = mixed_blocks(frames)
        sizes = [inputs, *[channels] * len(kernels)]
        self.blocks = nn.Sequential(
            *(Block(a, b, k) for (a, b), k in zip(itertools.pairwise(sizes), kernels, strict=True))
        )
        self.steps = mixed_steps(frames) - sum(max(each) - 1 for each in kernels)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.steps * sizes[-1], 1)

    def forward(self, features: Tensor) -> Tensor:
        x = self.norm(self.first(to_row(features[..., -self.frames :]))).relu()
        x = self.blocks(x)
        logit: Tensor = self.head(self.dropout(x[:, :, 0].transpose(1, 2).flatten(1)))
        return logit[:, 0]


class StreamingLayer(NamedTuple):
    """One layer with batch normalisation folded in, as it is applied to the steps of a stream.

    `weight` float64 [outputs, kernel, inputs], oldest step first; [channels, kernel, 1] of a depthwise layer, which
    applies each row to its own channel; `bias` float64 [outputs]. The dense layer reads the last `kernel` steps and
    gives the logit.
    """

    kind: Literal["convolution", "depthwise", "pointwise", "dense"]
    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    stride: int = 1
    relu: bool = False

    @property
    def kernel(self) -> int:
        return int(self.weight.shape[1])


@torch.no_grad()
def streaming_layers(network: nn.Module) -> list[StreamingLayer]:
    """The layers of a MixedNet, or of one on standardised features, in order: a convolution over frames of features
    [bands] with stride 3; a depthwise and a pointwise layer for each block; the dense layer. Raises TypeError."""
    mixed = network.network if isinstance(network, Standardised) else network
    if not isinstance(mixed, MixedNet):
        raise TypeError(f"{type(mixed).__name__} is no MixedNet")
    weight = _numbers(mixed.first.weight)[:, :, 0].transpose(0, 2, 1)
    bias = np.zeros(len(weight))
    if isinstance(network, Standardised):
        weight = weight / _numbers(network.get_buffer("deviation"))[:, 0]
        bias = -(weight @ _numbers(network.get_buffer("mean"))[:, 0]).sum(1)
    layers = [StreamingLayer("convolution", *_folded(weight, bias, mixed.norm), stride=MIXED_STRIDE, relu=True)]
    for block in mixed.blocks:
        assert isinstance(block, Block)
        depthwise = _numbers(block.depthwise.weight())[:, :, None]
        layers.append(StreamingLayer("depthwise", depthwise, np.zeros(len(depthwise))))
        pointwise = _numbers(block.pointwise.weight)[:, None, :, 0, 0]
        layers.append(StreamingLayer("pointwise", *_folded(pointwise, np.zeros(len(pointwise)), block.norm), relu=True))
    dense = _numbers(mixed.head.weight).reshape(1, mixed.steps, -1)
    return [*layers, StreamingLayer("dense", dense, _numbers(mixed.head.bias))]


def _numbers(tensor: Tensor) -> NDArray[np.float64]:
    return tensor.detach().cpu().double().numpy()


def _folded(
    weight: NDArray[np.float64], bias: NDArray[np.float64], norm: nn.BatchNorm2d
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight [outputs, kernel, inputs] and bias [outputs] of a layer with the normalisation after it."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = _numbers(norm.weight) / np.sqrt(_numbers(norm.running_var) + norm.eps)
    return weight * scale[:, None, None], (bias - _numbers(norm.running_mean)) * scale + _numbers(norm.bias)
