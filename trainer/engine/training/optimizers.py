"""Optimizer, learning-rate schedules, moving average of the weights, precision and determinism."""

from __future__ import annotations

import copy
import math
import os
from dataclasses import dataclass

import torch
import torch.utils.deterministic
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from trainer.config import schema

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_dtype(options: schema.Training, device: torch.device) -> torch.dtype:
    """The data type of the forward pass. Raises ValueError for float16 without a GPU."""
    on_gpu = device.type == "cuda"
    if options.precision == "auto":
        return torch.bfloat16 if on_gpu and torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if options.precision == "float16" and not on_gpu:
        raise ValueError("training.precision is float16, but no GPU was found. Choose auto, float32 or bfloat16.")
    return DTYPES[options.precision]


def make_scaler(dtype: torch.dtype, device: torch.device) -> GradScaler:
    """Scales losses so that float16 gradients do not underflow (Micikevicius et al. 2018); disabled for other types."""
    return GradScaler(device.type, enabled=dtype == torch.float16)


def set_exact(exact: bool) -> None:
    """Use deterministic operations only; torch raises RuntimeError for one that has none on the GPU.

    Must be called before the first matrix product on a GPU, when cuBLAS reads its setting.
    """
    if exact:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(exact)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # only costs time
    torch.backends.cudnn.deterministic = exact
    torch.backends.cudnn.benchmark = not exact


RISING_SHARE = 0.3
FIRST_PART, LAST_PART = 1 / 25, 1e-4
"""One cycle: for which share of the training the rate rises, and the shares of the highest rate at start and end."""


def make_optimizer(model: nn.Module, options: schema.Optimizer) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019), or SGD with Nesterov momentum (Sutskever et al. 2013).

    Norms and biases, which have one dimension, have no weight decay.
    """
    matrices = [weights for weights in model.parameters() if weights.ndim > 1]
    vectors = [weights for weights in model.parameters() if weights.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": options.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    if options.name == "sgd":
        momentum = options.momentum
        return torch.optim.SGD(groups, lr=options.learning_rate, momentum=momentum, nesterov=momentum > 0)
    return torch.optim.AdamW(groups, lr=options.learning_rate)


@dataclass(frozen=True)
class Plateau:
    """State of the plateau schedule: the lowest validation loss, the epochs since, and the factor of the rate."""

    lowest: float = math.inf
    waited: int = 0
    scale: float = 1.0


def after_epoch(plateau: Plateau, val_loss: float, options: schema.Optimizer) -> Plateau:
    """The plateau after one more epoch; unchanged for other schedules."""
    if options.schedule != "plateau":
        return plateau
    if val_loss < plateau.lowest:
        return Plateau(val_loss, 0, plateau.scale)
    if plateau.waited + 1 < options.plateau_patience:
        return Plateau(plateau.lowest, plateau.waited + 1, plateau.scale)
    return Plateau(plateau.lowest, 0, plateau.scale * options.plateau_factor)


def learning_rate(options: schema.Optimizer, epoch: float, epochs: int, scale: float = 1.0) -> float:
    """Learning rate after `epoch` (may be fractional) of `epochs`; `scale` is the factor of the plateau schedule."""
    if options.schedule == "one_cycle":
        return options.learning_rate * _one_cycle(epoch / epochs)
    if epoch < options.warmup_epochs:
        return options.learning_rate * epoch / options.warmup_epochs
    if options.schedule != "cosine":
        return options.learning_rate * scale
    progress = (epoch - options.warmup_epochs) / max(epochs - options.warmup_epochs, 1e-9)
    return options.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def _one_cycle(progress: float) -> float:
    """Share of the highest rate after `progress` (0 to 1) of a training (Smith and Topin 2019), along two cosines."""
    if progress < RISING_SHARE:
        return _cosine(FIRST_PART, 1.0, progress / RISING_SHARE)
    return _cosine(1.0, LAST_PART, (progress - RISING_SHARE) / (1 - RISING_SHARE))


def _cosine(first: float, last: float, progress: float) -> float:
    """From `first` to `last` along half a cosine."""
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * progress))


def average_of(model: nn.Module) -> nn.Module:
    """A copy of the model that holds the moving average of its weights."""
    average = copy.deepcopy(model).requires_grad_(False)
    for layer in average.modules():
        if isinstance(layer, nn.RNNBase):
            layer.flatten_parameters()  # else a GPU copies them into one block for every batch
    return average


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Update the average after step 1, 2, ...: weights and the running statistics of norms.

    The decay ramps up as in TensorFlow's ExponentialMovingAverage, so that a short training does not keep its random
    initial weights.
    """
    weight = 1 - min(decay, (1 + step) / (10 + step))
    old, new = _tensors(average), _tensors(model)
    torch._foreach_lerp_([a for a in old if a.is_floating_point()], [b for b in new if b.is_floating_point()], weight)
    for target, source in zip(old, new, strict=True):
        if not target.is_floating_point():  # the batch counter of a norm
            target.copy_(source)


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]
