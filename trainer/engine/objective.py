"""What is minimised and how: weighted cross-entropy, AdamW, warm-up and cosine."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from trainer import config


def cross_entropy(logit: Tensor, positive: Tensor, weight: Tensor, smoothing: float) -> Tensor:
    """Weighted binary cross-entropy of logits [n] against `positive` [n] (0 or 1), weights [n] of any scale.

    With label smoothing s (Szegedy et al. 2016) the targets are s/2 and 1 - s/2.
    """
    target = positive * (1 - smoothing) + smoothing / 2
    each = nn.functional.binary_cross_entropy_with_logits(logit, target, reduction="none")
    return (each * weight).sum() / weight.sum()


def training_weights(positive: Tensor, loss: config.Loss) -> Tensor:
    """Weight [n] of each training window."""
    return torch.where(positive > 0, loss.positive_weight, 1.0)


def validation_weights(positive: Tensor, options: config.Config) -> Tensor:
    """Weight [n] of each validation window: positives count for the share that they have in training.

    So the validation loss can be laid beside the training loss however many negatives the split happens to hold.
    """
    share, count, words = options.data.positive_share, len(positive), positive.sum().clamp(min=1)
    rest = (count - positive.sum()).clamp(min=1)
    balanced = torch.where(positive > 0, share / words, (1 - share) / rest)
    return balanced * training_weights(positive, options.loss)


def make_optimizer(model: nn.Module, options: config.Optimizer) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019); norms and biases, having one dimension, are not decayed."""
    matrices = [weights for weights in model.parameters() if weights.ndim > 1]
    vectors = [weights for weights in model.parameters() if weights.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": options.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=options.learning_rate)


def learning_rate(options: config.Optimizer, epoch: float, epochs: int) -> float:
    """Rate after `epoch` (a fraction counts) of `epochs`: a line up from zero, then a cosine down to zero."""
    if epoch < options.warmup_epochs:
        return options.learning_rate * epoch / options.warmup_epochs
    progress = (epoch - options.warmup_epochs) / max(epochs - options.warmup_epochs, 1e-9)
    return options.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
