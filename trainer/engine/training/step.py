"""One batch: forward, backward and, when its gradients are all there, a step of the optimizer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch._dynamo.exc import TorchDynamoException

from trainer.config.schema import Config
from trainer.engine.training import objective, optimizers
from trainer.engine.training.course import Course
from trainer.engine.training.parts import Parts


@dataclass(frozen=True)
class Stride:
    """What a batch is to the step it belongs to: the step's number (1, 2, ...) and learning rate, how many batches
    share it, and whether this one ends it."""

    step: int
    rate: float
    batches: int = 1
    ends: bool = True


def stride_of(config: Config, course: Course, batches: int) -> Stride:
    """The stride of the next batch of an epoch of `batches`; what is left at the end of an epoch is a step too."""
    gathered, options = config.training.accumulate, config.optimizer
    first = course.batch // gathered * gathered
    last = min(batches, first + gathered)
    epoch = course.epoch - 1 + last / batches
    rate = optimizers.learning_rate(options, epoch, config.training.epochs, course.plateau.scale)
    return Stride(course.step + 1, rate, last - first, course.batch + 1 == last)


@dataclass(frozen=True)
class Told:
    """What the model said of a batch before it learned from it: its mean loss, how many windows were told right, and
    the logits float32 [n]."""

    loss: float
    right: float
    logit: NDArray[np.float32]


def take_step(parts: Parts, features: Tensor, positive: Tensor, stride: Stride) -> Told:
    """Learn from features [n, bands, frames] and labels [n].

    A loss that is no number leaves the weights as they are. Raises ValueError when the model cannot be compiled.
    """
    try:
        loss, logit = _forward(parts, features, positive)
        right = ((logit >= 0) == (positive >= 0.5)).sum(dtype=loss.dtype)
        both = torch.stack([loss.detach(), right])
        told = torch.cat([both, logit]).cpu().numpy()  # all at once, before more is asked of a GPU
        if math.isfinite(told[0]):
            torch.autograd.backward(parts.scaler.scale(loss / stride.batches if stride.batches > 1 else loss))
    except TorchDynamoException as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"training.compile: this model cannot be compiled here; turn it off. ({reason})") from error
    if math.isfinite(told[0]) and stride.ends:
        _move_weights(parts, stride)
    return Told(float(told[0]), float(told[1]), told[2:])


def _forward(parts: Parts, features: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
    """The loss, and the logits [n] in float32."""
    narrow = parts.dtype != torch.float32
    with torch.autocast(features.device.type, parts.dtype, enabled=narrow):
        logit = parts.model(features)
    logit = logit.float()  # a loss in few bits would be rounded away
    return objective.training_loss(logit, positive, parts.config.loss), logit.detach()


def _move_weights(parts: Parts, stride: Stride) -> None:
    """Take the step, clear the gradients for the next and move the average along."""
    options = parts.config.optimizer
    for group in parts.optimizer.param_groups:
        group["lr"] = stride.rate
    if options.gradient_clip:
        parts.scaler.unscale_(parts.optimizer)
        nn.utils.clip_grad_norm_(parts.model.parameters(), options.gradient_clip)
    parts.scaler.step(parts.optimizer)
    parts.scaler.update()
    parts.optimizer.zero_grad(set_to_none=True)
    if parts.average is not None:
        optimizers.update_average(parts.average, parts.model, options.ema_decay, stride.step)
